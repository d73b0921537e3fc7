"""Which outputs the steps of a flow read in their templates."""

from collections.abc import Iterator, Mapping

from openrun.core.former import Path
from openrun.core.graph import Graph
from openrun.core.retake import EVERYTHING
from openrun.definition.program import Program
from openrun.definition.template import ConfigTemplate

_ALL = frozenset({EVERYTHING})


def reads(program: Program) -> Mapping[Path, frozenset[str]]:
    """Per step that reads any, the steps whose outputs its templates name; "*" where they may read all of them."""
    return {path: steps for path, steps in _reads(program, program.graph) if steps}


def _reads(program: Program, graph: Graph, above: Path = ()) -> Iterator[tuple[Path, frozenset[str]]]:
    for at, (plan, spec) in enumerate(zip(program.plans[graph], graph.steps, strict=True)):
        path = (*above, spec.id)
        yield path, _outputs(plan.config)
        if at in graph.bodies:
            yield from _reads(program, graph.bodies[at], path)


def _outputs(config: ConfigTemplate) -> frozenset[str]:
    named = [compiled for _, compiled in config.named()]
    steps = frozenset[str]().union(*(each.step_refs for each in named))
    # Who names `steps` alone, or the whole state, may read any of them.
    whole = any("*" in each.roots or ("steps" in each.roots and not each.step_refs) for each in named)
    return steps | _ALL if whole else steps
