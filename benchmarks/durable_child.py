"""The processes that durable_restart and durable_resume start: `python -m benchmarks.durable_child WHAT FILE`.

Each says what it found as one line of JSON; those that are to be killed say it, and then wait for that.
"""

import asyncio
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from openrun import Flow, StepDelay, StepSetState, TriggerManual
from openrun.app import App
from openrun.core.events import Shown
from openrun.runtime.worker import WorkerOptions
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.store.rows import Claim, Slice, Verdict
from openrun.store.sqlite import SqliteStore

WAITING = 10_000
LONG = 25_000
_AT_ONCE = 500


class Watched(SqliteStore):
    """Notes when its worker first found nothing more to claim, and how soon a claimed run went on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.claimed_all = asyncio.Event()
        self.went_on = asyncio.Event()
        self.claims: list[tuple[float, Claim]] = []
        self.seconds_to_next = 0.0

    async def claim(self, worker: str, most: int, *, without: Sequence[str] = (), alone: bool) -> list[Claim]:
        found = await super().claim(worker, most, without=without, alone=alone)
        self.claims += [(time.perf_counter(), each) for each in found]
        if len(found) < most:
            self.claimed_all.set()
        return found

    async def commit(self, slices: Sequence[Slice]) -> list[Verdict]:
        verdicts = await super().commit(slices)
        if self.claims and not self.went_on.is_set() and any(each.events for each in slices):
            self.seconds_to_next = time.perf_counter() - self.claims[0][0]
            self.went_on.set()
        return verdicts


async def idle(path: Path) -> None:
    """A worker as soon as it is ready, and how much memory it takes."""
    store = Watched(path)
    async with App(store) as app:
        await store.claimed_all.wait()
        _say(ready_at=time.time(), mib=_mib(), peak=_peak(), held=_held(app))


async def park(path: Path) -> None:
    """Make runs that wait for an hour, and let them leave memory."""
    async with App(path, flows=[_waiting()], options=WorkerOptions(patience=0.05)) as app:
        await _begin_waiting(app)
        await _until(app, lambda: not _held(app))
        _say(counts=await app.store.counts())


async def hold(path: Path) -> None:
    """Make runs that wait for an hour, hold them all in memory, and wait to be killed."""
    options = WorkerOptions(patience=86_400, runs=WAITING * 2)
    async with App(path, flows=[_waiting()], options=options) as app:
        await _begin_waiting(app)
        _say(held=_held(app))
        await asyncio.Event().wait()


async def take_over(path: Path) -> None:
    """Take over what a dead worker held, until all of it is parked."""
    store = Watched(path)
    async with App(store) as app:
        entered_at = time.time()
        await _until(app, lambda: len(store.claims) >= WAITING and not _held(app))
        _say(ready_at=entered_at, claimed=len(store.claims), parked_at=time.time(), peak=_peak())


async def loop(path: Path) -> None:
    """Go round until the journal is long, and wait to be killed."""
    long_enough = asyncio.Event()

    def show(shown: Shown) -> None:
        if shown.seq >= LONG:
            long_enough.set()

    async with App(path, flows=[_looping()]) as app:
        run = await app.start("loop", show=show)
        await long_enough.wait()
        _say(run_id=run.run_id)
        await asyncio.Event().wait()


async def resume(path: Path) -> None:
    """Go on with the run, and say how long its next event took from the claim to the disk."""
    store = Watched(path)
    async with App(store) as app:
        await store.went_on.wait()
        (_, claim), *_ = store.claims
        _say(events=claim.seq, seconds=store.seconds_to_next, mib=_peak())
        await app.cancel(claim.run_id, hard=True)
        await app.ended(claim.run_id)


async def _begin_waiting(app: App) -> None:
    left = iter(range(WAITING))

    async def client() -> None:
        for _ in left:
            await app.start("waiting")

    await asyncio.gather(*[client() for _ in range(_AT_ONCE)])


async def _until(app: App, true: Callable[[], bool]) -> None:
    """Look again whenever a run has left."""
    assert app.worker is not None
    left = asyncio.Event()
    app.worker.on_left = lambda _run, _left: left.set()
    while not true():
        await left.wait()
        left.clear()


def _waiting() -> Flow:
    flow = Flow(name="waiting")
    flow.add_edge(TriggerManual(id="start"), StepDelay(id="hour", config=StepDelayConfig(seconds=3_600)))
    return flow


def _looping() -> Flow:
    """Two steps that take turns, for longer than anybody looks on."""
    flow = Flow(name="loop")
    config = StepSetStateConfig(key="x", value=1)
    one = StepSetState(id="one", config=config, max_iterations=LONG)
    two = StepSetState(id="two", config=config)
    flow.add_edge(TriggerManual(id="start"), one)
    flow.add_edge(one, two)
    flow.add_edge(two, one)
    return flow


def _held(app: App) -> int:
    assert app.worker is not None
    return len(app.worker.held)


def _mib() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def _say(**found: Any) -> None:
    print(json.dumps(found), flush=True)


_WHAT: dict[str, Callable[[Path], Coroutine[Any, Any, None]]] = {
    each.__name__: each for each in (idle, park, hold, take_over, loop, resume)
}

if __name__ == "__main__":
    asyncio.run(_WHAT[sys.argv[1]](Path(sys.argv[2])))
