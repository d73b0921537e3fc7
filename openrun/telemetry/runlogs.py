"""Log lines of what runs do: their starts, ends and waits, and failures of their steps; never what they work on."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from structlog.stdlib import BoundLogger, ProcessorFormatter

from openrun.core.events import (
    CompensationCompleted,
    FlowCompleted,
    FlowStarted,
    ReviewRequested,
    Shown,
    StepCompleted,
    StepScheduled,
)
from openrun.core.types import RunStatus, StepRunStatus
from openrun.core.undoing import CompensationStatus
from openrun.runtime.observer import Seen
from openrun.telemetry.beginning import is_first
from openrun.telemetry.logs import CHAIN

NAME = "openrun.runs"


class RunLogs:
    """Writes to the logger `openrun.runs`, as an observer of a worker; texts of errors stay in the journal."""

    def __init__(self) -> None:
        self._gate = logging.getLogger(NAME)
        self._log: BoundLogger = structlog.wrap_logger(
            self._gate,
            # Of its own, so that it does not matter whether logs are configured before or after.
            processors=[structlog.stdlib.filter_by_level, *CHAIN, ProcessorFormatter.wrap_for_formatter],
            wrapper_class=BoundLogger,
        ).bind()

    def took(self, run: Seen) -> None:
        begun = run.history[0] if is_first(run.history) else None
        if isinstance(begun, FlowStarted):
            self.started(run, begun)
        elif run.history:
            self._say(logging.DEBUG, run, "run taken", fence=run.fence)

    def heard(self, run: Seen, shown: Sequence[Shown]) -> None:
        if not self._gate.isEnabledFor(logging.WARNING):
            return
        for event in shown:
            tell = _TOLD.get(type(event))
            if tell is not None:
                tell(self, run, event)

    def left(self, run: Seen, why: str) -> None:
        match why:
            case "rests":
                self._say(logging.INFO, run, "run waiting", status=run.status.value)
            case "handed back":
                self._say(logging.INFO, run, "run handed back", status=run.status.value)
            case "lost" | "fault":
                self._say(logging.WARNING, run, "run lost", why=why)

    def trace(self, run: Seen, step_id: str, scope: str) -> None:
        """Logs have no trace."""

    # -- what events say --------------------------------------------------------------------------

    def started(self, run: Seen, event: FlowStarted) -> None:
        self._say(logging.INFO, run, "run started", version=event.version[:12], trigger=event.trigger)

    def ended(self, run: Seen, event: FlowCompleted) -> None:
        if event.status is not RunStatus.FAILED:
            self._say(logging.INFO, run, "run ended", status=event.status.value)
            return
        first = next((each for each in event.failures if not each.handled), None)
        found = {} if first is None else {"step_id": first.step_id, "code": first.error.code}
        self._say(logging.WARNING, run, "run failed", status=event.status.value, **found)

    def completed(self, run: Seen, event: StepCompleted) -> None:
        if event.result.status is StepRunStatus.ERROR:
            code = event.result.failed_with().code
            self._say(
                logging.WARNING, run, "step failed", step_id=event.step_id, code=code, attempt=event.attempt
            )

    def scheduled(self, run: Seen, event: StepScheduled) -> None:
        self._say(
            logging.WARNING,
            run,
            "step failed and is tried again",
            step_id=event.step_id,
            code=event.error.code,
            attempt=event.attempt - 1,
            not_before=event.not_before.isoformat(),
        )

    def reviewed(self, run: Seen, event: ReviewRequested) -> None:
        self._say(logging.WARNING, run, "run needs a review", step_id=event.step_id)

    def undone(self, run: Seen, event: CompensationCompleted) -> None:
        if event.status is not CompensationStatus.COMPLETED:
            code = None if event.error is None else event.error.code
            self._say(
                logging.WARNING,
                run,
                "step was not undone",
                step_id=event.step_id,
                status=event.status.value,
                code=code,
            )

    def _say(self, level: int, run: Seen, event: str, **fields: str | int | None) -> None:
        if self._gate.isEnabledFor(level):
            about = {"run_id": run.run_id, "flow_id": run.flow_id, "namespace": run.namespace}
            self._log.log(level, event, **about, **fields)


_TOLD: Mapping[type, Callable[[RunLogs, Seen, Any], None]] = {
    FlowStarted: RunLogs.started,
    FlowCompleted: RunLogs.ended,
    StepCompleted: RunLogs.completed,
    StepScheduled: RunLogs.scheduled,
    ReviewRequested: RunLogs.reviewed,
    CompensationCompleted: RunLogs.undone,
}
