"""Steps that ask, and what they are told."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from openrun.core.asks import Answer, Ask, AskChange, AskKind, Decision, ask_id
from openrun.core.events import activation_id
from openrun.core.frame import Activation, Phase
from openrun.core.results import AnswersWake, TimerWake, WaitForAnswers

from .harness import Came, Interrupts, Sim, fifo, ok, woken


def signal(name: str, until: datetime | None = None) -> Ask:
    return Ask(kind=AskKind.SIGNAL, name=name, until=until)


def said(act: Activation) -> list[Any]:
    return [answer.value for answer in act.answers]


def listens(*asks: Ask | str, until: datetime | None = None, most: int = 1) -> Callable[[Activation], Came]:
    """Wait for these (a name is that of a signal) until `most` answers are there; the output is what they say."""
    wanted = tuple(signal(ask) if isinstance(ask, str) else ask for ask in asks)

    def behave(act: Activation) -> Came:
        wake = woken(act)
        if isinstance(wake, TimerWake):
            return ok("late", output=[answer.value for answer in wake.answers] or "late")
        if isinstance(wake, AnswersWake):
            return (
                ok(output=[answer.value for answer in wake.answers])
                if len(wake.answers) >= most
                else wake.wait
            )
        return WaitForAnswers(asks=wanted, until=until)

    return behave


def interrupts(
    *keys: str, together: bool = False, until: datetime | None = None, then: Came | None = None
) -> Callable[[Activation], Came]:
    """Ask for these, one after the other or all at once; then come to what was said, None for who kept silent."""

    def behave(act: Activation) -> Came:
        here = activation_id("run", act.step_id, act.scope)
        asks = [Ask(kind=AskKind.INPUT, name=key, id=ask_id(here, key), until=until) for key in keys]
        told = {answer.ask: answer.value for answer in act.answers}
        left = [ask for ask in asks if ask.id not in told and ask.id not in act.expired]
        if left:
            return Interrupts(tuple(left) if together else (left[0],))
        return then or ok(output=[told.get(ask.id) for ask in asks])

    return behave


def call(name: str, value: Any = None) -> Answer:
    """A signal."""
    return Answer(name=name, value=value)


def agree(ask: Ask) -> Answer:
    """An answer to this ask."""
    approved = ask.kind is AskKind.APPROVAL
    return Answer(ask=ask.id, value=ask.name, decision=Decision.APPROVED if approved else Decision.ANSWERED)


def rest(sim: Sim) -> Sim:
    """Let happen what happens without anybody's doing."""
    while options := [each for each in sim.options() if each.kind not in ("timer", "signal", "answer")]:
        sim.take(fifo(options))
    return sim


def open_asks(sim: Sim) -> dict[str, Ask]:
    """By step, scope (of frames other than the run's own) and the ask's name."""
    return {
        f"{act.step_id}{act.scope if act.scope != '/' else ''}.{ask.name}": ask for act, ask in sim.asks()
    }


def changes(sim: Sim) -> list[tuple[str, str, str | None]]:
    """Asks that were opened or ended since somebody last took them: step, name and outcome."""
    found: list[AskChange] = sim.machine.listening.changes[:]
    sim.machine.listening.changes.clear()
    return [(change.step_id, change.ask.name, change.outcome) for change in found]


def phase(sim: Sim, step: str, scope: str = "/") -> Phase:
    return sim.machine.activation(step, scope).phase
