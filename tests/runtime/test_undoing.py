"""What a run that fails, aborts or is cancelled undoes: in which order, with what, and for how long."""

import asyncio
from typing import Any

import pytest

from openrun import (
    Abort,
    Flow,
    JoinMode,
    RetryPolicy,
    RunStatus,
    StateContainer,
    StepConditional,
    StepContext,
    StepForeach,
    StepSubflow,
    TriggerManual,
    step,
)
from openrun.core.events import (
    FlowCompleted,
    ReviewRequested,
    StepScheduled,
)
from openrun.core.outstanding import standing
from openrun.core.undoing import CompensationOutcome
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from tests.runtime.desk import Desk
from tests.runtime.steps import Book, Outside, body_of, breaks, catalog_of, flow_of, signal
from tests.runtime.undoing import abort, told

# -- order ----------------------------------------------------------------------------------------


async def test_what_was_done_last_is_undone_first_whatever_the_branch() -> None:
    book = Book()
    flow = Flow(name="branches")
    begin = flow.add_step(TriggerManual(id="start"))
    end = breaks(id="breaks", join_mode=JoinMode.ALL_SUCCESS)
    for branch in ("a", "b"):
        gate, again = signal(f"gate_{branch}", branch), signal(f"again_{branch}", branch)
        first, second = book.step(f"{branch}1"), book.step(f"{branch}2")
        flow.add_edge(begin, gate)
        flow.add_edge(gate, first, "received")
        flow.add_edge(first, again)
        flow.add_edge(again, second, "received")
        flow.add_edge(second, end)
    async with Desk(flow) as desk:
        for name in ("b", "a", "a", "b"):
            await desk.signal(name)
            await desk.restart()
        await desk.end()
        assert book.undone == ["b2", "a2", "a1", "b1"]
        assert desk.of(FlowCompleted)[0].compensation is CompensationOutcome.COMPLETED


async def test_each_iteration_of_a_loop_is_undone_for_itself() -> None:
    seen: list[Any] = []

    @step
    async def counts(state: StateContainer) -> int:
        number = int(state.get("n", 0)) + 1
        state.set("n", number)
        return number

    @counts.compensation
    async def uncounts(output: int, state: StateContainer, context: StepContext) -> None:
        seen.append((output, state.get("n"), context.scope))

    more = StepConditional(
        id="more", config=StepConditionalConfig(left="<<n>>", operator="less_than", right=4)
    )
    flow = Flow(name="loop")
    head = counts(id="counts")
    flow.add_edge(TriggerManual(id="start"), head)
    flow.add_edge(head, more)
    flow.add_edge(more, head, "true")
    flow.add_edge(more, breaks(id="breaks"), "false")
    async with Desk(flow) as desk:
        await desk.end()
    assert [each[:2] for each in seen] == [(4, 3), (3, 2), (2, 1), (1, None)]
    assert len({scope for *_, scope in seen}) == 4


async def test_items_are_undone_in_the_order_in_which_they_ended_and_read_what_was_theirs() -> None:
    seen: list[Any] = []

    @step
    async def takes(number: int) -> int:
        return number

    @takes.compensation
    async def gives(number: int, output: int, state: StateContainer) -> None:
        seen.append((number, output, state.get("item"), state.get("index")))

    body = body_of(signal("gate", "go-<<item>>"), takes(id="takes", number="<<item>>"))
    each = StepForeach(id="each", config=StepForeachConfig(items=[1, 2, 3], body=body))
    async with Desk(flow_of(each, breaks(id="breaks")), catalog=catalog_of(takes=takes)) as desk:
        for name in ("go-2", "go-3", "go-1"):
            await desk.signal(name)
            await desk.restart()
        await desk.end()
    assert seen == [(1, 1, 1, 0), (3, 3, 3, 2), (2, 2, 2, 1)]


async def test_what_failed_or_never_ran_is_not_undone() -> None:
    book = Book()

    @step
    async def half(number: int) -> None:
        raise ValueError("half done")

    @half.compensation
    async def undo_half(number: int) -> None:
        book.undone.append(number)

    async with Desk(flow_of(book.step(1), half(id="half", number=2), book.step(3))) as desk:
        await desk.end()
    assert book.undone == [1]


async def test_a_run_that_succeeds_undoes_nothing_though_steps_in_it_failed() -> None:
    book = Book()
    async with Desk(flow_of(book.step(1), breaks(id="breaks", allow_failure=True), book.step(2))) as desk:
        end = await desk.end()
    assert (end.status, end.compensation, book.undone) == (RunStatus.SUCCEEDED, None, [])


async def test_a_compensation_reads_the_state_as_its_step_did() -> None:
    seen: list[Any] = []

    @step
    async def sets(number: int, state: StateContainer) -> dict[str, int]:
        state.set("x", number)
        return {"was": number}

    @sets.compensation
    async def unsets(number: int, output: Any, state: StateContainer, context: StepContext) -> None:
        seen.append((number, output, state.get("x"), context.input.get("body"), context.attempt))
        state.set("x", "changed by the undoing")

    flow = flow_of(
        sets(id="one", number="<<body>>"), sets(id="two", number="{{ body + 1 }}"), breaks(id="breaks")
    )
    async with Desk(flow, input={"body": 1}) as desk:
        await desk.restart()
        await desk.end()
        assert desk.driver.machine.state()["x"] == 2
    assert seen == [(2, {"was": 2}, 1, 1, 1), (1, {"was": 1}, None, 1, 1)]


async def test_a_step_that_undoes_another_reads_the_state_as_it_was_when_that_had_ended() -> None:
    seen: list[Any] = []

    @step
    async def sets(number: int, state: StateContainer) -> int:
        state.set("x", number)
        return number

    @step
    async def notes(x: Any, output: Any) -> None:
        seen.append((x, output))

    undoing = {at: notes(x="<<x>>", output=f"<<steps.s{at}>>") for at in (1, 2)}
    flow = flow_of(
        *(sets(id=f"s{at}", number=at, compensate=undoing[at]) for at in (1, 2)),
        sets(id="s3", number=3),
        breaks(id="breaks"),
    )
    async with Desk(flow) as desk:
        await desk.restart()
        assert (await desk.end()).compensation is CompensationOutcome.COMPLETED
    assert seen == [(2, 2), (1, 1)]


async def test_a_step_is_undone_with_the_config_that_it_ran_with() -> None:
    seen: list[int] = []

    @step
    async def spends(amount: int, state: StateContainer) -> None:
        state.set("left", amount - 1)

    @spends.compensation
    async def earns(amount: int) -> None:
        seen.append(amount)

    flow = flow_of(
        spends(id="one", amount="<<body>>"),
        spends(id="two", amount="<<left>>"),
        spends(id="three", amount="<<left>>"),
        breaks(id="breaks"),
    )
    async with Desk(flow, input={"body": 9}) as desk:
        await desk.restart()
        await desk.end()
    assert seen == [7, 8, 9]


# -- steps that undo and are steps themselves -------------------------------------------------------


async def test_a_compensation_may_ask_somebody_and_wait() -> None:
    seen: list[Any] = []

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds(context: StepContext) -> None:
        seen.append([await context.effect("look", Outside().call), await context.interrupt(key="sure")])

    flow = flow_of(pays(id="one"), pays(id="two"), breaks(id="breaks"))
    async with Desk(flow) as desk:
        for answer in ("yes", "sure"):
            await desk.restart()
            assert standing(desk.driver.machine) in (RunStatus.COMPENSATING, RunStatus.WAITING)
            await desk.answer(desk.ask("sure"), answer)
        end = await desk.end()
        assert desk.effects("look") == [("look", "started"), ("look", "committed")] * 2
    assert seen == [["done", "yes"], ["done", "sure"]]
    assert end.compensation is CompensationOutcome.COMPLETED


async def test_a_compensation_is_tried_again_by_itself() -> None:
    outside = Outside(ConnectionResetError(), TimeoutError(), "refunded")

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds(context: StepContext) -> None:
        await context.effect("refund", outside.call)

    async with Desk(flow_of(pays(id="pays"), breaks(id="breaks"))) as desk:
        await desk.restart()
        await desk.advance(30)
        await desk.advance(30)
        assert (await desk.end()).compensation is CompensationOutcome.COMPLETED
        assert len(set(outside.keys)) == 1
        assert len(desk.of(StepScheduled)) == 2


async def test_one_that_fails_for_good_keeps_none_of_the_others_from_being_undone() -> None:
    book = Book()

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds() -> None:
        raise ValueError("no refund")

    flow = flow_of(book.step(1), pays(id="pays"), book.step(2), breaks(id="breaks"))
    async with Desk(flow) as desk:
        assert (await desk.end()).compensation is CompensationOutcome.PARTIAL
        assert told(desk) == [("w2", "completed"), ("pays", "failed"), ("w1", "completed")]
    assert book.undone == [2, 1]


@pytest.mark.parametrize("raised", [Abort({"x": 1}), ValueError("no"), asyncio.CancelledError()])
async def test_whatever_a_compensation_raises_the_run_ends_as_it_would(raised: BaseException) -> None:
    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds() -> None:
        raise raised

    async with Desk(flow_of(pays(id="pays"), breaks(id="breaks"))) as desk:
        end = await desk.end()
        assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.FAILED)
        assert [each.step_id for each in end.failures] == ["breaks"]


@pytest.mark.parametrize("committed", [True, False])
async def test_an_undoing_in_doubt_waits_for_a_person(*, committed: bool) -> None:
    outside = Outside(TimeoutError(), "refunded")

    @step
    async def pays() -> int:
        return 1

    @pays.compensation
    async def refunds(context: StepContext) -> None:
        await context.effect("refund", outside.call, effect="at_most_once")

    async with Desk(flow_of(pays(id="pays"), breaks(id="breaks"))) as desk:
        await desk.restart()
        assert standing(desk.driver.machine) is RunStatus.NEEDS_REVIEW
        (review,) = desk.of(ReviewRequested)
        await desk.settle(review.step_id, review.scope, committed=committed)
        assert (await desk.end()).compensation is CompensationOutcome.COMPLETED
        assert outside.calls == (1 if committed else 2)


# -- what makes a run undo ----------------------------------------------------------------------------


async def test_an_abort_inside_an_item_ends_the_run_and_undoes_all_items() -> None:
    book = Book()
    body = body_of(book.step("<<item>>", "writes"), signal("gate"), abort("<<item>>"))
    for policy in ("fail", "collect", "tolerate"):
        book.undone.clear()
        each = StepForeach(
            id="each", config=StepForeachConfig(items=[1, 2, 3], body=body, on_item_error=policy)
        )
        flow = flow_of(book.step(0), each, book.step(9))
        async with Desk(flow, catalog=catalog_of(writes=book.writes)) as desk:
            await desk.signal("go")
            end = await desk.end()
        assert (end.status, end.output) == (RunStatus.ABORTED, 1)
        assert book.undone == [3, 2, 1, 0]


async def test_an_abort_of_a_child_run_is_a_failure_of_the_step_above() -> None:
    book = Book()
    inner = flow_of(book.step("inner"), abort(7), name="inner")
    outer = flow_of(book.step("outer"), StepSubflow(id="sub", config=StepSubflowConfig(flow="inner")))
    async with Desk(outer, flows=[inner]) as desk:
        end = await desk.end()
    assert (end.status, end.failures[0].error.code) == (RunStatus.FAILED, "SUBFLOW_FAILED")
    assert book.undone == ["inner", "outer"]


async def test_an_abort_by_a_step_marked_always_counts_unless_the_run_was_cancelled() -> None:
    for cancel, status in ((False, RunStatus.ABORTED), (True, RunStatus.CANCELLED)):
        book = Book()
        async with Desk(flow_of(book.step(1), signal("gate"), abort("last", always=True))) as desk:
            if cancel:
                await desk.cancel(compensate=True)
            else:
                await desk.signal("go")
            end = await desk.end()
        assert end.status is status
        assert book.undone == [1]


@pytest.mark.parametrize("on_failure", ["drain", "fail_fast"])
async def test_an_abort_goes_before_the_failures_of_other_branches(on_failure: Any) -> None:
    book = Book()
    flow = Flow(name="both", on_failure=on_failure)
    first = book.step(1)
    flow.add_edge(TriggerManual(id="start"), first)
    flow.add_edge(first, signal("gate"))
    flow.add_edge(first, breaks(id="breaks"))
    flow.add_edge("gate", abort("x"), "received")
    async with Desk(flow) as desk:
        if not desk.over:
            await desk.signal("go")
        end = await desk.end()
    assert end.status is (RunStatus.ABORTED if on_failure == "drain" else RunStatus.FAILED)
    assert book.undone == [1]


async def test_an_exception_can_abort_and_neither_retry_nor_error_port_has_a_say() -> None:
    book = Book()

    @step
    async def gives_up() -> None:
        raise Abort({"why": "fraud"}, reason="fraud")

    flow = flow_of(book.step(1), gives_up(id="gives_up", retry=RetryPolicy(base_ms=0, retry_on=("*",))))
    flow.add_edge("gives_up", book.step("handler"), "error")
    async with Desk(flow) as desk:
        end = await desk.end()
        assert desk.started("gives_up") == 1
        assert desk.started("whandler") == 0
    assert (end.status, end.output, book.undone) == (RunStatus.ABORTED, {"why": "fraud"}, [1])


async def test_a_cancel_undoes_only_when_it_is_asked_to() -> None:
    for compensate in (False, True):
        book = Book()
        async with Desk(flow_of(book.step(1), signal("gate"))) as desk:
            await desk.cancel(compensate=compensate)
            end = await desk.end()
        assert end.status is RunStatus.CANCELLED
        assert book.undone == ([1] if compensate else [])
        assert end.compensation is (CompensationOutcome.COMPLETED if compensate else None)


async def test_a_run_out_of_time_undoes_what_it_did_also_while_it_is_paused() -> None:
    for paused in (False, True):
        book = Book()
        async with Desk(flow_of(book.step(1), signal("gate"), timeout=60)) as desk:
            if paused:
                await desk.pause()
            await desk.advance(61)
            end = await desk.end()
        assert (end.status, end.failures[0].error.code) == (RunStatus.FAILED, "RUN_TIMEOUT")
        assert book.undone == [1]


async def test_a_run_that_came_to_its_most_activations_still_undoes() -> None:
    book = Book()
    async with Desk(flow_of(*(book.step(at) for at in range(6)), max_activations=5)) as desk:
        end = await desk.end()
    assert end.failures[0].error.code == "ACTIVATION_LIMIT"
    assert book.undone == [3, 2, 1, 0]


async def test_fail_fast_waits_for_what_it_stops_before_it_undoes() -> None:
    book = Book()
    flow = Flow(name="fast", on_failure="fail_fast")
    first = book.step(1)
    flow.add_edge(TriggerManual(id="start"), first)
    flow.add_edge(first, signal("gate"))
    flow.add_edge("gate", book.step(2), "received")
    flow.add_edge(first, breaks(id="breaks"))
    async with Desk(flow) as desk:
        await desk.end()
        assert desk.started("w2") == 0
    assert book.undone == [1]
