"""Takes the facts of an old run over into a new one, as far as what they tell of holds there.

The new run's machine says what is ready. Where the old run has been there, and nothing speaks against it, it is
told what came of it then, in the order of then; else the activation stays ready, and nothing behind it is reached.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from openrun.core.effects import effect_key
from openrun.core.events import (
    EffectRecorded,
    Fact,
    FlowForked,
    FlowStarted,
    StepCancelled,
    StepCompleted,
    StepStarted,
    StepWaiting,
    activation_id,
)
from openrun.core.facts import Facts
from openrun.core.former import Folded, Former, Past, Path, Place
from openrun.core.frame import Activation, Phase
from openrun.core.graph import Graph
from openrun.core.orders import Cancel, Fail, Order
from openrun.core.results import StepRunResult, WaitForItems
from openrun.core.types import EffectClass, JoinMode

BEGINS = "the fork begins here"
FAILED = "it failed"
CANCELLED = "it was cancelled"
UNFINISHED = "it had not finished"
CHANGED = "its definition has changed in the new version"
GONE = "it is not in the new version"
UNDONE = "it was undone"
LATER = "it started after the fork point, and the state was changed there"
INSIDE = "something in it runs again"
EVERYTHING = "*"
"""Among what a step reads: the outputs of all others."""

INTERRUPTED = frozenset({FAILED, CANCELLED, UNFINISHED})
_SINGLE = (JoinMode.NO_WAIT, JoinMode.FIRST_SUCCESS)
_OVER = (Phase.DONE, Phase.CANCELLED)

Outputs = Mapping[str, Mapping[str, int]]
"""By step, and by the outermost scope of its walk: from which seq on an output could be read that holds no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What speaks against taking facts over."""

    known: Collection[Path]
    """Steps of the new version."""
    changed: Collection[Path] = ()
    """Steps that do something else in the new version."""
    within: Collection[Path] = ()
    """Steps whose bodies do."""
    reads: Mapping[Path, frozenset[str]]
    """Per step, the steps whose outputs its templates read."""
    point: Former | None = None
    changed_at: int | None = None
    """The seq from which on the state is another one."""


def root_scope(act: Activation) -> str:
    """The scope in which the walk of an activation begins."""
    return act.frame.walk.root.scope


class Retake:
    """One attempt at a new run; `reasons` say why what is ready in it holds no more."""

    def __init__(self, past: Past, graph: Graph, rules: Rules, stale: Outputs) -> None:
        self._past = past
        self.rules = rules
        self._stale = stale
        self._graph = graph
        self._arity: dict[Graph, Counter[int]] = {}
        self._blocked: dict[Former, str | None] = {}
        self._whole: dict[Former, bool] = {}
        self.facts: list[Fact] = []
        self.kept: set[Place] = set()
        self.reasons: dict[Place, str] = {}
        self.opened: dict[Place, str] = {}
        """What waits for its items again, and why."""

    def run(self, begun: FlowStarted) -> None:
        """Take over what holds."""
        self._folded = Folded(self._graph, begun.run_id)
        self.machine = self._folded.machine
        self._make = Facts(self.machine)
        self._record(begun)
        left = list(self._past.facts)
        # Another version may come to things in another order.
        while self.machine.verdict is None and not self.machine.undoing:
            rest = [fact for fact in left if not self._take(fact)]
            if len(rest) == len(left):
                return
            left = rest

    def carry_effects(self) -> None:
        """What took place in an activation that was interrupted is not done again, nor is what it drew for that."""
        for act in list(self.machine.ready):
            place = (act.step_id, act.scope)
            if self.reasons.get(place) not in INTERRUPTED:
                continue
            former = self._past.activations[place]
            if any(each.effect is not EffectClass.PURE for each in former.committed):
                self._carry(former.place, former.committed)

    def _carry(self, place: Place, effects: Iterable[EffectRecorded]) -> None:
        identity = activation_id(self.machine.run_id, *place)
        for each in effects:
            self._again(replace(each, key=effect_key(identity, each.name, each.ordinal)))

    def fork(self, event: FlowForked) -> None:
        """Record the end of what is taken over."""
        self._again(event)

    def find(self, place: Place) -> Activation | None:
        """The activation of the new run at this place, if it came to be."""
        frame = self.machine.frames().get(place[1])
        at = None if frame is None else frame.walk.graph.index.get(place[0])
        return None if frame is None or at is None else frame.acts.get(at)

    # -- what is told again -----------------------------------------------------------------------

    def _take(self, fact: Fact) -> bool:
        """Tell it again if it is due and holds; say whether it is done with."""
        if isinstance(fact, FlowForked):
            changed_at = self.rules.changed_at
            if changed_at is None or fact.seq <= changed_at:
                self._again(fact)
            return True
        if not isinstance(fact, StepStarted | StepWaiting | StepCompleted | StepCancelled):
            return True
        place = (fact.step_id, fact.scope)
        former = self._past.activations.get(place)
        if former is None or not former.told_by(fact):
            return True
        act = self.find(place)
        if act is None:
            return False
        if act.phase is Phase.READY:
            return self._begin(fact, former, act)
        if act.phase in _OVER:
            """It ended as something else did."""
        elif isinstance(fact, StepWaiting):
            self._again(replace(fact, wait=self._widened(former)))
        elif place in self.opened:
            """It ends by itself once its items have."""
        elif act.fanout is not None and former.succeeded and act.phase is not Phase.RESUMING:
            return False
        else:
            # So that whoever forks the fork knows what was done outside, too.
            self._carry(place, [each for each in former.committed if each.effect is not EffectClass.PURE])
            self._again(fact)
            self.kept.add(place)
        return True

    def _begin(self, fact: Fact, former: Former, act: Activation) -> bool:
        if former.place in self.reasons:
            return True
        if former.start is not None and fact is not former.start:
            # It has come to this too late; its start is told first.
            return False
        reason = self._judged(former, act)
        if reason is None and former.start is not None:
            self._again(replace(former.start, attempt=former.act.attempt))
        else:
            self.reasons[former.place] = reason or FAILED
        return True

    def _again(self, fact: Fact) -> None:
        machine = self.machine
        self._record(replace(fact, run_id=machine.run_id, seq=machine.seq + 1))

    def _record(self, fact: Fact) -> None:
        self._folded.apply(fact)
        self.facts.append(fact)
        orders = self.machine.orders
        while orders:
            self._carry_out(orders.pop(0), fact.timestamp)

    def _carry_out(self, order: Order, now: datetime) -> None:
        """What the machine settles by itself; all else is for whoever runs it."""
        match order:
            case Fail(act, error):
                result = StepRunResult.failure(act.step_id, error)
                self._record(self._make.completed(act, result, {}, now))
                self.kept.add((act.step_id, act.scope))
            case Cancel(act) if (act.step_id, act.scope) in self.opened:
                self._record(self._make.cancelled(act, now))

    # -- what holds -------------------------------------------------------------------------------

    def _judged(self, former: Former, act: Activation) -> str | None:
        """Why it does not hold, or None."""
        if any(self.whole(owner) for owner in former.owners()):
            return None
        reason = self.blocked(former) or self._led_otherwise(former, act)
        if reason is not None:
            return reason
        if former.waited is None:
            return None if former.succeeded else _outcome(former)
        if not self.whole(former):
            self.opened[former.place] = INSIDE if former.succeeded else _outcome(former)
        return None

    def whole(self, former: Former) -> bool:
        """Whether it is taken over with everything in its items, failures included."""
        known = self._whole.get(former)
        if known is None:
            known = self._whole[former] = any(self.whole(owner) for owner in former.owners()) or (
                former.waited is not None
                and former.succeeded
                and former.path not in self.rules.within
                and self.blocked(former) is None
                and all(self.blocked(each) is None for each in former.below)
            )
        return known

    def blocked(self, former: Former) -> str | None:
        """What speaks against it, whatever came of it."""
        if former not in self._blocked:
            self._blocked[former] = self._block(former)
        return self._blocked[former]

    def _block(self, former: Former) -> str | None:
        rules = self.rules
        checks = (
            (former is rules.point, BEGINS),
            (former.path not in rules.known, GONE),
            (former.path in rules.changed, CHANGED),
            (former.undone, UNDONE),
            (rules.changed_at is not None and former.seq > rules.changed_at, LATER),
        )
        for holds, reason in checks:
            if holds:
                return reason
        source = self._stale_source(former)
        return None if source is None else f"it reads the output of {source!r}, which runs again"

    def _stale_source(self, former: Former) -> str | None:
        """A step whose output it could read, and that runs again."""
        reads = self.rules.reads.get(former.path, frozenset())
        steps: Iterable[str] = self._stale if EVERYTHING in reads else sorted(reads & self._stale.keys())
        visible = [root_scope(each.act) for each in (former, *former.owners())]
        for step in steps:
            seqs = self._stale[step]
            if any(scope in seqs and seqs[scope] < former.seq for scope in visible):
                return step
        return None

    def _led_otherwise(self, former: Former, act: Activation) -> str | None:
        """Where any of several edges lets a step run, it was another one then."""
        graph = act.frame.walk.graph
        arity = self._arity.get(graph)
        if arity is None:
            arity = self._arity[graph] = Counter(link.target for link in graph.links)
        if arity[act.step] < 2 or act.spec.join_mode not in _SINGLE:
            return None
        led = self._folded.causes[act]
        if led == former.cause or former.cause is None:
            return None
        return comes_after(former.cause[0])

    def _widened(self, former: Former) -> WaitForItems:
        """Its items, so many at once that what holds behind those that run again is come to."""
        assert former.waited is not None
        wait = former.waited.wait
        assert isinstance(wait, WaitForItems)
        if former.place not in self.opened:
            return wait
        items = former.items()
        held = [at for at, inner in items.items() if any(self._holds(each) for each in inner)]
        last = max(held, default=-1)
        left = sum(not self._item_holds(items.get(at, ())) for at in range(last))
        return replace(wait, concurrency=max(wait.concurrency, left + 1)) if held else wait

    def _holds(self, former: Former) -> bool:
        return former.succeeded and self.blocked(former) is None

    def _item_holds(self, inner: Collection[Former]) -> bool:
        first = next(iter(inner), None)
        return first is not None and self._past.item_ended(first) and all(map(self._holds, inner))


def comes_after(step: str) -> str:
    return f"it comes after {step!r}, which runs again"


def _outcome(former: Former) -> str:
    """What came of an activation that did not succeed."""
    if former.end is None:
        return UNFINISHED
    return FAILED if isinstance(former.end, StepCompleted) else CANCELLED
