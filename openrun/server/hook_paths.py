"""Webhooks as paths of the API's document: one for each path that is mounted in a namespace."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from openrun.server.hooks import PREFIX
from openrun.server.refusals import references
from openrun.server.shapes import PLACE, Schema, with_references
from openrun.steps.triggers.signature import Signature
from openrun.triggers.routes import Endpoint

TAG: Final = "webhooks"
_PARAMETER = re.compile(r"\{([^}]*)\}")
_NAME = re.compile(r"[^A-Za-z0-9._-]")
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_RUN_HEADERS = {
    "Location": {"description": "The run.", "schema": {"type": "string"}},
    "OpenRun-Run": {"description": "The id of the run.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"$ref": "#/components/headers/Idempotency-Replayed"},
    "Preference-Applied": {"description": "What of `Prefer` counted.", "schema": {"type": "string"}},
    "X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"},
}
ACCEPTED: Final[Schema] = {
    "type": "object",
    "title": "Accepted",
    "description": "A run that was asked for and is on disk.",
    "required": ["run_id", "status"],
    "properties": {
        "run_id": {"type": "string", "description": "The run."},
        "status": {"const": "accepted", "description": "Always so."},
    },
}


@dataclass(slots=True)
class HookPaths:
    """Path items, and the input schemas they refer to."""

    paths: dict[str, Schema] = field(default_factory=dict)
    schemas: dict[str, Schema] = field(default_factory=dict)


def hook_paths(endpoints: Iterable[Endpoint]) -> HookPaths:
    """The webhooks in their order; where two answer to the same, the first one has it."""
    made = HookPaths()
    named: dict[str, str] = {}
    for endpoint in endpoints:
        path = f"{PREFIX}{endpoint.path}"
        # Two paths that differ in the names of parameters alone are one.
        path = named.setdefault(_PARAMETER.sub("{}", path), path)
        item = made.paths.setdefault(path, {})
        for method in endpoint.config.methods:
            if method.lower() not in item:
                item[method.lower()] = _operation(endpoint, method, path)
        _add_schema(endpoint, made.schemas)
    return made


def _operation(endpoint: Endpoint, method: str, path: str) -> Schema:
    config = endpoint.config
    several = f".{method.lower()}" if len(config.methods) > 1 else ""
    made: Schema = {
        "operationId": f"hooks.{endpoint.flow_id}.{endpoint.step_id}{several}",
        "tags": [TAG],
        "summary": f"Start the flow {endpoint.flow_id}",
        "description": "\n\n".join(each for each in (config.description, _proof(config.proof())) if each),
        "parameters": [
            *(_parameter(name) for name in _PARAMETER.findall(path)),
            *({"$ref": f"#/components/parameters/{name}"} for name in ("Prefer", "X-Request-ID")),
        ],
    }
    if method not in _BODILESS:
        made["requestBody"] = _body(endpoint)
    made["responses"] = {**_answers(config.mode), **references(_refusals(endpoint))}
    made["security"] = [{}]
    return made


def _parameter(name: str) -> Schema:
    schema = {"type": "string", "minLength": 1, "pattern": r"^[^/\x00-\x1f\x7f]+$"}
    return {"name": name, "in": "path", "required": True, "description": "For the flow.", "schema": schema}


def _proof(proof: Signature | None) -> str:
    if proof is None:
        return "Anyone may call it: it has no signature."
    about = type(proof).model_fields["scheme"].description
    return f"Callers prove who they are. {about} The secret is the flow's, and no API key counts here."


def _refusals(endpoint: Endpoint) -> list[int]:
    found = {400, 404, 408, 413, 415, 500, 503, 507}
    if endpoint.config.proof() is not None:
        found |= {401}
    if endpoint.config.input_schema is not None:
        found |= {422}
    return sorted(found)


# -- what is sent ---------------------------------------------------------------------------------


def _body(endpoint: Endpoint) -> Schema:
    if endpoint.config.input_schema is None:
        anything: Schema = {"schema": {"description": "Whatever the flow makes of it."}}
        return {"required": False, "content": {"application/json": anything}}
    content = {"schema": {"$ref": PLACE + _schema_name(endpoint)}}
    return {"required": True, "content": {"application/json": content}}


def _schema_name(endpoint: Endpoint) -> str:
    return _NAME.sub("_", f"hooks.{endpoint.flow_id}.{endpoint.step_id}")


def _add_schema(endpoint: Endpoint, schemas: dict[str, Schema]) -> None:
    """The flow's own schema, whose references lead to where it is now."""
    schema = endpoint.config.input_schema
    if schema is None:
        return
    name = _schema_name(endpoint)

    def moved(reference: str) -> str:
        is_local = reference == "#" or reference.startswith("#/")
        return f"{PLACE}{name}{reference[1:]}" if is_local and "$id" not in schema else reference

    schemas[name] = with_references(schema, moved)


# -- what comes back ------------------------------------------------------------------------------


def _answers(mode: str) -> dict[str, Schema]:
    """A caller that asks to wait by `Prefer` gets what the run comes to, whatever the mode."""
    output: dict[str, Schema] = {"application/json": {"schema": {"description": "The output of the run."}}}
    stream: dict[str, Schema] = {_STREAM: {"schema": {"description": "accepted, progress, reply, end."}}}
    ended = {**stream, **output} if mode == "stream" else output
    accepted = {"application/json": {"schema": {"$ref": f"{PLACE}Accepted"}}}
    said = {
        "description": "What the flow's reply step says, for a caller that waits: status, headers and body."
    }
    return {
        "200": {"description": _ABOUT[mode], "headers": _RUN_HEADERS, "content": ended},
        "202": {"description": "The run is on disk.", "headers": _RUN_HEADERS, "content": accepted},
        "default": said,
    }


_STREAM: Final = "text/event-stream"
_ABOUT: Mapping[str, str] = {
    "accepted": "The run has ended, and `Prefer: wait` asked for that.",
    "last_step": "The run has ended.",
    "respond": "The run has ended, and no reply step has said anything.",
    "stream": "What the run tells, as it tells it.",
}
