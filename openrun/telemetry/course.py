"""What a held run's events add to the tallies."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from openrun.core.effects import EffectStatus
from openrun.core.events import (
    CompensationCompleted,
    EffectRecorded,
    FlowCompleted,
    FlowStarted,
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
)
from openrun.core.types import FINAL, EffectClass, StepRunStatus
from openrun.runtime.observer import Seen
from openrun.telemetry.beginning import is_first
from openrun.telemetry.tallies import RUN_SECONDS, Counter, Histogram, Names, Spread, Tally

MOST_FLOWS = 200
MOST_TYPES = 100

_SUCCESS = StepRunStatus.SUCCESS


class StepTallies:
    """Attempts of one type of step in one flow; their durations are those of the type in all flows."""

    __slots__ = ("cancelled", "failed", "seconds", "succeeded")

    def __init__(self, attempts: Callable[[str], Tally], seconds: Spread) -> None:
        self.succeeded = attempts("succeeded")
        self.failed = attempts("failed")
        self.cancelled = attempts("cancelled")
        self.seconds = seconds


class FlowTallies:
    """The tallies of one flow."""

    __slots__ = ("all", "ended", "label", "started", "steps")

    def __init__(self, everything: "RunTallies", label: str) -> None:
        self.all = everything
        self.label = label
        self.started = everything.started.of(label)
        self.ended = {status: everything.ended.of(label, status.value) for status in FINAL}
        self.steps: dict[str, StepTallies] = {}

    def step(self, step_type: str) -> StepTallies:
        tallies = self.steps.get(step_type)
        if tallies is None:
            known = self.all.types.label(step_type)
            tallies = StepTallies(
                lambda outcome: self.all.attempts.of(self.label, known, outcome),
                self.all.step_seconds.of(known),
            )
            if known == step_type:
                self.steps[step_type] = tallies
        return tallies


class RunTallies:
    """All that is counted of runs."""

    def __init__(self) -> None:
        self.types = Names(MOST_TYPES)
        self._flows: dict[str, FlowTallies] = {}
        self._names = Names(MOST_FLOWS)
        self.started = Counter("openrun_runs_started", "Runs whose first worker is in this process.", "flow")
        self.ended = Counter("openrun_runs", "Runs that ended in this process.", "flow", "status")
        self.run_seconds = Histogram(
            "openrun_run_duration_seconds",
            "From a run's start to its end, waits included.",
            bounds=RUN_SECONDS,
        )
        self.attempts = Counter(
            "openrun_step_attempts", "Attempts of steps that ended.", "flow", "step_type", "outcome"
        )
        self.step_seconds = Histogram(
            "openrun_step_duration_seconds",
            "How long an attempt ran until its end; of one that waited, since it was woken.",
            "step_type",
        )
        self.dispatch = Histogram(
            "openrun_dispatch_latency_seconds", "From a run's start to that of its first step."
        )
        self.retries = Counter("openrun_retries", "Attempts that failed and are followed by another.")
        self.effects = Counter("openrun_effects", "What became of calls to the outside.", "outcome")
        self.compensations = Counter("openrun_compensations", "What became of undoing steps.", "outcome")
        for status in EffectStatus:
            if status is not EffectStatus.STARTED:
                self.effects.of(status.value)
        self.retried, self.dispatched, self.took = (
            self.retries.of(),
            self.dispatch.of(),
            self.run_seconds.of(),
        )

    def flow(self, flow_id: str) -> FlowTallies:
        """The tallies of this flow, or of all those beyond the most that are told apart."""
        tallies = self._flows.get(flow_id)
        if tallies is None:
            label = self._names.label(flow_id)
            tallies = self._flows.get(label) or FlowTallies(self, label)
            self._flows[label] = tallies
        return tallies

    def families(self) -> list[Counter | Histogram]:
        return [
            self.started, self.ended, self.run_seconds, self.attempts, self.step_seconds, self.dispatch,
            self.retries, self.effects, self.compensations,
        ]  # fmt: skip


class Course:
    """One run while it is held."""

    __slots__ = ("_all", "_begun", "_flow", "_running", "_step_type", "_unstarted")

    def __init__(self, everything: RunTallies, run: Seen) -> None:
        history = run.history
        self._all = everything
        self._flow = everything.flow(run.flow_id)
        self._step_type = run.step_type
        self._begun: datetime | None = history[0].timestamp if history else None
        first = is_first(history)
        self._unstarted = first or not history
        if first:
            self._flow.started.count += 1
        self._running: dict[tuple[str, str], datetime] = {}
        """Since when activations have been running; of those that another process began it is not known."""

    def hear(self, shown: Sequence[Shown]) -> None:
        running = self._running
        for event in shown:
            # These two are nearly all there is; the rest may take a call.
            if type(event) is StepStarted:
                running[event.step_id, event.scope] = event.timestamp
                if self._unstarted:
                    self._first_started(event)
            elif type(event) is StepCompleted:
                step = self._end(event)
                if event.result.status is _SUCCESS:
                    step.succeeded.count += 1
                else:
                    step.failed.count += 1
            else:
                count = _COUNTED.get(type(event))
                if count is not None:
                    count(self, event)

    def flow_started(self, event: FlowStarted) -> None:
        self._begun = event.timestamp
        self._flow.started.count += 1

    def flow_completed(self, event: FlowCompleted) -> None:
        self._flow.ended[event.status].count += 1
        if self._begun is not None:
            self._all.took.observe((event.timestamp - self._begun).total_seconds())

    def _first_started(self, event: StepStarted) -> None:
        self._unstarted = False
        if self._begun is not None:
            self._all.dispatched.observe((event.timestamp - self._begun).total_seconds())

    def scheduled(self, event: StepScheduled) -> None:
        self._end(event).failed.count += 1
        self._all.retried.count += 1

    def cancelled(self, event: StepCancelled) -> None:
        self._end(event).cancelled.count += 1

    def _end(self, event: StepCompleted | StepScheduled | StepCancelled) -> StepTallies:
        step_type = self._step_type(event.step_id)
        step = self._flow.steps.get(step_type) or self._flow.step(step_type)
        since = self._running.pop((event.step_id, event.scope), None)
        if since is not None:
            step.seconds.observe((event.timestamp - since).total_seconds())
        return step

    def waits(self, event: StepWaiting | StepInterrupted) -> None:
        self._running.pop((event.step_id, event.scope), None)

    def woken(self, event: TimerFired | SignalReceived | ReviewResolved) -> None:
        if event.step_id is not None:
            self._running.setdefault((event.step_id, event.scope), event.timestamp)

    def effect(self, event: EffectRecorded) -> None:
        if event.effect is not EffectClass.PURE and event.status is not EffectStatus.STARTED:
            self._all.effects.of(event.status.value).count += 1

    def compensated(self, event: CompensationCompleted) -> None:
        self._all.compensations.of(event.status.value).count += 1


_COUNTED: Mapping[type, Callable[[Course, Any], None]] = {
    FlowStarted: Course.flow_started,
    FlowCompleted: Course.flow_completed,
    StepScheduled: Course.scheduled,
    StepCancelled: Course.cancelled,
    StepWaiting: Course.waits,
    StepInterrupted: Course.waits,
    TimerFired: Course.woken,
    SignalReceived: Course.woken,
    ReviewResolved: Course.woken,
    EffectRecorded: Course.effect,
    CompensationCompleted: Course.compensated,
}
