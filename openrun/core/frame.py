"""What a run's machine keeps: walks, frames, loops under way and activations. Owned by one machine alone."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any

from openrun.core.asks import Answer
from openrun.core.effects import IN_DOUBT
from openrun.core.errors import ErrorObject
from openrun.core.events import EffectRecorded
from openrun.core.graph import Graph, Link, Loop, StepSpec
from openrun.core.joins import Tally
from openrun.core.layers import Layer
from openrun.core.results import ItemFailure, Wait, WaitForChildren, WaitForItems, Wake
from openrun.core.types import EffectClass, OnItemError


class Phase(Enum):
    """Where an activation stands."""

    READY = "ready"
    LIVE = "live"
    SCHEDULED = "scheduled"
    WAITING = "waiting"
    RESUMING = "resuming"
    REVIEW = "review"
    DONE = "done"
    CANCELLED = "cancelled"


class Activation:
    """One execution of a step in one frame."""

    # Defaults stand on the class: most activations never set most of them, and one is made per step.
    phase: Phase = Phase.READY
    attempt: int = 0
    snapshot: int = 0
    """The state is read as of this seq."""
    seq: int = 0
    """The event that ended it."""
    error: ErrorObject | None = None
    upstream: ErrorObject | None = None
    """Set when it fails without having run."""
    fired: tuple[str, ...] = ()
    cancelling: bool = False
    wait: Wait | None = None
    wake: Wake | None = None
    due: datetime | None = None
    """When its next attempt starts."""
    interrupted: bool = False
    """It waits in the middle of its run, and runs again from its top."""
    answers: tuple[Answer, ...] = ()
    heard: int = 0
    """How many of its answers it has been woken for."""
    expired: frozenset[str] = frozenset()
    """Asks that nobody answered in time."""
    effects: Mapping[tuple[str, int], EffectRecorded] = MappingProxyType({})
    """What is known of its calls to the outside, by name and ordinal."""
    doubt: str | None = None
    """The key of the effect that a person has to look into, in review."""
    fanout: "Fanout | None" = None

    def __init__(self, step: int, spec: StepSpec, frame: "Frame", mask: int) -> None:
        self.step = step
        self.spec = spec
        self.frame = frame
        self.mask = mask
        """Bit set of the `error` firings that led here."""

    @property
    def step_id(self) -> str:
        return self.spec.id

    @property
    def scope(self) -> str:
        return self.frame.scope

    @property
    def open_effect(self) -> str | None:
        """The key of an effect that may not be repeated, and of which nobody knows whether it took place."""
        for each in self.effects.values():
            if each.effect is EffectClass.AT_MOST_ONCE and each.status in IN_DOUBT:
                return each.key
        return None

    @property
    def ran(self) -> bool:
        """It has started at least once."""
        return self.attempt > 0


class Frame:
    """One scope: the settled edges, the tallies and the activations of the steps in it."""

    __slots__ = (
        "acts", "barred", "edges", "layer", "loops", "opened_by", "outputs", "parent",
        "passed", "repeats", "round", "scope", "tallies", "token", "walk", "watch",
    )  # fmt: skip

    def __init__(self, walk: "Walk", parent: "Frame | None", scope: str, layer: Layer) -> None:
        self.walk = walk
        self.parent = parent
        self.scope = scope
        self.layer = layer
        self.outputs = Layer(None)
        self.edges: dict[int, tuple[int, int]] = {}
        """Link index to (state, mask)."""
        self.tallies: dict[int, Tally] = {}
        self.acts: dict[int, Activation] = {}
        self.passed: dict[int, int] = {}
        """Steps that do not run here, and why."""
        self.repeats: dict[int, int] = {}
        self.loops: dict[int, Round] = {}
        """Loops entered from this frame."""
        self.round: Round | None = None
        """The loop this frame is an iteration of, or lies in."""
        self.token: int | None = None
        """The step whose repeated run opened this frame."""
        self.opened_by: Link | None = None
        self.watch: dict[int, list[tuple[Frame, int]]] = {}
        self.barred: frozenset[int] = frozenset()


class Round:
    """One loop under way in one enclosing frame, over all its iterations."""

    __slots__ = (
        "arrivals", "backs", "busy", "catches", "closed", "died", "fired", "first", "frame", "iterations", "loop", "open_inputs", "outward",
        "refused",
    )  # fmt: skip

    def __init__(self, loop: Loop, frame: Frame, open_inputs: int) -> None:
        self.loop = loop
        self.frame = frame
        self.first: Frame
        self.iterations = 1
        self.open_inputs = open_inputs
        """Edges into the loop that are unsettled, or can fire again."""
        self.busy = 0
        """Activations and inner loops under way."""
        self.closed = False
        self.fired: set[int] = set()
        """Exits that have fired."""
        self.died: dict[int, tuple[int, int]] = {}
        """Exits that died inside: the worst state, and who caught."""
        self.backs = (0, 0)
        """The worst state in which a back edge died inside, and who caught."""
        self.catches = 0
        """Bit set of who caught inside."""
        self.outward: dict[int, int] = {}
        """Per step that caught inside, its bit outside."""
        self.arrivals: dict[tuple[int, str], Frame] = {}
        """Back edges that opened an iteration: the link and the scope it came from, to the frame."""
        self.refused: set[tuple[int, str]] = set()
        """Back edges past the limit."""


class Refusal:
    """A failure without an activation: an arrival past a loop's limit."""

    __slots__ = ("error", "link", "round", "scope")

    def __init__(self, link: Link, around: Round, scope: str, error: ErrorObject) -> None:
        self.link = link
        self.round = around
        self.scope = scope
        self.error = error


class Walk:
    """One way through one graph: the run's own, or that of one item of a foreach."""

    __slots__ = (
        "busy", "catchers", "cut", "failures", "graph", "guarded", "index", "leaves", "open_tallies", "owner", "replied",
        "reply", "root", "scopes", "stopping", "unfinished",
    )  # fmt: skip

    def __init__(self, graph: Graph, owner: Activation | None, index: int) -> None:
        self.graph = graph
        self.owner = owner
        self.index = index
        self.root: Frame
        self.scopes: list[str] = []
        self.busy = 0
        self.open_tallies = 0
        self.catchers: list[int] = []
        """Per bit, the step that caught."""
        self.unfinished: dict[Activation, None] = {}
        self.failures: list[Activation | Refusal] = []
        self.leaves: dict[str, Any] = {}
        """Outputs of the completed activations none of whose edges fired, by step."""
        self.replied = False
        self.reply: Any = None
        self.stopping = False
        self.cut = False
        """Stopping, and not even the steps marked always may start."""
        self.guarded = False
        """It stops, or a race in it was won: some steps may not start any more."""


class Fanout:
    """The items (or children) of one waiting activation: what is under way, what came back."""

    __slots__ = (
        "concurrency", "failures", "next", "policy", "results", "running", "stopped", "total", "values", "walks",
    )  # fmt: skip

    def __init__(self, wait: WaitForItems | WaitForChildren) -> None:
        self.values = wait.items if isinstance(wait, WaitForItems) else wait.inputs
        self.total = len(self.values)
        self.concurrency = max(1, wait.concurrency)
        self.policy = wait.on_item_error
        self.next = 0
        self.running: set[int] = set()
        self.walks: dict[int, Walk] = {}
        self.results: list[Any] = [None] * self.total
        self.failures: list[ItemFailure] = []
        self.stopped = False

    @property
    def startable(self) -> bool:
        return not self.stopped and self.next < self.total and len(self.running) < self.concurrency

    @property
    def ended(self) -> bool:
        return not self.running and (self.stopped or self.next >= self.total)

    def start(self) -> int:
        at = self.next
        self.next += 1
        self.running.add(at)
        return at

    def drop(self, index: int) -> None:
        """An item that was stopped because of another has neither result nor failure."""
        self.running.discard(index)
        self.walks.pop(index, None)

    def record(self, index: int, output: Any, error: ErrorObject | None) -> None:
        self.drop(index)
        if error is None:
            self.results[index] = output
            return
        self.failures.append(ItemFailure(index=index, error=error))
        if self.policy is OnItemError.FAIL:
            self.stopped = True
