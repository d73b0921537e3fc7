"""What is to be done for a run whose facts have been folded by somebody who did not live through them.

Starting what is `ready` is not among it: the machine knows that by itself.
"""

from collections.abc import Iterator
from datetime import datetime

from openrun.core.frame import Activation, Fanout, Phase
from openrun.core.machine import Machine
from openrun.core.orders import Await, Cancel, CancelChild, Fail, Order, Rerun, Resume, StartChild
from openrun.core.results import Wait, WaitForAnswers, WaitForChildren, WaitUntil
from openrun.core.types import RunStatus

_AT_REST = frozenset({Phase.WAITING, Phase.SCHEDULED, Phase.REVIEW})


def outstanding(machine: Machine) -> list[Order]:
    """Orders for everything under way. Carrying them out twice must do no harm: some may have been before."""
    found = [order for act in machine.unfinished for order in _orders(act)]
    return found if machine.undo.pending is None else [*found, machine.undo.pending]


def timers(machine: Machine) -> list[Await]:
    """The instants that a run waits for."""
    return [order for act in machine.unfinished for order in waits(act)]


def standing(machine: Machine) -> RunStatus:
    """Where the run stands between two turns of its driver."""
    if machine.status is not RunStatus.RUNNING or machine.seq == 1:
        return RunStatus.PENDING if machine.seq == 1 else machine.status
    if machine.paused:
        return RunStatus.PAUSED
    if machine.review is not None:
        return RunStatus.NEEDS_REVIEW
    phases = {act.phase for act in machine.unfinished}
    if not phases or phases - _AT_REST:
        return RunStatus.COMPENSATING if machine.undoing else RunStatus.RUNNING
    return RunStatus.NEEDS_REVIEW if Phase.REVIEW in phases else RunStatus.WAITING


def _orders(act: Activation) -> Iterator[Order]:
    if act.phase is Phase.READY:
        if act.upstream is not None:
            yield Fail(act, act.upstream)
    elif act.fanout is not None and act.fanout.running:
        yield from _of_children(act, act.fanout)
    elif act.cancelling:
        yield Cancel(act)
    else:
        yield from _of_step(act)


def _of_step(act: Activation) -> Iterator[Order]:
    if act.phase is Phase.LIVE:
        yield Rerun(act)
    elif act.phase is Phase.RESUMING:
        # Whether an interrupted step ran again before, nobody can tell.
        yield Rerun(act) if act.interrupted else Resume(act)
    else:
        yield from waits(act)


def _of_children(act: Activation, fanout: Fanout) -> Iterator[Order]:
    """Every child is started again (the store knows those that exist), and stopped if it was to be."""
    if isinstance(act.wait, WaitForChildren):
        for index in sorted(fanout.running):
            yield StartChild(act, index)
            if fanout.stopped:
                yield CancelChild(act, index)


def waits(act: Activation) -> Iterator[Await]:
    """The instant that an activation waits for, if it waits for one."""
    if act.phase is Phase.SCHEDULED and act.due is not None:
        yield Await(act, act.due)
    elif act.phase is Phase.WAITING:
        due = due_of(act.wait)
        if due is not None:
            yield Await(act, due)


def due_of(wait: Wait | None) -> datetime | None:
    """The instant that a wait is for, or that ends it."""
    return wait.until if isinstance(wait, WaitUntil | WaitForAnswers) else None
