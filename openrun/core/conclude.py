"""What an attempt came to, as the fact to record: completed, scheduled again, waiting or cancelled."""

from datetime import datetime, timedelta

from openrun.core.errors import ErrorObject
from openrun.core.events import (
    StepCancelled,
    StepCompleted,
    StepScheduled,
    StepWaiting,
    activation_id,
)
from openrun.core.frame import Activation
from openrun.core.graph import StepSpec
from openrun.core.machine import Machine
from openrun.core.results import Outcome, StepRunResult
from openrun.core.retry import retry_delay
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, SUCCESS_PORT, Json, StepRunStatus

Conclusion = StepCompleted | StepScheduled | StepWaiting | StepCancelled

_DEFAULT = (DEFAULT_PORT,)
_NO_PATCH: dict[str, Json] = {}


def conclude(
    machine: Machine, act: Activation, outcome: Outcome, patch: dict[str, Json], now: datetime
) -> Conclusion:
    """The fact that records how this attempt ended; `now` is its time."""
    if not isinstance(outcome, StepRunResult):
        if act.cancelling:
            return cancelled(machine, act, now)
        return StepWaiting(
            run_id=machine.run_id,
            flow_id=machine.flow_id,
            seq=machine.seq + 1,
            timestamp=now,
            step_id=act.spec.id,
            scope=act.frame.scope,
            attempt=act.attempt,
            wait=outcome,
        )
    result = checked(act.spec, outcome)
    if result.status is StepRunStatus.ERROR:
        patch = _NO_PATCH
        again = None if act.cancelling else _scheduled(machine, act, result, now)
        if again is not None:
            return again
    return completed(machine, act, result, patch, now)


def completed(
    machine: Machine, act: Activation, result: StepRunResult, patch: dict[str, Json], now: datetime
) -> StepCompleted:
    return StepCompleted(
        run_id=machine.run_id,
        flow_id=machine.flow_id,
        seq=machine.seq + 1,
        timestamp=now,
        step_id=act.spec.id,
        scope=act.frame.scope,
        attempt=act.attempt,
        result=result,
        patch=patch,
    )


def cancelled(machine: Machine, act: Activation, now: datetime) -> StepCancelled:
    return StepCancelled(
        run_id=machine.run_id,
        flow_id=machine.flow_id,
        seq=machine.seq + 1,
        timestamp=now,
        step_id=act.spec.id,
        scope=act.frame.scope,
        reason=machine.cancel_reason,
    )


def checked(spec: StepSpec, result: StepRunResult) -> StepRunResult:
    """The result with `success` read as `default`, or the failure that it names a port the step lacks."""
    ports = result.ports
    if ports == _DEFAULT and DEFAULT_PORT in spec.ports:
        return result
    if result.status is StepRunStatus.ERROR:
        return result
    if SUCCESS_PORT in ports and SUCCESS_PORT not in spec.ports:
        ports = tuple(DEFAULT_PORT if port == SUCCESS_PORT else port for port in ports)
    wrong = [port for port in ports if port == ERROR_PORT or port not in spec.ports]
    if not wrong:
        return StepRunResult.success(result.step_id, result.output, ports=ports)
    known = ", ".join(repr(port) for port in spec.ports) or "none"
    names = ", ".join(repr(port) for port in wrong)
    error = ErrorObject(
        code="INVALID_PORT",
        message=f"step {spec.id!r} fired {names}, which it may not; its output ports are {known}",
        details={"ports": list(ports)},
    )
    return StepRunResult.failure(result.step_id, error)


def _scheduled(
    machine: Machine, act: Activation, result: StepRunResult, now: datetime
) -> StepScheduled | None:
    error = result.error
    if error is None or act.spec.retry is None:
        return None
    seed = activation_id(machine.run_id, act.spec.id, act.frame.scope)
    delay = retry_delay(act.spec.retry, error, act.attempt, seed)
    if delay is None:
        return None
    return StepScheduled(
        run_id=machine.run_id,
        flow_id=machine.flow_id,
        seq=machine.seq + 1,
        timestamp=now,
        step_id=act.spec.id,
        scope=act.frame.scope,
        attempt=act.attempt + 1,
        not_before=now + timedelta(seconds=delay),
        error=error,
    )
