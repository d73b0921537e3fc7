"""A run has one holder: claims at once, holders that sleep past their lease, holders that leave."""

import asyncio
import signal
from collections import Counter

import pytest

from openrun.core.events import StepCompleted
from openrun.core.types import RunStatus

from .fleet import Fleet
from .flows import calls

RUNS = 50


async def test_workers_that_claim_at_once_share_the_runs_and_run_none_twice(fleet: Fleet) -> None:
    flow = calls(fleet.receiver.address, "one", "two")
    runs = [await fleet.start(flow) for _ in range(RUNS)]
    await asyncio.gather(*(fleet.worker() for _ in range(4)))
    rows = await asyncio.gather(*(fleet.ended(run) for run in runs))
    assert {(row.status, row.fence) for row in rows} == {(RunStatus.SUCCEEDED, 1)}
    assert fleet.receiver.paths == {"one": RUNS, "two": RUNS}
    assert set(fleet.receiver.keys.values()) == {1}
    await fleet.check()


@pytest.mark.parametrize("wakes", ["before the end", "after the end"])
async def test_a_zombie_cannot_write_and_goes_on_to_work(fleet: Fleet, wakes: str) -> None:
    receiver = fleet.receiver
    receiver.hold("slow")
    flow = calls(receiver.address, "one", "slow", "two")
    run = await fleet.start(flow)
    zombie = await fleet.worker(lease=3.0)
    await receiver.reached("slow")
    await fleet.renewed()
    zombie.signal(signal.SIGSTOP)
    other = await fleet.worker(lease=600.0)
    await receiver.reached("slow", 2)
    receiver.answer("slow", "late", number=0)
    if wakes == "after the end":
        receiver.answer("slow", "in time", number=1)
        await fleet.ended(run)
    zombie.signal(signal.SIGCONT)
    assert await zombie.heard() == ("lost", run.run_id)
    if wakes == "before the end":
        receiver.answer("slow", "in time", number=1)
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    await _has_one_result(fleet, run.run_id)

    await other.retire()
    again = await fleet.start(flow)
    await receiver.reached("slow", 3)
    receiver.answer("slow")
    assert (await fleet.ended(again)).status is RunStatus.SUCCEEDED
    assert zombie.alive
    assert receiver.paths == {"one": 2, "slow": 3, "two": 2}
    await fleet.check()


async def _has_one_result(fleet: Fleet, run_id: str) -> None:
    """That of the worker that took over, under its fence; the journal has events of both."""
    facts = await fleet.app.facts(run_id)
    results = {each.step_id: each.result.output for each in facts if isinstance(each, StepCompleted)}
    assert results["slow"]["data"] == "in time"
    fences = [each.fence for each in await fleet.app.store.events(run_id)]
    assert set(fences) == {0, 1, 2}
    assert fences == sorted(fences)
    assert len(Counter(each.step_id for each in facts if isinstance(each, StepCompleted))) == 4


async def test_a_worker_that_is_told_to_leave_hands_back_what_does_not_end_in_time(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    run = await fleet.start(calls(fleet.receiver.address, "one", "slow", "two"))
    leaver = await fleet.worker(lease=600.0, grace=0.2)
    await fleet.receiver.reached("slow")
    await fleet.worker(lease=600.0)
    await leaver.retire()
    await fleet.receiver.reached("slow", 2)
    fleet.receiver.answer("slow")
    row = await fleet.ended(run)
    assert (row.status, row.crashes) == (RunStatus.SUCCEEDED, 0)
    assert fleet.receiver.paths == {"one": 1, "slow": 2, "two": 1}
    await fleet.check()


async def test_a_step_that_ends_within_the_grace_is_not_repeated(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    run = await fleet.start(calls(fleet.receiver.address, "one", "slow", "two"))
    leaver = await fleet.worker(lease=600.0, grace=60.0)
    await fleet.receiver.reached("slow")
    leaver.signal(signal.SIGTERM)
    fleet.receiver.answer("slow")
    assert isinstance(await leaver.heard(), int)
    assert await leaver.ended() == 0
    await fleet.worker(lease=600.0)
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    assert fleet.receiver.paths == {"one": 1, "slow": 1, "two": 1}
    await fleet.check()
