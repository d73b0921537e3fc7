"""Runs with flow control whose only step begins and ends where a test sees it, over a store whose time stands still."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from openrun import Flow, StepTransform, TriggerManual, step
from openrun.app import App, DurableRun
from openrun.core.events import FlowCancelRequested
from openrun.core.types import Json, RunStatus
from openrun.runtime.worker import WorkerOptions
from openrun.steps.execution.transform import StepTransformConfig
from openrun.store.memory import MemoryStore
from openrun.store.rows import RunRow
from openrun.store.tickets import LaneFilter
from tests.store.given import NOW, until

OPTIONS = WorkerOptions(poll=0.02, listen=0.02, patience=0.1, grace=1)

SENTINEL = "sentinel"
"""A flow whose runs are always admitted at once."""


class Bench:
    """`app` works; a run of the flow `work` begins its step under the name it was given, and ends it when told to."""

    def __init__(self) -> None:
        self.time = NOW
        self.app: App
        self.began: list[str] = []
        self.ended: list[str] = []
        self.most: Counter[str] = Counter()
        """Most steps at once, by key, and of all under ""."""
        self._busy: Counter[str] = Counter()
        self._gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def flow(self, control: Any, flow_id: str = "work") -> Flow:
        @step(effect="idempotent")
        async def work(label: str, key: str = "") -> str:
            await self._work(label, key)
            return label

        flow = Flow(flow_id, id=flow_id, flow_control=control)
        config: dict[str, Any] = {"label": "<<body.name>>", "key": '<<body.key ?? "">>'}
        done = StepTransform(id="done", config=StepTransformConfig(value=1))
        return flow.add(TriggerManual(id="begin") >> work(id="work", **config) >> done)

    async def start(self, name: str, key: str = "", flow: str = "work", **more: Json) -> DurableRun:
        return await self.app.start(flow, input={"body": {"name": name, "key": key, **more}})

    async def starts(self, *names: str, key: str = "") -> list[DurableRun]:
        """One after another; none of two in the same millisecond."""
        found = []
        for name in names:
            found.append(await self.start(name, key))
            self.time += 1
        return found

    def let(self, *names: str) -> None:
        """These may end."""
        for name in names:
            self._gates[name].set()

    async def begins(self, *names: str) -> None:
        """Wait until all of these have begun."""

        async def have() -> bool:
            return set(names) <= set(self.began)

        await until(have)

    async def looked(self) -> None:
        """Wait until a worker has looked at everything that may be admitted now."""
        name = f"sentinel {self.time}"
        self.let(name)
        assert await status_of(await self.start(name, flow=SENTINEL)) is RunStatus.SUCCEEDED
        self.began.remove(name)
        self.ended.remove(name)

    async def is_idle(self) -> bool:
        """The worker holds nothing: all that was admitted has ended."""
        return self.app.worker is not None and self.app.worker.idle

    async def lanes(self) -> dict[str, tuple[int, int]]:
        """How many run and wait, by key."""
        rows = await self.app.store.lanes(LaneFilter())
        return {row.key: (row.running, row.queued) for row in rows if row.running or row.queued}

    async def assert_clean(self) -> None:
        """Nothing is left of lanes and tickets."""
        assert await self.lanes() == {}
        assert await self.app.store.stray_tickets() == []
        assert await self.app.store.orphans() == []

    async def _work(self, name: str, key: str) -> None:
        self.began.append(name)
        self._busy.update((key, "") if key else ("",))
        self.most |= self._busy
        try:
            await self._gates[name].wait()
        finally:
            self._busy.subtract((key, "") if key else ("",))
        self.ended.append(name)


@asynccontextmanager
async def a_bench(
    control: Any, more: Callable[[Bench], list[Flow]] = lambda _bench: [], **given: Any
) -> AsyncIterator[Bench]:
    """Over the flow `work` with this flow control; `given` are further arguments of `App`."""
    bench = Bench()
    store = MemoryStore(now=lambda: bench.time)
    flows = [bench.flow(control), bench.flow({"concurrency": 100_000}, SENTINEL), *more(bench)]
    async with App(store, flows=flows, options=OPTIONS, **given) as app:
        bench.app = app
        yield bench


async def row_of(run: DurableRun, bench: Bench) -> RunRow:
    return await bench.app.row(run.run_id)


async def status_of(run: DurableRun) -> RunStatus:
    async with asyncio.timeout(20):
        return (await run.finished()).status


async def why(run: DurableRun, bench: Bench) -> str:
    """Why a run was cancelled, once it has ended so."""
    assert await status_of(run) is RunStatus.CANCELLED
    (asked,) = [each for each in await bench.app.facts(run.run_id) if isinstance(each, FlowCancelRequested)]
    return asked.reason
