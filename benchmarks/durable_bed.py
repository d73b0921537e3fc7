"""What the durable benchmarks share: the flow that runs, clients that keep runs in flight, and a server."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from openrun import Flow, Step, StepSetState, TriggerManual
from openrun.app import App
from openrun.runtime.held import HeldRun, Left
from openrun.steps.execution.set_state import StepSetStateConfig
from tests.servers.postgres import NoPostgres, PostgresServer

FIVE = "five"
STEPS = 5
IN_FLIGHT = 100
NO_POSTGRES = "skipped: Postgres (no server that could be started)"
Sitting = Callable[[], Awaitable[float]]
"""Runs per second, of one short sitting."""


def five_steps() -> Flow:
    """A trigger and four steps that write a constant each: twelve events a run."""
    flow = Flow(name=FIVE)
    last: Step = flow.add_step(TriggerManual(id="start"))
    for at in range(STEPS - 1):
        step = StepSetState(id=f"s{at}", config=StepSetStateConfig(key=f"x{at}", value=at))
        flow.add_edge(last, step)
        last = step
    return flow


class Ends:
    """Hears from the worker how runs end, so that nobody asks the store while it is measured."""

    def __init__(self, app: App) -> None:
        assert app.worker is not None
        self._ends: dict[str, asyncio.Future[Left]] = {}
        app.worker.on_left = self._heard

    async def of(self, run_id: str) -> None:
        """Wait until the end of a run is on disk."""
        left = await self._end(run_id)
        del self._ends[run_id]
        if left.end is None:
            raise RuntimeError(f"run {run_id} did not reach its end: {left}")

    def _heard(self, run: HeldRun, left: Left) -> None:
        self._end(run.run_id).set_result(left)

    def _end(self, run_id: str) -> asyncio.Future[Left]:
        return self._ends.setdefault(run_id, asyncio.get_running_loop().create_future())


async def rate(one: Callable[[], Awaitable[object]], count: int, in_flight: int = IN_FLIGHT) -> float:
    """How many of these are done in a second, so many at a time."""
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            await one()

    gc.collect()
    begun = time.perf_counter()
    await asyncio.gather(*[client() for _ in range(in_flight)])
    return count / (time.perf_counter() - begun)


async def in_turns(*sittings: Sitting, rounds: int) -> list[list[float]]:
    """The rates of each, found in turns, so that whatever slows the machine slows all; the first turn is not kept."""
    found: list[list[float]] = [[] for _ in sittings]
    for turn in range(rounds + 1):
        for sitting, rates in zip(sittings, found, strict=True):
            seen = await sitting()
            if turn:
                rates.append(seen)
    return found


def median_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return statistics.median(own / other for own, other in zip(ours, theirs, strict=True))


@contextmanager
def postgres() -> Iterator[PostgresServer | None]:
    """A server whose commits are on disk when it says so, or None where there is none to start."""
    try:
        server = PostgresServer(fsync=True, settings={"synchronous_commit": "on"})
    except NoPostgres:
        yield None
        return
    server.start()
    try:
        yield server
    finally:
        server.stop()
