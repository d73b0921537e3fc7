"""Writing a flow as its canonical document: fields in a fixed order, defaults left out, free keys sorted."""

import hashlib
import json
from io import StringIO
from typing import Any

from openrun.core.strict_json import canonical
from openrun.core.types import DEFAULT_PORT, Json, OnFailure
from openrun.definition.draft import SCHEMA_URL, Draft, Edge, slug
from openrun.definition.undisturbed import undisturbed
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

_STEP_FIELDS = (
    "join_mode", "losers", "retry", "timeout", "allow_failure", "always", "effect", "compensate",
    "max_iterations", "position",
)  # fmt: skip
_SET_FIELDS = frozenset(_STEP_FIELDS)
_ENCODER = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)


@undisturbed
def write_document(draft: Draft, catalog: StepCatalog) -> dict[str, Json]:
    """The document of a draft; equal drafts give equal documents."""
    document: dict[str, Json] = {
        "$schema": SCHEMA_URL,
        "id": draft.id or slug(draft.name),
        "name": draft.name,
    }
    if draft.description is not None:
        document["description"] = draft.description
    if draft.on_failure is not OnFailure.DRAIN:
        document["on_failure"] = draft.on_failure.value
    if draft.timeout is not None:
        document["timeout"] = _number(draft.timeout)
    if draft.max_activations is not None:
        document["max_activations"] = draft.max_activations
    if draft.flow_control is not None:
        document["flow_control"] = _field(draft.flow_control.as_document())
    document |= _sorted(draft.extensions)
    document["steps"] = [_step(step, catalog) for step in draft.steps]
    document["edges"] = [_edge(edge) for edge in draft.edges]
    return document


@undisturbed
def document_text(document: Json) -> str:
    """The document as people read it: two spaces of indent, a line's end at the end."""
    text = StringIO()
    # Piece by piece, for json.dumps would hold all the pieces at once.
    for piece in _ENCODER.iterencode(document):
        text.write(piece)
    return text.getvalue() + "\n"


def version_of(document: Json) -> str:
    """SHA-256 of the canonical JSON, 64 hex digits."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def _step(step: Step, catalog: StepCatalog) -> dict[str, Json]:
    return {"id": step.id, **_work(step, catalog)}


def _work(step: Step, catalog: StepCatalog) -> dict[str, Json]:
    """All that a step says but its id."""
    written: dict[str, Json] = {"type": catalog.key_of(type(step))}
    if step.name is not None:
        written["name"] = step.name
    config = step.config.model_dump(mode="json", exclude_defaults=True, warnings=False)
    if config:
        written["config"] = _field(config)
    settings = _settings(step)
    if step.compensation is not None:
        settings["compensate"] = _work(step.compensation, catalog)
    written |= {name: settings[name] for name in _STEP_FIELDS if name in settings}
    written.update(_sorted(step.extensions))
    return written


def _settings(step: Step) -> dict[str, Json]:
    given = _SET_FIELDS & step.model_fields_set
    if not given:
        return {}
    dumped = step.model_dump(mode="json", include=set(given), exclude_defaults=True, warnings=False)
    policy = step.retry_policy()
    if policy is not None and "retry" in dumped:
        # Said even when it is the default, for an empty object would not read as three attempts.
        dumped["retry"] = {"max_attempts": policy.max_attempts, **dumped["retry"]}
    return {name: _field(each) for name, each in dumped.items()}


def _edge(edge: Edge) -> dict[str, Json]:
    written: dict[str, Json] = {"source": edge.source}
    if edge.source_port != DEFAULT_PORT:
        written["source_port"] = edge.source_port
    written["target"] = edge.target
    written.update(_sorted(edge.extensions))
    return written


def _field(value: Any) -> Any:
    """A model's fields keep their order; what is inside them is the author's, and sorted."""
    return (
        {name: _sorted(each) for name, each in value.items()} if isinstance(value, dict) else _sorted(value)
    )


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(each) for each in value]
    return _number(value)


def _number(value: Any) -> Any:
    """Whole seconds without a fraction, so that 5 and 5.0 are written alike."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
