"""The undoing of what a run has done: completed steps that can be undone, last first, one at a time."""

from datetime import datetime

from openrun.core.errors import ErrorObject
from openrun.core.frame import Activation, Phase, Walk
from openrun.core.halts import Halts
from openrun.core.interpolation import MISSING
from openrun.core.layers import Layer
from openrun.core.orders import Compensate, Compensated, Order
from openrun.core.router import Router
from openrun.core.types import Json, RunStatus
from openrun.core.undoing import CompensationOutcome, CompensationStatus

_NEVER = 1 << 62
_UNDONE = (RunStatus.FAILED, RunStatus.ABORTED)
SEGMENT = "undo"
"""A compensation runs in the scope `STEP[undo]` below that of its step."""


class Undo:
    """Compensations of one run. `walk` is the one under way, `reason` how the run will end."""

    __slots__ = (
        "_cut",
        "_halts",
        "_oldest",
        "_orders",
        "_results",
        "_router",
        "done",
        "over",
        "pending",
        "reason",
        "refused",
        "settled",
        "walk",
        "wanted",
    )  # fmt: skip

    def __init__(self, router: Router, halts: Halts, orders: list[Order]) -> None:
        self._router = router
        self._halts = halts
        self._orders = orders
        self.done: list[tuple[Activation, datetime]] = []
        self._oldest = _NEVER
        self._results: list[CompensationStatus] = []
        self.settled = False
        """What the walk came to is recorded, and it has not fallen quiet: its time was up."""
        self._cut = False
        """What is left is not undone any more."""
        self.walk: Walk | None = None
        self.reason: RunStatus | None = None
        self.wanted = False
        """A cancel asked for it."""
        self.refused = False
        """The run was cancelled hard."""
        self.over = False
        """Nothing is left to be undone."""
        self.pending: Compensate | Compensated | None = None
        """What was ordered last and has not been recorded yet."""

    def remember(self, act: Activation, at: datetime) -> None:
        """A step that can be undone has completed."""
        self.done.append((act, at))
        self._oldest = min(self._oldest, act.snapshot)

    def readers(self) -> tuple[int, int]:
        """The seqs between which compensations will read what was done."""
        return self._oldest, self.done[-1][0].seq

    @property
    def since(self) -> datetime:
        """When what is being undone had completed."""
        return self.done[-1][1]

    @property
    def subject(self) -> Activation:
        """What is being undone, or is next."""
        return self.done[-1][0]

    def begin(self, status: RunStatus) -> None:
        """The run would end so: undo what it did, if it is to be undone."""
        cancelled = status is RunStatus.CANCELLED and self.wanted
        if self.done and not self.refused and (status in _UNDONE or cancelled):
            self.reason = status
            self._next()
        else:
            self.over = True

    def start(self) -> None:
        """Open the walk that undoes the last of those that are left."""
        act = self.subject
        graph = act.frame.walk.graph.compensations[act.step]
        walk = self.walk = Walk(graph, act, 0)
        self.pending = None
        # A run that came to its limit may still undo what it did.
        self._router.limit = self._router.started + graph.spec.max_activations
        self._router.open_walk(walk, act.frame, f"{act.spec.id}[{SEGMENT}]", Layer(act.frame.layer))
        self._router.begin(walk, graph.entries())

    def quiet(self, error: ErrorObject | None) -> None:
        """The walk has fallen quiet, with this error if it failed."""
        if self.settled:
            self._close()
            return
        if self._did_it():
            # A hard cancel may have come when it was past its work.
            error = None
        status = CompensationStatus.FAILED if error else CompensationStatus.COMPLETED
        if self._cut and error:
            status = CompensationStatus.CANCELLED
        self._order(Compensated(self.subject, status, error))

    def _did_it(self) -> bool:
        act = None if self.walk is None else self.walk.root.acts.get(0)
        return act is not None and act.phase is Phase.DONE and act.error is None

    def settle(self, status: CompensationStatus) -> None:
        """It is recorded what became of it; what of it still runs is stopped."""
        self._results.append(status)
        self.pending = None
        if self.walk is not None and self.walk.busy:
            self.settled = True
            self._halts.stop(self.walk, cut=True)
        else:
            self._close()

    def stop(self, *, cut: bool) -> None:
        """Only a hard cancel stops what undoes; what is left of it is told as cancelled."""
        self._cut |= cut
        if cut and self.walk is not None:
            self._halts.stop(self.walk, cut=True)
        elif cut and isinstance(self.pending, Compensate):
            self._next()

    def outcome(self) -> CompensationOutcome | None:
        """What became of all of them."""
        if not self._results:
            return None
        done = self._results.count(CompensationStatus.COMPLETED)
        if done == len(self._results):
            return CompensationOutcome.COMPLETED
        return CompensationOutcome.PARTIAL if done else CompensationOutcome.FAILED

    def _close(self) -> None:
        """Forget the one that is over, and go on to the next."""
        if self.walk is not None:
            self._router.close_walk(self.walk)
            self.walk = None
        self.done.pop()
        self.settled = False
        self._next()

    def _next(self) -> None:
        if not self.done:
            self.over = True
        elif self._cut:
            self._order(Compensated(self.subject, CompensationStatus.CANCELLED, None))
        else:
            self._order(Compensate(*self.done[-1]))

    def _order(self, order: Compensate | Compensated) -> None:
        self.pending = order
        self._orders.append(order)

    def undone_by(self, act: Activation) -> Activation | None:
        """What this activation undoes; it reads the state as it was right after that had completed."""
        return self.subject if self.walk is not None and act.frame.walk is self.walk else None

    def output_of(self, act: Activation) -> Json:
        """The output of the step that this activation undoes; None for any other."""
        done = self.undone_by(act)
        value = MISSING if done is None else done.frame.outputs.own(done.step_id, done.seq)
        return None if value is MISSING else value
