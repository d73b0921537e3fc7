"""How a walk ends: which failures the flow took care of, and what the output is.

A failure is followed along its dead edges. It is handled when every path ends at a race that was won, or at a
step it makes fail that is itself handled; a wired `error` port handles it when a step at the far end ran.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from openrun.core.bearings import round_of
from openrun.core.errors import CANCELLED, ErrorObject
from openrun.core.events import Failure
from openrun.core.frame import Activation, Frame, Phase, Refusal, Round, Walk
from openrun.core.graph import Graph, Link
from openrun.core.results import StepRunResult
from openrun.core.types import ERROR_PORT, JoinMode, Json, RunStatus
from openrun.core.undoing import CompensationOutcome


class Fate(Enum):
    HANDLED = "handled"
    OPEN = "open"
    """It still depends on what has not happened yet."""
    LOST = "lost"


class _Inquiry:
    """Follows one failure; every obligation found must be met."""

    __slots__ = ("_seen", "_todo", "fate")

    def __init__(self) -> None:
        self.fate = Fate.HANDLED
        self._todo: list[Activation | tuple[Frame | Round, Link]] = []
        self._seen: set[tuple[int, int]] = set()

    def run(self, failure: Activation | Refusal) -> Fate:
        if isinstance(failure, Refusal):
            self._back(failure.round)
        else:
            self._todo.append(failure)
        while self._todo and self.fate is not Fate.LOST:
            item = self._todo.pop()
            if isinstance(item, Activation):
                self._failure(item)
            elif isinstance(item[0], Round):
                self._exit(item[0], item[1])
            else:
                self._link(item[0], item[1])
        return self.fate

    def _need(self, fate: Fate) -> None:
        if fate is Fate.LOST or self.fate is Fate.HANDLED:
            self.fate = fate

    def _owe(self, place: Frame | Round, link: Link) -> None:
        key = (id(place), link.index)
        if key not in self._seen:
            self._seen.add(key)
            self._todo.append((place, link))

    def _failure(self, act: Activation) -> None:
        graph = act.frame.walk.graph
        if act.phase is not Phase.DONE:
            self._need(Fate.OPEN)
        elif act.spec.allow_failure:
            return
        elif graph.error_wired[act.step]:
            self._caught(act)
        else:
            self._dead_end(act.frame, act.step)

    def _caught(self, act: Activation) -> None:
        links = [k for k in act.frame.walk.graph.out[act.step] if k.port == ERROR_PORT]
        fates = [_landed(act.frame, link) for link in links]
        if Fate.HANDLED in fates:
            return
        if Fate.OPEN in fates:
            self._need(Fate.OPEN)
            return
        refused = [around for link in links if (around := _refused(act.frame, link))]
        for around in refused:
            self._back(around)
        if not refused:
            self._need(Fate.LOST)

    def _dead_end(self, frame: Frame, step: int) -> None:
        """All edges of this step died: each path of them is owed; without any, nothing handles it."""
        links = [k for k in frame.walk.graph.out[step] if k.port != ERROR_PORT]
        for link in links:
            self._owe(frame, link)
        if not links:
            self._need(Fate.LOST)

    def _link(self, frame: Frame, link: Link) -> None:
        if link.exits:
            self._owe(round_of(frame, link.exits[0]), link)
        elif link.back is not None:
            self._back(round_of(frame, link.back))
        else:
            self._target(frame.walk.graph, _place(frame, link), link.target)

    def _exit(self, around: Round, link: Link) -> None:
        if link.index in around.fired:
            self._need(Fate.LOST)
        elif not around.closed:
            self._need(Fate.OPEN)
        else:
            self._outward(around, link)

    def _outward(self, around: Round, link: Link) -> None:
        here = link.exits.index(around.loop.region.index)
        if here + 1 < len(link.exits):
            self._owe(round_of(around.frame, link.exits[here + 1]), link)
        elif link.back is not None:
            self._back(round_of(around.frame, link.back))
        else:
            self._target(around.frame.walk.graph, _place(around.frame, link), link.target)

    def _back(self, around: Round) -> None:
        if not around.closed:
            self._need(Fate.OPEN)
            return
        exits = [link for link in around.loop.exits if link.index not in around.fired]
        for link in exits:
            self._owe(around, link)
        if not exits:
            self._need(Fate.LOST)

    def _target(self, graph: Graph, place: Frame | None, step: int) -> None:
        act = place.acts.get(step) if place is not None else None
        if place is None or (act is None and step not in place.passed):
            self._need(Fate.LOST if step in graph.hopeless() else Fate.OPEN)
        elif act is None or (act.phase is Phase.CANCELLED and not act.ran):
            self._dead_end(place, step)
        elif act.upstream is not None:
            self._todo.append(act)
        elif act.spec.join_mode is JoinMode.FIRST_SUCCESS and not act.spec.always:
            self._need(Fate.HANDLED if act.ran else Fate.OPEN)
        else:
            self._need(Fate.LOST)


def fate(failure: Activation | Refusal) -> Fate:
    """Whether the flow took care of a failure, as far as can be told by now."""
    return _Inquiry().run(failure)


def _place(frame: Frame, link: Link) -> Frame | None:
    """The frame in which the target of a landed edge decides; None while nothing has entered its loop."""
    if link.enters is None:
        return frame
    around = frame.loops.get(link.enters)
    return around.first if around is not None else None


def _landed(frame: Frame, link: Link) -> Fate:
    """Whether the step at the far end of a fired edge ran."""
    for region in link.exits:
        frame = round_of(frame, region).frame
    place: Frame | None
    if link.back is not None:
        place = round_of(frame, link.back).arrivals.get((link.index, frame.scope))
        if place is None:
            return Fate.LOST
    else:
        place = _place(frame, link)
    act = place.acts.get(link.target) if place is not None else None
    if act is not None:
        return _started(act)
    return Fate.LOST if place is not None and link.target in place.passed else Fate.OPEN


def _started(act: Activation) -> Fate:
    if act.ran:
        return Fate.HANDLED
    return Fate.LOST if act.phase in (Phase.CANCELLED, Phase.DONE) else Fate.OPEN


def _refused(frame: Frame, link: Link) -> Round | None:
    """The loop that did not take this back edge any more, if that is what happened to it."""
    for region in link.exits:
        frame = round_of(frame, region).frame
    around = round_of(frame, link.back) if link.back is not None else None
    return around if around is not None and (link.index, frame.scope) in around.refused else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """How the run ends: record it as FlowCompleted."""

    status: RunStatus
    output: Json
    failures: tuple[Failure, ...]
    compensation: CompensationOutcome | None = None


def judged(
    walk: Walk,
    frames: Iterable[Frame],
    *,
    stop_error: ErrorObject | None,
    aborted: StepRunResult | None,
    cancelled: bool,
) -> RunVerdict:
    """How a run ends whose own walk has fallen quiet; what stopped it, if something did, goes first."""
    failures = failures_of(walk)
    if stop_error is not None:
        failures = (Failure(step_id="", scope="/", error=stop_error, handled=False), *failures)
    if walk.open_tallies:
        failures = (*failures, starved(walk, frames))
    output = output_of(walk)
    lost = any(not failure.handled for failure in failures)
    status = RunStatus.FAILED if lost else RunStatus.SUCCEEDED
    if stop_error is None and aborted is not None:
        status, output = RunStatus.ABORTED, aborted.output
    elif stop_error is None and cancelled:
        status = RunStatus.CANCELLED
    return RunVerdict(status=status, output=output, failures=failures)


def over_limit(limit: int) -> ErrorObject:
    """What a run fails with that came to its most activations."""
    message = (
        f"the run came to {limit} activations and would go on; look for a loop without an end, "
        "or raise `max_activations` of the flow"
    )
    return ErrorObject(code="ACTIVATION_LIMIT", message=message, details={"limit": limit})


def output_of(walk: Walk) -> Json:
    """The last reply, else the outputs of the activations that led nowhere (one: itself; several: by step)."""
    if walk.replied:
        return walk.reply
    if len(walk.leaves) == 1:
        return next(iter(walk.leaves.values()))
    return dict(walk.leaves) or None


def failures_of(walk: Walk) -> tuple[Failure, ...]:
    """Every failure of the walk in journal order, and whether the flow took care of it."""
    return tuple(_failure(failure) for failure in walk.failures)


def first_unhandled(walk: Walk, frames: Iterable[Frame]) -> ErrorObject | None:
    """The first failure nobody took care of; a walk that was stopped, or starved, counts as failed too."""
    for failure in walk.failures:
        if fate(failure) is not Fate.HANDLED:
            return failure.error
    if walk.open_tallies:
        return starved(walk, frames).error
    if walk.stopping:
        return ErrorObject(code=CANCELLED, message="the item was cancelled")
    return None


def starved(walk: Walk, frames: Iterable[Frame]) -> Failure:
    """The failure of a walk that fell quiet with a step still waiting for edges: a fault of the engine."""
    waiting: dict[str, list[str]] = {}
    for frame in frames:
        if frame.walk is walk:
            for step, tally in frame.tallies.items():
                if not tally.decided:
                    waiting[f"{frame.scope} {walk.graph.steps[step].id}"] = _unsettled(frame, step)
    message = "steps still wait for edges that will never settle; please report this flow"
    error = ErrorObject(code="JOIN_STARVED", message=message, details={"waiting": waiting})
    return Failure(step_id="", scope=walk.root.scope, error=error, handled=False)


def _unsettled(frame: Frame, step: int) -> list[str]:
    graph = frame.walk.graph
    links = graph.inputs[step] or graph.inner[step]
    return [f"{graph.steps[k.source].id}.{k.port}" for k in links if k.index not in frame.edges]


def _failure(failure: Activation | Refusal) -> Failure:
    is_handled = fate(failure) is Fate.HANDLED
    if isinstance(failure, Refusal):
        header = failure.round.frame.walk.graph.steps[failure.link.target].id
        return Failure(step_id=header, scope=failure.scope, error=failure.error, handled=is_handled)
    assert failure.error is not None
    return Failure(step_id=failure.step_id, scope=failure.scope, error=failure.error, handled=is_handled)
