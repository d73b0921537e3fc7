"""Deriving anew what a store keeps beside the journals, and comparing the two."""

from collections.abc import Iterator, Sequence
from typing import assert_never

import msgspec
from msgspec.structs import asdict, replace

from openrun.core.events import decode_fact
from openrun.core.replay import replay
from openrun.core.types import Json
from openrun.house.roll import every_run
from openrun.house.verify import UNREADABLE, Fault, journal_fault, verify_run
from openrun.runtime.library import Library, MissingCode
from openrun.runtime.runlog import standing_of
from openrun.store.base import Store, StoreUnavailable
from openrun.store.projection import activation_rows, compensation_rows, effect_rows, wait_rows
from openrun.store.rows import (
    ActivationRow,
    CompensationRow,
    Derived,
    EffectFilter,
    EffectRow,
    EventRow,
    RunRow,
    Standing,
    WaitFilter,
    WaitRow,
)

_PAGE = 1_000
_ALL = 2**31 - 1
_TRIES = 3
Row = ActivationRow | WaitRow | EffectRow | CompensationRow


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A derived row, or a field of the run's, that is not what the journal says."""

    run_id: str
    place: str
    """A field of the run; `STEP in SCOPE` for an activation, `wait ID`, `effect KEY`, `compensation of STEP in SCOPE`."""
    stored: Json
    derived: Json


class LeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """A run that could not be compared, or not mended."""

    run_id: str
    reason: str


class Rebuilt(msgspec.Struct, kw_only=True):
    """What came of it."""

    runs: int = 0
    differences: list[Difference] = []
    faults: list[Fault] = []
    """Journals that cannot be folded."""
    left_out: list[LeftOut] = []
    fixed: list[str] = []

    @property
    def is_sound(self) -> bool:
        """Nothing is wrong, or nothing is any more."""
        unfixed = {each.run_id for each in self.differences} - set(self.fixed)
        return not (self.faults or unfixed)


class Rebuilder:
    """Compares the derived rows of runs with their journals; with `fix` it writes what they should be."""

    def __init__(self, store: Store, library: Library, *, fix: bool = False) -> None:
        self._store = store
        self._library = library
        self._fix = fix
        self.found = Rebuilt()

    async def all(self) -> Rebuilt:
        """Every run of the store."""
        async for page in every_run(self._store):
            for row in page:
                await self.run(row.run_id)
        return self.found

    async def run(self, run_id: str) -> None:
        """One run; one that works on meanwhile is looked at again, a few times."""
        for _ in range(_TRIES):
            before = await self._store.run(run_id)
            if before is None:
                return
            try:
                rows = await self._store.events(run_id)
            except StoreUnavailable:
                raise
            except UNREADABLE:
                await self._tell_fault(run_id)
                return
            stored = await rows_of(self._store, run_id)
            if await self._store.run(run_id) == before:
                self.found.runs += 1
                await self._compare(before, rows, stored)
                return
        self._leave(run_id, "it changes while it is looked at; try again once it rests")

    async def _tell_fault(self, run_id: str) -> None:
        found = await verify_run(self._store, run_id)
        if isinstance(found, Fault):
            self.found.faults.append(found)

    async def _compare(self, row: RunRow, rows: Sequence[EventRow], stored: Sequence[Row]) -> None:
        fault = journal_fault(row, rows)
        if fault is not None:
            self.found.faults.append(fault)
            return
        derived = await self._derived(row, rows)
        if derived is None:
            return
        differences = list(compared(row, stored, derived))
        self.found.differences += differences
        if differences and self._fix:
            await self._write(row, derived)

    async def _derived(self, row: RunRow, rows: Sequence[EventRow]) -> Derived | None:
        try:
            program = await self._library.program(row.flow_id, row.version)
        except MissingCode as missing:
            self._leave(row.run_id, str(missing))
            return None
        try:
            facts = [decode_fact(each.body) for each in rows]
            machine = replay(program.graph, facts)
            standing = standing_of(machine, facts[-1])
        except Exception as fault:  # noqa: BLE001
            # Whatever is wrong with one run's journal must not hide what is wrong with others.
            reason = f"the journal cannot be folded: {fault}"
            self.found.faults.append(Fault(run_id=row.run_id, seq=row.seq, reason=reason))
            return None
        return Derived(
            run_id=row.run_id,
            standing=standing,
            activations=activation_rows(facts),
            waits=wait_rows(row.run_id, machine.listening.changes),
            effects=effect_rows(facts),
            compensations=compensation_rows(facts),
        )

    async def _write(self, row: RunRow, derived: Derived) -> None:
        if row.worker is not None:
            self._leave(row.run_id, f"worker {row.worker} holds it; it is mended once nobody does")
            return
        await self._store.rewrite(derived)
        after = await self._store.run(row.run_id)
        if after is not None and after.seq == row.seq:
            self.found.fixed.append(row.run_id)
        elif after is not None:
            # Somebody took it meanwhile: what was written may be older than what is there by now.
            await self.run(row.run_id)

    def _leave(self, run_id: str, reason: str) -> None:
        self.found.left_out.append(LeftOut(run_id=run_id, reason=reason))


def compared(row: RunRow, stored: Sequence[Row], derived: Derived) -> Iterator[Difference]:
    """Where what is stored is not what follows from the journal, to the byte."""
    for name in Standing.__struct_fields__:
        was, should = _kept(getattr(row, name)), _kept(getattr(derived.standing, name))
        if was != should:
            yield Difference(run_id=row.run_id, place=name, stored=was, derived=should)
    known = {_place(each): _plain(each) for each in stored}
    wanted = {_place(each): _plain(each) for each in _rows(derived)}
    for place in [*wanted, *(place for place in known if place not in wanted)]:
        if msgspec.json.encode(known.get(place)) != msgspec.json.encode(wanted.get(place)):
            yield Difference(
                run_id=row.run_id, place=place, stored=known.get(place), derived=wanted.get(place)
            )


def _rows(derived: Derived) -> tuple[Row, ...]:
    return (*derived.activations, *derived.waits, *derived.effects, *derived.compensations)


async def rows_of(store: Store, run_id: str) -> list[Row]:
    """All that a store keeps of what is derived of a run, beside where it stands."""
    return [
        *await activations_of(store, run_id),
        *await store.waits(WaitFilter(open=None, run_id=run_id, limit=_ALL)),
        *await store.effects(EffectFilter(run_id=run_id, limit=_ALL)),
        *await store.compensations(run_id),
    ]


async def activations_of(store: Store, run_id: str) -> list[ActivationRow]:
    """Where all activations of a run stand."""
    found: list[ActivationRow] = []
    while page := await store.activations(run_id, after=found[-1].seq if found else 0, limit=_PAGE):
        found += page
    return found


def _place(row: Row) -> str:
    match row:
        case ActivationRow():
            return f"{row.step_id} in {row.scope}"
        case WaitRow():
            return f"wait {row.wait_id}"
        case EffectRow():
            return f"effect {row.key}"
        case CompensationRow():
            return f"compensation of {row.step_id} in {row.scope}"
        case _:
            assert_never(row)


def _plain(row: Row) -> dict[str, Json]:
    """A row without what a person said: that follows from no event."""
    if isinstance(row, CompensationRow):
        row = replace(row, resolution=None, note=None, by=None)
    return {name: _kept(value) for name, value in asdict(row).items()}


def _kept(value: Json) -> Json:
    """Not every store keeps a NUL in a text."""
    return value.replace("\0", "\N{SYMBOL FOR NULL}") if isinstance(value, str) else value
