"""A step's surroundings, made for one test, and running a step in them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from openrun.core.asks import Ask
from openrun.core.errors import ErrorObject, StepError
from openrun.core.results import Outcome, StepRunResult
from openrun.core.state import StateContainer
from openrun.net.http import HttpClient
from openrun.steps.base import RENDERED, Step, StepConfig
from openrun.steps.context import EffectCall, StepContext

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


class Unrecorded:
    """Makes calls as they come; nothing is asked, nothing remembered."""

    async def effect(self, call: EffectCall) -> Any:
        return await call.call(*call.args, **call.kwargs)

    async def interrupt(self, ask: Ask, seconds: float | None) -> Any:
        raise AssertionError(f"nobody is here to answer {ask} within {seconds} s")

    def now(self) -> datetime:
        return NOW


def a_context(given: dict[str, Any] | None = None, *, http: HttpClient | None = None) -> StepContext:
    return StepContext(
        run_id="run",
        flow_id="flow",
        step_id="step",
        scope="/",
        attempt=1,
        input=given or {},
        clock=lambda: NOW,
        emit=lambda _: None,
        http=http or HttpClient(),
        recording=lambda _: Unrecorded(),
    )


async def ran(step: Step, state: StateContainer | None = None, context: StepContext | None = None) -> Outcome:
    """What a step that takes no context, or the given one, comes to."""
    further = () if context is None else (context,)
    return await step.run(state or StateContainer(), step.config, *further)


async def output_of(
    step: Step, state: StateContainer | None = None, context: StepContext | None = None
) -> Any:
    outcome = await ran(step, state, context)
    assert isinstance(outcome, StepRunResult)
    assert outcome.error is None
    return outcome.output


async def error_of(step: Step, context: StepContext | None = None) -> ErrorObject:
    """The error that a step raises."""
    with pytest.raises(StepError) as caught:
        await ran(step, None, context)
    return caught.value.error


def failure_in(outcome: Outcome) -> ErrorObject:
    """The error of a failed result."""
    assert isinstance(outcome, StepRunResult)
    assert outcome.error is not None
    return outcome.error


def refusal(model: type[StepConfig], **fields: Any) -> str:
    """What is said of a config that cannot be."""
    with pytest.raises(ValidationError) as caught:
        model(**fields)
    return "; ".join(each["msg"] for each in caught.value.errors())


def rendered(model: type[StepConfig], **fields: Any) -> StepConfig:
    """A config as it is once its templates have been filled in."""
    return model.model_validate(fields, context=RENDERED)
