"""What a step came to, made fit for the journal and recorded. To be called within a turn of the driver."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec.structs import replace

from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import EffectRecorded, Fact, activation_id
from openrun.core.facts import Known, again
from openrun.core.frame import Activation
from openrun.core.outstanding import waits
from openrun.core.results import Outcome, StepRunResult, WaitForAnswers, WaitForChildren, numbered
from openrun.runtime.attempt import Asking, Attempted, InDoubt
from openrun.runtime.recorder import Recorder
from openrun.runtime.surroundings import Surroundings

T = TypeVar("T")
UNKNOWN_OUTCOME = "unknown_outcome"


class Concluding(Recorder, Protocol):
    """The driver of the run."""

    def set_timer(self, act: Activation, due: datetime | None) -> None:
        """Come back to this activation at that instant, or only when something happens."""


class Conclusion:
    """How the steps of one run end, or go on waiting."""

    __slots__ = ("_around", "_clean", "_durable", "_prepare", "_run")

    def __init__(
        self,
        run: Concluding,
        around: Surroundings,
        prepare: Callable[[WaitForChildren], Outcome],
        *,
        durable: bool,
    ) -> None:
        """`prepare` gives children their run ids; a run that is not `durable` has nobody who could look into it."""
        self._durable = durable
        self._clean = around.masked is None
        self._run = run
        self._around = around
        self._prepare = prepare

    def record(self, act: Activation, attempted: Attempted) -> None:
        """Record it, and what follows from it by time."""
        run, outcome = self._run, attempted[0]
        if self._clean and type(outcome) is StepRunResult and outcome.error is None:
            run.record(run.facts.concluded(act, outcome, attempted[1], run.now))
            return
        outcome = self.masked(outcome)
        match outcome:
            case InDoubt():
                self._doubt(act, outcome)
                return
            case Asking():
                run.record(self._asked(act, outcome))
            case StepRunResult(error=None):
                run.record(run.facts.concluded(act, outcome, self.masked(attempted[1]), run.now))
                return
            case _:
                fit = self._redacted(self._prepared(act, outcome))
                run.record(run.facts.concluded(act, fit, self.masked(attempted[1]), run.now))
        run.set_timer(act, next((order.due for order in waits(act)), None))

    def masked(self, value: T) -> T:
        """Without secrets."""
        masked = self._around.masked
        return value if masked is None else masked(value)

    def _doubt(self, act: Activation, doubt: InDoubt) -> None:
        """A person has to look into it; a run that is stopped hard does not wait for that."""
        run, facts, now = self._run, self._run.facts, self._run.now
        known = next((each for each in act.effects.values() if each.key == doubt.key), None)
        if known is not None and known.status is EffectStatus.STARTED:
            run.record_effect(act, _lost(known))
        if act.cancelling and run.machine.undo.refused:
            run.record(facts.cancelled(act, now))
        elif not self._durable:
            result = StepRunResult.failure(act.spec.id, _nobody_to_ask(doubt))
            run.record(facts.completed(act, result, {}, now))
        else:
            run.record(facts.review_requested(act, UNKNOWN_OUTCOME, now, doubt.key))

    def _asked(self, act: Activation, asking: Asking) -> Fact:
        facts, now = self._run.facts, self._run.now
        if act.cancelling:
            return facts.cancelled(act, now)
        return facts.interrupted(act, self.masked(asking.asks), now)

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


def _nobody_to_ask(doubt: InDoubt) -> ErrorObject:
    what = "its work" if doubt.key is None else f"its effect {doubt.key}"
    message = (
        f"nobody knows whether {what} took place, and it may not be repeated; a run in a store waits for a person "
        "to say so, one in memory has nobody to ask"
    )
    return ErrorObject(code="OUTCOME_UNKNOWN", message=message)


def _lost(known: EffectRecorded) -> Known:
    error = ErrorObject(code="OUTCOME_LOST", message="whoever made the call is gone, and so is its outcome")
    return again(known, status=EffectStatus.UNKNOWN, error=error)
