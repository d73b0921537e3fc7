"""What a run looks like by now: one row per step, however often the step runs.

Folds events, knows no terminal and no clock. Its size is bounded by the flow's steps and by what is under way,
never by the length of the run.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from openrun.cli.text import ticking
from openrun.cli.wording import (
    asks_in_words,
    error_in_words,
    in_words,
    ports_in_words,
    skip_in_words,
    wait_in_words,
)
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    FlowCancelRequested,
    FlowCompleted,
    FlowStarted,
    Shown,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepInterrupted,
    StepProgress,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import WaitForAnswers, WaitForChildren, WaitUntil
from openrun.core.types import StepRunStatus
from openrun.core.undo import SEGMENT
from openrun.core.undoing import CompensationStatus


class Mark(Enum):
    """Where a step stands; those under way first, in the order in which they count."""

    RUNNING = "running"
    RETRYING = "retrying"
    UNDOING = "undoing"
    WAITING = "waiting"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNDONE = "undone"
    DONE = "done"
    SKIPPED = "skipped"

    @property
    def is_under_way(self) -> bool:
        return self in _UNDER_WAY


_UNDOING = f"[{SEGMENT}]"
_UNDER_WAY = (Mark.RUNNING, Mark.RETRYING, Mark.UNDOING, Mark.WAITING)


@dataclass(slots=True)
class Live:
    """An activation under way."""

    since: datetime
    mark: Mark = Mark.RUNNING
    note: str = ""
    due: datetime | None = None
    attempt: int = 1
    children: int = 0
    ended: int = 0


@dataclass(slots=True)
class Row:
    """A step: what is under way of it, and how what has ended ended."""

    step_id: str
    touched: int = 0
    live: dict[str, Live] = field(default_factory=dict)
    ended: dict[Mark, int] = field(default_factory=dict)
    last: Mark = Mark.SKIPPED
    note: str = ""
    duration: timedelta | None = None
    error: str = ""

    @property
    def mark(self) -> Mark:
        marks = {live.mark for live in self.live.values()}
        return next((mark for mark in _UNDER_WAY if mark in marks), self.last)

    @property
    def runs(self) -> int:
        """Activations that ran or run."""
        return len(self.live) + sum(count for mark, count in self.ended.items() if mark is not Mark.SKIPPED)

    def end(self, mark: Mark, note: str, duration: timedelta | None = None) -> None:
        if mark is Mark.SKIPPED and self.runs:
            # A loop passes over what it does not reach in every round; what ran says more.
            return
        self.ended[mark] = self.ended.get(mark, 0) + 1
        self.last, self.note, self.duration = mark, note, duration

    def undo(self, scope: str, since: datetime) -> None:
        """What is undone is not done any more."""
        done = self.ended.get(Mark.DONE, 0)
        if done:
            self.ended[Mark.DONE] = done - 1
        self.live[scope] = Live(since, Mark.UNDOING, "being undone")

    def words(self, now: datetime) -> str:
        """What there is to say beside the mark, the name and the time."""
        if self.runs > 1:
            return self._tally()
        if not self.live:
            return self.note
        live = next(iter(self.live.values()))
        left = f"in {ticking(live.due - now)}" if live.due is not None and live.due > now else ""
        if live.mark is Mark.RETRYING:
            return f"attempt {live.attempt} {left or 'now'} · {live.note}"
        share = f", {live.ended} ended" if live.children else ""
        return f"{live.note}{share}" + (f" ({left})" if left else "")

    def time(self, now: datetime) -> timedelta | None:
        """How long it has been under way, or took the last time."""
        if self.live:
            return now - min(live.since for live in self.live.values())
        return self.duration

    def _tally(self) -> str:
        counts: dict[Mark, int] = {}
        for live in self.live.values():
            counts[live.mark] = counts.get(live.mark, 0) + 1
        for mark, number in self.ended.items():
            if mark is not Mark.SKIPPED:
                counts[mark] = counts.get(mark, 0) + number
        parts = [f"{counts[mark]:,} {mark.value}" for mark in Mark if counts.get(mark)]
        return ", ".join(parts) + (f"; {self.error}" if self.error else "")


class Board:
    """The rows of one run, in the order in which the steps were first heard of."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.run_id = ""
        self.started: datetime | None = None
        self.ended: FlowCompleted | None = None
        self.cancel_reason: str | None = None
        self._events = 0

    def apply(self, event: Shown) -> None:
        self._events += 1
        match event:
            case StepEvent():
                self._of_step(event)
            case SignalReceived() | TimerFired():
                self._wake(event)
            case FlowStarted():
                self.run_id, self.started = event.run_id, event.timestamp
            case FlowCancelRequested():
                self.cancel_reason = event.reason
            case FlowCompleted():
                self.ended = event

    def _of_step(self, event: StepEvent) -> None:
        if _UNDOING not in event.scope:
            # What undoes a step has that one's id, and is told of in its row.
            row = self.rows.setdefault(event.step_id, Row(event.step_id))
            row.touched = self._events
            _tell(row, event)

    def _wake(self, event: SignalReceived | TimerFired) -> None:
        """A step goes on with what it has been told, or because its time has come."""
        row = self.rows.get(event.step_id or "")
        live = None if row is None else row.live.get(event.scope)
        if live is not None:
            live.mark, live.note, live.due = Mark.RUNNING, "", None

    def pick(self, most: int) -> list[Row]:
        """At most so many rows: what is under way, then failures, then the newest; in their usual order."""
        rows = list(self.rows.values())
        if len(rows) <= most:
            return rows
        best = sorted(rows, key=_weight)[:most]
        chosen = {row.step_id for row in best}
        return [row for row in rows if row.step_id in chosen]

    def elapsed(self, now: datetime) -> timedelta:
        """From the run's start to its end, or to now."""
        if self.started is None:
            return timedelta(0)
        return (self.ended.timestamp if self.ended else now) - self.started


def _weight(row: Row) -> tuple[int, int]:
    mark = row.mark
    rank = 0 if mark.is_under_way else 1 if mark is Mark.FAILED else 3 if mark is Mark.SKIPPED else 2
    return rank, -row.touched


def _tell(row: Row, event: StepEvent) -> None:
    """What happened to one activation of the step."""
    match event:
        case StepStarted():
            live = row.live.setdefault(event.scope, Live(event.timestamp))
            live.mark, live.due = Mark.RUNNING, None
            live.note = f"attempt {event.attempt}" if event.attempt > 1 else ""
        case StepCompleted():
            _completed(row, event)
        case StepScheduled():
            live = row.live.setdefault(event.scope, Live(event.timestamp))
            live.mark, live.due = Mark.RETRYING, event.not_before
            live.note, live.attempt = error_in_words(event.error), event.attempt
        case StepWaiting():
            live = row.live.setdefault(event.scope, Live(event.timestamp))
            wait = event.wait
            live.mark, live.note = Mark.WAITING, wait_in_words(wait)
            live.due = wait.until if isinstance(wait, WaitUntil | WaitForAnswers) else None
            live.children = len(wait.inputs) if isinstance(wait, WaitForChildren) else 0
        case StepInterrupted():
            live = row.live.setdefault(event.scope, Live(event.timestamp))
            live.mark, live.note, live.due = Mark.WAITING, asks_in_words(event.asks, event.until), event.until
        case CompensationStarted():
            row.undo(event.scope, event.timestamp)
        case CompensationCompleted():
            _undone(row, event)
        case ChildCompleted() if event.scope in row.live:
            row.live[event.scope].ended += 1
        case StepCancelled():
            live = row.live.pop(event.scope, Live(event.timestamp))
            row.end(Mark.CANCELLED, in_words(event) or "", event.timestamp - live.since)
        case StepSkipped():
            row.end(Mark.SKIPPED, f"skipped: {skip_in_words(event.reason)}")
        case StepProgress() if event.scope in row.live:
            row.live[event.scope].note = in_words(event) or ""


def _undone(row: Row, event: CompensationCompleted) -> None:
    live = row.live.pop(event.scope, Live(event.timestamp))
    duration = event.timestamp - live.since
    if event.status is CompensationStatus.COMPLETED:
        row.end(Mark.UNDONE, "undone", duration)
    else:
        row.error = in_words(event) or ""
        row.end(Mark.FAILED, row.error, duration)


def _completed(row: Row, event: StepCompleted) -> None:
    live = row.live.pop(event.scope, Live(event.timestamp))
    duration = event.timestamp - live.since
    if event.result.status is StepRunStatus.SUCCESS:
        row.end(Mark.DONE, f"→ {ports_in_words(event.result.ports)}", duration)
    else:
        row.error = error_in_words(event.result.error)
        row.end(Mark.FAILED, row.error, duration)
