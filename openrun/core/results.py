"""What a step's run came to: a result, or something to wait for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self

import msgspec

from openrun.core.errors import ErrorObject, StepError
from openrun.core.types import DEFAULT_PORT, OnItemError, StepRunStatus

_DEFAULT_PORTS = (DEFAULT_PORT,)


class StepRunResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How an activation ended: success with the ports it fires and its output, or an error."""

    status: StepRunStatus
    step_id: str | None = None
    ports: tuple[str, ...] = _DEFAULT_PORTS
    output: Any = None
    error: ErrorObject | None = None

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


Wait = WaitUntil | WaitForItems | WaitForChildren
Outcome = StepRunResult | Wait


class ItemFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Which item failed, and with what."""

    index: int
    error: ErrorObject


class TimerWake(msgspec.Struct, frozen=True, kw_only=True, tag="timer"):
    """The instant a step waited for has come."""


class ItemsWake(msgspec.Struct, frozen=True, kw_only=True, tag="items"):
    """Every item or child has ended: outputs in the items' order (None where one failed), and the failures."""

    results: list[Any]
    failures: tuple[ItemFailure, ...] = ()


Wake = TimerWake | ItemsWake
