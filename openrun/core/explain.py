"""Why a step did, or did not, run: every inbound edge, how and by what it settled, and the rule that applied."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openrun.core.events import Fact
from openrun.core.frame import Activation, Frame, Phase
from openrun.core.graph import Graph, Link, StepSpec
from openrun.core.joins import FIRED, REASONS
from openrun.core.replay import replay
from openrun.core.types import JoinMode, SkipReason

_MODE_RULES: Mapping[JoinMode, str] = {
    JoinMode.NO_WAIT: "runs once for every edge that fires",
    JoinMode.ALL_SUCCESS: "runs once all edges have settled, if some fired and none failed, was caught or cancelled",
    JoinMode.ALL_DONE: "runs once all edges have settled, unless all were skipped or cancelled",
    JoinMode.FIRST_SUCCESS: "runs at the first edge that fires",
}
_REASON_RULES: Mapping[SkipReason, str] = {
    SkipReason.NOT_TAKEN: "the branch that leads here was not taken",
    SkipReason.SKIPPED: "no branch that leads here was taken",
    SkipReason.CANCELLED: "it was cancelled before it could start",
    SkipReason.CAUGHT: "a failure before it was handled elsewhere",
    SkipReason.FAILED: "a step before it failed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundEdge:
    """One edge into the step: `settled` is "fired", a reason why it died, or None while it is open."""

    source: str
    port: str
    settled: str | None
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer for one scope; `verdict` is "ran", "failed", "cancelled", "skipped", "waiting" or "open"."""

    step_id: str
    scope: str
    verdict: str
    rule: str
    edges: tuple[InboundEdge, ...]

    def __str__(self) -> str:
        lines = [f"{self.step_id} in {self.scope}: {self.verdict}, because {self.rule}"]
        lines += [
            f"  {edge.source}.{edge.port}: {edge.settled or 'open'} ({edge.because})" for edge in self.edges
        ]
        return "\n".join(lines)


def explain(graph: Graph, facts: Iterable[Fact], step_id: str) -> list[Explanation]:
    """One explanation per scope the step decided in, or could have. Raises KeyError for an unknown step."""
    machine = replay(graph, facts, keep_items=True)
    if machine.seq == 0:
        return []
    frames = [frame for frame in machine.frames().values() if step_id in frame.walk.graph.index]
    if not frames and not _known(graph, step_id):
        raise KeyError(step_id)
    found = [_explain(frame, frame.walk.graph.index[step_id]) for frame in frames if _touched(frame, step_id)]
    return found or [_explain(frame, frame.walk.graph.index[step_id]) for frame in frames[:1]]


def _known(graph: Graph, step_id: str) -> bool:
    return step_id in graph.index or any(_known(body, step_id) for body in graph.bodies.values())


def _touched(frame: Frame, step_id: str) -> bool:
    at = frame.walk.graph.index[step_id]
    return at in frame.acts or at in frame.passed or at in frame.tallies


def _explain(frame: Frame, at: int) -> Explanation:
    spec = frame.walk.graph.steps[at]
    act = frame.acts.get(at)
    verdict, rule = _verdict(frame, at, spec, act)
    return Explanation(
        step_id=spec.id,
        scope=frame.scope,
        verdict=verdict,
        rule=rule,
        edges=tuple(_edge(frame, link) for link in _inbound(frame, at)),
    )


def _verdict(frame: Frame, at: int, spec: StepSpec, act: Activation | None) -> tuple[str, str]:
    mode = "it is marked always and " if spec.always else ""
    rule = f"{mode}{spec.join_mode.value} {_MODE_RULES[spec.join_mode]}"
    if act is None:
        state = frame.passed.get(at)
        if state is None:
            return "open", f"{rule}; edges are still open"
        reason = REASONS[state]
        return "skipped", f"{rule}; {_REASON_RULES[reason]}"
    if act.upstream is not None:
        return "failed", f"{rule}; {act.upstream.message}"
    if act.phase is Phase.CANCELLED:
        return "cancelled", "it was stopped while it ran" if act.ran else _REASON_RULES[SkipReason.CANCELLED]
    if act.phase is not Phase.DONE:
        return "waiting" if act.phase is Phase.WAITING else "running", _entry(frame, at, rule)
    if act.error is not None and not act.fired:
        return "failed", f"it ran and failed: {act.error.message}"
    return "ran", _entry(frame, at, rule)


def _entry(frame: Frame, at: int, rule: str) -> str:
    if frame.token == at:
        return f"{rule}; this is one more run of it"
    if frame.opened_by is not None and frame.opened_by.target == at:
        return f"{rule}; a back edge opened this iteration"
    return rule if _inbound(frame, at) else "it is where the run, or the item, begins"


def _inbound(frame: Frame, at: int) -> tuple[Link, ...]:
    graph = frame.walk.graph
    if frame.token == at:
        return ()
    if frame.opened_by is not None:
        return (frame.opened_by,) if frame.opened_by.target == at else graph.inner[at]
    return graph.inputs[at] or graph.inner[at]


def _edge(frame: Frame, link: Link) -> InboundEdge:
    source = frame.walk.graph.steps[link.source]
    if link is frame.opened_by:
        return InboundEdge(source=source.id, port=link.port, settled="fired", because="it repeats the loop")
    place: Frame | None = frame
    while place is not None and place.walk is frame.walk:
        settled = place.edges.get(link.index)
        if settled is not None:
            return InboundEdge(
                source=source.id,
                port=link.port,
                settled="fired" if settled[0] == FIRED else REASONS[settled[0]].value,
                because=_because(place, link, source),
            )
        place = place.parent
    return InboundEdge(source=source.id, port=link.port, settled=None, because="it has not settled")


def _because(frame: Frame, link: Link, source: StepSpec) -> str:
    act = frame.acts.get(link.source)
    if link.exits:
        return "settled by the loop it leaves"
    if act is None:
        state = frame.passed.get(link.source)
        return (
            f"{source.id} did not run: {REASONS[state].value}"
            if state is not None
            else "settled from outside"
        )
    if act.error is not None:
        return f"{source.id} failed: {act.error.code}, seq {act.seq}"
    if act.phase is Phase.CANCELLED:
        return f"{source.id} was cancelled, seq {act.seq}"
    return f"{source.id} fired {', '.join(act.fired) or 'no port'}, seq {act.seq}"
