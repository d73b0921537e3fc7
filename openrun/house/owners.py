"""Who looks after each run that has not ended: the proof that none is forgotten."""

import msgspec

from openrun.core.types import FINAL, RunStatus
from openrun.runtime.queued import is_queued
from openrun.store.base import Store
from openrun.store.rows import RunRow, WaitFilter

_PAGE = 500
_OF_PEOPLE = {RunStatus.PAUSED: "paused", RunStatus.NEEDS_REVIEW: "in review"}


class Owners(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs have which kind of owner; `nobody` are the runs that have none, and there should be none.

    `counts` has "leased" (a worker holds it, or others take over once its lease has ended), "due" (a timer, or at
    once), "queued" (flow control lets it go on once there is room), "held" (another reason is named), "paused" and
    "in review" (a person goes on with it), "asked" (an open wait) and "has children" (runs that have not ended).
    """

    counts: dict[str, int]
    nobody: tuple[str, ...]


class Owning:
    """Takes in the rows of all runs that have not ended, then says who owns them."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._open: dict[str, int] = {}
        """Runs that a look at their row says nothing of, and the seq they were seen at."""
        self._parents: set[str] = set()

    def see(self, row: RunRow) -> None:
        """Any order will do."""
        if row.parent_run_id is not None:
            self._parents.add(row.parent_run_id)
        owner = owner_of(row)
        if owner is None:
            self._open[row.run_id] = row.seq
        else:
            self._count(owner)

    async def owners(self, store: Store) -> Owners:
        """Look at open waits, and once more at what seems to have no owner: it may have gone on meanwhile."""
        asked = await _asked(store) if self._open else set()
        nobody = []
        for run_id, seq in self._open.items():
            if run_id in asked:
                self._count("asked")
            elif run_id in self._parents:
                self._count("has children")
            elif await _is_left(store, run_id, seq):
                nobody.append(run_id)
        return Owners(counts=dict(sorted(self._counts.items())), nobody=tuple(nobody))

    def _count(self, owner: str) -> None:
        self._counts[owner] = self._counts.get(owner, 0) + 1


def owner_of(row: RunRow) -> str | None:
    """The kind of owner that a run's own row tells of."""
    if row.hold is not None:
        return "queued" if is_queued(row) else "held"
    if row.worker is not None:
        return "leased"
    if row.due_at is not None:
        return "due"
    return _OF_PEOPLE.get(row.status)


async def _asked(store: Store) -> set[str]:
    """Runs that have an open wait."""
    found: set[str] = set()
    after: tuple[int, str] | None = None
    while True:
        page = await store.waits(WaitFilter(open=True, after=after, limit=_PAGE))
        found |= {row.run_id for row in page}
        if len(page) < _PAGE:
            return found
        after = (page[-1].created_at, page[-1].wait_id)


async def _is_left(store: Store, run_id: str, seq: int) -> bool:
    row = await store.run(run_id)
    return row is not None and row.seq == seq and row.status not in FINAL and owner_of(row) is None
