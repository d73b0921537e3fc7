"""The course of a run as plain JSON data, derived from its facts alone.

    {"run_id", "flow_id", "version", "status", "started_at", "ended_at", "duration_ms",
     "activations": [{"step_id", "scope", "activation_id", "status", "started_at", "ended_at", "duration_ms",
                      "attempts": [{"attempt", "started_at", "ended_at", "outcome", "error"?}],
                      "waits": [{"kind", "from", "to", "due"?}]}],
     "events": [{"seq", "type", "timestamp", "step_id"?, "scope"?, ...}]}

Instants are RFC 3339 text in UTC, durations milliseconds to the microsecond; what has not come yet is null, as
is the start of an activation that ended without ever starting. Activations are in the order of their starts,
events in that of the journal. `outcome` is "succeeded", "failed", "cancelled" or, under way, null; an attempt
includes the waits of its step. `kind` is that of the recorded wait ("until", "items", "children", "answers"), or
"interrupt", "retry" or "review"; `due` is when it was to end, where that was known. A wait for what had come
already ends with the next fact of its step. Events tell what happened, and leave inputs, outputs, patches, answers
and the values of effects to the journal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    Fact,
    FlowCancelRequested,
    FlowCompleted,
    FlowPaused,
    FlowResumed,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepInterrupted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
    activation_id,
)
from openrun.core.results import WaitForAnswers, WaitUntil
from openrun.core.types import Json, RunStatus, StepRunStatus

_TOLD = (
    "trigger", "parent_run_id", "attempt", "index", "child_run_id", "name", "status", "reason", "hard", "committed",
    "not_before", "error", "compensation", "origin", "at",
)  # fmt: skip
"""What an event of the timeline tells, of the fields that its fact has."""

_INTERRUPT = "interrupt"


@dataclass(slots=True, kw_only=True)
class Attempt:
    """One try of an activation."""

    number: int
    started_at: datetime
    ended_at: datetime | None = None
    outcome: str | None = None
    error: ErrorObject | None = None


@dataclass(slots=True, kw_only=True)
class WaitSpan:
    """A time in which an activation waited."""

    kind: str
    since: datetime
    until: datetime | None = None
    due: datetime | None = None


@dataclass(slots=True, kw_only=True)
class Track:
    """One activation as its facts tell of it."""

    run_id: str
    step_id: str
    scope: str
    seq: int
    """The last fact that moved it."""
    first: datetime
    """When it is first told of."""
    status: str = "running"
    """"running", "waiting", "scheduled", "review", "succeeded", "failed" or "cancelled"."""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    attempts: list[Attempt] = field(default_factory=list)
    waits: list[WaitSpan] = field(default_factory=list)

    def apply(self, fact: Fact) -> None:
        """Fold the next fact about this activation; one that does not move it changes nothing."""
        now = fact.timestamp
        match fact:
            case StepStarted():
                self._move("running", now)
                self.started_at = self.started_at or now
                self.attempts.append(Attempt(number=fact.attempt, started_at=now))
            case TimerFired() | ReviewResolved():
                self._move("running", now)
            case SignalReceived() if self.status == "waiting":
                self._move("running", now)
            case StepWaiting():
                due = fact.wait.until if isinstance(fact.wait, WaitUntil | WaitForAnswers) else None
                self._wait("waiting", WaitSpan(kind=_kind(fact), since=now, due=due))
            case StepInterrupted():
                self._wait("waiting", WaitSpan(kind=_INTERRUPT, since=now, due=fact.until))
            case ReviewRequested():
                self._wait("review", WaitSpan(kind="review", since=now))
            case StepScheduled():
                self._end_attempt("failed", now, fact.error)
                self._wait("scheduled", WaitSpan(kind="retry", since=now, due=fact.not_before))
            case StepCompleted():
                failed = fact.result.status is StepRunStatus.ERROR
                error = fact.result.failed_with() if failed else None
                self._end("failed" if failed else "succeeded", now, error)
            case StepCancelled():
                self._end("cancelled", now, None)
            case _:
                return
        self.seq = fact.seq

    def _move(self, status: str, now: datetime) -> None:
        """It stands elsewhere now; what it waited for has ended."""
        self.status = status
        if self.waits and self.waits[-1].until is None:
            self.waits[-1].until = now

    def _wait(self, status: str, span: WaitSpan) -> None:
        self._move(status, span.since)
        self.waits.append(span)

    def _end(self, status: str, now: datetime, error: ErrorObject | None) -> None:
        self._move(status, now)
        self._end_attempt(status, now, error)
        self.ended_at = now

    def _end_attempt(self, outcome: str, now: datetime, error: ErrorObject | None) -> None:
        if self.attempts and self.attempts[-1].ended_at is None:
            last = self.attempts[-1]
            last.ended_at, last.outcome, last.error = now, outcome, error


def tracks(facts: Iterable[Fact]) -> list[Track]:
    """The activations that these facts tell of, in the order of their starts."""
    found: dict[tuple[str, str], Track] = {}
    for fact in facts:
        match fact:
            case (
                StepEvent()
                | TimerFired(step_id=str())
                | SignalReceived(step_id=str())
                | ReviewRequested(step_id=str())
            ):
                step_id = fact.step_id
                assert step_id is not None
                track = found.get((step_id, fact.scope))
                if track is None:
                    track = Track(
                        run_id=fact.run_id,
                        step_id=step_id,
                        scope=fact.scope,
                        seq=fact.seq,
                        first=fact.timestamp,
                    )
                    found[step_id, fact.scope] = track
                track.apply(fact)
    # Clocks of two workers may differ, so that the journal's order need not be that of the instants.
    return sorted(found.values(), key=lambda track: track.first)


def timeline(facts: Sequence[Fact]) -> dict[str, Json]:
    """The course of the run, in the shape that this module describes; all nulls for a run without facts."""
    course = tracks(facts)
    first, last = (facts[0], facts[-1]) if facts else (None, None)
    started_at = first.timestamp if first else None
    ended_at = last.timestamp if isinstance(last, FlowCompleted) else None
    return {
        "run_id": first.run_id if first else None,
        "flow_id": first.flow_id if first else None,
        "version": first.version if isinstance(first, FlowStarted) else None,
        "status": _status(facts, course).value,
        **_span(started_at, ended_at),
        "activations": [_activation(track) for track in course],
        "events": [_event(fact) for fact in facts],
    }


def _status(facts: Sequence[Fact], course: Iterable[Track]) -> RunStatus:
    """Where the run stands, as far as facts tell: what is due but has not started is none of them."""
    holds: set[RunStatus] = set()
    active = RunStatus.RUNNING
    for fact in facts:
        match fact:
            case FlowCompleted():
                return fact.status
            case CompensationStarted() | CompensationCompleted():
                active = RunStatus.COMPENSATING
            case FlowPaused():
                holds.add(RunStatus.PAUSED)
            case ReviewRequested(step_id=None):
                holds.add(RunStatus.NEEDS_REVIEW)
            case FlowResumed() | FlowCancelRequested() | TimerFired(step_id=None):
                holds.clear()
    if holds:
        return RunStatus.PAUSED if RunStatus.PAUSED in holds else RunStatus.NEEDS_REVIEW
    if len(facts) <= 1:
        return RunStatus.PENDING
    open_ones = {track.status for track in course if track.ended_at is None}
    if not open_ones or "running" in open_ones:
        return active
    return RunStatus.NEEDS_REVIEW if "review" in open_ones else RunStatus.WAITING


def _activation(track: Track) -> dict[str, Json]:
    return {
        "step_id": track.step_id,
        "scope": track.scope,
        "activation_id": activation_id(track.run_id, track.step_id, track.scope),
        "status": track.status,
        **_span(track.started_at, track.ended_at),
        "attempts": [_attempt(attempt) for attempt in track.attempts],
        "waits": [_wait(span) for span in track.waits],
    }


def _attempt(attempt: Attempt) -> dict[str, Json]:
    told: dict[str, Json] = {
        "attempt": attempt.number,
        "started_at": _text(attempt.started_at),
        "ended_at": _text(attempt.ended_at),
        "outcome": attempt.outcome,
    }
    return told if attempt.error is None else {**told, "error": attempt.error.to_json()}


def _wait(span: WaitSpan) -> dict[str, Json]:
    told: dict[str, Json] = {"kind": span.kind, "from": _text(span.since), "to": _text(span.until)}
    return told if span.due is None else {**told, "due": _text(span.due)}


def _event(fact: Fact) -> dict[str, Json]:
    told: dict[str, Json] = {
        "seq": fact.seq,
        "type": type(fact).__name__,
        "timestamp": _text(fact.timestamp),
    }
    step_id = getattr(fact, "step_id", None)
    if step_id is not None:
        told.update(step_id=step_id, scope=getattr(fact, "scope", "/"))
    for name in _TOLD:
        value = getattr(fact, name, None)
        if value is not None:
            told[name] = _brief(value)
    match fact:
        case StepCompleted():
            told["status"] = fact.result.status.value
            if fact.result.status is StepRunStatus.ERROR:
                told["error"] = _brief(fact.result.failed_with())
            else:
                told["ports"] = list(fact.result.ports)
        case StepWaiting():
            told["wait"] = _kind(fact)
        case StepInterrupted():
            told["wait"] = _INTERRUPT
        case SignalReceived():
            told.update(name=fact.answer.name, decision=fact.answer.decision.value)
    return told


def _brief(value: object) -> Json:
    match value:
        case ErrorObject():
            return {"code": value.code, "message": value.message}
        case datetime():
            return _text(value)
        case _:
            return msgspec.to_builtins(value)


def _kind(fact: StepWaiting) -> str:
    return str(type(fact.wait).__struct_config__.tag)


def _span(start: datetime | None, end: datetime | None) -> dict[str, Json]:
    spent = None
    if start is not None and end is not None:
        # A run that changed workers may have been told another time; nothing takes less than none.
        spent = max(end - start, timedelta(0)) / timedelta(microseconds=1) / 1_000
    return {"started_at": _text(start), "ended_at": _text(end), "duration_ms": spent}


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else msgspec.to_builtins(instant.astimezone(UTC))
