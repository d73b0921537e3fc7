"""A flow as a drawing needs it: nodes in an order in which edges point down, and edges that repeat a loop apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from openrun.core.graph import Graph, Link
from openrun.core.types import DEFAULT_PORT, JoinMode
from openrun.definition.program import Program
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A step; `notes` are what sets it apart from a plain one."""

    at: int
    step_id: str
    title: str | None
    kind: str
    is_trigger: bool
    is_branch: bool
    notes: tuple[str, ...]
    body: "Sketch | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """An edge from one node to another; `again` says that it repeats a loop."""

    source: int
    port: str
    target: int
    again: bool


@dataclass(frozen=True, kw_only=True)
class Sketch:
    """A flow, or the body of a foreach; `order` are the nodes' numbers from top to bottom."""

    nodes: tuple[Node, ...]
    strokes: tuple[Stroke, ...]
    order: tuple[int, ...]

    def leaving(self, at: int) -> tuple[Stroke, ...]:
        return self._out.get(at, ())

    def names_port(self, stroke: Stroke) -> bool:
        """Whether the port says something: it is not the only way on."""
        return stroke.port != DEFAULT_PORT or self.nodes[stroke.source].is_branch

    def arriving(self, at: int) -> tuple[Stroke, ...]:
        """Those that begin nothing anew: the ways to the node from above."""
        return self._in.get(at, ())

    @cached_property
    def _out(self) -> dict[int, tuple[Stroke, ...]]:
        return _by(self.strokes, lambda stroke: stroke.source)

    @cached_property
    def _in(self) -> dict[int, tuple[Stroke, ...]]:
        return _by([each for each in self.strokes if not each.again], lambda stroke: stroke.target)


def _by(strokes: Iterable[Stroke], end: Callable[[Stroke], int]) -> dict[int, tuple[Stroke, ...]]:
    found: dict[int, list[Stroke]] = {}
    for stroke in strokes:
        found.setdefault(end(stroke), []).append(stroke)
    return {at: tuple(each) for at, each in found.items()}


def sketch_of(program: Program, catalog: StepCatalog) -> Sketch:
    return _sketch(program, program.graph, catalog)


def _sketch(program: Program, graph: Graph, catalog: StepCatalog) -> Sketch:
    strokes = tuple(
        Stroke(source=link.source, port=link.port, target=link.target, again=link.back is not None)
        for link in graph.links
    )
    nodes = []
    for at, plan in enumerate(program.plans[graph]):
        body = graph.bodies.get(at)
        nodes.append(
            Node(
                at=at,
                step_id=plan.step.id,
                title=plan.step.name,
                kind=catalog.key_of(type(plan.step)),
                is_trigger=plan.step.is_trigger,
                is_branch=plan.step.one_port and len(plan.step.ports) > 1,
                notes=_notes(plan.step, graph, at),
                body=None if body is None else _sketch(program, body, catalog),
            )
        )
    return Sketch(nodes=tuple(nodes), strokes=strokes, order=_order(graph))


def _notes(step: Step, graph: Graph, at: int) -> tuple[str, ...]:
    notes = []
    if step.join_mode != JoinMode.NO_WAIT:
        notes.append(str(step.join_mode))
    if step.always:
        notes.append("always")
    notes += [f"loop, at most {loop.limit:,} rounds" for loop in graph.loops if at in loop.region.headers]
    retry = step.retry_policy()
    if retry is not None:
        notes.append(f"up to {retry.max_attempts} attempts")
    if step.allow_failure:
        notes.append("may fail")
    notes += [f"runs flow {ref}" for ref in step.flow_refs()]
    return tuple(notes)


def _order(graph: Graph) -> tuple[int, ...]:
    """Every edge but those that repeat a loop points down, and branches stay together."""
    forward: list[list[Link]] = [[link for link in links if link.back is None] for links in graph.out]
    waits = [0] * len(graph.steps)
    for links in forward:
        for link in links:
            waits[link.target] += 1
    ready = [at for at in reversed(range(len(waits))) if not waits[at]]
    order: list[int] = []
    while ready:
        at = ready.pop()
        order.append(at)
        for link in reversed(forward[at]):
            waits[link.target] -= 1
            if not waits[link.target]:
                ready.append(link.target)
    return tuple(order)
