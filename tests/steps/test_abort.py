import pytest

from openrun import RunStatus
from openrun.core.results import StepRunResult
from openrun.steps.execution import StepAbort, StepAbortConfig

from .asking import document, run_told
from .given import ran, refusal


async def test_an_abort_ends_the_run_with_its_reason_and_payload() -> None:
    step = StepAbort(id="stop", config=StepAbortConfig(reason="fraud", payload={"order": 7}))
    outcome = await ran(step)
    assert outcome == StepRunResult.abort("stop", {"order": 7}, reason="fraud")
    assert isinstance(outcome, StepRunResult)
    assert outcome.aborts


async def test_an_abort_needs_no_config() -> None:
    assert await ran(StepAbort(id="stop")) == StepRunResult.abort("stop")


@pytest.mark.parametrize("reason", ["", None])
def test_an_abort_says_why(reason: str | None) -> None:
    assert refusal(StepAbortConfig, reason=reason)


async def test_no_error_port_and_no_later_step_has_a_say_in_an_abort() -> None:
    stop = {"id": "stop", "type": "abort", "retry": 3, "config": {"payload": "<<body>>"}}
    on = {"id": "on", "type": "set_state", "config": {"key": "on", "value": 1}}
    caught = {"id": "caught", "type": "set_state", "config": {"key": "caught", "value": 1}}
    run = await run_told(
        document(
            stop,
            on,
            caught,
            edges=[("start", "default", "stop"), ("stop", "default", "on"), ("stop", "error", "caught")],
        )
    )
    assert run.status is RunStatus.ABORTED
    assert run.output == {"amount": 5}
    assert run.state.keys().isdisjoint({"on", "caught"})
