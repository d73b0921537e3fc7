"""A Postgres that is restarted again and again while runs execute costs time, and nothing else.

OPENRUN_TEST_RESTART_RUNS says how many runs (2,000 is the bar; 300 keep the suite short).
"""

import asyncio
import os
from collections.abc import Iterable

from openrun.app import DurableRun
from openrun.core.types import RunStatus
from openrun.flow import Flow
from openrun.store.base import StoreUnavailable
from openrun.store.rows import RunFilter
from tests.servers.postgres import PostgresServer

from .fleet import Fleet, a_fleet, until
from .flows import calls

RUNS = int(os.environ.get("OPENRUN_TEST_RESTART_RUNS", "300"))
BETWEEN_RESTARTS = 2.0
SOON = 5.0
WORKERS = 2
RESTARTS = 3
"""Runs are started until there have been so many."""


async def started(fleet: Fleet, flow: Flow) -> DurableRun:
    """A run that was acknowledged, though the store may have been away."""

    async def start() -> DurableRun | None:
        try:
            return await fleet.app.start(flow.id)
        except StoreUnavailable:
            return None

    return await until(start)


async def ended(fleet: Fleet, more_than: int = -1) -> int:
    """How many runs have ended, once they are more than this."""

    async def count() -> int | None:
        try:
            found = (await fleet.app.store.counts()).get(RunStatus.SUCCEEDED, 0)
        except StoreUnavailable:
            return None
        # Zero would be no answer.
        return found + 1 if found > more_than else None

    return await until(count) - 1


async def all_started(fleet: Fleet, flow: Flow, enough: asyncio.Event) -> list[DurableRun]:
    runs: list[DurableRun] = []
    while len(runs) < RUNS or not enough.is_set():
        runs.append(await started(fleet, flow))
    return runs


async def restarted_until(
    done: "asyncio.Task[None]", server: PostgresServer, fleet: Fleet, enough: asyncio.Event
) -> None:
    """Restart it until then; work goes on soon after each."""
    restarts = 0
    while not done.done():
        modes = ("fast", "immediate")
        await asyncio.to_thread(server.restart, mode=modes[restarts % 2])
        restarts += 1
        if restarts == RESTARTS:
            enough.set()
        before = await ended(fleet)
        going_on = asyncio.ensure_future(ended(fleet, before))
        await asyncio.wait([done, going_on], timeout=SOON, return_when=asyncio.FIRST_COMPLETED)
        assert done.done() or going_on.done(), (
            f"nothing goes on after restart {restarts}; {before} runs ended"
        )
        going_on.cancel()
        await asyncio.wait([done], timeout=BETWEEN_RESTARTS)


async def all_ended(fleet: Fleet, starting: "asyncio.Task[list[DurableRun]]") -> None:
    runs = len(await starting)
    count = 0
    while count < runs:
        count = await ended(fleet, count)


async def test_restarts_lose_nothing_and_end_no_worker(postgres_of_its_own: PostgresServer) -> None:
    server = postgres_of_its_own
    async with a_fleet(server.create_database()) as fleet:
        flow = calls(fleet.receiver.address, "one", "two", "three")
        await fleet.app.add_flow(flow)
        workers = [await fleet.worker(lease=30.0) for _ in range(WORKERS)]
        enough = asyncio.Event()
        starting = asyncio.ensure_future(all_started(fleet, flow, enough))
        ending = asyncio.ensure_future(all_ended(fleet, starting))
        await restarted_until(ending, server, fleet, enough)
        await ending
        assert all(each.alive for each in workers)
        await nothing_lost(fleet, starting.result())
        for each in workers:
            await each.retire()


async def nothing_lost(fleet: Fleet, acknowledged: Iterable[DurableRun]) -> None:
    rows = await fleet.app.store.runs(RunFilter(limit=100_000))
    assert {each.run_id for each in acknowledged} <= {each.run_id for each in rows}
    assert {each.status for each in rows} == {RunStatus.SUCCEEDED}
    assert len(fleet.receiver.keys) == len(rows) * 3
    await fleet.check()
