"""The one writer of a process: nobody's fault costs the others anything."""

import asyncio

from openrun.app import App
from openrun.core.events import Shown
from openrun.core.types import RunStatus
from openrun.runtime.clock import SystemClock
from openrun.runtime.journal import Journal
from openrun.store.memory import MemoryStore
from openrun.store.rows import Slice, Verdict
from tests.runtime.test_app import QUICK, chain, sets


async def test_a_watcher_that_raises_stops_neither_its_run_nor_those_that_share_its_commits() -> None:
    def breaks(_shown: Shown) -> None:
        raise ValueError("the watcher's own fault")

    async with App(MemoryStore(), options=QUICK) as app, asyncio.timeout(10):
        starts = (
            app.start(chain("watched", sets("one", x=1)), show=breaks),
            app.start(chain("beside", sets("one", x=1))),
        )
        for run in await asyncio.gather(*starts):
            assert (await run.finished()).status is RunStatus.SUCCEEDED


class Broken:
    """A source that cannot say what it has to write."""

    pending = 1

    def __init__(self) -> None:
        self.told: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()

    def slice(self) -> Slice | None:
        raise ValueError("no bytes can be made of it")

    def settled(self, verdict: Verdict) -> None:
        raise AssertionError(verdict)

    def failed(self, fault: Exception) -> None:
        self.told.set_result(fault)


async def test_a_source_that_cannot_be_written_hears_of_it_alone() -> None:
    journal = Journal(MemoryStore(), SystemClock())
    broken = Broken()
    journal.touch(broken, urgent=True)
    async with asyncio.timeout(10):
        assert "no bytes" in str(await broken.told)
    await journal.close()
