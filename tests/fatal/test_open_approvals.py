"""A great many open approvals are rows and nothing else.

OPENRUN_TEST_OPEN_APPROVALS says how many runs wait (10,000 is the bar; 1,000 keep the suite short).
"""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from openrun.app import App
from openrun.core.types import RunStatus
from openrun.runtime.worker import WorkerOptions
from openrun.store.rows import WaitFilter, WaitRow

from .fleet import until
from .flows import a_flow

RUNS = int(os.environ.get("OPENRUN_TEST_OPEN_APPROVALS", "1000"))
AT_ONCE = 100
QUICK = WorkerOptions(lease=10, poll=0.05, patience=0.1)
APPROVAL: dict[str, Any] = {"id": "check", "type": "approval", "config": {"title": "Pay <<body.number>>?"}}
FLOW = a_flow("approvals", [APPROVAL], [("start", "check")])


async def in_turn(work: Iterable[Coroutine[Any, Any, Any]]) -> None:
    """All of it, so many at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(each: Coroutine[Any, Any, Any]) -> None:
        async with places:
            await each

    await asyncio.gather(*(one(each) for each in work))


async def open_waits(app: App) -> list[WaitRow]:
    """All that are open, page by page."""
    found: list[WaitRow] = []
    after = None
    while page := await app.waits.open(after=after, limit=1_000):
        found += page
        after = (page[-1].created_at, page[-1].wait_id)
    return found


async def test_each_open_approval_is_one_row_and_no_memory_and_answering_all_ends_all_runs(
    fresh: Callable[[], str],
) -> None:
    async with App(fresh(), flows=[FLOW], options=QUICK) as app:
        worker = app.worker
        assert worker is not None
        await in_turn(app.start("approvals", input={"body": {"number": at}}) for at in range(RUNS))

        async def forgotten() -> bool:
            return not worker.held and (await app.store.counts()) == {RunStatus.WAITING: RUNS}

        await until(forgotten)
        rows = await open_waits(app)
        assert len({row.wait_id for row in rows}) == len({row.run_id for row in rows}) == RUNS
        assert {row.title for row in rows} == {f"Pay {at}?" for at in range(RUNS)}
        assert len(await app.store.waits(WaitFilter(open=None, limit=2 * RUNS))) == RUNS

        await in_turn(app.waits.approve(row.wait_id, by="ada") for row in rows)

        async def over() -> bool:
            return not worker.held and (await app.store.counts()) == {RunStatus.SUCCEEDED: RUNS}

        await until(over)
        assert await app.waits.open() == []
        assert await app.store.orphans() == []
