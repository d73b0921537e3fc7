"""The schemas of what the API takes and gives, made of its models once and shared by all operations."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, TypeAdapter

from openrun.server.refusals import ProblemDocument
from openrun.server.route import Route

Schema = dict[str, Any]

PLACE: Final = "#/components/schemas/"
_PAGE = re.compile(r"Page_([A-Za-z0-9]+)_")
_BESIDE = ("title", "description", "examples", "default")


class Shapes:
    """Schemas by operation; the models they refer to are in `components`."""

    def __init__(self, routes: Iterable[Route]) -> None:
        wanted: list[tuple[Any, Literal["validation", "serialization"], TypeAdapter[Any]]] = [
            (("problem", ""), "validation", TypeAdapter(ProblemDocument))
        ]
        for route in routes:
            if route.body is not None:
                wanted.append((("body", route.operation), "validation", TypeAdapter(route.body)))
            if route.answer is not None:
                wanted.append((("answer", route.operation), "serialization", TypeAdapter(route.answer)))
        made, whole = TypeAdapter.json_schemas(wanted, ref_template=PLACE + "{model}")
        self._made = {key: _renamed(schema) for (key, _), schema in made.items()}
        found = {_name(name): _renamed(each) for name, each in whole.get("$defs", {}).items()}
        found["Problem"] = _without_defaults(found.pop("ProblemDocument"))
        self.components: Mapping[str, Schema] = dict(sorted(found.items()))

    def body(self, operation: str) -> Schema:
        return self._made["body", operation]

    def answer(self, operation: str) -> Schema:
        return self._made["answer", operation]


def query_parameters(model: type[BaseModel]) -> list[Schema]:
    """The parameters of a query: a value that is left out is none, so none of them is null."""
    whole = model.model_json_schema(mode="validation")
    definitions = whole.get("$defs", {})
    required = whole.get("required", ())
    return [
        _parameter(name, _inlined(schema, definitions), required=name in required)
        for name, schema in whole.get("properties", {}).items()
    ]


def _parameter(name: str, schema: Schema, *, required: bool) -> Schema:
    examples = schema.get("examples", [])
    schema = {key: each for key, each in schema.items() if key not in ("title", "examples")}
    description = schema.pop("description", "")
    if schema.get("default", 0) is None:
        del schema["default"]
    parameter = {"name": name, "in": "query", "description": description, "required": required}
    return {**parameter, "schema": _never_null(schema), **({"example": examples[0]} if examples else {})}


def _never_null(schema: Schema) -> Schema:
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if not choices:
        return schema
    rest = {key: each for key, each in schema.items() if key != "anyOf"}
    return {**choices[0], **rest} if len(choices) == 1 else {**rest, "anyOf": choices}


def _inlined(schema: Any, definitions: Mapping[str, Schema]) -> Any:
    """A schema with what it refers to in its place; queries are flat, and nothing in them recurs."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _inlined(each, definitions) for key, each in schema.items() if key != "$ref"}
    if "$ref" not in schema:
        return made
    target = _inlined(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    return {**{key: each for key, each in target.items() if key not in _BESIDE}, **made}


def _renamed(schema: Schema) -> Schema:
    """`Page[RunView]` is a RunViewPage, for whoever generates code."""

    def changed(name: str) -> str:
        return PLACE + _name(name.removeprefix(PLACE)) if name.startswith(PLACE) else name

    made: Schema = with_references(schema, changed)
    if _PAGE.fullmatch(str(made.get("title", "")).replace("[", "_").replace("]", "_")):
        made["title"] = _name(made["title"].replace("[", "_").replace("]", "_"))
    return made


def with_references(schema: Any, change: Callable[[str], str]) -> Any:
    """The schema with each of its references changed; examples and constants stay as they are."""
    if isinstance(schema, list):
        return [with_references(each, change) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _changed(key, each, change) for key, each in schema.items()}


def _changed(key: str, value: Any, change: Callable[[str], str]) -> Any:
    if key in ("examples", "example", "const", "enum", "default"):
        return value
    if key == "$ref" and isinstance(value, str):
        return change(value)
    return with_references(value, change)


def _name(name: str) -> str:
    """Of models of one name pydantic says the modules, too."""
    *_, module, model = ["", *name.split("__")]
    return module.title().replace("_", "") + _PAGE.sub(r"\1Page", model)


def _without_defaults(schema: Schema) -> Schema:
    properties = {
        name: {key: each for key, each in value.items() if key != "default"}
        for name, value in schema["properties"].items()
    }
    return {**schema, "properties": properties}
