"""The journal's vocabulary: past-tense facts of a run, a closed union, readable for ever.

Every fact has the run, the flow, its place in the run (`seq`, from 1) and when it was recorded. What can be
derived from the facts (edge states, skips) is not stored: `StepSkipped` and `StepProgress` are shown to
whoever watches a run and carry the seq of their cause.
"""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from openrun.core.asks import Answer, Ask
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.results import StepRunResult, Wait
from openrun.core.types import EffectClass, RunStatus, SkipReason
from openrun.core.undoing import CompensationOutcome, CompensationStatus

RULES_VERSION = 1
"""Version of the graph semantics a run was started under."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type", gc=False):
    """A fact of a run; `timestamp` is aware, UTC."""

    run_id: str
    flow_id: str
    seq: int
    timestamp: datetime


class StepEvent(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """A fact of one activation: a step in a scope ("/" is the run itself)."""

    step_id: str
    scope: str = "/"

    @property
    def activation_id(self) -> str:
        """Names the activation; the same over retries, crashes and replays."""
        return activation_id(self.run_id, self.step_id, self.scope)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A failure of a run: where, what, and whether the flow took care of it."""

    step_id: str
    scope: str
    error: ErrorObject
    handled: bool


class FlowStarted(Event, frozen=True, kw_only=True, tag=True, gc=False):
    version: str
    trigger: str | None
    input: dict[str, Any] = {}
    state: dict[str, Any] = {}
    parent_run_id: str | None = None
    rules: int = RULES_VERSION
    traceparent: str | None = None
    """Who asked for the run, in the words of W3C Trace Context."""
    tracestate: str | None = None
    hops: int = 0
    """How many events stand between this run and what came from outside: each that a run emits counts one."""


class StepStarted(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    attempt: int = 1


class StepCompleted(StepEvent, frozen=True, kw_only=True, tag=True, gc=True, dict=True):
    result: StepRunResult
    attempt: int = 1
    patch: dict[str, Any] = {}

    @property
    def state_snapshot(self) -> dict[str, Any]:
        """The run's state right after this event, computed when asked; empty for an event read from elsewhere."""
        return _snapshot(self)


class StepScheduled(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """Another attempt is due at `not_before`; `error` is what the last one failed with."""

    attempt: int
    not_before: datetime
    error: ErrorObject


class StepWaiting(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    wait: Wait
    attempt: int = 1


class StepInterrupted(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """The step asks, and runs again from its top once it is answered; `until` is the first instant that ends an ask."""

    asks: tuple[Ask, ...]
    attempt: int = 1
    until: datetime | None = None


class SignalReceived(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """Somebody outside told the run something: in answer to an ask, or as a signal, by name.

    `step_id` is who hears it. Without one it is kept for the next who waits for a signal of that name; or, when
    it answers an ask, it came too late and changes nothing.
    """

    answer: Answer
    step_id: str | None = None
    scope: str = "/"


class EffectRecorded(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """What is known of a call to the outside made by a step, or of a value it drew (`effect` pure).

    `ordinal` counts the effects of that name in the activation, `attempt` the tries of this effect. `value` is
    left out where the step's own completion, recorded along with it, has it.
    """

    name: str
    key: str
    status: EffectStatus
    effect: EffectClass
    ordinal: int = 0
    attempt: int = 1
    args_hash: str | None = None
    value: Any = None
    error: ErrorObject | None = None
    by: str | None = None
    """Who said so, when a person did."""


class CompensationStarted(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """A completed step is being undone, because the run `reason`: failed, aborted or cancelled."""

    reason: RunStatus


class CompensationCompleted(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """The undoing of a step is over; with any status but `completed`, a person has to look at it."""

    status: CompensationStatus
    error: ErrorObject | None = None


class StepCancelled(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    reason: str


class TimerFired(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """The instant a step waited for has come; without a step, the run's own deadline has."""

    step_id: str | None = None
    scope: str = "/"


class ChildCompleted(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    index: int
    child_run_id: str
    status: RunStatus
    output: Any = None
    error: ErrorObject | None = None


class FlowCancelRequested(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """Stop; with `hard`, the steps marked `always` are stopped too, with an `error` the run fails by it."""

    reason: str = "cancelled"
    hard: bool = False
    error: ErrorObject | None = None
    compensate: bool = False
    """Undo what was done, too."""


class FlowPaused(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """No step starts or wakes until FlowResumed; those that run go on."""

    reason: str = "paused"


class FlowResumed(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """The run goes on after a pause, or after a review of the run as a whole."""


class ReviewRequested(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """A person must decide: about a step whose outcome is unknown, or (no step) about the run as a whole."""

    reason: str
    step_id: str | None = None
    scope: str = "/"
    key: str | None = None
    """The effect it is about, where it is about one of several that the step may have."""


class ReviewResolved(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """The person decided: the step's work took place (`committed`; StepCompleted follows), or it did not.

    About one effect of a step, EffectRecorded comes before, and the step runs again with what that says.
    """

    committed: bool
    by: str | None = None


class FlowCompleted(Event, frozen=True, kw_only=True, tag=True, gc=True, dict=True):
    status: RunStatus
    output: Any = None
    failures: tuple[Failure, ...] = ()
    compensation: CompensationOutcome | None = None

    @property
    def state_snapshot(self) -> dict[str, Any]:
        """The run's final state, computed when asked; empty for an event read from elsewhere."""
        return _snapshot(self)


class FlowForked(Event, frozen=True, kw_only=True, tag=True, gc=False):
    """The facts before are those of another run, as far as they hold here; from here on this one goes its own way.

    `values` are set in the state and `outputs` replace those of steps, by whoever forked it.
    """

    origin: str
    at: int
    """The seq of the other run at which it was forked."""
    values: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    removed: tuple[str, ...] = ()
    """Keys taken out of the state."""
    by: str | None = None
    comment: str | None = None


class StepSkipped(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """Shown, never stored: the step did not run. `seq` is that of the event that settled it."""

    reason: SkipReason


class StepProgress(StepEvent, frozen=True, kw_only=True, tag=True, gc=False):
    """Shown and kept for inspection, never folded: what a step reported while it ran."""

    data: Any = None
    attempt: int = 1


Fact = (
    FlowStarted
    | StepStarted
    | StepCompleted
    | StepScheduled
    | StepWaiting
    | StepInterrupted
    | SignalReceived
    | EffectRecorded
    | CompensationStarted
    | CompensationCompleted
    | FlowForked
    | StepCancelled
    | TimerFired
    | ChildCompleted
    | FlowCancelRequested
    | FlowPaused
    | FlowResumed
    | ReviewRequested
    | ReviewResolved
    | FlowCompleted
)
"""What a journal holds."""

Shown = Fact | StepSkipped | StepProgress
"""What a stream shows."""

_SNAPSHOT = "snapshot"
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Shown] = msgspec.json.Decoder(Shown)
_fact_decoder: msgspec.json.Decoder[Fact] = msgspec.json.Decoder(Fact)


def activation_id(run_id: str, step_id: str, scope: str, ordinal: int = 0) -> str:
    """SHA-256 over run, step, scope and ordinal, 32 hex digits of it."""
    text = f"{run_id}\n{step_id}\n{scope}\n{ordinal}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def with_snapshot(event: StepCompleted | FlowCompleted, snapshot: Callable[[int], dict[str, Any]]) -> None:
    """Let `event.state_snapshot` be computed by `snapshot(seq)`; the link is not part of the event's data."""
    event.__dict__[_SNAPSHOT] = snapshot


def _snapshot(event: Event) -> dict[str, Any]:
    compute = event.__dict__.get(_SNAPSHOT)
    return compute(event.seq) if compute else {}


def encode_event(event: Shown) -> bytes:
    """The event as one line of JSON, without the line's end."""
    return _encoder.encode(event)


def decode_event(data: bytes | str) -> Shown:
    """The event back from `encode_event`; raises msgspec.ValidationError for anything else."""
    return _decoder.decode(data)


def decode_fact(data: bytes | str) -> Fact:
    """A fact back from `encode_event`; raises msgspec.ValidationError for anything else."""
    return _fact_decoder.decode(data)
