"""What a step's run came to: a result, or something to wait for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from openrun.core.asks import Answer, Ask, ask_id
from openrun.core.errors import ABORTED, ErrorObject, StepError
from openrun.core.strict_json import plain
from openrun.core.types import DEFAULT_PORT, OnItemError, StepRunStatus

_DEFAULT_PORTS = (DEFAULT_PORT,)


class StepRunResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How an activation ended: success with the ports it fires and its output, or an error."""

    status: StepRunStatus
    step_id: str | None = None
    ports: tuple[str, ...] = _DEFAULT_PORTS
    output: Any = None
    error: ErrorObject | None = None
    aborts: bool = False
    """The run ends `aborted`, whatever its flow does about failures; `output` is the payload."""

    @classmethod
    def success(
        cls,
        step_id: str | None = None,
        output: Any = None,
        *,
        port: str | None = None,
        ports: Sequence[str] | None = None,
    ) -> Self:
        """A success that fires `port`, or all of `ports` (none is allowed); "default" when neither is given."""
        fired = _DEFAULT_PORTS if port is None else (port,)
        if isinstance(ports, str):
            ports = (ports,)
        return cls(
            status=StepRunStatus.SUCCESS,
            step_id=step_id,
            ports=fired if ports is None else tuple(ports),
            output=output,
        )

    @classmethod
    def failure(
        cls,
        step_id: str | None = None,
        error: str | ErrorObject | Exception = "the step failed",
        *,
        code: str = "STEP_FAILED",
        retryable: bool = False,
        details: dict[str, Any] | None = None,
    ) -> Self:
        """A failure; a retry policy tries again when it is `retryable`."""
        if isinstance(error, StepError):
            error = error.error
        if isinstance(error, Exception):
            name = type(error).__name__
            error = ErrorObject(
                code=code, message=f"{name}: {error}", retryable=retryable, type=name, details=details
            )
        if isinstance(error, str):
            error = ErrorObject(code=code, message=error, retryable=retryable, details=details)
        return cls(status=StepRunStatus.ERROR, step_id=step_id, ports=(), error=error)

    @classmethod
    def abort(cls, step_id: str | None = None, payload: Any = None, *, reason: str = "aborted") -> Self:
        """End the run `aborted`, with this payload."""
        error = ErrorObject(code=ABORTED, message=reason)
        return cls(
            status=StepRunStatus.ERROR, step_id=step_id, ports=(), output=payload, error=error, aborts=True
        )

    def failed_with(self) -> ErrorObject:
        """The error of a failure, also of one that came without."""
        return self.error or ErrorObject(code="STEP_FAILED", message="the step failed and did not say why")


class WaitUntil(msgspec.Struct, frozen=True, kw_only=True, tag="until"):
    """Wake the step at this instant (timezone-aware)."""

    until: datetime


class WaitForItems(msgspec.Struct, frozen=True, kw_only=True, tag="items"):
    """Run the step's inline body once per item, `concurrency` at once, then wake the step."""

    items: list[Any]
    concurrency: int = 50
    on_item_error: OnItemError = OnItemError.FAIL


class WaitForAnswers(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """Wake the step when one of the asks is answered, or at the instant `until`.

    Returned again when woken, it waits on: asks in the same order are the same asks, with the answers they have.
    """

    asks: tuple[Ask, ...]
    until: datetime | None = None


class WaitForChildren(msgspec.Struct, frozen=True, kw_only=True, tag="children"):
    """Run a named flow once per input, `concurrency` at once, then wake the step.

    An input is the payload of the flow's trigger.
    `run_ids` are given by the engine when it records the wait, one per input.
    """

    flow: str
    inputs: list[Any]
    trigger: str | None = None
    concurrency: int = 50
    on_item_error: OnItemError = OnItemError.FAIL
    run_ids: tuple[str, ...] = ()


def numbered(wait: WaitForAnswers, activation: str) -> WaitForAnswers:
    """The wait with an id for each ask, by its place, kind and name; what is in them is plain data."""
    asks = [
        replace(
            ask,
            id=ask_id(activation, f"{at} {ask.kind.value} {ask.name}"),
            payload=plain(ask.payload),
            form=plain(ask.form),
        )
        for at, ask in enumerate(wait.asks)
    ]
    return replace(wait, asks=tuple(asks))


Wait = WaitUntil | WaitForItems | WaitForChildren | WaitForAnswers
Outcome = StepRunResult | Wait


class ItemFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Which item failed, and with what."""

    index: int
    error: ErrorObject


class TimerWake(msgspec.Struct, frozen=True, kw_only=True, tag="timer"):
    """The instant a step waited for has come; `answers` are those that came before, in order."""

    answers: tuple[Answer, ...] = ()


class ItemsWake(msgspec.Struct, frozen=True, kw_only=True, tag="items"):
    """Every item or child has ended: outputs in the items' order (None where one failed), and the failures."""

    results: list[Any]
    failures: tuple[ItemFailure, ...] = ()


class AnswersWake(msgspec.Struct, frozen=True, kw_only=True, tag="answers"):
    """All answers so far, in the order in which they came; a step that waits on returns `wait`."""

    answers: tuple[Answer, ...]
    wait: WaitForAnswers


Wake = TimerWake | ItemsWake | AnswersWake
