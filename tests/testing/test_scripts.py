"""Scripted steps: they stand in for steps that reach outside, and tell how they were called."""

import pytest

from openrun import Engine, Flow, RetryPolicy, StepConditional, StepSubflow
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.testing import VirtualClock, fails, returns, run_flow, script
from tests.testing.flows import fetching, per_item, say, start

ADA = {"body": {"id": 7}}


async def test_a_scripted_step_returns_what_the_script_says() -> None:
    result = await run_flow(fetching(), input=ADA, steps={"fetch": returns({"name": "Ada"})})

    result.assert_succeeded()
    assert result.completed("fetch")[0].result.output == {"name": "Ada"}


async def test_a_script_acts_call_by_call_and_repeats_its_last_act() -> None:
    fetch = script(fails(retryable=True), fails(retryable=True), returns("got it"))
    flow = fetching(retry=RetryPolicy(max_attempts=5))

    first = await run_flow(flow, steps={"fetch": fetch})
    again = await run_flow(flow, steps={"fetch": fetch})

    assert first.times("fetch") == 3
    assert again.times("fetch") == 1
    assert [call.attempt for call in fetch.calls] == [1, 2, 3, 1]


async def test_a_script_keeps_the_rendered_config_and_the_state_of_each_call() -> None:
    fetch = script(returns())

    await run_flow(fetching(), input=ADA, state={"tenant": "acme"}, steps={"fetch": fetch})

    (call,) = fetch.calls
    assert isinstance(call.config, StepRequestConfig)
    assert call.config.url == "https://api.example.com/users/7"
    assert call.state["tenant"] == "acme"
    assert call.state["body"] == {"id": 7}


async def test_a_scripted_step_sets_state_and_chooses_its_port() -> None:
    check = StepConditional(id="check", config=StepConditionalConfig(left=1, right=2))
    flow = Flow("Checking").add(
        start() >> check["true"] >> say("yes", "<<who>>"), check["false"] >> say("no")
    )

    result = await run_flow(flow, steps={"check": returns(port="true", sets={"who": "Ada"})})

    assert result.output == "Ada"
    result.assert_skipped("no")


async def test_a_scripted_failure_goes_to_the_error_port() -> None:
    result = await run_flow(fetching(), input=ADA, steps={"fetch": fails("no such user", code="HTTP_404")})

    result.assert_succeeded()
    result.assert_ran("sorry")
    (failure,) = result.run.failures
    assert (failure.error.code, failure.handled) == ("HTTP_404", True)


async def test_steps_inside_a_foreach_body_are_scripted_too() -> None:
    fetch = script(returns("a"), returns("b"), returns("c"))

    result = await run_flow(per_item([1, 2, 3]), steps={"fetch": fetch})

    assert result.output == ["a", "b", "c"]
    urls = [call.config.url for call in fetch.calls if isinstance(call.config, StepRequestConfig)]
    assert urls == [f"https://api.example.com/{item}" for item in (1, 2, 3)]


async def test_other_flows_run_as_children() -> None:
    inner = Flow("Inner").add(start() >> say("answer", "{{body.n * 2}}"))
    call = StepSubflow(id="call", config=StepSubflowConfig(flow="inner", input={"n": 21}))

    result = await run_flow(Flow("Outer").add(start() >> call), flows=[inner])

    assert result.output == 42


async def test_a_script_for_a_step_that_the_flow_lacks_is_refused_with_the_near_name() -> None:
    with pytest.raises(KeyError, match="no step 'fetsh'; did you mean 'fetch'"):
        await run_flow(fetching(), steps={"fetsh": returns()})


async def test_a_script_without_acts_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one act"):
        script()


async def test_flows_are_refused_beside_an_engine_that_has_its_own() -> None:
    async with Engine(clock=VirtualClock()) as engine:
        with pytest.raises(ValueError, match="either `engine` or `flows`"):
            await run_flow(fetching(), engine=engine, flows=[fetching()])
