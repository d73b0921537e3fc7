"""Routes as operations of the API's document."""

from collections.abc import Mapping
from typing import Any, Final

from openrun.server.refusals import REQUEST_ID, headers, references, statuses_of
from openrun.server.repetition import HEADER as IDEMPOTENCY_KEY
from openrun.server.repetition import REPLAYED
from openrun.server.route import Route
from openrun.server.samples import sample
from openrun.server.shapes import Schema, Shapes, query_parameters
from openrun.server.stream import EVENT_STREAM

_JSON = "application/json"
_SEGMENT = r"^[^/\x00-\x1f\x7f]+$"
_VERSION = "9f2c4e1ab07d5836e4c1f0a92b7d68c35e0f1a4b8c9d7e6f5a3b2c1d0e9f8a7b"

PATH_PARAMETERS: Final = {
    "effects.key": ("The key of the effect, or the first 8 characters of it or more.", "9f86d081884c7d65"),
    "flow_id": ("The flow.", "orders"),
    "steps.key": ("The key of the step type.", "request"),
    "number": ("The event: its number.", "7"),
    "key_id": ("The id of the API key; never the key itself.", REQUEST_ID),
    "notification_id": ("The notification.", f"{REQUEST_ID}-7-{REQUEST_ID}"),
    "run_id": ("The run.", REQUEST_ID),
    "step_id": ("The step.", "fetch"),
    "subscription_id": ("The subscription.", REQUEST_ID),
    "trigger": ("The schedule: id of the trigger step.", "night"),
    "version": ("The version of the flow: its hash, or the first 8 characters of it or more.", _VERSION),
    "wait_id": ("The question, or the first characters of its id.", "4f5c9d1e8a7b4c3d9e2f1a0b8c7d6e5f"),
}
"""What is in a path, and an example; by name, after the tag where a name means one thing here and another there."""


def operation(route: Route, shapes: Shapes) -> Schema:
    """The operation object of a route."""
    made: Schema = {
        "operationId": route.operation,
        "tags": [route.tag],
        "summary": route.summary,
        "description": _description(route),
    }
    parameters = [*_path(route), *query_parameters(route.query), *_headers(route)]
    made["parameters"] = parameters
    if route.body is not None:
        made["requestBody"] = _body(route, shapes)
    refused = (each for each in statuses_of(route) if each not in route.answers)
    made["responses"] = {**_successes(route, shapes), **references(refused)}
    made["security"] = _security(route)
    if route.scope is not None:
        made["x-openrun-scope"] = route.scope.value
    return made


def _description(route: Route) -> str:
    needs = "Needs a key, whatever its scopes." if _wants_any_key(route) else "Needs no key."
    if route.scope is not None:
        needs = f"Needs the scope `{route.scope.value}`."
    return f"{route.description}\n\n{needs}" if route.description else needs


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.scope is None and not _wants_any_key(route):
        return [{}]
    scopes = [route.scope.value] if route.scope is not None else []
    return [{"bearer": scopes}, {"apiKey": scopes}]


def _wants_any_key(route: Route) -> bool:
    """Open to everybody as far as the dispatcher knows, and asks who it is itself."""
    return route.scope is None and 401 in route.problems


def _path(route: Route) -> list[Schema]:
    return [_segment(name, *words_of(route, name)) for name in route.parameters]


def words_of(route: Route, name: str) -> tuple[str, str]:
    """What a parameter of a path is, and an example."""
    return PATH_PARAMETERS.get(f"{route.tag}.{name}") or PATH_PARAMETERS.get(name, ("", ""))


def _segment(name: str, about: str, example: str) -> Schema:
    schema = {"type": "string", "minLength": 1, "pattern": _SEGMENT}
    parameter = {"name": name, "in": "path", "required": True, "description": about, "schema": schema}
    return {**parameter, **({"example": example} if example else {})}


def _headers(route: Route) -> list[Schema]:
    own: list[Schema] = [
        {"name": name, "in": "header", "required": False, "description": about, "schema": {"type": "string"}}
        for name, about in route.headers.items()
    ]
    shared = ["X-Request-ID"]
    if _security(route) != [{}]:
        shared.insert(0, "OpenRun-Namespace")
    if route.method == "POST" and route.idempotent:
        shared.insert(0, IDEMPOTENCY_KEY)
    return own + [{"$ref": f"#/components/parameters/{name}"} for name in shared]


def _body(route: Route, shapes: Shapes) -> Schema:
    schema = shapes.body(route.operation)
    example = sample(schema, shapes.components)
    content = {kind: {"schema": schema, "example": example} for kind in route.body_types}
    return {"required": route.body_required, "content": content}


# -- answers --------------------------------------------------------------------------------------


def _successes(route: Route, shapes: Shapes) -> dict[str, Schema]:
    said = {
        route.status: "What was asked for." if route.answer is not None else "It is done.",
        **route.answers,
    }
    return {str(status): _success(route, shapes, status, said[status]) for status in sorted(said)}


def _success(route: Route, shapes: Shapes, status: int, about: str) -> Schema:
    made: Schema = {"description": about, "headers": _answer_headers(route)}
    if route.answer is not None and status not in (204, 304):
        made["content"] = {kind: _content(route, shapes, kind) for kind in route.answer_types}
    return made


def _content(route: Route, shapes: Shapes, kind: str) -> Schema:
    if kind == EVENT_STREAM:
        return {"schema": {"description": "Server-sent events."}}
    if kind != _JSON and not kind.endswith("+json"):
        return {"schema": {"type": "string"}}
    return {"schema": shapes.answer(route.operation)}


def _answer_headers(route: Route) -> Mapping[str, Any]:
    repeated = {REPLAYED: {"$ref": f"#/components/headers/{REPLAYED}"}}
    return {
        **headers(route.answer_headers),
        **(repeated if route.method == "POST" and route.idempotent else {}),
        "X-Request-ID": {"$ref": "#/components/headers/X-Request-ID"},
    }
