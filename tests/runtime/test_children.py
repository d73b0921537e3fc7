"""Runs started by other runs: subflows and foreach over named flows."""

from collections.abc import AsyncIterator

import pytest

from openrun import ChildCompleted, Engine, Flow, RunStatus, StepFail, StepSubflow, TriggerManual
from openrun.core.limits import Limits
from openrun.steps.execution.foreach import StepForeach, StepForeachConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.steps.execution.transform import StepTransform, StepTransformConfig
from openrun.testing import run_flow
from tests.runtime.steps import Stuck, flow_of


def sub(flow: str, **config: object) -> StepSubflow:
    return StepSubflow(id="sub", config=StepSubflowConfig(flow=flow, **config))


def doubling() -> Flow:
    return flow_of(StepTransform(config=StepTransformConfig(value="{{ body * 2 }}")), name="double")


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    async with Engine(flows=[doubling()]) as engine:
        yield engine


async def test_a_subflow_is_a_run_of_its_own_and_its_output_the_steps(engine: Engine) -> None:
    run = await flow_of(sub("double", input=21)).execute(engine=engine)
    assert run.output == 42
    (child,) = [each for each in run.events if isinstance(each, ChildCompleted)]
    assert child.child_run_id != run.run_id


async def test_the_failure_of_a_child_fails_the_step_with_its_error() -> None:
    child = flow_of(StepFail(config={"message": "no", "code": "NOPE"}), name="child")
    async with Engine(flows=[child]) as engine:
        run = await flow_of(sub("child")).execute(engine=engine)
    (failure,) = run.failures
    assert failure.error.code == "SUBFLOW_FAILED"
    assert "NOPE" in str(failure.error.details)


async def test_an_unknown_flow_fails_the_step_with_a_near_name(engine: Engine) -> None:
    run = await flow_of(sub("duoble")).execute(engine=engine)
    assert run.failures[0].error.code == "FLOW_NOT_FOUND"
    assert "'double'" in run.failures[0].error.message


async def test_a_trigger_the_child_does_not_have_fails_the_step(engine: Engine) -> None:
    run = await flow_of(sub("double", trigger="stort")).execute(engine=engine)
    assert run.failures[0].error.code == "SUBFLOW_FAILED"
    assert "INVALID_TRIGGER" in str(run.failures[0].error.details)


async def test_a_flow_that_runs_itself_is_stopped_at_the_depth_limit() -> None:
    endless = flow_of(sub("endless"), name="endless")
    async with Engine(flows=[endless], limits=Limits(subflow_depth=4)) as engine:
        run = await endless.execute(engine=engine)
    assert run.status is RunStatus.FAILED
    assert "SUBFLOW_DEPTH" in str(run.failures[0].error.details)


async def test_cancelling_a_run_reaches_its_children() -> None:
    stuck = Stuck(id="stuck", stopped=[])
    async with Engine(flows=[flow_of(stuck, name="child")]) as engine:
        run = flow_of(sub("child")).run(engine=engine)
        async for event in run:
            if type(event).__name__ == "StepWaiting":
                run.cancel()
        assert (await run.finished()).status is RunStatus.CANCELLED
    assert stuck.stopped == ["stuck"]


async def test_foreach_over_a_named_flow_keeps_the_order_of_its_items(engine: Engine) -> None:
    each = StepForeach(id="each", config=StepForeachConfig(items=[3, 1, 2], flow="double", concurrency=2))
    run = await flow_of(each).execute(engine=engine)
    assert run.output == [6, 2, 4]


async def test_the_first_failing_child_stops_the_others_of_a_foreach() -> None:
    stuck = Stuck(id="stuck", stopped=[])
    child = Flow(name="child")
    hook = TriggerManual(id="start")
    check = StepTransform(id="check", config=StepTransformConfig(value="{{ 1 / body }}"))
    child.add(hook >> check >> stuck)
    async with Engine(flows=[child]) as engine:
        each = StepForeach(id="each", config=StepForeachConfig(items=[1, 0, 2], flow="child"))
        run = await flow_of(each).execute(engine=engine)
    assert run.failures[0].error.code == "ITEM_FAILED"
    assert "item 1" in run.failures[0].error.message


async def test_children_share_the_virtual_clock() -> None:
    slow = flow_of(
        Flow.from_dict(
            {"name": "x", "steps": [{"id": "d", "type": "delay", "config": {"seconds": "30d"}}]}
        ).steps[0],
        name="slow",
    )
    result = await run_flow(flow_of(sub("slow")), flows=[slow])
    result.assert_succeeded()
    assert (result.shown[-1].timestamp - result.shown[0].timestamp).days == 30
