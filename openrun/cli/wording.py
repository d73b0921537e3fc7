"""What an event means, in a few words; all that comes from flows is made safe to print."""

from datetime import datetime
from typing import assert_never

from openrun.cli.text import clean, compact, count
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    ChildCompleted,
    FlowCancelRequested,
    FlowCompleted,
    FlowPaused,
    FlowResumed,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    Shown,
    StepCancelled,
    StepCompleted,
    StepProgress,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import StepRunResult, Wait, WaitForChildren, WaitForItems, WaitUntil
from openrun.core.types import SkipReason, StepRunStatus

_SKIPS = {
    SkipReason.NOT_TAKEN: "branch not taken",
    SkipReason.SKIPPED: "no branch led here",
    SkipReason.CANCELLED: "cancelled before it",
    SkipReason.CAUGHT: "failure handled elsewhere",
    SkipReason.FAILED: "failure before it",
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
        case _:
            assert_never(wait)


def skip_in_words(reason: SkipReason) -> str:
    return _SKIPS[reason]


def clock_time(moment: datetime) -> str:
    """Local time of day, with the date when it is not today's."""
    local = moment.astimezone()
    today = datetime.now(tz=local.tzinfo).date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%Y-%m-%d %H:%M}"
