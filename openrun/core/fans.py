"""Fan-out of one activation over items (frames of this run) or children (runs of their own)."""

from openrun.core.errors import CANCELLED, ErrorObject
from openrun.core.frame import Activation, Fanout, Phase, Walk
from openrun.core.halts import Halts
from openrun.core.layers import Layer, nobody
from openrun.core.orders import Cancel, CancelChild, Order, Resume, StartChild
from openrun.core.results import ItemsWake, WaitForItems
from openrun.core.router import Router
from openrun.core.types import Json


class Fans:
    """Starts items as places fall free, and wakes the step when the last has ended."""

    __slots__ = ("_halts", "_keep_items", "_orders", "_router")

    def __init__(self, router: Router, halts: Halts, orders: list[Order], *, keep_items: bool) -> None:
        self._keep_items = keep_items
        self._router = router
        self._halts = halts
        self._orders = orders

    def feed(self, act: Activation, fanout: Fanout, seq: int) -> None:
        """Start what may start; wake the step, or end its cancellation, when nothing is left."""
        while fanout.startable:
            index = fanout.start()
            if isinstance(act.wait, WaitForItems):
                self._open_item(act, fanout, index, seq)
            else:
                self._orders.append(StartChild(act, index))
        if not fanout.ended:
            return
        if act.cancelling:
            self._orders.append(Cancel(act))
            return
        failures = tuple(sorted(fanout.failures, key=lambda failure: failure.index))
        act.wake = ItemsWake(results=fanout.results, failures=failures)
        act.phase = Phase.RESUMING
        self._orders.append(Resume(act))

    def item_ended(self, walk: Walk, output: Json, error: ErrorObject | None, seq: int) -> None:
        """An item's walk has fallen quiet."""
        act = walk.owner
        assert act is not None
        assert act.fanout is not None
        if walk.index not in act.fanout.running:
            return
        if not self._keep_items:
            self._router.close_walk(walk)
        self.ended(act, act.fanout, (walk.index, output, error), seq)

    def ended(
        self, act: Activation, fanout: Fanout, item: tuple[int, Json, ErrorObject | None], seq: int
    ) -> None:
        """Record one item or child; the first failure may stop the others."""
        stopped = fanout.stopped
        if stopped and item[2] is not None and item[2].code == CANCELLED:
            fanout.drop(item[0])
        else:
            fanout.record(*item)
        if fanout.stopped and not stopped:
            self._stop_others(act, fanout)
        self.feed(act, fanout, seq)

    def _stop_others(self, act: Activation, fanout: Fanout) -> None:
        if isinstance(act.wait, WaitForItems):
            for walk in list(fanout.walks.values()):
                self._halts.stop(walk, cut=False)
        else:
            self._orders.extend(CancelChild(act, index) for index in sorted(fanout.running))

    def _open_item(self, act: Activation, fanout: Fanout, index: int, seq: int) -> None:
        graph = act.frame.walk.graph.bodies[act.step]
        walk = Walk(graph, act, index)
        layer = Layer(act.frame.layer)
        layer.write("item", fanout.values[index], seq, nobody)
        layer.write("index", index, seq, nobody)
        again = f"@{act.attempt}" if act.attempt > 1 else ""
        self._router.open_walk(walk, act.frame, f"{act.spec.id}{again}[{index}]", layer)
        fanout.walks[index] = walk
        self._router.begin(walk, graph.entries())
