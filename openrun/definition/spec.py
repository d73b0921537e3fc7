"""The draft as the machine sees it."""

from openrun.core.graph import EdgeSpec, GraphSpec, StepSpec
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.types import JoinMode, Losers
from openrun.definition.draft import Draft, body_document, edge_port
from openrun.definition.reader import read_document
from openrun.definition.undoing import compensation_spec
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog
from openrun.steps.spelling import seconds_in


def graph_spec(draft: Draft, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS) -> GraphSpec:
    """What the graph of a draft that validation has passed is compiled from."""
    steps: list[StepSpec] = []
    for at, step in enumerate(draft.steps):
        inner = body_draft(draft, at, catalog, limits)
        steps.append(step_spec(step, None if inner is None else graph_spec(inner, catalog, limits)))
    ports = {step.id: step.ports for step in draft.steps}
    edges = tuple(
        EdgeSpec(source=e.source, target=e.target, port=edge_port(e.source_port, ports[e.source]))
        for e in draft.edges
    )
    return GraphSpec(
        steps=tuple(steps),
        edges=edges,
        on_failure=draft.on_failure,
        max_activations=min(draft.max_activations or limits.activations, limits.activations_max),
        loop_limit=limits.loop_iterations,
        loop_limit_max=limits.loop_iterations_max,
    )


def body_draft(draft: Draft, at: int, catalog: StepCatalog, limits: Limits) -> Draft | None:
    """The draft of the body of a step, read now if it has not been."""
    kept = draft.body_at(at, catalog)
    if kept is not None:
        return kept
    body = draft.steps[at].body()
    if body is None:
        return None
    inner = read_document(body_document(body), catalog, limits)
    draft.bodies[at] = (catalog, inner)
    return inner


def step_spec(step: Step, body: GraphSpec | None = None) -> StepSpec:
    return StepSpec(
        id=step.id,
        ports=tuple(step.ports),
        join_mode=JoinMode(step.join_mode),
        losers=Losers(step.losers),
        retry=step.retry_policy(),
        timeout=None if step.timeout is None else seconds_in(step.timeout),
        allow_failure=step.allow_failure,
        always=step.always,
        effect=step.effect_class(),
        max_iterations=step.max_iterations,
        is_trigger=step.is_trigger,
        replies=step.replies,
        body=body,
        compensation=compensation_spec(step),
    )
