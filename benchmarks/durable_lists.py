"""What `ps`, `inspect` and `approvals` ask of a database of a million events."""

import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from benchmarks.durable_bed import FIVE, NO_POSTGRES, five_steps, postgres
from benchmarks.measure import row
from openrun.app import App
from openrun.core.asks import Ask, AskChange, AskKind
from openrun.core.types import RunStatus
from openrun.runtime.ids import uuid7
from openrun.store.base import Store
from openrun.store.chain import GENESIS, link
from openrun.store.opening import open_store
from openrun.store.projection import wait_rows
from openrun.store.rows import (
    ActivationRow,
    Birth,
    Committed,
    EventRow,
    Release,
    RunFilter,
    RunRow,
    Slice,
    Standing,
    WaitFilter,
)

_EVENTS = 1_000_000
_LONG = 25_000
_APPROVALS = 10_000
_BATCH = 400
_TIMES = 20
_BAR_SECONDS = 0.2
_HOUR = 3_600_000
_STATUSES = (
    *((RunStatus.SUCCEEDED,) * 16),
    RunStatus.FAILED,
    RunStatus.FAILED,
    RunStatus.CANCELLED,
    RunStatus.WAITING,
)
Query = Callable[[], Awaitable[object]]


class Pattern:
    """A run that took place; made into others like it, under ids of their own."""

    def __init__(
        self, run: RunRow, bodies: list[str], activations: list[ActivationRow], status: RunStatus
    ) -> None:
        self._run = run
        self._bodies = bodies
        self._activations = activations
        self._status = status

    def another(self) -> Slice:
        run_id, events, last = uuid7(), [], GENESIS
        for seq, body in enumerate(self._bodies, 1):
            own = body.replace(self._run.run_id, run_id)
            last = link(last, run_id, seq, 0, own)
            events.append(EventRow(run_id, seq, 0, last, own))
        waits = self._status is RunStatus.WAITING
        at = self._run.updated_at
        return Slice(
            run_id=run_id,
            worker=None,
            fence=0,
            first=1,
            events=tuple(events),
            standing=Standing(status=self._status, updated_at=at, ended_at=None if waits else at),
            birth=Birth(
                flow_id=self._run.flow_id,
                version=self._run.version,
                created_at=self._run.created_at,
                trigger=self._run.trigger,
            ),
            activations=tuple(replace(each, run_id=run_id) for each in self._activations),
            release=Release(due_at=at + _HOUR) if waits else None,
        )


async def measure() -> list[str]:
    """On SQLite and on Postgres; the median of twenty times counts, the slowest is told."""
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as home:
        lines = await _asked("SQLite", str(Path(home) / "openrun.db"))
    with postgres() as server:
        if server is None:
            return [*lines, NO_POSTGRES]
        return [*lines, *await _asked("Postgres", server.create_database())]


async def _asked(name: str, url: str) -> list[str]:
    async with App(url, flows=[five_steps()]) as app:
        done = await (await app.start(FIVE)).finished()
        bodies = [each.body for each in await app.store.events(done.run_id)]
        activations = await app.store.activations(done.run_id)
        long = await _fill(app.store, done, bodies, activations)
    store = open_store(url)
    await store.open()
    try:
        return [await _line(name, what, query) for what, query in _queries(store, long).items()]
    finally:
        await store.close()


async def _fill(store: Store, run: RunRow, bodies: list[str], activations: list[ActivationRow]) -> str:
    """A long run among many short ones; its id."""
    short = [Pattern(run, bodies, activations, status) for status in _STATUSES]
    many = [
        replace(each, scope=f"/loop#{at}", seq=at) for at in range(1, _LONG // 10) for each in activations[:1]
    ]
    count = (_EVENTS - _LONG) // len(bodies) + 1 - _APPROVALS
    slices = (short[at % len(short)].another() for at in range(count))
    await _commit(store, islice(slices, count // 2))
    long = Pattern(run, [bodies[1]] * _LONG, many, RunStatus.WAITING).another()
    await _commit(store, iter([long]))
    await _commit(store, slices)
    await _commit(store, (_asking(short[-1].another()) for _ in range(_APPROVALS)))
    return long.run_id


def _asking(piece: Slice) -> Slice:
    """The run waits for an approval."""
    run_id, at = piece.run_id, piece.standing.updated_at if piece.standing else 0
    ask = Ask(
        id=uuid7(), kind=AskKind.APPROVAL, title="Pay the invoice?", payload={"run": run_id, "amount": 120}
    )
    change = AskChange(ask=ask, step_id="ask", scope="/", opened_at=datetime.fromtimestamp(at / 1000, UTC))
    return replace(piece, waits=wait_rows(run_id, [change]))


async def _commit(store: Store, slices: Iterator[Slice]) -> None:
    while batch := list(islice(slices, _BATCH)):
        refused = [each for each in await store.commit(batch) if not isinstance(each, Committed)]
        if refused:
            raise RuntimeError(f"the store would not have {refused[0]}")


def _queries(store: Store, run_id: str) -> Mapping[str, Query]:
    return {
        "ps: the newest runs": lambda: store.runs(RunFilter()),
        "ps: those that failed": lambda: store.runs(RunFilter(status=(RunStatus.FAILED,))),
        "ps: of one flow, waiting": lambda: store.runs(RunFilter(flow_id=FIVE, status=(RunStatus.WAITING,))),
        "ps: how many of each status": store.counts,
        "approvals: the oldest": lambda: store.waits(WaitFilter(kind=("approval",))),
        f"approvals: all {_APPROVALS:,}": lambda: store.waits(
            WaitFilter(kind=("approval",), limit=_APPROVALS)
        ),
        "inspect: the run": lambda: store.run(run_id),
        "inspect: by the beginning of its id": lambda: store.find(run_id[:13]),
        "inspect: its activations": lambda: store.activations(run_id),
        "inspect: 200 of its events": lambda: store.events(run_id, _LONG - 1_000, 200),
    }


async def _line(name: str, what: str, query: Query) -> str:
    seconds = []
    for _ in range(_TIMES):
        begun = time.perf_counter()
        found = await query()
        seconds.append(time.perf_counter() - begun)
        if not found:
            raise RuntimeError(f"{what} found nothing")
    median = statistics.median(seconds)
    told = f"{median * 1e3:.1f} ms (at most {max(seconds) * 1e3:.0f})"
    return row(f"{name}, {_EVENTS:,} events: {what}", told, "< 200 ms", held=median < _BAR_SECONDS)
