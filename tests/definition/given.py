"""Small documents and flows, and what is found wrong with them."""

from collections.abc import Iterable
from typing import Any

from openrun import Flow, InvalidFlow, StepCatalog, ValidationError
from openrun.core.types import Json

START = {"id": "start", "type": "trigger_manual"}
Part = dict[str, Any]


def transform(step_id: str, value: Json = 1, **more: Json) -> Part:
    return {"id": step_id, "type": "transform", "config": {"value": value}, **more}


def branch(step_id: str, **more: Json) -> Part:
    return {"id": step_id, "type": "conditional", "config": {"left": 1, "right": 1}, **more}


def each(step_id: str, steps: Json, edges: Json = (), **more: Json) -> Part:
    body = {"steps": steps, **({"edges": edges} if edges else {})}
    return {"id": step_id, "type": "foreach", "config": {"items": [1], "body": body}, **more}


def edge(source: str, target: str, port: str | None = None) -> Part:
    return {"source": source, "target": target} | ({} if port is None else {"source_port": port})


def document(steps: Iterable[Json], edges: Iterable[Json] | None = None, **more: Json) -> Part:
    """A flow that begins by hand; left out, the edges lead from its start to every other step."""
    parts = list(steps)
    wired = [edge("start", part["id"]) for part in parts] if edges is None else list(edges)
    return {"name": "A flow", **more, "steps": [START, *parts], "edges": wired}


def refusals(given: Json, catalog: StepCatalog | None = None) -> list[ValidationError]:
    """The faults that reading a document finds, or else those that checking finds."""
    try:
        return Flow.from_dict(given, catalog=catalog).errors()
    except InvalidFlow as error:
        return list(error.errors)


def told(faults: Iterable[ValidationError]) -> set[tuple[str, str]]:
    """Code and place of each."""
    return {(fault.code, fault.pointer) for fault in faults}


def the_only(faults: Iterable[ValidationError]) -> ValidationError:
    found = list(faults)
    assert len(found) == 1, [str(fault) for fault in found]
    return found[0]


def warned(given: Json) -> set[tuple[str, str | None]]:
    """The warnings of a document without errors, as code and step."""
    flow = Flow.from_dict(given)
    assert flow.errors() == []
    return {(warning.code, warning.step_id) for warning in flow.warnings()}
