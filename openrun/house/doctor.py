"""How a store is doing: what is in it, who works on it, and what nobody will ever take care of."""

import msgspec

from openrun.core.types import RunStatus
from openrun.house.automation import Automation, look_at_automation
from openrun.house.owners import Owners, Owning
from openrun.house.roll import UNENDED, every_run
from openrun.runtime.queued import is_queued
from openrun.store.base import Store
from openrun.store.memory import MemoryStore
from openrun.store.rows import DeadLetter, RunFilter, WorkerRow
from openrun.store.schema import migrations
from openrun.store.sqlite import SqliteStore

_MOST = 100
_OVERDUE_MS = 60_000
_LONG_MS = 7 * 86_400_000
_AT_REST = frozenset({RunStatus.WAITING, RunStatus.PAUSED, RunStatus.NEEDS_REVIEW})


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A run that does not go on, and why."""

    run_id: str
    hold: str


class Resting(msgspec.Struct, frozen=True, kw_only=True):
    """A run in which nothing has happened for long."""

    run_id: str
    status: RunStatus
    since_ms: int


class Overdue(msgspec.Struct, frozen=True, kw_only=True):
    """The run that has been due longest, and that nobody claims."""

    run_id: str
    late_ms: int


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; of what may be many, the first hundred. `problems` says in words what is wrong."""

    store: str
    schema: int
    counts: dict[str, int]
    workers: tuple[WorkerRow, ...]
    holds: tuple[Held, ...]
    orphans: tuple[str, ...]
    owners: Owners
    """Of every run that has not ended; `orphans` are among its `nobody`."""
    dead_letters: tuple[DeadLetter, ...]
    automation: Automation
    overdue: Overdue | None
    resting: tuple[Resting, ...]
    """Longest first."""
    problems: tuple[str, ...]


async def examine(store: Store) -> Examination:
    """Look at everything; only what needs somebody to act is a problem."""
    now = await store.now()
    kind, schema = kind_of(store)
    workers = await store.workers()
    held = await store.runs(RunFilter(held=True, limit=_MOST))
    holds = tuple(Held(run_id=row.run_id, hold=row.hold or "") for row in held if not is_queued(row))
    orphans = tuple(await store.orphans(_MOST))
    owning = Owning()
    overdue, resting = await _unended(store, now, owning)
    owners = await owning.owners(store)
    automation = await look_at_automation(store, now)
    return Examination(
        store=kind,
        schema=schema,
        counts={status.value: count for status, count in sorted((await store.counts()).items())},
        workers=tuple(workers),
        holds=holds,
        orphans=orphans,
        owners=owners,
        dead_letters=tuple(await store.dead_letters(_MOST)),
        automation=automation,
        overdue=overdue,
        resting=resting,
        problems=(
            *(f"run {run_id} is an orphan: nobody will ever look after it" for run_id in orphans),
            *(
                f"run {run_id} waits for nothing: no timer, no open wait, no child run"
                for run_id in owners.nobody[:_MOST]
                if run_id not in orphans
            ),
            *(f"run {each.run_id} is held: {each.hold}" for each in holds),
            *_of_work(workers, overdue),
            *automation.problems,
        ),
    )


def kind_of(store: Store) -> tuple[str, int]:
    """Which database a store is kept in, and the number of its schema: an open store has the newest."""
    match store:
        case MemoryStore():
            return "memory", len(migrations("sqlite"))
        case SqliteStore():
            return "sqlite", len(migrations("sqlite"))
        case _:
            return "postgres", len(migrations("postgres"))


def _of_work(workers: list[WorkerRow], overdue: Overdue | None) -> list[str]:
    found = []
    alive = any(worker.lease_ms > 0 for worker in workers)
    if overdue is not None:
        why = "the workers are full, or leave it out" if alive else "no worker is at work"
        found.append(
            f"run {overdue.run_id} has been due for {overdue.late_ms // 1000} s, and nobody claims it: {why}"
        )
    if not alive:
        lost = sum(worker.runs for worker in workers)
        if lost:
            runs, they = ("1 run is", "it") if lost == 1 else (f"{lost:,} runs are", "them")
            found.append(f"{runs} held by workers that are gone, and no worker is there to take {they} over")
    return found


async def _unended(store: Store, now: int, owning: Owning) -> tuple[Overdue | None, tuple[Resting, ...]]:
    longest, oldest = now - _OVERDUE_MS, ""
    resting: list[Resting] = []
    async for page in every_run(store, RunFilter(status=UNENDED)):
        for row in page:
            owning.see(row)
            # Runs come newest first: of those that are due as long, the oldest stays.
            if row.worker is None and row.due_at is not None and row.due_at <= longest:
                longest, oldest = row.due_at, row.run_id
            if row.status in _AT_REST and now - row.updated_at > _LONG_MS:
                resting.append(Resting(run_id=row.run_id, status=row.status, since_ms=now - row.updated_at))
    resting.sort(key=lambda each: -each.since_ms)
    overdue = Overdue(run_id=oldest, late_ms=now - longest) if oldest else None
    return overdue, tuple(resting[:_MOST])
