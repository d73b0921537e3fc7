"""Removing runs that ended long ago, once an archive has them."""

from collections.abc import Iterator, Sequence

import msgspec

from openrun.core.effects import IN_DOUBT
from openrun.house.archive import Archive
from openrun.house.roll import UNENDED, every_run
from openrun.house.verify import UNREADABLE, Fault, checked, verify_run
from openrun.store.base import Store, StoreUnavailable
from openrun.store.rows import EffectFilter, EventRow, RunFilter, RunRow

_ALL = 100_000
_GROUP_BYTES = 16_000_000


class Swept(msgspec.Struct, kw_only=True):
    """What came of it."""

    runs: int = 0
    events: int = 0
    archived: int = 0
    """Bytes."""
    kept: list[Fault] = []
    """Runs that stay because their journals are not what was written; nobody should lose sight of them."""
    owing: list[str] = []
    """Runs that stay because a person has still to say what became of something they did, or should have undone."""


class Retention:
    """Removes, batch by batch, the runs of a store that ended before an instant.

    A run stays as long as its parent or a replay of it goes on, or somebody has to settle what it did. Without an archive journals are not read.
    """

    def __init__(self, store: Store, before: int, archive: Archive | None, *, batch: int = 1_000) -> None:
        self._store = store
        self._before = before
        self._archive = archive
        self._batch = batch
        self._tied: set[str] = set()
        """Runs that others, or people, still need."""
        self._stay: set[str] = set()
        self.swept = Swept()

    async def candidates(self) -> list[RunRow]:
        """What would be removed, the oldest first; at most a hundred thousand."""
        await self._look_for_ties()
        return [row for row in await self._store.ended_before(self._before, _ALL) if self._may_go(row)]

    async def sweep(self) -> Swept:
        """Archive and remove all that may go. Raises OSError when it cannot be archived; then nothing more goes."""
        await self._look_for_ties()
        while batch := await self.next():
            await self.remove(await self.archive(batch))
        return self.swept

    async def next(self) -> list[RunRow]:
        """The next runs to remove."""
        while True:
            # Those that stay come first every time, for they are the oldest.
            limit = self._batch + len(self._stay)
            rows = await self._store.ended_before(self._before, limit)
            wanted = [row for row in rows if self._may_go(row)]
            self._stay.update(row.run_id for row in rows if row.run_id in self._tied)
            if wanted or len(rows) < limit:
                return wanted[: self._batch]

    async def archive(self, batch: Sequence[RunRow]) -> list[RunRow]:
        """Those of these runs that are in the archive now, on disk."""
        if self._archive is None:
            return list(batch)
        archived: list[RunRow] = []
        for group in _groups(batch):
            whole = await self._whole(group)
            if whole:
                self._archive.keep(whole)
                archived += [row for row, _ in whole]
        self.swept.archived = self._archive.bytes
        return archived

    async def _whole(self, group: Sequence[RunRow]) -> list[tuple[RunRow, Sequence[EventRow]]]:
        """These runs with their journals, without those whose journals are damaged."""
        whole: list[tuple[RunRow, Sequence[EventRow]]] = []
        for row, rows in await self._journals(group):
            found = checked(row, rows)
            if isinstance(found, Fault):
                self._keep(found)
            else:
                whole.append((row, rows))
        return whole

    async def _journals(self, group: Sequence[RunRow]) -> list[tuple[RunRow, Sequence[EventRow]]]:
        try:
            journals = await self._store.journals([row.run_id for row in group])
        except StoreUnavailable:
            raise
        except UNREADABLE:
            if len(group) > 1:
                return [each for row in group for each in await self._journals([row])]
            found = await verify_run(self._store, group[0].run_id)
            if isinstance(found, Fault):
                self._keep(found)
            return []
        return [(row, journals.get(row.run_id, [])) for row in group]

    def _keep(self, fault: Fault) -> None:
        self._stay.add(fault.run_id)
        self.swept.kept.append(fault)

    async def remove(self, batch: Sequence[RunRow]) -> None:
        """Remove these runs; tombstones stay."""
        if batch:
            tombstones = await self._store.remove([row.run_id for row in batch])
            self.swept.runs += len(tombstones)
            self.swept.events += sum(each.events for each in tombstones)
            self._stay.update({row.run_id for row in batch} - {each.run_id for each in tombstones})

    def _may_go(self, row: RunRow) -> bool:
        return row.run_id not in self._stay and row.run_id not in self._tied

    async def _look_for_ties(self) -> None:
        async for page in every_run(self._store, RunFilter(status=UNENDED)):
            self._tied.update(row.replay_of for row in page if row.replay_of is not None)
        open_effects = EffectFilter(status=tuple(sorted(each.value for each in IN_DOUBT)), limit=_ALL)
        owing = {row.run_id for row in await self._store.compensations(limit=_ALL)}
        owing |= {row.run_id for row in await self._store.effects(open_effects)}
        self._tied |= owing
        ended = await self._store.ended_before(self._before, _ALL) if owing else []
        self.swept.owing = [row.run_id for row in ended if row.run_id in owing]


def _groups(batch: Sequence[RunRow]) -> Iterator[list[RunRow]]:
    """Runs whose journals fit into memory together."""
    group: list[RunRow] = []
    size = 0
    for row in batch:
        if group and size + row.bytes > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(row)
        size += row.bytes
    if group:
        yield group
