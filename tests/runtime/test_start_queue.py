"""So many runs are being started at once and no more, whatever becomes of them."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from openrun.app import App, Overloaded
from openrun.core.errors import InvalidFlow
from openrun.core.types import RunStatus
from openrun.runtime.start_queue import StartQueue
from openrun.runtime.worker import WorkerOptions
from openrun.store.memory import MemoryStore
from openrun.store.rows import RunFilter, Slice, Verdict
from tests.runtime.test_app import chain, sets

MOST = 5
FLOW = chain("plain", sets("a", x=1))


class Slow(MemoryStore):
    """Takes nothing until it is open."""

    def __init__(self) -> None:
        super().__init__()
        self.is_open = asyncio.Event()

    async def commit(self, slices: Sequence[Slice]) -> list[Verdict]:
        await self.is_open.wait()
        return await super().commit(slices)


def holds(queue: StartQueue, error: type[BaseException]) -> None:
    with queue.place():
        assert queue.depth == 1
        raise error


async def turn(holds: Callable[[], bool]) -> None:
    """Let others go on until this holds."""
    while not holds():  # noqa: ASYNC110 (nothing tells of what is being started)
        await asyncio.sleep(0)


def test_a_place_is_free_again_however_its_block_ends() -> None:
    queue = StartQueue(1)
    for error in (ValueError, asyncio.CancelledError, KeyboardInterrupt):
        with pytest.raises(error):
            holds(queue, error)
    assert (queue.depth, queue.refused) == (0, 0)


def test_who_finds_no_place_is_told_when_to_come_back_and_takes_none() -> None:
    queue = StartQueue(1)
    with queue.place():
        with pytest.raises(Overloaded, match="limit `start_queue`") as no, queue.place():
            pass
        assert (no.value.retry_after, queue.depth, queue.refused) == (1.0, 1, 1)
    assert queue.depth == 0


@pytest.mark.parametrize("work", [True, False])
async def test_of_many_starts_over_a_store_that_hangs_only_so_many_are_made(work: bool) -> None:
    store = Slow()
    async with App(store, work=work, options=WorkerOptions(start_queue=MOST)) as app, asyncio.timeout(20):
        await app.add_flow(FLOW)
        starts = [asyncio.create_task(app.start("plain")) for _ in range(MOST * 100)]
        await turn(lambda: sum(each.done() for each in starts) == MOST * 99)
        assert (app.start_queue.depth, app.start_queue.refused) == (MOST, MOST * 99)
        store.is_open.set()
        told = await asyncio.gather(*starts, return_exceptions=True)
        assert sum(isinstance(each, Overloaded) for each in told) == MOST * 99
        assert app.start_queue.depth == 0
        assert len(await app.store.runs(RunFilter(limit=1_000))) == MOST


async def test_starts_that_are_given_up_or_refused_leave_their_places() -> None:
    store = Slow()
    async with App(store, options=WorkerOptions(start_queue=1)) as app, asyncio.timeout(20):
        await app.add_flow(FLOW)
        first = asyncio.create_task(app.start("plain"))
        await turn(lambda: app.start_queue.depth == 1)
        with pytest.raises(Overloaded):
            await app.start("plain")
        first.cancel()
        await asyncio.wait([first])
        assert app.start_queue.depth == 0
        with pytest.raises(InvalidFlow):
            await app.start("plain", "nobody")
        store.is_open.set()
        run = await app.start("plain")
        assert (await run.finished()).status is RunStatus.SUCCEEDED
        assert app.start_queue.depth == 0
