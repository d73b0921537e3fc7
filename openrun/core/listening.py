"""What a run listens for: its open asks, and the signals that came before anybody waited for them."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from openrun.core.asks import Answer, Ask, AskChange, AskKind
from openrun.core.events import StepCancelled, StepCompleted
from openrun.core.frame import Activation, Phase
from openrun.core.orders import Order, Resume
from openrun.core.results import AnswersWake, WaitForAnswers
from openrun.core.types import DEFAULT_PORT, StepRunStatus

K = TypeVar("K")

_ONE_ANSWER = frozenset({AskKind.SIGNAL, AskKind.EVENT, AskKind.INPUT})
"""Kinds that are over with the first answer; about others the step decides."""


class Listening:
    """The asks of one run. `changes` are those opened and ended since somebody last took them."""

    __slots__ = ("_arrivals", "_kept", "_named", "_of", "_orders", "_returns", "asks", "changes")

    def __init__(self, orders: list[Order]) -> None:
        self._orders = orders
        self.changes: list[AskChange] = []
        self.asks: dict[str, tuple[Activation, AskChange]] = {}
        self._of: dict[Activation, dict[str, None]] = {}
        self._named: dict[str, dict[str, None]] = {}
        self._kept: dict[str, deque[tuple[int, Answer]]] = {}
        """Signals by name, each with its place among all that came."""
        self._arrivals = 0
        self._returns = 0

    def open(self, ask: str) -> Ask | None:
        """The ask of this id, if it still waits."""
        found = self.asks.get(ask)
        return None if found is None else found[1].ask

    def listener(self, ask: str) -> Activation | None:
        """Who waits for the answer to this ask."""
        found = self.asks.get(ask)
        return None if found is None else found[0]

    def first(self, signal: str) -> str | None:
        """The ask that has waited longest for a signal of this name."""
        named = self._named.get(signal, ())
        # One whose step is on its way already has something to go on with.
        waits = (each for each in named if self.asks[each][0].phase is Phase.WAITING)
        return next(waits, next(iter(named), None))

    def wait(self, act: Activation, wait: WaitForAnswers, now: datetime) -> None:
        """A step waits; it is woken at once if there are answers that it has not been woken for."""
        self._begin_all(act, wait.asks, now)
        self._wake(act)

    def drop(self, act: Activation, now: datetime) -> None:
        """A step went on without answers to what it had asked."""
        for ask in list(self._of.get(act, ())):
            self._end(ask, now, "answered")

    def interrupt(self, act: Activation, wait: WaitForAnswers, now: datetime) -> None:
        """A step waits in the middle of its run; it runs again at once if one of the asks is over."""
        act.interrupted = True
        self._begin_all(act, wait.asks, now)
        act.heard = len(act.answers)
        if any(ask.id not in self.asks for ask in wait.asks):
            self._resume(act)

    def _begin_all(self, act: Activation, asks: Sequence[Ask], now: datetime) -> None:
        """Open those that are new, end those that are not among them any more, and hear what came early."""
        wanted = {ask.id for ask in asks}
        for known in [each for each in self._of.get(act, ()) if each not in wanted]:
            self._end(known, now, "answered")
        answered = {each.ask for each in act.answers}
        for ask in asks:
            over = ask.id in act.expired or (ask.kind in _ONE_ANSWER and ask.id in answered)
            if ask.id not in self.asks and not over:
                self._begin(act, ask, now)
        self._hear_early(act, now)

    def keep(self, answer: Answer) -> None:
        """A signal that nobody waits for yet is kept; an answer that came too late is not."""
        if not answer.ask:
            self._arrivals += 1
            self._kept.setdefault(answer.name, deque()).append((self._arrivals, answer))

    def hear(self, act: Activation, answer: Answer, now: datetime) -> None:
        """An answer has come to an open ask of this activation."""
        self._note(act, answer, now)
        self._wake(act)

    def expire(self, act: Activation, now: datetime) -> None:
        """The instant that an activation waited for has come: the time of some of its asks may be up."""
        mine = [self.asks[each][1].ask for each in self._of.get(act, ())]
        late = [each.id for each in mine if each.until is not None and each.until <= now]
        if act.interrupted:
            for ask in late:
                self._end(ask, now, "expired")
        act.expired |= frozenset(late)
        self._resume(act)

    def end(self, act: Activation, event: StepCompleted | StepCancelled) -> None:
        """The activation has ended, and listens no more."""
        if act in self._of:
            outcome = _outcome(event)
            for ask in list(self._of[act]):
                self._end(ask, event.timestamp, outcome)
        if len(act.answers) > act.heard and isinstance(act.wait, WaitForAnswers):
            signals = {ask.id for ask in act.wait.asks if ask.kind is AskKind.SIGNAL}
            for answer in reversed(act.answers[act.heard :]):
                if answer.ask in signals:
                    self._pass_on(answer, event.timestamp)

    def _pass_on(self, answer: Answer, now: datetime) -> None:
        """A signal that came while its step was on its way already is for the next who waits, or is kept in front."""
        ask = self.first(answer.name)
        if ask is not None:
            self.hear(self.asks[ask][0], replace(answer, ask=ask), now)
        else:
            self._returns -= 1
            self._kept.setdefault(answer.name, deque()).appendleft((self._returns, replace(answer, ask="")))

    def _note(self, act: Activation, answer: Answer, now: datetime) -> None:
        act.answers = (*act.answers, answer)
        if self.asks[answer.ask][1].ask.kind in _ONE_ANSWER:
            self._end(answer.ask, now, "answered")

    def _wake(self, act: Activation) -> None:
        """Wake it for the answers that it has not been woken for."""
        if act.phase is Phase.WAITING and act.heard < len(act.answers):
            act.heard = len(act.answers)
            assert isinstance(act.wait, WaitForAnswers)
            act.wake = AnswersWake(answers=act.answers, wait=act.wait)
            self._resume(act)

    def _resume(self, act: Activation) -> None:
        act.phase = Phase.RESUMING
        if not act.cancelling:
            self._orders.append(Resume(act))

    def _begin(self, act: Activation, ask: Ask, now: datetime) -> None:
        change = AskChange(ask=ask, step_id=act.step_id, scope=act.scope, opened_at=now)
        self.asks[ask.id] = act, change
        self._of.setdefault(act, {})[ask.id] = None
        if ask.kind is AskKind.SIGNAL:
            self._named.setdefault(ask.name, {})[ask.id] = None
        self.changes.append(change)

    def _end(self, ask: str, now: datetime, outcome: str) -> None:
        act, change = self.asks.pop(ask)
        _drop(self._of, act, ask)
        if change.ask.kind is AskKind.SIGNAL:
            _drop(self._named, change.ask.name, ask)
        self.changes.append(replace(change, closed_at=now, outcome=outcome))

    def _hear_early(self, act: Activation, now: datetime) -> None:
        """Of the signals that came before, the step that begins to wait hears the first that it waits for."""
        if not self._kept or act.heard < len(act.answers):
            return
        asks = [self.asks[each][1].ask for each in self._of.get(act, ())]
        early = [
            (self._kept[ask.name][0], ask)
            for ask in asks
            if ask.kind is AskKind.SIGNAL and ask.name in self._kept
        ]
        if early:
            (_place, answer), ask = min(early, key=lambda each: each[0][0])
            waiting = self._kept[ask.name]
            waiting.popleft()
            if not waiting:
                del self._kept[ask.name]
            self._note(act, replace(answer, ask=ask.id), now)


def _drop(table: dict[K, dict[str, None]], key: K, ask: str) -> None:
    del table[key][ask]
    if not table[key]:
        del table[key]


def _outcome(event: StepCompleted | StepCancelled) -> str:
    """What became of the asks that were still open."""
    if isinstance(event, StepCancelled):
        return "cancelled"
    if event.result.status is StepRunStatus.ERROR:
        return "failed"
    port = next(iter(event.result.ports), DEFAULT_PORT)
    return "answered" if port == DEFAULT_PORT else port
