"""The facts a driver records, made from where the machine stands; `now` is the time of the fact."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from openrun.core.asks import Answer, Ask
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    FlowCancelRequested,
    FlowCompleted,
    FlowPaused,
    FlowResumed,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepProgress,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepWaiting,
    TimerFired,
    activation_id,
)
from openrun.core.frame import Activation, Frame
from openrun.core.graph import StepSpec
from openrun.core.joins import REASONS
from openrun.core.machine import Machine
from openrun.core.results import Outcome, StepRunResult
from openrun.core.retry import retry_delay
from openrun.core.types import (
    DEFAULT_PORT,
    ERROR_PORT,
    SUCCESS_PORT,
    EffectClass,
    Json,
    RunStatus,
    SkipReason,
    StepRunStatus,
)
from openrun.core.undoing import CompensationStatus


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be recorded of an effect; see `EffectRecorded`."""

    name: str
    key: str
    status: EffectStatus
    effect: EffectClass
    ordinal: int = 0
    attempt: int = 1
    args_hash: str | None = None
    value: Json = None
    error: ErrorObject | None = None
    by: str | None = None


def again(known: EffectRecorded, **changed: Any) -> Known:
    """What is recorded of an effect, but for what has changed."""
    same = {name: getattr(known, name) for name in Known.__struct_fields__}
    return Known(**{**same, "value": None, "error": None, **changed})


class CancelRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is to be stopped; see `FlowCancelRequested`."""

    reason: str = "cancelled"
    hard: bool = False
    error: ErrorObject | None = None
    compensate: bool = False


Conclusion = StepCompleted | StepScheduled | StepWaiting | StepCancelled

_DEFAULT = (DEFAULT_PORT,)
_NO_PATCH: dict[str, Json] = {}


class Facts:
    """Makes the next fact of one run."""

    __slots__ = ("_machine",)

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def started(self, act: Activation, now: datetime) -> StepStarted:
        machine = self._machine
        return StepStarted(
            run_id=machine.run_id,
            flow_id=machine.flow_id,
            seq=machine.seq + 1,
            timestamp=now,
            step_id=act.spec.id,
            scope=act.frame.scope,
            attempt=act.attempt + 1,
        )

    def concluded(
        self, act: Activation, outcome: Outcome, patch: dict[str, Json], now: datetime
    ) -> Conclusion:
        """What an attempt came to: completed, scheduled again, waiting or cancelled."""
        if not isinstance(outcome, StepRunResult):
            if act.cancelling:
                return self.cancelled(act, now)
            return StepWaiting(**self._step(act, now), attempt=act.attempt, wait=outcome)
        result = checked(act.spec, outcome)
        if result.status is StepRunStatus.ERROR:
            patch = _NO_PATCH
            again = None if act.cancelling or result.aborts else self._scheduled(act, result, now)
            if again is not None:
                return again
        return self.completed(act, result, patch, now)

    def completed(
        self, act: Activation, result: StepRunResult, patch: dict[str, Json], now: datetime
    ) -> StepCompleted:
        machine = self._machine
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

    def interrupted(self, act: Activation, asks: Sequence[Ask], now: datetime) -> StepInterrupted:
        until = min((ask.until for ask in asks if ask.until is not None), default=None)
        return StepInterrupted(**self._step(act, now), asks=tuple(asks), attempt=act.attempt, until=until)

    def signal_received(self, answer: Answer, act: Activation | None, now: datetime) -> SignalReceived:
        """Heard by an activation; by none, it is kept, or came too late."""
        place = self._stamp(now) if act is None else self._step(act, now)
        return SignalReceived(**place, answer=answer)

    def effect_recorded(self, act: Activation, known: Known, now: datetime) -> EffectRecorded:
        return EffectRecorded(**self._step(act, now), **msgspec.structs.asdict(known))

    def compensation_started(self, act: Activation, reason: RunStatus, now: datetime) -> CompensationStarted:
        return CompensationStarted(**self._step(act, now), reason=reason)

    def compensation_completed(
        self, act: Activation, status: CompensationStatus, error: ErrorObject | None, now: datetime
    ) -> CompensationCompleted:
        return CompensationCompleted(**self._step(act, now), status=status, error=error)

    def cancelled(self, act: Activation, now: datetime) -> StepCancelled:
        return StepCancelled(**self._step(act, now), reason=self._machine.cancel_reason)

    def timer_fired(self, act: Activation | None, now: datetime) -> TimerFired:
        """The timer of an activation, or the run's own deadline."""
        if act is None:
            return TimerFired(**self._stamp(now))
        return TimerFired(**self._step(act, now))

    def child_completed(
        self,
        act: Activation,
        child: tuple[int, str],
        end: tuple[RunStatus, Json, ErrorObject | None],
        now: datetime,
    ) -> ChildCompleted:
        """`child` is its index and run id, `end` its status, output and error."""
        index, run_id = child
        status, output, error = end
        return ChildCompleted(
            **self._step(act, now),
            index=index,
            child_run_id=run_id,
            status=status,
            output=output,
            error=error,
        )

    def cancel_requested(self, request: CancelRequest, now: datetime) -> FlowCancelRequested:
        return FlowCancelRequested(**self._stamp(now), **msgspec.structs.asdict(request))

    def paused(self, reason: str, now: datetime) -> FlowPaused:
        return FlowPaused(**self._stamp(now), reason=reason)

    def resumed(self, now: datetime) -> FlowResumed:
        return FlowResumed(**self._stamp(now))

    def review_requested(
        self, act: Activation | None, reason: str, now: datetime, key: str | None = None
    ) -> ReviewRequested:
        """About an activation (or an effect of it) whose outcome is unknown, or about the run as a whole."""
        place = self._stamp(now) if act is None else self._step(act, now)
        return ReviewRequested(**place, reason=reason, key=key)

    def review_resolved(
        self, act: Activation, now: datetime, *, committed: bool, by: str | None = None
    ) -> ReviewResolved:
        return ReviewResolved(**self._step(act, now), committed=committed, by=by)

    def flow_completed(self, now: datetime) -> FlowCompleted:
        """How the run ended, as the machine judged it."""
        verdict = self._machine.verdict
        assert verdict is not None
        return FlowCompleted(
            **self._stamp(now),
            status=verdict.status,
            output=verdict.output,
            failures=verdict.failures,
            compensation=verdict.compensation,
        )

    def skipped(self, frame: Frame, step: int, state: int, now: datetime) -> StepSkipped:
        """Shown, not stored: `step` was passed over because of the last fact."""
        machine = self._machine
        return StepSkipped(
            run_id=machine.run_id,
            flow_id=machine.flow_id,
            seq=machine.seq,
            timestamp=now,
            step_id=frame.walk.graph.steps[step].id,
            scope=frame.scope,
            reason=SkipReason(REASONS[state]),
        )

    def progress(self, act: Activation, data: Json, now: datetime) -> StepProgress:
        """Shown, not folded."""
        return StepProgress(
            **{**self._step(act, now), "seq": self._machine.seq}, data=data, attempt=act.attempt
        )

    def _stamp(self, now: datetime) -> dict[str, Json]:
        machine = self._machine
        return {
            "run_id": machine.run_id,
            "flow_id": machine.flow_id,
            "seq": machine.seq + 1,
            "timestamp": now,
        }

    def _step(self, act: Activation, now: datetime) -> dict[str, Json]:
        return {**self._stamp(now), "step_id": act.spec.id, "scope": act.frame.scope}

    def _scheduled(self, act: Activation, result: StepRunResult, now: datetime) -> StepScheduled | None:
        error = result.error
        if error is None or act.spec.retry is None:
            return None
        seed = activation_id(self._machine.run_id, act.spec.id, act.frame.scope)
        delay = retry_delay(act.spec.retry, error, act.attempt, seed)
        if delay is None:
            return None
        not_before = now + timedelta(seconds=delay)
        return StepScheduled(
            **self._step(act, now), attempt=act.attempt + 1, not_before=not_before, error=error
        )


def checked(spec: StepSpec, result: StepRunResult) -> StepRunResult:
    """The result with `success` read as `default`, or the failure that it names a port the step lacks."""
    ports = result.ports
    if result.status is StepRunStatus.ERROR or (ports == _DEFAULT and DEFAULT_PORT in spec.ports):
        return result
    if SUCCESS_PORT in ports and SUCCESS_PORT not in spec.ports:
        ports = tuple(DEFAULT_PORT if port == SUCCESS_PORT else port for port in ports)
    wrong = [str(port) for port in ports if port == ERROR_PORT or port not in spec.ports]
    if not wrong:
        return StepRunResult.success(result.step_id, result.output, ports=ports)
    known = ", ".join(repr(port) for port in spec.ports) or "none"
    names = ", ".join(repr(port) for port in wrong)
    error = ErrorObject(
        code="INVALID_PORT",
        message=f"step {spec.id!r} fired {names}, which it may not; its output ports are {known}",
        details={"ports": wrong},
    )
    return StepRunResult.failure(result.step_id, error)
