"""Steps that undo others: what they may have, and how they are run when they say nothing of it."""

from collections.abc import Iterator

from openrun.core.graph import GraphSpec, StepSpec
from openrun.core.retry import RetryPolicy
from openrun.steps.base import Step
from openrun.steps.spelling import seconds_in

UNDOING_KEYS = ("type", "name", "config", "retry", "timeout", "effect")
"""Keys of a step in `compensate`, in their order; the others belong to a step among others."""

UNDOING_RETRY = RetryPolicy(max_attempts=10, base_ms=2_000, max_ms=60_000)
"""What is left undone costs a person's time, so that it is tried more often than what is done."""

TRIGGER_MESSAGE = "a trigger starts runs and cannot undo a step"


def misplaced(undoing: Step) -> Iterator[str]:
    """Keys that a step made in Python has, and a step that undoes another may not have."""
    for name in undoing.model_fields_set:
        field = type(undoing).model_fields[name]
        key = field.alias or name
        if key not in UNDOING_KEYS and getattr(undoing, name) != field.get_default(call_default_factory=True):
            yield key
    if undoing.id and "id" not in undoing.model_fields_set:
        yield "id"


def compensation_spec(step: Step) -> GraphSpec | None:
    """The graph of one step that undoes this one, under its id."""
    undoing = step.compensation
    if step.is_trigger or (undoing is None and not step.compensates()):
        return None
    if undoing is None:
        return _alone(StepSpec(id=step.id, retry=UNDOING_RETRY, as_run=True))
    return _alone(
        StepSpec(
            id=step.id,
            ports=tuple(undoing.ports),
            retry=undoing.retry_policy() or UNDOING_RETRY,
            timeout=None if undoing.timeout is None else seconds_in(undoing.timeout),
            effect=undoing.effect_class(),
        )
    )


def _alone(step: StepSpec) -> GraphSpec:
    return GraphSpec(steps=(step,), edges=())
