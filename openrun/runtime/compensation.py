"""The undoing of a run's steps, within the time that each has. To be called within a turn of the driver."""

from datetime import datetime, timedelta

from openrun.core.errors import ErrorObject
from openrun.core.frame import Activation
from openrun.core.undoing import CompensationStatus
from openrun.runtime.deadline import Deadline
from openrun.runtime.recorder import Recorder

_EXPIRED = ErrorObject(code="COMPENSATION_EXPIRED", message="its time was up before it was undone")


class Compensation:
    """Begins and ends what undoes one step after the other; their instants come from the run's deadline."""

    __slots__ = ("_deadline", "_most", "_run")

    def __init__(self, run: Recorder, deadline: Deadline, seconds: float) -> None:
        """A completed step has to be undone within `seconds` of its completion."""
        self._run = run
        self._deadline = deadline
        self._most = timedelta(seconds=seconds)

    def begin(self, act: Activation, completed_at: datetime) -> None:
        """Undo a step, if there is time left for it."""
        reason = self._run.machine.undo.reason
        assert reason is not None
        if self._run.now - completed_at >= self._most:
            self.end(act, CompensationStatus.EXPIRED, _EXPIRED)
        else:
            self._run.record(self._run.facts.compensation_started(act, reason, self._run.now))
            self._deadline.undo(completed_at + self._most)

    def end(self, act: Activation, status: CompensationStatus, error: ErrorObject | None) -> None:
        """Record what became of it."""
        self._deadline.clear()
        self._run.record(self._run.facts.compensation_completed(act, status, error, self._run.now))

    def recover(self) -> None:
        """The run goes on from its journal: what is under way has the time that was left for it."""
        undo = self._run.machine.undo
        if undo.walk is not None and not undo.settled:
            self._deadline.undo(undo.since + self._most)

    def expire(self) -> None:
        """The time for what is under way is up."""
        undo = self._run.machine.undo
        if undo.walk is not None and not undo.settled:
            self.end(undo.subject, CompensationStatus.EXPIRED, _EXPIRED)
        else:
            self._deadline.clear()
