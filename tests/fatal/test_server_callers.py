"""Who waits for the answer of a run gets it from whatever process comes to it, and never a wrong one."""

import asyncio
from typing import Any

import pytest

from openrun.core.events import StepWaiting
from openrun.space import DurableRun

from .courier import Answer, Courier, bring
from .fleet import Fleet, until
from .flows import call
from .server_process import hooked
from .serving import a_server, all_deliveries, all_ended

SAY = {"id": "say", "type": "reply", "config": {"status": 201, "body": {"got": "<<steps.ask.body>>"}}}


def last(mode: str) -> list[dict[str, Any]]:
    """What is said at the end: by a reply step, or as the output of the last one."""
    said = {"id": "say", "type": "transform", "config": {"value": {"got": "<<steps.ask.body>>"}}}
    return [SAY if mode == "respond" else said]


def is_it(answer: Answer | None, mode: str) -> bool:
    assert answer is not None
    assert answer.status == (201 if mode == "respond" else 200)
    return bool(answer.json == {"got": "done"})


async def kept(fleet: Fleet) -> DurableRun:
    """The run of the only delivery, once there is one."""
    (row,) = await until(lambda: all_deliveries(fleet))
    return DurableRun(fleet.app, row.run_id)


@pytest.mark.parametrize("mode", ["respond", "last_step"])
async def test_a_caller_whose_server_is_killed_gets_the_answer_when_it_asks_again(
    fleet: Fleet, mode: str
) -> None:
    fleet.receiver.hold("ask")
    await fleet.app.add_flow(hooked("work", call(fleet.receiver.address, "ask"), *last(mode), mode=mode))
    member, address = await a_server(fleet)
    asking = asyncio.ensure_future(Courier(address).bring("/work", "one"))
    await fleet.receiver.reached("ask")
    await member.kill()
    assert await asking is None
    member, address = await a_server(fleet)
    again = asyncio.ensure_future(Courier(address).bring("/work", "one"))
    await fleet.receiver.reached("ask", 2)
    fleet.receiver.answer("ask")
    assert is_it(await again, mode)
    assert (await again).replayed  # type: ignore[union-attr]
    assert await all_ended(fleet) == 1
    await member.retire()
    await fleet.check()


@pytest.mark.parametrize("mode", ["respond", "last_step"])
async def test_a_run_that_two_workers_worked_on_answers_a_caller_at_a_server_without_a_worker(
    fleet: Fleet, mode: str
) -> None:
    fleet.receiver.hold("ask")
    await fleet.app.add_flow(hooked("work", call(fleet.receiver.address, "ask"), *last(mode), mode=mode))
    member, address = await a_server(fleet, work=False)
    asking = asyncio.ensure_future(bring(address, "/work", "one"))
    first = await fleet.worker()
    await fleet.receiver.reached("ask")
    await first.kill()
    second = await fleet.worker()
    await fleet.receiver.reached("ask", 2)
    fleet.receiver.answer("ask")
    assert is_it(await asking, mode)
    for each in (member, second):
        await each.retire()
    await fleet.check()


@pytest.mark.parametrize("mode", ["respond", "last_step"])
async def test_a_run_that_was_parked_answers_its_caller_when_another_worker_resumes_it(
    fleet: Fleet, mode: str
) -> None:
    nap = {"id": "nap", "type": "delay", "config": {"seconds": 1.5}}
    await fleet.app.add_flow(hooked("work", nap, call(fleet.receiver.address, "ask"), *last(mode), mode=mode))
    member, address = await a_server(fleet, work=False)
    asking = asyncio.ensure_future(bring(address, "/work", "one"))
    first = await fleet.worker()
    run = await kept(fleet)
    await fleet.has(run, StepWaiting)
    # It hands the run back, in the middle of its nap.
    await first.retire()
    second = await fleet.worker()
    assert is_it(await asking, mode)
    assert fleet.receiver.paths == {"ask": 1}
    for each in (member, second):
        await each.retire()
    await fleet.check()


async def test_a_caller_whose_run_nobody_works_on_is_told_its_id_in_time(fleet: Fleet) -> None:
    await fleet.app.add_flow(
        hooked("work", call(fleet.receiver.address, "ask"), SAY, mode="respond", wait_seconds=1)
    )
    member, address = await a_server(fleet, work=False)
    answer = await bring(address, "/work", "one")
    assert (answer.status, answer.json) == (202, {"run_id": answer.run_id, "status": "accepted"})
    worker = await fleet.worker()
    assert await all_ended(fleet) == 1
    again = await bring(address, "/work", "one")
    assert (again.run_id, again.replayed) == (answer.run_id, True)
    assert is_it(again, "respond")
    for each in (member, worker):
        await each.retire()
