"""What is asked of a run from outside, turned into facts. All of it is to be called within a turn of its driver."""

from dataclasses import dataclass
from typing import Protocol

from msgspec.structs import replace

from openrun.core.asks import Answer
from openrun.core.effects import IN_DOUBT, EffectStatus
from openrun.core.facts import CancelRequest, again
from openrun.core.frame import Activation, Phase
from openrun.core.orders import Again
from openrun.core.results import StepRunResult
from openrun.core.types import Json
from openrun.runtime.attempt import Attempted, InDoubt
from openrun.runtime.recorder import Recorder


class Steered(Recorder, Protocol):
    """The driver of the run."""

    def conclude(self, act: Activation, attempted: Attempted) -> None:
        """Record what the step came to."""

    def is_effect(self, act: Activation) -> bool:
        """The step is one effect and no more: what that brings is the step's output."""

    def is_running(self, act: Activation) -> bool:
        """Its step runs here."""

    def end_of_pause(self) -> None:
        """Carry out what was held back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a person says of work whose outcome is unknown: `output` and `port` where it took place."""

    committed: bool
    output: Json = None
    port: str | None = None
    key: str | None = None
    """The effect it is about, if it is to be about none other."""
    by: str | None = None


class Steering:
    """Requests to one run."""

    __slots__ = ("_run",)

    def __init__(self, run: Steered) -> None:
        self._run = run

    def cancel(self, request: CancelRequest) -> None:
        """Stop the run; with an `error` it fails by it."""
        machine = self._run.machine
        if machine.verdict is None and (request.hard or not (machine.cancelled or machine.undoing)):
            self._run.record(self._run.facts.cancel_requested(request, self._run.now))
            self._run.end_of_pause()

    def pause(self, reason: str) -> None:
        machine = self._run.machine
        if not (machine.paused or (machine.stopping and not machine.undoing)):
            self._run.record(self._run.facts.paused(reason, self._run.now))

    def resume(self) -> None:
        if self._run.machine.halted:
            self._run.record(self._run.facts.resumed(self._run.now))
            self._run.end_of_pause()

    def hold_for_review(self, reason: str) -> None:
        """Let nothing start until a person has looked at the run."""
        if not self._run.machine.halted:
            self._run.record(self._run.facts.review_requested(None, reason, self._run.now))

    def answer(self, answer: Answer) -> None:
        """Tell whoever asked, or whoever waits longest for a signal of that name; else keep it, or note it as late."""
        listening = self._run.machine.listening
        ask = answer.ask or listening.first(answer.name)
        listener = None if ask is None else listening.listener(ask)
        asked = None if ask is None else listening.open(ask)
        if ask is not None and asked is not None:
            answer = replace(answer, ask=ask, name=asked.name)
            if asked.until is not None and asked.until <= self._run.now:
                # Its time is up, though nobody was there to see it.
                listener = None
        self._run.record(self._run.facts.signal_received(answer, listener, self._run.now))

    def settle(self, place: tuple[str, str], said: Settlement) -> None:
        """A person says whether the work of a step, or its effect in doubt, took place, and with what result."""
        act = self._run.machine.activation(*place)
        if act.phase is Phase.LIVE and said.key is not None and not self._run.is_running(act):
            # Said before the step came to ask: its effect is settled when it gets there.
            self._settle_effect(act, said.key, said)
            return
        if act.phase is not Phase.REVIEW or (said.key is not None and said.key != act.doubt):
            return
        doubt = act.doubt
        if doubt is not None:
            self._settle_effect(act, doubt, said)
        now = self._run.now
        self._run.record(self._run.facts.review_resolved(act, now, committed=said.committed, by=said.by))
        if act.cancelling and act.open_effect is not None:
            # It does not run again to find out by itself what else is open.
            self._run.conclude(act, (InDoubt(key=act.open_effect), {}))
        elif said.committed and (doubt is None or act.cancelling):
            # A step that is to stop does not run again, yet what it did counts, and can be undone.
            output = said.output if doubt is None or self._run.is_effect(act) else None
            self._run.conclude(act, (StepRunResult.success(act.spec.id, output, port=said.port), {}))
        elif act.cancelling:
            self._run.record(self._run.facts.cancelled(act, now))
        else:
            self._run.machine.orders.append(Again(act))

    def _settle_effect(self, act: Activation, key: str, said: Settlement) -> None:
        known = next((each for each in act.effects.values() if each.key == key), None)
        if known is None or known.status not in IN_DOUBT:
            return
        status = EffectStatus.COMMITTED if said.committed else EffectStatus.ABSENT
        value = said.output if said.committed else None
        self._run.record_effect(act, again(known, status=status, value=value, by=said.by))
