"""What a restart must not undo: results, cancels, pauses, timers, ends."""

import asyncio
import signal

import pytest

from openrun.app import DurableRun, RunEnded
from openrun.core.events import (
    FlowCancelRequested,
    FlowPaused,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import WaitUntil
from openrun.core.types import RunStatus
from openrun.store.chain import link
from openrun.store.rows import EventRow, Slice, Stale, Standing

from .fleet import Fleet, Member
from .flows import a_flow, a_row, call, calls


async def working_on(fleet: Fleet, path: str, times: int = 1) -> Member:
    """A worker that has sent a request which nobody answers."""
    worker = await fleet.worker()
    await fleet.receiver.reached(path, times)
    return worker


async def proof_of_work(fleet: Fleet) -> None:
    """Some other run, from its beginning to its end: so the workers have looked for what there is to do."""
    run = await fleet.start(calls(fleet.receiver.address, "other", flow_id="other"))
    await fleet.ended(run)
    fleet.receiver.paths.pop("other")


async def test_a_run_that_is_resumed_five_times_repeats_no_completed_step(fleet: Fleet) -> None:
    steps = ["a", "b", "c", "d", "e"]
    fleet.receiver.hold(*steps)
    run = await fleet.start(calls(fleet.receiver.address, "first", *steps))
    worker = await fleet.worker()
    for step in steps:
        await fleet.receiver.reached(step)
        await worker.kill()
        worker = await working_on(fleet, step, 2)
        fleet.receiver.answer(step)
    row = await fleet.ended(run)
    assert (row.status, row.fence) == (RunStatus.SUCCEEDED, 6)
    assert fleet.receiver.paths == {"first": 1, **dict.fromkeys(steps, 2)}
    await fleet.check()


async def test_a_cancel_outlives_the_worker_that_did_not_hear_it(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    here = fleet.receiver.address
    parts = [call(here, "slow"), call(here, "never"), call(here, "clean_up", always=True)]
    run = await fleet.start(a_row("cancelled", *parts))
    worker = await working_on(fleet, "slow")
    worker.signal(signal.SIGSTOP)
    await fleet.app.cancel(run.run_id, "no need")
    await worker.kill()
    await fleet.worker()
    row = await fleet.ended(run)
    assert row.status is RunStatus.CANCELLED
    assert (await fleet.has(run, FlowCancelRequested)).reason == "no need"
    await proof_of_work(fleet)
    calls_made = dict(fleet.receiver.paths)
    assert calls_made.pop("slow") <= 2
    assert calls_made == {"clean_up": 1}
    await fleet.check()


async def test_a_cancel_reaches_the_children_of_a_run_whose_worker_died(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    below = calls(fleet.receiver.address, "slow", "never", flow_id="below")
    above = a_row("above", {"id": "child", "type": "subflow", "config": {"flow": "below"}})
    run = await fleet.start(above, below)
    worker = await working_on(fleet, "slow")
    worker.signal(signal.SIGSTOP)
    await fleet.app.cancel(run.run_id)
    await worker.kill()
    await fleet.worker()
    assert (await fleet.ended(run)).status is RunStatus.CANCELLED
    (child,) = (run_id for run_id in await fleet.journals() if run_id != run.run_id)
    assert (await fleet.ended(DurableRun(fleet.app, child))).status is RunStatus.CANCELLED
    assert "never" not in fleet.receiver.paths
    await fleet.check()


async def test_a_pause_outlives_restarts_and_a_resume_ends_it(fleet: Fleet) -> None:
    fleet.receiver.hold("slow")
    run = await fleet.start(calls(fleet.receiver.address, "slow", "two"))
    worker = await working_on(fleet, "slow")
    await fleet.app.pause(run.run_id, "wait")
    await fleet.has(run, FlowPaused)
    fleet.receiver.answer("slow")
    await fleet.stands(run, RunStatus.PAUSED)
    await worker.kill()
    for _ in range(2):
        worker = await fleet.worker()
        await proof_of_work(fleet)
        await worker.kill()
        assert (await fleet.app.row(run.run_id)).status is RunStatus.PAUSED
    assert fleet.receiver.paths == {"slow": 1}
    await fleet.app.resume(run.run_id)
    await fleet.worker()
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    assert fleet.receiver.paths == {"slow": 1, "two": 1}
    await fleet.check()


async def test_a_pause_outlives_the_worker_that_did_not_hear_it(fleet: Fleet) -> None:
    run = await fleet.start(a_row("paused", {"id": "nap", "type": "delay", "config": {"seconds": 600}}))
    worker = await fleet.worker()
    await fleet.has(run, StepWaiting)
    worker.signal(signal.SIGSTOP)
    await fleet.app.pause(run.run_id)
    await worker.kill()
    await fleet.worker()
    await fleet.stands(run, RunStatus.PAUSED)
    await fleet.check()


async def test_an_end_is_an_end(fleet: Fleet) -> None:
    run = await fleet.start(calls(fleet.receiver.address, "one"))
    worker = await fleet.worker()
    row = await fleet.ended(run)
    app = fleet.app
    for asked in (
        app.cancel(run.run_id),
        app.pause(run.run_id),
        app.resume(run.run_id),
        app.resolve(run.run_id, "one", committed=True),
    ):
        with pytest.raises(RunEnded):
            await asked
    name = next(each.worker for each in await app.store.workers() if each.lease_ms > 0)
    last = (await app.store.events(run.run_id))[-1]
    place = (run.run_id, row.seq + 1, row.fence)
    event = EventRow(*place, link(last.hash, *place, last.body), last.body)
    more = Slice(
        run_id=run.run_id,
        worker=name,
        fence=row.fence,
        first=row.seq + 1,
        events=(event,),
        standing=Standing(status=RunStatus.RUNNING, updated_at=row.updated_at),
    )
    (verdict,) = await app.store.commit([more])
    assert isinstance(verdict, Stale)
    await worker.kill()
    await fleet.worker()
    await proof_of_work(fleet)
    assert await app.row(run.run_id) == row
    await fleet.check()


async def test_a_timer_fires_at_its_time_though_the_worker_died(fleet: Fleet) -> None:
    nap = {"id": "nap", "type": "delay", "config": {"seconds": 1.5}}
    here = fleet.receiver.address
    run = await fleet.start(a_row("nap", call(here, "one"), nap, call(here, "two")))
    worker = await fleet.worker()
    waiting = await fleet.has(run, StepWaiting)
    await worker.kill()
    await fleet.worker()
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    fired = await fleet.has(run, TimerFired)
    assert isinstance(waiting.wait, WaitUntil)
    assert fired.timestamp >= waiting.wait.until
    assert fleet.receiver.paths == {"one": 1, "two": 1}
    await fleet.check()


async def test_a_timer_that_came_due_while_nobody_worked_fires_after_the_restart(fleet: Fleet) -> None:
    run = await fleet.start(a_row("nap", {"id": "nap", "type": "delay", "config": {"seconds": 0.3}}))
    worker = await fleet.worker()
    await fleet.has(run, StepWaiting)
    await worker.kill()
    await asyncio.sleep(0.4)
    await fleet.worker()
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED


async def test_no_attempt_and_no_back_off_is_lost_with_the_worker(fleet: Fleet) -> None:
    fleet.receiver.fail("flaky", 2)
    retry = {"max_attempts": 3, "base_ms": 1_000, "multiplier": 1, "jitter": 0}
    run = await fleet.start(a_row("retry", call(fleet.receiver.address, "flaky", retry=retry)))
    worker = await fleet.worker()
    for number in (1, 2):
        scheduled = await fleet.has(run, StepScheduled, number)
        assert scheduled.attempt == number + 1
        await worker.kill()
        worker = await fleet.worker()
    assert (await fleet.ended(run)).status is RunStatus.SUCCEEDED
    facts = await fleet.app.facts(run.run_id)
    starts = {each.attempt: each.timestamp for each in facts if isinstance(each, StepStarted)}
    due = {each.attempt: each.not_before for each in facts if isinstance(each, StepScheduled)}
    assert [starts[attempt] >= due[attempt] for attempt in (2, 3)] == [True, True]
    assert fleet.receiver.paths == {"flaky": 3}
    await fleet.check()


@pytest.mark.parametrize("happened", [True, False])
async def test_a_step_that_may_run_once_waits_for_a_person_when_its_worker_died(
    fleet: Fleet, happened: bool
) -> None:
    fleet.receiver.hold("pay")
    here = fleet.receiver.address
    parts = [call(here, "pay", effect="at_most_once"), call(here, "ship")]
    run = await fleet.start(a_flow("pay", parts, [("start", "pay"), ("pay", "ship")]))
    worker = await working_on(fleet, "pay")
    await worker.kill()
    await fleet.worker()
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    await proof_of_work(fleet)
    assert fleet.receiver.paths == {"pay": 1}
    await fleet.app.resolve(run.run_id, "pay", committed=happened, output={"receipt": 7})
    if not happened:
        await fleet.receiver.reached("pay", 2)
        fleet.receiver.answer("pay")
    row = await fleet.ended(run)
    assert row.status is RunStatus.SUCCEEDED
    assert fleet.receiver.paths == {"pay": 1 if happened else 2, "ship": 1}
    state = (await fleet.app.past(run.run_id)).state(row.seq)
    assert (state["steps"]["pay"] == {"receipt": 7}) is happened
    await fleet.check()
