"""What a step came to, made fit for the journal and recorded. To be called within a turn of the driver."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec.structs import replace

from openrun.core.events import Fact, activation_id
from openrun.core.facts import Facts
from openrun.core.frame import Activation
from openrun.core.machine import Machine
from openrun.core.outstanding import waits
from openrun.core.results import Outcome, StepRunResult, WaitForAnswers, WaitForChildren, numbered
from openrun.runtime.attempt import Asking, Attempted, InDoubt
from openrun.runtime.surroundings import Surroundings

T = TypeVar("T")
UNKNOWN_OUTCOME = "unknown_outcome"


class Concluding(Protocol):
    """The driver of the run."""

    @property
    def machine(self) -> Machine: ...

    @property
    def facts(self) -> Facts: ...

    @property
    def now(self) -> datetime: ...

    def record(self, event: Fact) -> None: ...

    def set_timer(self, act: Activation, due: datetime) -> None:
        """Come back to this activation at that instant."""


class Conclusion:
    """How the steps of one run end, or go on waiting."""

    __slots__ = ("_around", "_prepare", "_run")

    def __init__(
        self, run: Concluding, around: Surroundings, prepare: Callable[[WaitForChildren], Outcome]
    ) -> None:
        """`prepare` gives children their run ids."""
        self._run = run
        self._around = around
        self._prepare = prepare

    def record(self, act: Activation, attempted: Attempted) -> None:
        """Record it, and what follows from it by time."""
        run, outcome = self._run, self.masked(attempted[0])
        match outcome:
            case InDoubt():
                run.record(self._in_doubt(act, outcome))
                return
            case Asking():
                run.record(self._asked(act, outcome))
            case StepRunResult(error=None):
                run.record(run.facts.concluded(act, outcome, self.masked(attempted[1]), run.now))
                return
            case _:
                fit = self._redacted(self._prepared(act, outcome))
                run.record(run.facts.concluded(act, fit, self.masked(attempted[1]), run.now))
        for order in waits(act):
            run.set_timer(act, order.due)

    def masked(self, value: T) -> T:
        """Without secrets."""
        masked = self._around.masked
        return value if masked is None else masked(value)

    def _in_doubt(self, act: Activation, doubt: InDoubt) -> Fact:
        """A person has to look into it; a run that is stopped hard does not wait for that."""
        facts, now = self._run.facts, self._run.now
        if act.cancelling and act.frame.walk.cut:
            return facts.cancelled(act, now)
        return facts.review_requested(act, UNKNOWN_OUTCOME, now, doubt.key)

    def _asked(self, act: Activation, asking: Asking) -> Fact:
        facts, now = self._run.facts, self._run.now
        return facts.cancelled(act, now) if act.cancelling else facts.interrupted(act, asking.asks, now)

    def _prepared(self, act: Activation, outcome: Outcome) -> Outcome:
        """Children get their run ids, and asks theirs, before the wait for them is recorded."""
        match outcome:
            case WaitForChildren():
                return self._prepare(outcome)
            case WaitForAnswers():
                return numbered(outcome, activation_id(self._run.machine.run_id, act.step_id, act.scope))
            case _:
                return outcome

    def _redacted(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, StepRunResult) and outcome.error is not None:
            return replace(outcome, error=self._around.redact(outcome.error))
        return outcome
