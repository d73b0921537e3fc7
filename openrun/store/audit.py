"""The chain of the audit log: every row's hash covers the row and the hash before.

So no row can be changed, left out or moved without every later hash being wrong. Whoever can rewrite the whole log
can also rewrite its hashes; keep a hash elsewhere to notice that.
"""

import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from msgspec.structs import asdict, replace

from openrun.core.strict_json import canonical
from openrun.store.books import AuditRow
from openrun.store.chain import GENESIS, BrokenChain

_UNFIT = re.compile("[\0\ud800-\udfff]")


def link(previous: str, row: AuditRow) -> str:
    """SHA-256 over the hash before and the canonical JSON of all else in the row, 64 hex digits."""
    its = asdict(row)
    del its["hash"]
    return sha256(f"{previous}\n{canonical(its)}".encode()).hexdigest()


def linked(rows: Sequence[AuditRow], *, last: int, head: str) -> list[AuditRow]:
    """These rows as they follow the one with number `last` and hash `head`; there is none before the first (0)."""
    found = []
    for number, row in enumerate(rows, last + 1):
        numbered = replace(_fit(row), number=number, hash="")
        head = link(head, numbered)
        found.append(replace(numbered, hash=head))
    return found


def broken(rows: Iterable[AuditRow], *, last: int = 0, head: str = GENESIS) -> BrokenChain | None:
    """What is wrong with rows, the oldest first, that should follow number `last` with hash `head`, or None."""
    for row in rows:
        last += 1
        if row.number != last:
            return BrokenChain(seq=last, reason=f"row {last} is missing; row {row.number} is in its place")
        if row.hash != link(head, row):
            return BrokenChain(seq=last, reason=f"row {last} is not what was written")
        head = row.hash
    return None


def _fit(row: AuditRow) -> AuditRow:
    """What no store keeps and no JSON spells is not hashed either."""
    texts = {name: its for name, its in asdict(row).items() if isinstance(its, str)}
    return replace(row, **{name: _UNFIT.sub("\N{REPLACEMENT CHARACTER}", its) for name, its in texts.items()})
