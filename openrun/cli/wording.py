"""What an event means, in a few words; all that comes from flows is made safe to print."""

from collections.abc import Sequence
from datetime import datetime
from typing import assert_never

from openrun.cli.text import clean, compact, count
from openrun.core.asks import Ask, AskKind, Decision
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    FlowCancelRequested,
    FlowCompleted,
    FlowForked,
    FlowPaused,
    FlowResumed,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    Shown,
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
)
from openrun.core.fork import Repeat
from openrun.core.results import (
    StepRunResult,
    Wait,
    WaitForAnswers,
    WaitForChildren,
    WaitForItems,
    WaitUntil,
)
from openrun.core.types import EffectClass, SkipReason, StepRunStatus

_SKIPS = {
    SkipReason.NOT_TAKEN: "branch not taken",
    SkipReason.SKIPPED: "no branch led here",
    SkipReason.CANCELLED: "cancelled before it",
    SkipReason.CAUGHT: "failure handled elsewhere",
    SkipReason.FAILED: "failure before it",
}

_ASKED = {
    AskKind.SIGNAL: "signal",
    AskKind.EVENT: "event",
    AskKind.APPROVAL: "an approval",
    AskKind.INPUT: "an answer",
}


def in_words(event: Shown) -> str | None:
    """The event as a line says it; None for one that is not worth a line."""
    match event:
        case FlowStarted():
            return f"{clean(event.run_id)} of {clean(event.flow_id)} started by {clean(event.trigger or 'nothing')}"
        case StepStarted():
            return "started" if event.attempt == 1 else f"started, attempt {event.attempt}"
        case StepCompleted():
            return result_in_words(event.result)
        case StepScheduled():
            wait = (event.not_before - event.timestamp).total_seconds()
            return f"failed {error_in_words(event.error)}; attempt {event.attempt} in {wait:.1f}s"
        case StepWaiting():
            return f"waiting {wait_in_words(event.wait)}"
        case StepInterrupted():
            return f"waiting {asks_in_words(event.asks, event.until)}"
        case SignalReceived():
            return signal_in_words(event)
        case EffectRecorded():
            return effect_in_words(event)
        case CompensationStarted():
            return f"is undone, for the run {event.reason.value}"
        case CompensationCompleted():
            return f"undoing {event.status.value} {error_in_words(event.error)}".rstrip()
        case FlowForked():
            return f"forked from {clean(event.origin)} at {event.at}"
        case StepCancelled():
            return f"cancelled: {clean(event.reason)}"
        case TimerFired():
            return None if event.step_id is not None else "the run's time is up"
        case ChildCompleted():
            return f"child run {event.index + 1} {event.status.value}"
        case FlowCancelRequested():
            return f"cancel requested: {clean(event.reason)}"
        case StepSkipped():
            return f"skipped: {skip_in_words(event.reason)}"
        case StepProgress():
            return f"progress {compact(event.data)}"
        case FlowPaused():
            return f"paused: {event.reason}"
        case FlowResumed():
            return "resumed"
        case ReviewRequested():
            return f"needs review: {event.reason}"
        case ReviewResolved():
            return (
                "reviewed: its work took place"
                if event.committed
                else "reviewed: its work did not take place"
            )
        case FlowCompleted():
            return None
        case _:
            assert_never(event)


def result_in_words(result: StepRunResult) -> str:
    if result.status is StepRunStatus.SUCCESS:
        return f"completed → {ports_in_words(result.ports)}"
    return f"failed {error_in_words(result.error)}"


def ports_in_words(ports: tuple[str, ...]) -> str:
    return ", ".join(clean(port, 60) for port in ports[:8]) + (", …" if len(ports) > 8 else "") or "no port"


def error_in_words(error: ErrorObject | None) -> str:
    return "" if error is None else f"{clean(error.code, 60)}: {clean(error.message)}"


def wait_in_words(wait: Wait) -> str:
    match wait:
        case WaitUntil():
            return f"until {clock_time(wait.until)}"
        case WaitForItems():
            return f"for {count(len(wait.items), 'item')}"
        case WaitForChildren():
            return f"for {count(len(wait.inputs), 'run')} of {clean(wait.flow)}"
        case WaitForAnswers():
            return asks_in_words(wait.asks, wait.until)
        case _:
            assert_never(wait)


def asks_in_words(asks: Sequence[Ask], until: datetime | None) -> str:
    asked = ", ".join(clean(ask.title or f"{_ASKED[ask.kind]} {ask.name}".rstrip(), 60) for ask in asks[:8])
    end = "" if until is None else f" until {clock_time(until)}"
    return f"for {asked}{end}" if asked else end.strip()


def signal_in_words(event: SignalReceived) -> str:
    """An answer, a signal, or what came of it when nobody waited."""
    answer = event.answer
    by = f" by {clean(answer.by, 60)}" if answer.by else ""
    told = clean(answer.name, 60) if answer.decision is Decision.ANSWERED else answer.decision.value
    if event.step_id is not None:
        return f"{told or 'answered'}{by}"
    return f"an answer{by} came too late" if answer.ask else f"signal {told}{by} is kept"


def effect_in_words(event: EffectRecorded) -> str | None:
    """A call to the outside; drawn values are not worth a line."""
    if event.effect is EffectClass.PURE:
        return None
    return f"effect {clean(event.name, 60)} {event.status.value} {error_in_words(event.error)}".rstrip()


def repeat_in_words(repeat: Repeat) -> str:
    """What would be done again, and what is known of it."""
    place = clean(repeat.step_id, 60) + ("" if repeat.scope == "/" else f" in {clean(repeat.scope, 60)}")
    return place + ("" if repeat.effect is None else f": {clean(repeat.effect, 60)}") + f" ({repeat.status})"


def skip_in_words(reason: SkipReason) -> str:
    return _SKIPS[reason]


def clock_time(moment: datetime) -> str:
    """Local time of day, with the date when it is not today's."""
    local = moment.astimezone()
    today = datetime.now(tz=local.tzinfo).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
