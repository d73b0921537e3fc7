"""A run from its first event to its last, with real tasks."""

import asyncio
import gc
import threading

import pytest

from openrun import (
    Engine,
    Flow,
    FlowCompleted,
    InvalidFlow,
    OpenRunError,
    PermanentError,
    RunStatus,
    StateContainer,
    Step,
    StepCompleted,
    StepConfig,
    StepFail,
    StepProgress,
    StepSetState,
    TransientError,
    TriggerManual,
    step,
)
from openrun.core.events import Failure
from openrun.core.limits import Limits
from openrun.runtime.engine import Run
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.testing import VirtualClock, hangs, returns, run_flow, script
from tests.runtime.steps import (
    Chatty,
    Nothing,
    Painter,
    Raising,
    SelfCancelling,
    Stubborn,
    Stuck,
    WaitsInline,
    flow_of,
)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


class Unspeakable(BaseException):
    def __str__(self) -> str:
        raise GeneratorExit


def only_failure(run: Run) -> Failure:
    assert run.status is RunStatus.FAILED
    (failure,) = run.failures
    return failure


def output_of(run: Run, step_id: str) -> object:
    return run.state["steps"][step_id]


async def test_branches_really_run_at_the_same_time() -> None:
    met = asyncio.Barrier(2)

    @step
    async def meet() -> None:
        await met.wait()

    flow = Flow(name="two")
    hook = TriggerManual()
    flow.add(hook >> meet(id="one"), hook >> meet(id="other"))
    assert (await flow.execute()).succeeded


async def test_two_runs_of_one_flow_do_not_mix() -> None:
    met = asyncio.Barrier(2)

    @step
    async def swap(mine: int) -> int:
        await met.wait()
        return mine

    flow = flow_of(swap(id="swap", mine="<<body>>"), Nothing(id="after"))
    runs = await asyncio.gather(flow.execute(input={"body": 1}), flow.execute(input={"body": 2}))
    assert [output_of(run, "swap") for run in runs] == [1, 2]


async def test_breaking_off_the_stream_leaves_the_run_alone() -> None:
    opened = asyncio.Event()
    ended = asyncio.Event()

    @step
    async def linger() -> None:
        await opened.wait()
        ended.set()

    async for _event in flow_of(linger()).run():
        break
    gc.collect()
    opened.set()
    await asyncio.wait_for(ended.wait(), timeout=5)


async def test_leaving_the_block_early_cancels_the_run() -> None:
    stuck = Stuck(id="stuck", stopped=[])
    async with flow_of(stuck).run() as run:
        async for event in run:
            if getattr(event, "step_id", "") == "stuck":
                break
    assert stuck.stopped == ["stuck"]


async def test_a_cancelled_run_stops_its_steps_and_runs_those_marked_always() -> None:
    stuck, cleanup = Stuck(id="stuck", stopped=[]), Nothing(id="cleanup", always=True)
    run = flow_of(stuck, Nothing(id="never"), cleanup).run()
    seen = []
    async for event in run:
        seen.append(event)
        if getattr(event, "step_id", "") == "stuck" and len(seen) < 6:
            run.cancel("enough")
    end = seen[-1]
    assert isinstance(end, FlowCompleted)
    assert end.status is RunStatus.CANCELLED
    completed = [each.step_id for each in seen if isinstance(each, StepCompleted)]
    assert completed == ["start", "cleanup"]
    assert stuck.stopped == ["stuck"]


async def test_cancelling_who_waits_for_a_run_cancels_the_run() -> None:
    stuck = Stuck(id="stuck", stopped=[])
    waiting = asyncio.create_task(flow_of(stuck).execute())
    await stuck.entered.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(stuck.left.wait(), timeout=5)


async def test_a_step_cancelled_before_its_task_began_ends_the_run() -> None:
    flow = Flow(name="race", on_failure="fail_fast")
    hook = flow.add_step(TriggerManual(id="start"))
    flow.add_edge(hook, Nothing(id="slow"))
    flow.add_edge(hook, StepFail(id="fail", config={"message": "no"}))
    run = await asyncio.wait_for(flow.execute(), timeout=5)
    assert run.status is RunStatus.FAILED


async def test_a_step_over_its_time_fails_with_timeout_and_may_be_tried_again() -> None:
    flow = flow_of(Nothing(id="slow", timeout=5, retry=2))
    result = await run_flow(flow, steps={"slow": script(hangs(), returns("late"))})
    result.assert_succeeded()
    assert result.times("slow") == 2


async def test_a_step_that_ignores_its_cancellation_is_left_behind_and_not_tried_again() -> None:
    clock = VirtualClock()
    async with Engine(clock=clock) as engine:
        flow = flow_of(Stubborn(id="mule", timeout=5, retry=3))
        waiting = asyncio.create_task(flow.execute(engine=engine))
        while not waiting.done():
            clock.advance(5)
            await asyncio.sleep(0)
        failure = only_failure(waiting.result())
    assert failure.error.code == "TIMEOUT"
    assert not failure.error.retryable
    for task in asyncio.all_tasks():
        if "_attempt" in repr(task):
            task.get_coro().close()


async def test_a_blocking_function_over_its_time_is_not_tried_beside_itself() -> None:
    release, calls = threading.Event(), []

    @step
    def block() -> None:
        calls.append(1)
        release.wait(10)

    run = await flow_of(block(id="block", timeout=0.05, retry=3)).execute()
    release.set()
    assert only_failure(run).error.code == "TIMEOUT"
    assert calls == [1]


async def test_a_cancellation_of_the_authors_own_is_a_failure() -> None:
    run = await flow_of(SelfCancelling(id="odd")).execute()
    assert only_failure(run).error.type == "CancelledError"
    assert run.status is RunStatus.FAILED


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (ValueError("bad"), "STEP_RAISED", False),
        (ConnectionError("gone"), "TRANSIENT", True),
        (TransientError("later"), "TRANSIENT", True),
        (PermanentError("never", code="NEVER"), "NEVER", False),
        (ExceptionGroup("all", [ConnectionError(), TimeoutError()]), "TRANSIENT", True),
        (ExceptionGroup("some", [ConnectionError(), ValueError()]), "STEP_RAISED", False),
        (PermanentError("odd", details={"x": object()}), "STEP_FAILED", False),
        (ValueError("\ud800"), "STEP_RAISED", False),
        (GeneratorExit(), "STEP_RAISED", False),
        (Unprintable(), "STEP_RAISED", False),
        (Unspeakable(), "STEP_RAISED", False),
    ],
)
async def test_what_a_step_raises_becomes_its_error(error: BaseException, code: str, retryable: bool) -> None:
    failure = only_failure(await flow_of(Raising(id="bad", error=error)).execute())
    assert (failure.error.code, failure.error.retryable) == (code, retryable)


async def test_a_result_that_is_none_names_the_mistake() -> None:
    class Forgetful(Step):
        async def run(self, state: StateContainer, config: StepConfig) -> None:  # type: ignore[override]
            return None

    failure = only_failure(await flow_of(Forgetful(id="oops")).execute())
    assert failure.error.code == "INVALID_RESULT"
    assert "StepRunResult" in failure.error.message


async def test_an_output_that_is_not_json_fails_the_step() -> None:
    @step
    async def odd() -> object:
        return object()

    assert only_failure(await flow_of(odd(id="odd")).execute()).error.code == "INVALID_JSON"


async def test_context_variables_of_one_step_do_not_reach_the_next() -> None:
    run = await flow_of(Painter(id="red"), Painter(id="blue")).execute()
    assert output_of(run, "blue") == "none"


async def test_an_inline_step_that_waits_breaks_the_run_where_it_is_awaited() -> None:
    with pytest.raises(OpenRunError, match="inline"):
        await flow_of(WaitsInline(id="bad")).execute()


async def test_a_long_row_of_quick_steps_lets_others_have_their_turn() -> None:
    steps = [StepSetState(config=StepSetStateConfig(key="k", value=at)) for at in range(300)]
    running = asyncio.create_task(flow_of(*steps).execute())
    turns = 0
    while not running.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 4


async def test_progress_is_shown_in_its_place_and_not_stored() -> None:
    flow = flow_of(Chatty(id="chatty", times=3))
    shown = [event async for event in flow.run()]
    assert [each.data["at"] for each in shown if isinstance(each, StepProgress)] == [0, 1, 2]
    run = await flow.execute()
    assert not any(isinstance(each, StepProgress) for each in run.events)


@pytest.mark.parametrize(
    ("chatty", "code"),
    [
        (Chatty(id="chatty", times=1_001), "PROGRESS_LIMIT"),
        (Chatty(id="chatty", size=70_000), "VALUE_TOO_LARGE"),
    ],
)
async def test_progress_is_bounded(chatty: Chatty, code: str) -> None:
    assert only_failure(await flow_of(chatty).execute()).error.code == code


async def test_a_run_over_its_time_fails_but_steps_marked_always_run() -> None:
    flow = flow_of(Nothing(id="slow"), Nothing(id="cleanup", always=True), timeout="1m")
    result = await run_flow(flow, steps={"slow": hangs()})
    assert [each.error.code for each in result.run.failures] == ["RUN_TIMEOUT"]
    result.assert_ran("cleanup")
    assert result.status is RunStatus.FAILED


async def test_steps_marked_always_have_a_minute_after_the_run_was_stopped() -> None:
    flow = flow_of(Nothing(id="slow"), Nothing(id="cleanup", always=True, timeout="1h"), timeout="1m")
    result = await run_flow(flow, steps={"slow": hangs(), "cleanup": hangs()})
    elapsed = result.shown[-1].timestamp - result.shown[0].timestamp
    assert elapsed.total_seconds() == pytest.approx(120, abs=1)


async def test_the_state_after_an_event_is_computed_when_asked() -> None:
    steps = [StepSetState(id=f"s{at}", config=StepSetStateConfig(key="k", value=at)) for at in range(3)]
    seen = [event async for event in flow_of(*steps).run() if isinstance(event, StepCompleted)]
    assert [each.state_snapshot.get("k") for each in seen] == [None, 0, 1, 2]


async def test_a_flow_with_errors_raises_them_all_at_once() -> None:
    flow = Flow(name="bad")
    flow.add_edge("ghost", "phantom")
    with pytest.raises(InvalidFlow) as caught:
        flow.run()
    assert {fault.code for fault in caught.value.errors} >= {"NO_ENTRY", "UNKNOWN_STEP"}


async def test_several_entries_need_a_choice() -> None:
    flow = Flow(name="two")
    flow.add(TriggerManual(id="one"), TriggerManual(id="other"))
    with pytest.raises(InvalidFlow, match="2 triggers"):
        flow.run()
    with pytest.raises(InvalidFlow, match="no trigger 'ono'"):
        flow.run("ono")
    assert (await flow.execute("other")).succeeded


async def test_an_input_or_an_initial_state_that_cannot_be_is_refused_before_the_start() -> None:
    flow = flow_of(Nothing())
    with pytest.raises(PermanentError, match="boddy"):
        flow.run(input={"boddy": 1})
    with pytest.raises(PermanentError, match="reserved"):
        flow.run(initial_state={"steps": 1})


async def test_the_initial_state_is_read_by_the_first_step() -> None:
    flow = flow_of(StepSetState(config=StepSetStateConfig(key="twice", value="{{ n * 2 }}")))
    assert (await flow.execute(initial_state={"n": 21})).state["twice"] == 42


async def test_a_change_after_the_first_run_is_seen_by_the_next() -> None:
    flow = flow_of(Nothing(id="one"))
    await flow.execute()
    flow.add_edge("one", Nothing(id="two"))
    assert "two" in (await flow.execute()).state["steps"]


async def test_an_engine_closed_while_a_run_goes_on_stops_it() -> None:
    stuck = Stuck(id="stuck", stopped=[])
    engine = Engine()
    handle = flow_of(stuck).run(engine=engine).start()
    await stuck.entered.wait()
    await engine.close()
    run = await handle.finished()
    assert run.status is RunStatus.CANCELLED
    assert isinstance(run.events[-1], FlowCompleted)
    assert stuck.stopped == ["stuck"]


async def test_a_closed_engine_starts_nothing() -> None:
    engine = Engine()
    await engine.close()
    with pytest.raises(OpenRunError, match="closed"):
        await flow_of(Nothing()).execute(engine=engine)


async def test_two_flows_of_one_id_are_refused_and_one_flow_twice_is_not() -> None:
    flow = flow_of(Nothing(), name="same")
    async with Engine(flows=[flow, flow]) as engine:
        with pytest.raises(InvalidFlow, match="DUPLICATE_FLOW"):
            engine.add_flow(flow_of(Nothing(), Nothing(), name="same"))


async def test_a_late_result_of_a_step_that_swallowed_its_timeout_does_not_count() -> None:
    @step
    async def deaf() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            return "late"
        return "never"

    failure = only_failure(await flow_of(deaf(id="deaf", timeout=0.02)).execute())
    assert failure.error.code == "TIMEOUT"


async def test_an_input_that_is_no_object_is_refused_in_words() -> None:
    with pytest.raises(PermanentError, match="not str"):
        flow_of(Nothing()).run(input="x")  # type: ignore[arg-type]


async def test_the_operators_limits_bound_a_run() -> None:
    flow = Flow(name="loop")
    hook, one, two = TriggerManual(), Nothing(id="one"), Nothing(id="two")
    flow.add(hook >> one >> two)
    flow.add_edge(two, one)
    async with Engine(limits=Limits(loop_iterations=5)) as engine:
        run = await flow.execute(engine=engine)
    assert only_failure(run).error.code == "LOOP_LIMIT"


async def test_a_document_cannot_ask_for_more_than_the_operator_allows() -> None:
    flow = Flow(name="loop", max_activations=500)
    count = StepSetState(
        id="count",
        max_iterations=10_000,
        config=StepSetStateConfig(key="n", value="{{ (n | default(0)) + 1 }}"),
    )
    flow.add(TriggerManual(id="start") >> count >> count)
    async with Engine(limits=Limits(activations_max=10)) as engine:
        run = await flow.execute(engine=engine)
    assert [each.error.code for each in run.failures] == ["ACTIVATION_LIMIT"]
    async with Engine(limits=Limits(loop_iterations_max=5)) as engine:
        run = await flow.execute(engine=engine)
    assert [each.error.code for each in run.failures] == ["LOOP_LIMIT"]
    assert run.state["n"] == 5
