"""The spans of one wake-up of a run: its root, and an open one for each attempt that runs."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from openrun.core.effects import EffectStatus
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Fact,
    FlowCompleted,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    Shown,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
    activation_id,
)
from openrun.core.timeline import tracks
from openrun.core.types import EffectClass, RunStatus, StepRunStatus
from openrun.core.undoing import CompensationStatus
from openrun.runtime.observer import Seen
from openrun.telemetry.beginning import is_first

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_BAD = frozenset({"lost", "fault"})

Place = tuple[str, str]
"""A step and a scope."""


class Wakeup:
    """What a run does from the moment a worker takes it until it leaves: one trace."""

    def __init__(
        self, tracer: Tracer, run: Seen, begun: FlowStarted, links: Sequence[Link], at: datetime
    ) -> None:
        self._tracer = tracer
        self._step_type = run.step_type
        self._run_id = run.run_id
        self._common: dict[str, AttributeValue] = {
            "openrun.run.id": run.run_id,
            "openrun.flow.name": run.flow_id,
            "openrun.flow.version": begun.version,
            "openrun.namespace": run.namespace,
        }
        self._root = tracer.start_span(
            f"run {run.flow_id}", Context(), attributes=self._common, links=links, start_time=_ns(at)
        )
        self._within = set_span_in_context(self._root, Context())
        self._open: dict[Place, Span] = {}
        self._early: set[Place] = set()
        """Attempts that were asked for their trace before their start was on disk."""
        self._attempts: dict[Place, int] = {}
        """The number of the last attempt of what is not over."""

    @property
    def context(self) -> SpanContext:
        return self._root.get_span_context()

    def announce(self, at: datetime) -> None:
        """A span without length, so that the run is found while the one of its wake-up is open."""
        started = self._tracer.start_span(
            "run.started", self._within, attributes=self._common, start_time=_ns(at)
        )
        started.end(_ns(at))

    def recover(self, history: Sequence[Fact], at: datetime) -> None:
        """Open spans for what ran when the run was last left: it runs again."""
        if is_first(history):
            self.announce(history[-1].timestamp)
        for track in tracks(history):
            if track.ended_at is None and track.attempts:
                place = track.step_id, track.scope
                self._attempts[place] = track.attempts[-1].number
                if track.status == "running":
                    self._begin(place, at).set_attribute("openrun.recovered", value=True)

    def hear(self, shown: Sequence[Shown]) -> None:
        for event in shown:
            tell = _TOLD.get(type(event))
            if tell is not None:
                tell(self, event)

    def context_of(self, place: Place, now: datetime) -> SpanContext:
        """The context of the attempt that runs there."""
        span = self._open.get(place)
        if span is None:
            span = self._begin(place, now)
            self._early.add(place)
        return span.get_span_context()

    def end(self, why: str, at: datetime) -> None:
        """The run leaves; so do the spans that are open."""
        for place in list(self._open):
            self._finish(place, "left", at)
        self._root.set_attribute("openrun.left", why)
        if why in _BAD:
            _fail(self._root, why)
        self._root.end(_ns(at))

    # -- what events do ---------------------------------------------------------------------------

    def flow_started(self, event: FlowStarted) -> None:
        self.announce(event.timestamp)

    def flow_completed(self, event: FlowCompleted) -> None:
        self._root.set_attribute("openrun.run.status", event.status.value)
        if event.status is RunStatus.FAILED:
            codes = [each.error.code for each in event.failures if not each.handled]
            _fail(self._root, codes[0] if codes else "FAILED")

    def started(self, event: StepStarted) -> None:
        place = event.step_id, event.scope
        self._attempts[place] = event.attempt
        if place in self._early:
            self._early.discard(place)
            self._open[place].set_attribute("openrun.attempt", event.attempt)
        else:
            self._begin(place, event.timestamp)

    def completed(self, event: StepCompleted) -> None:
        failed = event.result.status is StepRunStatus.ERROR
        code = event.result.failed_with().code if failed else None
        place = event.step_id, event.scope
        self._attempts.pop(place, None)
        self._finish(place, "failed" if failed else "succeeded", event.timestamp, code)

    def scheduled(self, event: StepScheduled) -> None:
        place = event.step_id, event.scope
        self._note(place, "openrun.retry", event, {"openrun.attempt": event.attempt})
        self._finish(place, "failed", event.timestamp, event.error.code)

    def waits(self, event: StepWaiting | StepInterrupted) -> None:
        kind = "interrupt" if isinstance(event, StepInterrupted) else str(event.wait.__struct_config__.tag)
        place = event.step_id, event.scope
        self._note(place, "openrun.wait", event, {"openrun.wait.kind": kind})
        self._finish(place, "waiting", event.timestamp)

    def review(self, event: ReviewRequested) -> None:
        if event.step_id is not None:
            place = event.step_id, event.scope
            self._note(place, "openrun.wait", event, {"openrun.wait.kind": "review"})
            self._finish(place, "waiting", event.timestamp)

    def cancelled(self, event: StepCancelled) -> None:
        place = event.step_id, event.scope
        self._attempts.pop(place, None)
        self._finish(place, "cancelled", event.timestamp)

    def woken(self, event: TimerFired | SignalReceived | ReviewResolved) -> None:
        if event.step_id is not None and (event.step_id, event.scope) not in self._open:
            self._begin((event.step_id, event.scope), event.timestamp)

    def effect(self, event: EffectRecorded) -> None:
        if event.effect is not EffectClass.PURE and event.status is not EffectStatus.STARTED:
            told = {"openrun.effect.name": event.name, "openrun.effect.status": event.status.value}
            self._note((event.step_id, event.scope), "openrun.effect", event, told)

    def undoes(self, event: CompensationStarted) -> None:
        self._begin((event.step_id, event.scope), event.timestamp, "compensate")

    def undid(self, event: CompensationCompleted) -> None:
        code = None
        if event.status is not CompensationStatus.COMPLETED:
            code = event.status.value if event.error is None else event.error.code
        self._finish((event.step_id, event.scope), event.status.value, event.timestamp, code)

    # -- spans ------------------------------------------------------------------------------------

    def _begin(self, place: Place, at: datetime, verb: str = "step") -> Span:
        self._finish(place, "left", at)
        step_id, scope = place
        step_type = self._step_type(step_id)
        told = None
        if self._root.is_recording():
            told = {
                **self._common,
                "openrun.step.id": step_id,
                "openrun.step.type": step_type,
                "openrun.activation.id": activation_id(self._run_id, step_id, scope),
                "openrun.attempt": self._attempts.get(place, 1),
            }
        span = self._open[place] = self._tracer.start_span(
            f"{verb} {step_type}", self._within, attributes=told, start_time=_ns(at)
        )
        return span

    def _finish(self, place: Place, outcome: str, at: datetime, code: str | None = None) -> None:
        span = self._open.pop(place, None)
        self._early.discard(place)
        if span is not None:
            span.set_attribute("openrun.step.outcome", outcome)
            if code is not None:
                _fail(span, code)
            span.end(_ns(at))

    def _note(self, place: Place, name: str, event: Fact, told: Mapping[str, AttributeValue]) -> None:
        span = self._open.get(place)
        if span is not None:
            span.add_event(name, told, _ns(event.timestamp))


_TOLD: Mapping[type, Callable[[Wakeup, Any], None]] = {
    FlowStarted: Wakeup.flow_started,
    FlowCompleted: Wakeup.flow_completed,
    StepStarted: Wakeup.started,
    StepCompleted: Wakeup.completed,
    StepScheduled: Wakeup.scheduled,
    StepWaiting: Wakeup.waits,
    StepInterrupted: Wakeup.waits,
    StepCancelled: Wakeup.cancelled,
    ReviewRequested: Wakeup.review,
    TimerFired: Wakeup.woken,
    SignalReceived: Wakeup.woken,
    ReviewResolved: Wakeup.woken,
    EffectRecorded: Wakeup.effect,
    CompensationStarted: Wakeup.undoes,
    CompensationCompleted: Wakeup.undid,
}


def _fail(span: Span, code: str) -> None:
    """Codes are few; the text of an error may hold what a flow works on, and stays in the journal."""
    span.set_attribute("error.type", code)
    span.set_status(Status(StatusCode.ERROR))


def _ns(instant: datetime) -> int:
    """Nanoseconds since 1970, exact to the microsecond."""
    return (instant - _EPOCH) // _MICROSECOND * 1_000
