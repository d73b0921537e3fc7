"""Stopping what is under way: a cancelled run, a lost race, a run that can only fail."""

from openrun.core.frame import Activation, Frame, Phase, Round, Walk
from openrun.core.joins import CANCELLED
from openrun.core.orders import Cancel, CancelChild, Order
from openrun.core.results import WaitForChildren
from openrun.core.router import Router


class Halts:
    """Cancels activations: derived for what has not started, by order for what has."""

    __slots__ = ("_orders", "_router")

    def __init__(self, router: Router, orders: list[Order]) -> None:
        self._router = router
        self._orders = orders

    def stop(self, walk: Walk, *, cut: bool) -> None:
        """Nothing of this walk starts any more but the steps marked always; with `cut`, not even those."""
        walk.stopping = walk.guarded = True
        walk.cut = walk.cut or cut
        for act in list(walk.unfinished):
            if walk.cut or act.step not in walk.graph.protected:
                self.cancel(act, cut=walk.cut)

    def bar_losers(self, frame: Frame, join: int) -> None:
        """The race at `join` is won: the branches that lead only there stop, and do not start again."""
        losers = frame.walk.graph.losers(join)
        frame.barred |= losers
        frame.walk.guarded = True
        for act in list(frame.walk.unfinished):
            if act.step in losers and _belongs(act.frame, frame):
                self.cancel(act, cut=False)

    def cancel(self, act: Activation, *, cut: bool) -> None:
        if act.phase is Phase.READY:
            if act.upstream is None:
                self._never_starts(act)
            return
        if act.fanout is not None and act.fanout.running:
            self._stop_fanout(act, cut=cut)
        elif not act.cancelling or (cut and act.phase is Phase.REVIEW):
            self._orders.append(Cancel(act))
        act.cancelling = True

    def _never_starts(self, act: Activation) -> None:
        frame = act.frame
        self._router.pass_over(frame, act.step, CANCELLED, 0)
        self._router.discharge(act, Phase.CANCELLED)

    def _stop_fanout(self, act: Activation, *, cut: bool) -> None:
        """The items are stopped first; the activation follows when the last has ended."""
        fanout = act.fanout
        assert fanout is not None
        fanout.stopped = True
        if isinstance(act.wait, WaitForChildren):
            if not act.cancelling or cut:
                self._orders.extend(CancelChild(act, index) for index in sorted(fanout.running))
            return
        for walk in list(fanout.walks.values()):
            self.stop(walk, cut=cut)


def _belongs(frame: Frame, scope: Frame) -> bool:
    """`frame` is this scope, or lies in a loop entered from it."""
    around: Round | None = frame.round
    while frame is not scope and around is not None:
        frame, around = around.frame, around.frame.round
    return frame is scope
