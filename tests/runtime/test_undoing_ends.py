"""Undoing begins when all else has ended, and ends: in time, stopped, paused, crashed."""

import asyncio

import pytest

from openrun import (
    Limits,
    RunStatus,
    StepContext,
    StepSubflow,
    step,
)
from openrun.app import App
from openrun.core.events import (
    CompensationStarted,
    FlowCompleted,
    StepCompleted,
    StepStarted,
)
from openrun.core.outstanding import standing
from openrun.core.undoing import CompensationOutcome
from openrun.runtime.errors import UnknownCompensation
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.store.memory import MemoryStore
from tests.runtime.asking import QUICK
from tests.runtime.desk import Desk, cancels
from tests.runtime.steps import Book, Outside, breaks, catalog_of, flow_of, signal
from tests.runtime.undoing import DAY, abort, told


async def test_nothing_is_undone_before_the_steps_marked_always_have_ended() -> None:
    book = Book()
    flow = flow_of(book.step(1), breaks(id="breaks"), signal("clean", always=True), book.step(2, "after"))
    async with Desk(flow) as desk:
        await desk.cancel(compensate=True)
        assert book.undone == []
        await desk.restart()
        await desk.signal("go")
        await desk.end()
        began = desk.of(CompensationStarted)[0].seq
        ends = [each.seq for each in desk.of(StepCompleted) if "undo" not in each.scope]
        assert max(ends) < began
    assert book.undone == [2, 1]


@pytest.mark.parametrize("how", ["abort", "cancel"])
async def test_a_step_marked_always_that_never_ends_keeps_nothing_from_being_undone(how: str) -> None:
    book = Book()
    ends = abort() if how == "abort" else signal("gate", "never")
    async with Desk(flow_of(book.step(1), ends, signal("clean", always=True))) as desk:
        if how == "cancel":
            await desk.cancel(compensate=True)
        assert not desk.over
        await desk.restart()
        await desk.advance(61)
        await desk.end()
    assert book.undone == [1]


async def test_a_hard_cancel_undoes_nothing_that_is_not_under_way_already() -> None:
    outside = Outside()

    @step
    async def pays(number: int) -> int:
        return number

    @pays.compensation
    async def refunds(number: int, context: StepContext) -> None:
        await context.effect("refund", outside.wait if number == 2 else outside.call)

    flow = flow_of(*(pays(id=f"p{at}", number=at) for at in (1, 2, 3)), breaks(id="breaks"))
    async with Desk(flow) as desk:
        await outside.inside.wait()
        desk.post(cancels(hard=True))
        outside.door.set()
        end = await desk.end()
        assert told(desk)[0] == ("p3", "completed")
        assert told(desk)[-1] == ("p1", "cancelled")
        assert end.compensation is CompensationOutcome.PARTIAL
        assert [each.step_id for each in desk.of(CompensationStarted)] == ["p3", "p2"]


async def test_a_hard_cancel_of_a_paused_run_begins_no_compensation_any_more() -> None:
    outside = Outside()

    @step
    async def pays(number: int) -> int:
        return number

    @pays.compensation
    async def refunds(number: int, context: StepContext) -> None:
        await context.effect("refund", outside.wait)

    for restarts in (False, True):
        outside.door.clear()
        flow = flow_of(pays(id="p1", number=1), pays(id="p2", number=2), breaks(id="breaks"))
        async with Desk(flow) as desk:
            await desk.pause()
            outside.door.set()
            await desk.rest()
            assert told(desk) == [("p2", "completed")]
            if restarts:
                await desk.restart()
            await desk.cancel(hard=True)
            await desk.end()
            assert told(desk) == [("p2", "completed"), ("p1", "cancelled")]
            assert len(desk.of(CompensationStarted)) == 1


async def test_a_hard_cancel_before_anything_is_undone_undoes_nothing() -> None:
    book = Book()
    async with Desk(flow_of(book.step(1), signal("gate"))) as desk:
        await desk.say(cancels(compensate=True), cancels(hard=True))
        end = await desk.end()
    assert end.status is RunStatus.CANCELLED
    assert book.undone == []


async def test_a_pause_in_the_middle_holds_what_comes_next() -> None:
    outside = Outside()
    undone: list[int] = []

    @step
    async def pays(number: int) -> int:
        return number

    @pays.compensation
    async def refunds(number: int, context: StepContext) -> None:
        undone.append(number)
        await context.effect("refund", outside.wait)

    async with Desk(flow_of(pays(id="p1", number=1), pays(id="p2", number=2), breaks(id="b"))) as desk:
        await desk.pause()
        outside.door.set()
        await desk.rest()
        await desk.advance(1000)
        await desk.restart()
        assert undone == [2]
        assert standing(desk.driver.machine) is RunStatus.PAUSED
        await desk.resume()
        await desk.end()
    assert undone == [2, 1]


async def test_a_pause_leaves_no_instant_to_come_back_for_when_nothing_is_being_undone() -> None:
    outside = Outside()

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds(context: StepContext) -> None:
        await context.effect("refund", outside.wait)

    async with Desk(flow_of(pays(id="p1"), pays(id="p2"), breaks(id="breaks"))) as desk:
        await desk.pause()
        outside.door.set()
        await desk.rest()
        await desk.restart()
        await desk.advance(DAY + 1)
        assert desk.driver.resting
        assert desk.driver.due() is None
        await desk.resume()
        await desk.end()
        assert told(desk) == [("p2", "completed"), ("p1", "expired")]


async def test_a_second_cancel_does_not_stop_the_undoing() -> None:
    outside = Outside()

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds(context: StepContext) -> None:
        await context.effect("refund", outside.wait)

    async with Desk(flow_of(pays(id="pays"), signal("gate"))) as desk:
        await desk.cancel(compensate=True)
        await desk.cancel()
        outside.door.set()
        assert (await desk.end()).compensation is CompensationOutcome.COMPLETED


# -- time -----------------------------------------------------------------------------------------


@step
async def waits_to_undo(number: int) -> int:
    """Is undone once somebody says so."""
    return number


@waits_to_undo.compensation
async def asked_first(number: int, context: StepContext) -> None:
    await context.interrupt(key=f"undo {number}")


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_step_has_to_be_undone_within_its_time(*, restarts: bool) -> None:
    flow = flow_of(*(waits_to_undo(id=f"s{at}", number=at) for at in (1, 2)), breaks(id="breaks"))
    async with Desk(flow) as desk:
        await desk.advance(DAY - 1)
        if restarts:
            await desk.restart()
        await desk.answer(desk.ask("undo 2"))
        await desk.advance(2)
        end = await desk.end()
        assert told(desk) == [("s2", "completed"), ("s1", "expired")]
        assert end.compensation is CompensationOutcome.PARTIAL
        assert desk.asks == []


async def test_what_was_done_too_long_ago_is_told_as_expired_without_a_try() -> None:
    book = Book()
    async with Desk(
        flow_of(book.step(1), signal("gate"), book.step(2), breaks(id="breaks")),
        limits=Limits(compensation_time=600),
    ) as desk:
        await desk.advance(601)
        await desk.signal("go")
        await desk.end()
        assert told(desk) == [("w2", "completed"), ("w1", "expired")]
    assert book.undone == [2]


async def test_a_pause_does_not_stop_the_clock_of_an_undoing() -> None:
    async with Desk(flow_of(waits_to_undo(id="s1", number=1), breaks(id="breaks"))) as desk:
        await desk.pause()
        await desk.advance(DAY + 1)
        await desk.resume()
        await desk.end()
        assert told(desk) == [("s1", "expired")]


async def test_a_compensation_that_is_tried_again_keeps_its_time() -> None:
    outside = Outside(*[ConnectionResetError()] * 20)

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds(context: StepContext) -> None:
        await context.effect("refund", outside.call)

    async with Desk(flow_of(pays(id="p"), breaks(id="b")), limits=Limits(compensation_time=60)) as desk:
        for _ in range(7):
            await desk.advance(10)
            await desk.restart()
        assert told(desk) == [("p", "expired")]
        assert desk.over
        tried = outside.calls
        await desk.advance(1000)
        assert outside.calls == tried


# -- crashes, and the end ---------------------------------------------------------------------------


async def test_a_compensation_goes_on_after_every_crash_and_each_is_undone_once() -> None:
    outside = Outside()

    @step
    async def pays(number: int) -> int:
        return number

    @pays.compensation
    async def refunds(number: int, context: StepContext) -> None:
        await context.effect("refund", outside.call, number)
        await context.interrupt(key="next")

    flow = flow_of(*(pays(id=f"p{at}", number=at) for at in range(6)), breaks(id="breaks"))
    async with Desk(flow) as desk:
        while not desk.over:
            await desk.crash()
            if desk.asks:
                await desk.answer(desk.ask("next"))
        assert told(desk) == [(f"p{at}", "completed") for at in range(5, -1, -1)]
        assert len(set(outside.keys)) == 6
        starts = [(each.step_id, each.scope, each.attempt) for each in desk.of(StepStarted)]
        assert len(set(starts)) == len(starts)


async def test_nothing_follows_the_end_of_a_run() -> None:
    outside = Outside()
    book = Book()

    @step
    async def deaf(context: StepContext) -> None:
        await context.effect("call", outside.wait)

    async with Desk(flow_of(book.step(1), deaf(id="deaf"))) as desk:
        await desk.cancel(hard=True)
        outside.door.set()
        await desk.end()
        before = len(desk.facts)
        for _ in range(100):
            await asyncio.sleep(0)
        await desk.advance(DAY * 2)
        assert len(desk.facts) == before
        assert desk.of(FlowCompleted) == desk.facts[-1:]


async def test_what_could_not_be_undone_waits_for_a_person_to_settle_it() -> None:
    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds() -> None:
        raise ValueError("no refund")

    async with App(MemoryStore(), options=QUICK, catalog=catalog_of(pays=pays, breaks=breaks)) as app:
        run = await app.start(flow_of(pays(id="one"), pays(id="two"), breaks(id="breaks")))
        assert (await run.finished()).status is RunStatus.FAILED
        rows = await app.ledger.compensations()
        assert {(row.step_id, row.status) for row in rows} == {("one", "failed"), ("two", "failed")}
        settled = await app.ledger.settle(run.run_id, "one", resolution="resolved", note="by hand", by="ada")
        assert (settled.resolution, settled.by) == ("resolved", "ada")
        with pytest.raises(UnknownCompensation):
            await app.ledger.settle(run.run_id, "one", resolution="ignored")
        assert [row.step_id for row in await app.ledger.compensations()] == ["two"]


async def test_a_child_run_that_is_stopped_with_its_parent_undoes_what_it_did() -> None:
    book = Book()
    inner = flow_of(book.step("inner"), signal("gate"), name="inner")
    outer = flow_of(book.step("outer"), StepSubflow(id="sub", config=StepSubflowConfig(flow="inner")))
    async with App(MemoryStore(), options=QUICK, catalog=catalog_of(writes=book.writes)) as app:
        await app.add_flow(inner)
        run = await app.start(outer)
        async with asyncio.timeout(20):
            # The store has no signal for this.
            while not await app.waits.open():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await app.cancel(run.run_id, compensate=True)
        assert (await run.finished()).status is RunStatus.CANCELLED
    assert book.undone == ["inner", "outer"]
