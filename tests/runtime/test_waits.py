"""Waiting to be told: by signal, by event, by a person, and whoever comes too early, twice or too late."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrun import (
    Flow,
    InterruptExpired,
    JoinMode,
    Losers,
    RetryPolicy,
    RunStatus,
    StepApproval,
    StepConditional,
    StepContext,
    StepForeach,
    StepSetState,
    TriggerManual,
    WaitForAnswers,
    step,
)
from openrun.core.asks import Decision
from openrun.core.events import (
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.steps.execution.approval import StepApprovalConfig
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from tests.runtime.asking import approval, beside, wait
from tests.runtime.desk import Desk, answered, cancels, told
from tests.runtime.steps import body_of, flow_of

# -- signals --------------------------------------------------------------------------------------


async def test_a_signal_is_heard_by_whoever_has_waited_for_it_longest() -> None:
    flow = beside(*(wait(name, signal="go") for name in ("one", "two", "three")))
    async with Desk(flow) as desk:
        await desk.signal("go", value=1)
        await desk.restart()
        await desk.signal("go", "go", value=2)
        await desk.end()
        heard = [(each.step_id, each.answer.value) for each in desk.of(SignalReceived)]
        assert heard == [("one", 1), ("two", 2), ("three", 2)]


async def test_a_signal_that_comes_before_anybody_waits_is_kept_in_order() -> None:
    flow = flow_of(wait("gate", signal="open"), wait("one", signal="go"), wait("two", signal="go"))
    async with Desk(flow) as desk:
        await desk.say(told("go", 1), told("go", 2))
        await desk.restart()
        await desk.signal("open")
        await desk.end()
        assert [desk.output(name)["value"] for name in ("one", "two")] == [1, 2]


@pytest.mark.parametrize("together", [True, False])
async def test_a_signal_that_came_second_is_left_for_the_next_who_waits_for_it(*, together: bool) -> None:
    flow = flow_of(wait("first", signal=["paid", "withdrawn"]), wait("second", signal="withdrawn"))
    async with Desk(flow) as desk:
        await desk.pause()
        if together:
            await desk.signal("paid", "withdrawn")
        else:
            await desk.signal("paid")
            await desk.signal("withdrawn")
        await desk.resume()
        await desk.end()
        assert desk.output("first")["signal"] == "paid"
        assert desk.output("second")["signal"] == "withdrawn"


async def test_of_signals_that_came_early_the_one_that_came_first_counts() -> None:
    flow = flow_of(
        wait("gate", signal="open"),
        wait("first", signal=["paid", "withdrawn"]),
        wait("second", signal="paid"),
    )
    async with Desk(flow) as desk:
        await desk.signal("withdrawn", "paid", "open")
        await desk.end()
        assert desk.output("first")["signal"] == "withdrawn"


async def test_a_signal_that_another_step_took_is_not_heard_twice() -> None:
    flow = beside(wait("one", signal="go", timeout="1h"), wait("two", signal="go", timeout="1h"))
    async with Desk(flow) as desk:
        await desk.signal("go")
        await desk.advance(3600)
        await desk.end()
        assert (desk.port("one"), desk.port("two")) == ("received", "expired")


@pytest.mark.parametrize("first", ["signal", "time"])
async def test_a_wait_ends_with_what_comes_first(first: str) -> None:
    async with Desk(flow_of(wait("wait", signal="go", timeout="1h"))) as desk:
        if first == "signal":
            await desk.signal("go")
            await desk.advance(3600)
        else:
            await desk.advance(3600)
        await desk.end()
        assert desk.port("wait") == {"signal": "received", "time": "expired"}[first]
        assert len(desk.of(TimerFired)) == (first == "time")


async def test_each_round_of_a_loop_waits_for_a_signal_of_its_own() -> None:
    more = StepConditional(
        id="more",
        config=StepConditionalConfig(left="<<steps.wait.value>>", operator="not_equals", right="stop"),
    )
    flow = Flow(name="rounds")
    head = wait("wait", signal="next")
    flow.add_edge(TriggerManual(id="start"), head)
    flow.add_edge(head, more, "received")
    flow.add_edge(more, head, "true")
    async with Desk(flow) as desk:
        for value in ("a", "b", "stop"):
            await desk.signal("next", value=value)
            await desk.restart()
        await desk.end()
        assert len({ask.id for each in desk.of(StepWaiting) for ask in each.wait.asks}) == 3
        assert len(desk.of(StepWaiting)) == 3


# -- approvals ------------------------------------------------------------------------------------


async def test_an_approval_takes_as_many_people_as_it_says_and_the_last_edit_counts() -> None:
    async with Desk(flow_of(approval("agreed", quorum=3, payload={"sum": 1}))) as desk:
        (ask,) = desk.asks
        await desk.approve(ask, {"sum": 2}, by="ada")
        await desk.approve(ask, {"sum": 9}, by="ada")
        await desk.restart()
        await desk.approve(ask, by="bob")
        assert not desk.over
        await desk.approve(ask, by="eve")
        await desk.end()
        output = desk.output("agreed")
        assert (output["value"], output["by"]) == ({"sum": 2}, ["ada", "bob", "eve"])


async def test_one_who_rejects_is_enough() -> None:
    async with Desk(flow_of(approval("agreed", quorum=3))) as desk:
        (ask,) = desk.asks
        await desk.say(
            answered(ask, by="ada", decision=Decision.APPROVED),
            answered(ask, by="bob", decision=Decision.REJECTED, reason="too dear"),
            answered(ask, by="eve", decision=Decision.APPROVED),
        )
        await desk.end()
        assert desk.port("agreed") == "rejected"
        assert desk.output("agreed")["reason"] == "too dear"


async def test_an_approval_that_nobody_answers_expires_with_what_was_said() -> None:
    async with Desk(flow_of(approval("agreed", quorum=2, expires="1h"))) as desk:
        await desk.approve(desk.asks[0], by="ada")
        await desk.restart()
        await desk.advance(3600)
        await desk.end()
        assert desk.port("agreed") == "expired"
        assert [each["by"] for each in desk.output("agreed")["answers"]] == ["ada"]


@pytest.mark.parametrize("paused", [True, False])
async def test_an_answer_after_the_time_is_up_is_too_late(*, paused: bool) -> None:
    async with Desk(flow_of(approval("agreed", expires="1h"))) as desk:
        (ask,) = desk.asks
        if paused:
            await desk.pause()
        await desk.advance(3601)
        if not desk.over:
            await desk.approve(ask, by="ada")
            await desk.resume()
        await desk.end()
        assert desk.port("agreed") == "expired"


async def test_what_is_said_during_a_pause_counts_once_the_run_goes_on() -> None:
    async with Desk(flow_of(approval("agreed", quorum=2), wait("after", signal="go"))) as desk:
        (ask,) = desk.asks
        await desk.pause()
        await desk.approve(ask, by="ada")
        await desk.signal("go")
        await desk.approve(ask, by="bob")
        await desk.restart()
        assert not desk.of(StepCompleted)[1:]
        await desk.resume()
        await desk.end()


order = st.permutations(range(5))


@settings(max_examples=150)
@given(order=order, noes=st.sets(st.integers(0, 4), max_size=2), restarts=st.sets(st.integers(0, 4)))
def test_items_may_be_answered_in_any_order(order: Sequence[int], noes: set[int], restarts: set[int]) -> None:
    asyncio.run(answer_items(order, noes, restarts))


async def answer_items(order: Sequence[int], noes: set[int], restarts: set[int]) -> None:
    body = body_of(
        StepApproval(id="agreed", config=StepApprovalConfig(title="{{item}}?", payload="<<item>>")),
        StepSetState(id="keep", config=StepSetStateConfig(values={"got": "<<steps.agreed.value>>"})),
    )
    each = StepForeach(id="each", config=StepForeachConfig(items=list(range(5)), body=body))
    async with Desk(flow_of(each)) as desk:
        for at in order:
            ask = desk.ask(f"{at}?")
            if at in noes:
                await desk.reject(ask, "no", by="ada")
            else:
                await desk.approve(ask, f"edited {at}", by="ada")
            if at in restarts:
                await desk.restart()
        await desk.end()
        assert all(desk.of(StepStarted).count(fact) == 1 for fact in desk.of(StepStarted))
        kept = {fact.scope: fact.patch["got"] for fact in desk.of(StepCompleted) if fact.step_id == "keep"}
        assert kept == {f"/each[{at}]": f"edited {at}" for at in range(5) if at not in noes}


# -- interrupts -----------------------------------------------------------------------------------


@step
async def gathers(context: StepContext) -> list[Any]:
    """Asks three things at once."""
    return list(await asyncio.gather(*(context.interrupt({"for": key}, key=key) for key in "abc")))


@step
async def groups(context: StepContext) -> list[Any]:
    """Asks three things at once, in a group."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(context.interrupt(key=key)) for key in "abc"]
    return [task.result() for task in tasks]


@pytest.mark.parametrize("kind", [gathers, groups], ids=["gather", "group"])
@pytest.mark.parametrize("order", ["abc", "cba", "bca"])
async def test_several_questions_of_one_step_are_answered_in_any_order(kind: Any, order: str) -> None:
    async with Desk(flow_of(kind(id="asks"))) as desk:
        assert [ask.name for ask in desk.asks] == ["a", "b", "c"]
        for key in order:
            await desk.restart()
            await desk.answer(desk.ask(key), key.upper())
        assert (await desk.end()).output == ["A", "B", "C"]
        assert desk.started("asks") == 1


@pytest.mark.parametrize("kind", [gathers, groups], ids=["gather", "group"])
async def test_answers_that_come_together_are_all_heard(kind: Any) -> None:
    async with Desk(flow_of(kind(id="asks"))) as desk:
        await desk.say(*(answered(ask, ask.name) for ask in reversed(desk.asks)))
        assert (await desk.end()).output == ["a", "b", "c"]


async def test_a_question_keeps_its_time_when_it_is_asked_again() -> None:
    late = 0

    @step
    async def asks(context: StepContext) -> list[Any]:
        nonlocal late

        async def patient() -> Any:
            nonlocal late
            try:
                return await context.interrupt(key="soon", expires=3600)
            except InterruptExpired:
                late += 1
                return "late"

        return list(await asyncio.gather(patient(), context.interrupt(key="other")))

    async with Desk(flow_of(asks(id="asks"))) as desk:
        await desk.advance(3000)
        await desk.restart()
        await desk.advance(601)
        assert late == 1
        await desk.answer(desk.ask("other"), 1)
        assert (await desk.end()).output == ["late", 1]


async def test_the_time_of_a_question_that_was_answered_wakes_nobody() -> None:
    runs = 0

    @step
    async def asks(context: StepContext) -> list[Any]:
        nonlocal runs
        runs += 1
        return list(
            await asyncio.gather(context.interrupt(key="soon", expires=60), context.interrupt(key="other"))
        )

    async with Desk(flow_of(asks(id="asks"))) as desk:
        await desk.answer(desk.ask("soon"), 1)
        await desk.advance(1000)
        assert (runs, desk.of(TimerFired)) == (2, [])
        await desk.answer(desk.ask("other"), 2)
        assert (await desk.end()).output == [1, 2]


async def test_a_question_that_was_rejected_fails_the_step() -> None:
    @step
    async def asks(context: StepContext) -> Any:
        return await context.interrupt(key="sure")

    async with Desk(flow_of(asks(id="asks"))) as desk:
        await desk.reject(desk.ask("sure"), "not today")
        end = await desk.end()
        assert [each.error.code for each in end.failures] == ["INTERRUPT_REJECTED"]
        assert "not today" in end.failures[0].error.message


async def test_an_answer_is_kept_for_the_next_attempt_at_the_step() -> None:
    attempts = []

    @step
    async def asks(context: StepContext) -> list[Any]:
        got = await context.interrupt(key="sure")
        attempts.append(context.attempt)
        if context.attempt == 1:
            raise ConnectionResetError
        return [got, await context.interrupt(key="really")]

    async with Desk(flow_of(asks(id="asks", retry=RetryPolicy(base_ms=1000)))) as desk:
        await desk.answer(desk.ask("sure"), "yes")
        await desk.restart()
        await desk.advance(2)
        await desk.answer(desk.ask("really"), "really")
        assert (await desk.end()).output == ["yes", "really"]
        assert attempts == [1, 2, 2]


@step
async def swallows(context: StepContext) -> Any:
    """Catches what takes it out of the middle."""
    try:
        return await context.interrupt(key="a")
    except BaseException:  # noqa: BLE001
        return "nothing"


@step
async def collects(context: StepContext) -> Any:
    """Has a gather catch it."""
    questions = (context.interrupt(key="a"), context.interrupt(key="b"))
    return [str(each) for each in await asyncio.gather(*questions, return_exceptions=True)]


@step
async def tidies(context: StepContext) -> Any:
    """Breaks as it leaves."""
    try:
        return await context.interrupt(key="a")
    finally:
        if context.attempt > 5:
            raise ValueError("finally")


@pytest.mark.parametrize("kind", [swallows, collects, tidies], ids=["except", "gather", "finally"])
async def test_a_question_is_asked_whatever_its_step_comes_back_with(kind: Any) -> None:
    async with Desk(flow_of(kind(id="asks"))) as desk:
        while not desk.over:
            await desk.answer(desk.asks[0], desk.asks[0].name)
        assert (await desk.end()).output in ("a", ["a", "b"])


async def test_two_questions_under_one_key_are_two() -> None:
    @step
    async def asks(context: StepContext) -> list[Any]:
        return [await context.interrupt(key="again"), await context.interrupt(key="again")]

    async with Desk(flow_of(asks(id="asks"))) as desk:
        await desk.answer(desk.ask("again"), 1)
        await desk.answer(desk.ask("again"), 2)
        assert (await desk.end()).output == [1, 2]
        assert len(desk.of(StepInterrupted)) == 2


async def test_the_work_before_a_question_is_done_once_in_each_of_two_branches() -> None:
    done: list[str] = []

    async def note(what: str) -> None:
        done.append(what)

    @step
    async def asks(context: StepContext, what: str) -> Any:
        await context.effect("work", note, what)
        return await context.interrupt(key=what)

    async with Desk(beside(asks(id="a", what="a"), asks(id="b", what="b"))) as desk:
        for _ in range(5):
            await desk.restart()
        await desk.answer(desk.ask("b"), 2)
        await desk.restart()
        await desk.answer(desk.ask("a"), 1)
        assert (await desk.end()).output == {"a": 1, "b": 2}
        assert sorted(done) == ["a", "b"]


# -- races, pauses, the end -------------------------------------------------------------------------


@pytest.mark.parametrize("losers", [Losers.CANCEL, Losers.DETACH])
async def test_a_wait_that_lost_its_race_is_closed_or_goes_on_without_it(losers: Losers) -> None:
    join = StepSetState(
        id="won",
        join_mode=JoinMode.FIRST_SUCCESS,
        losers=losers,
        config=StepSetStateConfig(values={"won": True}),
    )
    async with Desk(beside(wait("slow", signal="slow"), wait("fast", signal="fast"), last=join)) as desk:
        await desk.signal("fast")
        assert desk.started("won") == 1
        assert desk.over is (losers is Losers.CANCEL)
        assert [each.step_id for each in desk.of(StepCancelled)] == (["slow"] if desk.over else [])
        if not desk.over:
            await desk.signal("slow")
        assert (await desk.end()).status is RunStatus.SUCCEEDED
        assert desk.started("won") == 1


async def test_a_cancel_closes_what_a_run_waits_for() -> None:
    flow = beside(wait("one", signal="x"), approval("two"), gathers(id="three"))
    async with Desk(flow) as desk:
        assert len(desk.asks) == 5
        await desk.say(cancels())
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert desk.asks == []


async def test_an_answer_that_comes_with_a_cancel_changes_nothing_any_more() -> None:
    async with Desk(flow_of(approval("agreed"), wait("after", signal="x"))) as desk:
        (ask,) = desk.asks
        await desk.say(cancels(), answered(ask, by="ada", decision=Decision.APPROVED))
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert desk.started("after") == 0


async def test_what_came_too_late_or_twice_is_noted_and_changes_nothing() -> None:
    async with Desk(flow_of(approval("agreed"), wait("after", signal="x"))) as desk:
        (ask,) = desk.asks
        approve = answered(ask, by="ada", decision=Decision.APPROVED)
        await desk.say(approve)
        await desk.say(approve, answered(ask, by="bob", decision=Decision.REJECTED))
        assert desk.port("agreed") == "approved"
        assert len([each for each in desk.of(SignalReceived) if each.step_id is None]) == 2
        await desk.signal("x")
        await desk.end()


async def test_a_run_in_memory_is_told_by_whoever_holds_it() -> None:
    flow = flow_of(wait("hears", signal="go"), approval("asks"))
    run = flow.run()
    async for event in run:
        if isinstance(event, StepWaiting) and isinstance(event.wait, WaitForAnswers):
            if event.step_id == "hears":
                run.signal("go", 7)
            else:
                run.answer(event.wait.asks[0].id, decision="approved", by="ada")
    end = await run.finished()
    assert end.succeeded
    assert end.state["steps"]["hears"]["value"] == 7
