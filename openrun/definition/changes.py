"""Which steps of a flow do something else in another version of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from openrun.core.former import Path
from openrun.core.graph import Graph, GraphSpec, StepSpec
from openrun.core.types import Json
from openrun.definition.program import Program
from openrun.steps.base import Step

_Known = tuple[Step, GraphSpec | None]
"""A step, and the graph of its body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is different in the newer of two versions, by step, after those whose bodies it is in.

    `changed` are steps of another type, config or ports; `within` are steps whose bodies are not the same. How a
    step is retried, timed, named or drawn is no difference.
    """

    changed: frozenset[Path] = frozenset()
    within: frozenset[Path] = frozenset()
    added: frozenset[Path] = frozenset()
    removed: frozenset[Path] = frozenset()


def changes(old: Program, new: Program) -> Changes:
    """What is different in `new`."""
    if old.version == new.version:
        return Changes()
    before, after = dict(_steps(old, old.graph)), dict(_steps(new, new.graph))
    both = before.keys() & after.keys()
    changed = {path for path in both if _work(before[path]) != _work(after[path])}
    around = {path[:depth] for path in changed for depth in range(1, len(path))}
    return Changes(
        changed=frozenset(changed),
        within=frozenset(
            path for path in both if path in around or _shape(before[path][1]) != _shape(after[path][1])
        ),
        added=frozenset(after.keys() - before.keys()),
        removed=frozenset(before.keys() - after.keys()),
    )


def _steps(program: Program, graph: Graph, above: Path = ()) -> Iterator[tuple[Path, _Known]]:
    for at, (plan, spec) in enumerate(zip(program.plans[graph], graph.steps, strict=True)):
        path = (*above, spec.id)
        yield path, (plan.step, spec.body)
        if at in graph.bodies:
            yield from _steps(program, graph.bodies[at], path)


def _work(known: _Known) -> Json:
    """What a step does by itself; the steps of its body are told of one by one."""
    step = known[0]
    body = step.body()
    config = step.config.model_dump(mode="json", warnings=False)
    if body is not None:
        config = {key: value for key, value in config.items() if value != body}
    return [type(step), config, sorted(step.ports)]


def _shape(body: GraphSpec | None) -> GraphSpec | None:
    """How the steps of a body follow from one another, whatever time and attempts they are given."""
    return None if body is None else replace(body, steps=tuple(map(_part, body.steps)))


def _part(step: StepSpec) -> StepSpec:
    return replace(step, retry=None, timeout=None, body=_shape(step.body), compensation=None)
