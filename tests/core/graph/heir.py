"""Somebody who takes a run over from its facts alone."""

from collections.abc import Sequence

from openrun.core.events import Fact, decode_fact, encode_event
from openrun.core.frame import Phase
from openrun.core.orders import Await, Cancel, Order, Rerun
from openrun.core.outstanding import outstanding

from .harness import Hangs, Sim, Ticket, at_random


class Heir(Sim):
    """Goes on with a run from its facts alone."""

    def inherit(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            self.record(fact)
        self.clock = max(fact.timestamp for fact in facts)
        machine = self.machine
        machine.orders[:] = outstanding(machine)
        self.tickets += [Ticket("review", act) for act in machine.unfinished if act.phase is Phase.REVIEW]
        self.obey()

    def _carry_out(self, order: Order) -> None:
        match order:
            case Rerun(act) if not act.cancelling:
                self.tickets.append(Ticket("ends", act))
            case Await(act, _due):
                self._await(act)
            case Cancel(act) if act.phase in (Phase.DONE, Phase.CANCELLED):
                raise AssertionError("what has ended cannot be cancelled")
            case _:
                super()._carry_out(order)


def heir_of(sim: Sim, cut: int) -> Heir:
    """Somebody who knows the first `cut` facts; signals that are not among them have yet to be heard."""
    heir = Heir(
        graph=sim.graph,
        script=sim.script,
        undo=sim.undo,
        child=sim.child,
        stubborn=sim.stubborn,
        replies=sim.replies,
        mail=[*sim.mail, *(letter for seq, letter in sim.sent if seq > cut)],
        took_place=sim.took_place,
        undo_time=sim.undo_time,
    )
    heir.inherit([decode_fact(encode_event(fact)) for fact in sim.facts[:cut]])
    return heir


def to_the_end(sim: Sim, seed: int) -> Sim:
    choose = at_random(seed)
    while sim.machine.verdict is None:
        options = sim.options()
        if not options:
            raise Hangs(f"nothing is under way: {sim.machine.unfinished}")
        sim.take(choose(options))
    return sim
