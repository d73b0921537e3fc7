"""Reading the past of a run from its facts: nothing here can call out."""

from collections.abc import Iterable, Sequence
from typing import Any

from openrun.core.events import Fact, FlowForked, FlowStarted, StepCompleted
from openrun.core.graph import Graph
from openrun.core.machine import Machine
from openrun.core.types import Json, StepRunStatus


def replay(graph: Graph, facts: Iterable[Fact], *, keep_items: bool = False) -> Machine:
    """The machine after these facts; with `keep_items` the frames of ended items stay, for explaining.

    Raises `UnexpectedFact` when the facts do not follow from one another.
    """
    machine: Machine | None = None
    for fact in facts:
        if machine is None:
            machine = Machine(graph, fact.run_id, keep_items=keep_items)
        machine.apply(fact)
    return machine or Machine(graph, "")


def state_at(facts: Sequence[Fact], seq: int) -> dict[str, Any]:
    """The run's state right after the fact `seq`; what items of a foreach set is theirs alone."""
    state: dict[str, Json] = {}
    outputs: dict[str, Json] = {}
    for fact in facts[:seq]:
        if isinstance(fact, FlowStarted):
            state.update(fact.state)
        elif isinstance(fact, StepCompleted) and "[" not in fact.scope:
            result = fact.result
            failed = result.status is StepRunStatus.ERROR
            outputs[fact.step_id] = result.failed_with().to_json() if failed else result.output
            state.update(fact.patch)
        elif isinstance(fact, FlowForked):
            state = {key: each for key, each in {**state, **fact.values}.items() if key not in fact.removed}
            outputs.update(fact.outputs)
    return {**state, "steps": outputs}
