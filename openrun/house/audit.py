"""Is the audit log what was written? The first row that is not is named.

The log is read from its newest row back, a page at a time, and to the end of what is asked for even when a fault was
found: an older row may be wrong as well, and is then the first.
"""

import msgspec

from openrun.store.audit import broken
from openrun.store.base import Store
from openrun.store.books import AuditFilter, AuditRow
from openrun.store.chain import GENESIS, BrokenChain

_AT_ONCE = 1_000


class CheckedAudit(msgspec.Struct, frozen=True, kw_only=True):
    """What came of checking the newest rows of the log."""

    rows: int
    """How many were looked at."""
    last: int
    """Number of the newest row; 0 when there is none."""
    head: str
    """Hash of the newest row; whoever keeps it elsewhere notices when all of the log is written anew."""
    fault: BrokenChain | None = None
    """The first of them that is not as it was written."""


async def check_audit(store: Store, most: int | None = None) -> CheckedAudit:
    """Check the newest `most` rows, or all; rows that are added meanwhile are not looked at."""
    seen, before = 0, None
    newest: AuditRow | None = None
    fault: BrokenChain | None = None
    while most is None or seen < most:
        room = _AT_ONCE if most is None else min(_AT_ONCE, most - seen)
        # One more than is looked at, for its hash is what the next one follows.
        rows = await store.audit(AuditFilter(before=before, limit=room + 1))
        looked, older = rows[:room], next(iter(rows[room:]), None)
        newest = newest or next(iter(rows), None)
        fault = broken(reversed(looked), last=_number(older), head=_hash(older)) or fault
        seen += len(looked)
        if older is None:
            break
        before = looked[-1].number
    return CheckedAudit(rows=seen, last=_number(newest), head=_hash(newest), fault=fault)


def _number(row: AuditRow | None) -> int:
    return 0 if row is None else row.number


def _hash(row: AuditRow | None) -> str:
    return GENESIS if row is None else row.hash
