"""What the run that is forked did: its activations, by step and scope, as its journal tells of them."""

from collections.abc import Iterator, Mapping, Sequence

from openrun.core.effects import EffectStatus
from openrun.core.events import (
    CompensationCompleted,
    EffectRecorded,
    Fact,
    FlowForked,
    FlowStarted,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepStarted,
    StepWaiting,
)
from openrun.core.frame import Activation, Phase, Walk
from openrun.core.graph import Graph
from openrun.core.machine import Machine
from openrun.core.results import WaitForChildren, WaitForItems
from openrun.core.types import StepRunStatus
from openrun.core.undo import SEGMENT
from openrun.core.undoing import CompensationStatus

Place = tuple[str, str]
"""A step and its scope."""
Path = tuple[str, ...]
"""A step, after those whose bodies it is in."""

_UNDOING = f"[{SEGMENT}]"


class Former:
    """One activation of the old run."""

    __slots__ = (
        "act",
        "below",
        "cause",
        "children",
        "end",
        "owner",
        "path",
        "place",
        "start",
        "undone",
        "waited",
    )

    def __init__(self, act: Activation, owner: "Former | None", cause: Place | None) -> None:
        self.act = act
        self.owner = owner
        """The foreach in whose item it ran."""
        self.below: list[Former] = []
        """The activations in its items, at any depth."""
        self.children: tuple[str, ...] = ()
        """The runs that its last attempt started."""
        self.place: Place = (act.step_id, act.scope)
        self.path: Path = (*(owner.path if owner else ()), act.step_id)
        self.cause = cause
        """The activation whose end made it ready."""
        self.start: StepStarted | None = None
        """Its first attempt."""
        self.waited: StepWaiting | None = None
        """For its items, in its last attempt."""
        self.end: StepCompleted | StepCancelled | None = None
        self.undone = False

    @property
    def succeeded(self) -> bool:
        return isinstance(self.end, StepCompleted) and self.end.result.status is StepRunStatus.SUCCESS

    @property
    def committed(self) -> list[EffectRecorded]:
        """What it did or drew, as far as that is known to have taken place."""
        return [each for each in self.act.effects.values() if each.status is EffectStatus.COMMITTED]

    @property
    def doubtful(self) -> bool:
        """It was begun, and its own word on how it ended is missing."""
        return self.start is not None and not isinstance(self.end, StepCompleted)

    @property
    def seq(self) -> int:
        """Where its story begins."""
        first = self.start or self.end
        assert first is not None
        return first.seq

    @property
    def ended(self) -> int | None:
        """From when on others could read its output."""
        return self.end.seq if isinstance(self.end, StepCompleted) else None

    def told_by(self, fact: Fact) -> bool:
        """The fact is one of those that tell its story."""
        return fact is self.start or fact is self.waited or fact is self.end

    def owners(self) -> "Iterator[Former]":
        owner = self.owner
        while owner is not None:
            yield owner
            owner = owner.owner

    def items(self) -> "Mapping[int, list[Former]]":
        """Activations in its items, by the item's index."""
        found: dict[int, list[Former]] = {}
        for each in self.below:
            outer = next((up for up in (each, *each.owners()) if up.owner is self), each)
            found.setdefault(outer.act.frame.walk.index, []).append(each)
        return found


class Folded:
    """A machine under way, and what made each of its activations ready."""

    __slots__ = ("causes", "machine")

    def __init__(self, graph: Graph, run_id: str) -> None:
        self.machine = Machine(graph, run_id, keep_items=True)
        self.causes: dict[Activation, Place | None] = {}

    def apply(self, fact: Fact) -> None:
        self.machine.apply(fact)
        cause = (fact.step_id, fact.scope) if isinstance(fact, StepEvent) else None
        for act in reversed(self.machine.ready):
            if act in self.causes:
                break
            self.causes[act] = cause


class Past:
    """The old run, as far as its facts go. Raises `UnexpectedFact` for facts that are not of this graph."""

    __slots__ = ("activations", "facts", "forks", "graph", "last", "machine", "started")

    def __init__(self, graph: Graph, facts: Sequence[Fact]) -> None:
        started = facts[0]
        assert isinstance(started, FlowStarted)
        self.graph = graph
        self.facts = facts
        self.started = started
        self.last = facts[-1].seq
        self.forks = [fact for fact in facts if isinstance(fact, FlowForked)]
        folded = Folded(graph, started.run_id)
        for fact in facts:
            folded.apply(fact)
        self.machine = folded.machine
        self.activations: dict[Place, Former] = {}
        for fact in facts:
            if isinstance(fact, StepEvent) and _UNDOING not in fact.scope:
                self._tell(fact, folded)

    def _tell(self, fact: StepEvent, folded: Folded) -> None:
        if not isinstance(
            fact, StepStarted | StepWaiting | StepCompleted | StepCancelled | CompensationCompleted
        ):
            return
        former = self._former(fact, folded)
        match fact:
            case _ if former is None:
                """Of an attempt that another one has taken the place of."""
            case StepStarted():
                former.start = former.start or fact
                former.waited, former.children = None, ()
            case StepWaiting(wait=WaitForItems()):
                former.waited = fact
            case StepWaiting(wait=WaitForChildren(run_ids=children)):
                former.children = children
            case CompensationCompleted():
                former.undone |= fact.status is CompensationStatus.COMPLETED
            case StepCompleted() | StepCancelled():
                former.end = fact

    def _former(self, fact: StepEvent, folded: Folded) -> Former | None:
        place = (fact.step_id, fact.scope)
        known = self.activations.get(place)
        if known is not None:
            return known
        act = self.machine.activation(*place)
        walk = act.frame.walk
        owner = None
        if walk.owner is not None:
            owner = self.activations.get((walk.owner.step_id, walk.owner.scope))
            if owner is None or not _is_of_last_attempt(walk, walk.owner):
                return None
        former = self.activations[place] = Former(act, owner, folded.causes.get(act))
        for each in former.owners():
            each.below.append(former)
        return former

    def item_ended(self, former: Former) -> bool:
        """Everything in the walk that this activation is of has come to an end of its own."""
        frames = self.machine.frames()
        walk = former.act.frame.walk
        return all(act.phase is Phase.DONE for scope in walk.scopes for act in frames[scope].acts.values())


def _is_of_last_attempt(walk: Walk, owner: Activation) -> bool:
    again = f"@{owner.attempt}" if owner.attempt > 1 else ""
    return walk.root.scope.endswith(f"/{owner.step_id}{again}[{walk.index}]")
