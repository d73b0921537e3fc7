"""What a run did is undone once, last first, whoever dies meanwhile."""

import asyncio
import signal
from collections.abc import Callable
from typing import Any, Literal

import pytest

from openrun.app import DurableRun
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    FlowCompleted,
    FlowPaused,
    StepCompleted,
)
from openrun.core.types import Json, RunStatus
from openrun.core.undoing import CompensationOutcome, CompensationStatus
from openrun.runtime.errors import UnknownCompensation

from .fleet import Fleet, a_fleet, until
from .flows import Part, a_flow, a_row, call, errand
from .process import Death
from .test_restarts import proof_of_work, working_on

FAIL: Part = {"id": "stop", "type": "fail", "config": {"message": "no"}}
ABORT: Part = {"id": "stop", "type": "abort", "config": {"reason": "withdrawn", "payload": {"why": 1}}}
GATE: Part = {"id": "gate", "type": "wait", "config": {"signal": "go"}}
TASKS = [f"task{number}" for number in range(1, 13)]
COMPLETED = [f"task{number}" for number in (10, 2, 9, 12, 1, 11, 3, 8, 4, 7, 5, 6)]
"""In which order they complete: neither that of their names nor that in which they began."""
AT_ONCE = 6


def refunded(receiver: str, step_id: str) -> Part:
    """A request that another request undoes."""
    url = f"http://{receiver}/undo/{step_id}"
    undo: Json = {"type": "request", "config": {"method": "POST", "url": url}}
    return call(receiver, step_id, compensate=undo)


async def journal(fleet: Fleet, run: DurableRun) -> list[str]:
    """Which steps were undone, in order; each was begun and ended once."""
    facts = await fleet.app.facts(run.run_id)
    begun = [each.step_id for each in facts if isinstance(each, CompensationStarted)]
    over = [each.step_id for each in facts if isinstance(each, CompensationCompleted)]
    assert begun == over
    assert len(set(over)) == len(over)
    return over


def undone(fleet: Fleet) -> list[str]:
    """What the receiver was told to undo, in order, repetitions under the same key left out."""
    calls = [(path, key) for path, key in fleet.receiver.calls if path.startswith("undo/")]
    distinct = list(dict.fromkeys(calls))
    paths = [path.removeprefix("undo/") for path, _key in distinct]
    assert len(set(paths)) == len(paths)
    return paths


async def end_of(fleet: Fleet, run: DurableRun) -> FlowCompleted:
    await fleet.ended(run)
    end = (await fleet.app.facts(run.run_id))[-1]
    assert isinstance(end, FlowCompleted)
    return end


async def at_gate(fleet: Fleet, *parts: Part) -> DurableRun:
    """A run that has done these, and waits."""
    run = await fleet.start(a_row("done", *parts, GATE))
    worker = await fleet.worker()
    await fleet.stands(run, RunStatus.WAITING)
    await worker.kill()
    return run


async def twelve(fleet: Fleet) -> DurableRun:
    """A run of twelve steps at once, that have completed in a certain order; the last of them fails the run."""
    here = fleet.receiver.address
    fleet.receiver.hold(*TASKS)
    parts = [errand(here, each, each) for each in TASKS]
    join: Part = {**FAIL, "join_mode": "ALL_SUCCESS"}
    edges: list[tuple[str, ...]] = [*(("start", each) for each in TASKS), *((each, "stop") for each in TASKS)]
    run = await fleet.start(a_flow("twelve", [*parts, join], edges))
    await fleet.worker()
    for number, task in enumerate(COMPLETED):
        await fleet.receiver.reached(task)
        fleet.receiver.answer(task)
        if number < len(COMPLETED) - 1:
            # The trigger has completed before them.
            assert (await fleet.has(run, StepCompleted, number + 2)).step_id == task
    return run


async def test_twelve_steps_are_undone_in_reverse_order_of_completion_with_kills_in_the_middle(
    fleet: Fleet,
) -> None:
    receiver = fleet.receiver
    order = list(reversed(COMPLETED))
    struck = [order[0], order[5], order[6], order[11]]
    receiver.hold(*(f"undo/{task}" for task in struck))
    run = await twelve(fleet)
    for task in struck:
        path = f"undo/{task}"
        await receiver.reached(path)
        await fleet.kill_all()
        await working_on(fleet, path, 2)
        receiver.answer(path)
    end = await end_of(fleet, run)
    assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.COMPLETED)
    assert await journal(fleet, run) == order
    assert undone(fleet) == order
    assert {task: receiver.paths[f"undo/{task}"] for task in TASKS} == {
        task: 2 if task in struck else 1 for task in TASKS
    }
    assert {task: receiver.paths[task] for task in TASKS} == dict.fromkeys(TASKS, 1)
    rows = await fleet.app.ledger.compensations(run.run_id)
    assert [(row.step_id, row.status) for row in rows] == [(task, "completed") for task in order]
    assert await fleet.app.ledger.compensations() == []
    await fleet.check()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_wherever_a_worker_dies_each_step_is_undone_once_and_in_order(
    fresh: Callable[[], str], when: Literal["before", "after"]
) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def one(commit: int) -> bool:
        async with places, a_fleet(fresh()) as fleet:
            here = fleet.receiver.address
            parts = [errand(here, "a", "a1", "a2"), refunded(here, "b"), errand(here, "c", "c")]
            run = await fleet.start(a_row("three", *parts, FAIL))
            worker = await fleet.worker(death=Death(when=when, commit=commit))
            died = await fleet.ends_or_dies(run, worker)
            await fleet.worker()
            end = await end_of(fleet, run)
            assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.COMPLETED)
            assert await journal(fleet, run) == ["c", "b", "a"], f"{when} commit {commit}"
            assert undone(fleet) == ["c", "b", "a2", "a1"]
            assert sum(count > 1 for count in fleet.receiver.keys.values()) <= 1
            await fleet.check()
            return died

    deaths = await asyncio.gather(*(one(number) for number in range(2, 18)))
    assert sum(deaths) >= 10


@pytest.mark.parametrize("asked", [True, False])
async def test_a_cancelled_run_is_undone_only_if_it_is_asked_for(fleet: Fleet, asked: bool) -> None:
    here = fleet.receiver.address
    run = await at_gate(fleet, errand(here, "one", "one"), refunded(here, "two"))
    if asked:
        fleet.receiver.hold("undo/two")
    await fleet.app.cancel(run.run_id, compensate=asked)
    await fleet.worker()
    if asked:
        await fleet.receiver.reached("undo/two")
        await fleet.kill_all()
        await working_on(fleet, "undo/two", 2)
        fleet.receiver.answer("undo/two")
    end = await end_of(fleet, run)
    assert end.status is RunStatus.CANCELLED
    assert end.compensation is (CompensationOutcome.COMPLETED if asked else None)
    assert undone(fleet) == (["two", "one"] if asked else [])
    await fleet.check()


async def test_an_aborted_run_is_undone_and_keeps_its_payload(fleet: Fleet) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("undo/one")
    run = await fleet.start(a_row("aborted", errand(here, "one", "one"), errand(here, "two", "two"), ABORT))
    worker = await working_on(fleet, "undo/one")
    assert (await fleet.app.row(run.run_id)).status is RunStatus.COMPENSATING
    await worker.kill()
    await working_on(fleet, "undo/one", 2)
    fleet.receiver.answer("undo/one")
    end = await end_of(fleet, run)
    assert (end.status, end.output) == (RunStatus.ABORTED, {"why": 1})
    assert undone(fleet) == ["two", "one"]
    assert len(set(fleet.receiver.keys_of("undo/one"))) == 1
    await fleet.check()


async def test_a_compensation_that_fails_waits_for_a_person_and_the_others_still_run(fleet: Fleet) -> None:
    here = fleet.receiver.address
    fleet.receiver.fail("undo/two", 99)
    fleet.receiver.hold("undo/one")
    parts = [errand(here, each, each) for each in ("one", "two", "three")]
    run = await fleet.start(a_row("partly", *parts, FAIL))
    worker = await working_on(fleet, "undo/one")
    await worker.kill()
    await working_on(fleet, "undo/one", 2)
    fleet.receiver.answer("undo/one")
    end = await end_of(fleet, run)
    assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.PARTIAL)
    assert undone(fleet) == ["three", "two", "one"]
    assert fleet.receiver.paths["undo/two"] == 1
    ledger = fleet.app.ledger
    (row,) = await ledger.compensations()
    assert (row.run_id, row.step_id, row.status) == (run.run_id, "two", CompensationStatus.FAILED)
    assert "REFUSED" in str(row.error)
    await ledger.settle(run.run_id, "two", resolution="resolved", note="by hand", by="ada")
    assert await ledger.compensations() == []
    with pytest.raises(UnknownCompensation):
        await ledger.settle(run.run_id, "one", resolution="ignored")
    await fleet.check()


@pytest.mark.parametrize("happened", [True, False])
async def test_a_charge_that_nobody_knows_about_is_looked_into_before_anything_is_undone(
    fleet: Fleet, happened: bool
) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("charge", "refused")
    parts = [
        errand(here, "first", "first"),
        errand(here, "pay", "charge", config={"kind": "at_most_once"}),
        errand(here, "broken", "refused"),
    ]
    fleet.receiver.fail("refused", 99)
    run = await fleet.start(a_flow("doubt", parts, [("start", str(each["id"])) for each in parts]))
    worker = await working_on(fleet, "charge")
    await fleet.receiver.reached("refused")
    await worker.kill()
    await working_on(fleet, "refused", 2)
    fleet.receiver.answer("refused")
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    await proof_of_work(fleet)
    assert undone(fleet) == []
    (row,) = (each for each in await fleet.app.ledger.effects(run_id=run.run_id) if each.name == "charge")
    await fleet.app.ledger.resolve(row.key, committed=happened, value="paid")
    if not happened:
        await fleet.receiver.reached("charge", 2)
        fleet.receiver.answer("charge")
    end = await end_of(fleet, run)
    assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.COMPLETED)
    assert undone(fleet) == ["charge", "first"]
    assert fleet.receiver.paths["charge"] == (1 if happened else 2)
    await fleet.check()


@pytest.mark.parametrize("happened", [True, False])
async def test_a_refund_that_may_happen_once_waits_for_a_person_before_the_rest_is_undone(
    fleet: Fleet, happened: bool
) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("undo/charge")
    parts = [errand(here, "one", "one"), errand(here, "pay", "charge", config={"kind": "at_most_once"})]
    run = await fleet.start(a_row("refund", *parts, FAIL))
    worker = await working_on(fleet, "undo/charge")
    await worker.kill()
    await fleet.worker()
    await fleet.stands(run, RunStatus.NEEDS_REVIEW)
    await proof_of_work(fleet)
    assert fleet.receiver.paths["undo/charge"] == 1
    assert undone(fleet) == ["charge"]
    (row,) = (each for each in await fleet.app.ledger.effects(run_id=run.run_id) if each.name == "undo")
    await fleet.app.ledger.resolve(row.key, committed=happened, value="paid back")
    if not happened:
        await fleet.receiver.reached("undo/charge", 2)
        fleet.receiver.answer("undo/charge")
    end = await end_of(fleet, run)
    assert end.compensation is CompensationOutcome.COMPLETED
    assert undone(fleet) == ["charge", "one"]
    assert set(fleet.receiver.keys_of("undo/charge")) == {row.key}
    assert await journal(fleet, run) == ["pay", "one"]
    await fleet.check()


async def test_a_zombie_that_undoes_a_step_cannot_record_it(fleet: Fleet) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("undo/two")
    run = await fleet.start(a_row("zombie", errand(here, "one", "one"), errand(here, "two", "two"), FAIL))
    zombie = await working_on(fleet, "undo/two")
    zombie.signal(signal.SIGSTOP)
    await working_on(fleet, "undo/two", 2)
    fleet.receiver.answer("undo/two", number=0)
    zombie.signal(signal.SIGCONT)
    assert await zombie.heard() == ("lost", run.run_id)
    fleet.receiver.answer("undo/two", number=1)
    assert (await end_of(fleet, run)).compensation is CompensationOutcome.COMPLETED
    assert await journal(fleet, run) == undone(fleet) == ["two", "one"]
    assert fleet.receiver.paths["undo/one"] == 1
    await fleet.check()


async def test_undoing_pauses_and_goes_on_over_restarts(fleet: Fleet) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("undo/two")
    run = await fleet.start(a_row("paused", errand(here, "one", "one"), errand(here, "two", "two"), FAIL))
    await working_on(fleet, "undo/two")
    await fleet.app.pause(run.run_id)
    await fleet.has(run, FlowPaused)
    for _ in range(2):
        await fleet.kill_all()
        await fleet.worker()
        await proof_of_work(fleet)
    assert (await fleet.app.row(run.run_id)).status is RunStatus.PAUSED
    assert (fleet.receiver.paths["undo/two"], undone(fleet)) == (1, ["two"])
    await fleet.app.resume(run.run_id)
    await fleet.receiver.reached("undo/two", 2)
    fleet.receiver.answer("undo/two")
    assert (await end_of(fleet, run)).compensation is CompensationOutcome.COMPLETED
    assert undone(fleet) == ["two", "one"]
    await fleet.check()


async def test_items_and_children_are_undone_when_the_run_around_them_is_cancelled(fleet: Fleet) -> None:
    here = fleet.receiver.address
    below = a_row("below", errand(here, "below", "below"), GATE)
    body: Json = {"steps": [errand(here, "item", "item/<<item>>")]}
    items: Part = {
        "id": "items",
        "type": "foreach",
        "config": {"items": ["a", "b"], "body": body, "concurrency": 1},
    }
    child: Part = {"id": "child", "type": "subflow", "config": {"flow": "below"}}
    run = await fleet.start(a_row("above", items, child), below)
    await fleet.worker()
    (row,) = await until(fleet.app.waits.open)
    await fleet.kill_all()
    await fleet.app.cancel(run.run_id, compensate=True)
    await fleet.worker()
    assert (await end_of(fleet, run)).status is RunStatus.CANCELLED
    (gone,) = await fleet.app.children(run.run_id)
    assert (gone.run_id, gone.status) == (row.run_id, RunStatus.CANCELLED)
    assert undone(fleet) == ["below", "item/b", "item/a"]
    await fleet.check()


async def test_a_hard_cancel_ends_the_undoing_and_tells_what_is_left(fleet: Fleet) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("undo/two")
    parts = [errand(here, each, each) for each in ("one", "two", "three")]
    run = await fleet.start(a_row("cut", *parts, FAIL))
    worker = await working_on(fleet, "undo/two")
    await worker.kill()
    await fleet.app.cancel(run.run_id, hard=True)
    await fleet.worker()
    end = await end_of(fleet, run)
    assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.PARTIAL)

    async def queue() -> Any:
        return [(row.step_id, row.status) for row in await fleet.app.ledger.compensations(run.run_id)]

    assert await until(queue) == [("three", "completed"), ("two", "cancelled"), ("one", "cancelled")]
    assert "one" not in undone(fleet)
    await fleet.check()
