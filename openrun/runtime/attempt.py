"""One attempt at a step: render its config, run it, and turn whatever happens into an outcome."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from openrun.core.asks import Ask
from openrun.core.errors import Abort, ErrorObject, JsonError, StepError
from openrun.core.frame import Activation
from openrun.core.results import Outcome, StepRunResult
from openrun.core.state import StateContainer, StateView
from openrun.core.strict_json import plain
from openrun.core.types import Json
from openrun.definition.program import StepPlan
from openrun.steps.context import StepContext


class Unwound(BaseException):
    """Leaves a step in the middle: it asks, or is in doubt. Not an Exception, so that no step catches it by accident."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """The step waits for answers in the middle of its run."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class InDoubt:
    """Nobody knows whether the step's work, or its effect of this key, took place, and it may not be repeated."""

    key: str | None


Attempted = tuple[Outcome | Asking | InDoubt, dict[str, Json]]
"""What an attempt came to, and what it set."""

NewContext = Callable[[Activation], StepContext]

_NOTHING: dict[str, Json] = {}
_MESSAGE_LENGTH = 2_000
_TRANSIENT = (ConnectionError, TimeoutError)


async def run_step(plan: StepPlan, act: Activation, view: StateView, new_context: NewContext) -> Attempted:
    """Run the step from its top. Only a cancellation from outside is raised."""
    try:
        config = plan.config.render(view)
        state = StateContainer(view=view)
        if plan.takes_context:
            outcome = await plan.run(state, config, new_context(act))
        else:
            outcome = await plan.run(state, config)
        return _clean(act, outcome), state.patch
    except Exception as error:  # noqa: BLE001
        return failure_from(act, error), _NOTHING
    except BaseException as error:
        if not unwinds(error):
            raise
        # Why it left off is known to whoever unwound it.
        return Asking(asks=()), _NOTHING


async def resume_step(
    plan: StepPlan, act: Activation, view: StateView, _new_context: NewContext
) -> Attempted:
    """Wake the step: what it waited for is there."""
    try:
        config = plan.config.render(view)
        state = StateContainer(view=view)
        outcome = await plan.step.resume(state, config, act.wake)
        return _clean(act, outcome), state.patch
    except Exception as error:  # noqa: BLE001
        return failure_from(act, error), _NOTHING


def failure_from(act: Activation, error: BaseException) -> StepRunResult:
    """The failure an exception stands for; an unknown one is permanent unless a retry policy lists its type."""
    if isinstance(error, Abort):
        return StepRunResult.abort(act.spec.id, plain(error.payload), reason=_text(str(error)))
    return StepRunResult.failure(act.spec.id, error_of(error))


def error_of(error: BaseException) -> ErrorObject:
    if isinstance(error, StepError):
        return _plain_error(error.error)
    if isinstance(error, JsonError):
        return ErrorObject(code=error.code, message=str(error))
    name = type(error).__name__
    retryable = _is_transient(error)
    code = "TRANSIENT" if retryable else "STEP_RAISED"
    return ErrorObject(code=code, message=_text(f"{name}: {_said(error)}"), type=name, retryable=retryable)


def _plain_error(error: ErrorObject) -> ErrorObject:
    """The error with plain data in it, whatever its author put there."""
    try:
        details = plain(error.details)
    except JsonError as fault:
        details = {"refused": str(fault)}
    return ErrorObject(
        code=_text(error.code),
        message=_text(error.message),
        retryable=error.retryable,
        retry_after=error.retry_after,
        type=error.type,
        details=details,
    )


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001
        return "its message cannot be printed"


def _text(text: str) -> str:
    """Text that any encoder takes, and no longer than a person reads."""
    return text[:_MESSAGE_LENGTH].encode(errors="replace").decode()


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_transient(each) for each in error.exceptions)
    if isinstance(error, StepError):
        return error.error.retryable
    return isinstance(error, _TRANSIENT)


def unwinds(error: BaseException) -> bool:
    """The step has left off in the middle; in a group of tasks, one of them has."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(Unwound) is not None
    return isinstance(error, Unwound)


def own_cancellation(act: Activation) -> StepRunResult:
    """The author's code cancelled itself: a failure, since nobody asked this step to stop."""
    error = ErrorObject(
        code="STEP_RAISED",
        type="CancelledError",
        message="the step raised CancelledError though nobody had cancelled it",
    )
    return StepRunResult.failure(act.spec.id, error)


def broke_off(act: Activation) -> StepRunResult:
    """The step's task ended without a result though nobody had stopped it."""
    message = f"the task of step {act.spec.id!r} ended without a result, and nobody had stopped it"
    return StepRunResult.failure(act.spec.id, message, code="STEP_BROKE_OFF")


def timed_out(act: Activation, seconds: float, *, abandoned: bool) -> StepRunResult:
    still = "; its thread still runs, so it is not tried again" if abandoned else ""
    error = ErrorObject(
        code="TIMEOUT",
        message=f"step {act.spec.id!r} ran longer than {seconds:g} s{still}",
        retryable=not abandoned,
        details={"seconds": seconds},
    )
    return StepRunResult.failure(act.spec.id, error)


def _clean(act: Activation, outcome: Any) -> Outcome:
    """The outcome with plain data in it; what is no outcome is the author's mistake."""
    if isinstance(outcome, StepRunResult):
        if outcome.output is None and outcome.error is None:
            return outcome
        return StepRunResult(
            status=outcome.status,
            step_id=outcome.step_id,
            ports=outcome.ports,
            output=plain(outcome.output),
            error=outcome.error and _plain_error(outcome.error),
            aborts=outcome.aborts,
        )
    if isinstance(outcome, Outcome):
        return outcome
    error = ErrorObject(
        code="INVALID_RESULT",
        message=f"run() of step {act.spec.id!r} returned {type(outcome).__name__}; "
        "return a StepRunResult, such as StepRunResult.success(step_id=self.id, output=...)",
    )
    return StepRunResult.failure(act.spec.id, error)
