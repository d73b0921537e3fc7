"""A value that fits a schema, put together from the examples in it: for documents, and for people to copy."""

from collections.abc import Mapping
from typing import Any

from openrun.server.shapes import PLACE, Schema

_DEEPEST = 8
_PLAIN = {"string": "…", "integer": 1, "number": 1.5, "boolean": True, "array": [], "null": None}


def sample(schema: Schema, components: Mapping[str, Schema], *, whole: bool = False, depth: int = 0) -> Any:
    """Its own example, or one of its parts': those that have to be there, or all of them if `whole`."""
    if depth > _DEEPEST:
        return None
    own = _own(schema)
    if own:
        return own[0]
    if "$ref" in schema:
        target = components.get(schema["$ref"].removeprefix(PLACE), {})
        return sample(target, components, whole=whole, depth=depth + 1)
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if choices:
        return sample(choices[0], components, whole=whole, depth=depth + 1)
    if "properties" in schema:
        return _object(schema, components, whole=whole, depth=depth + 1)
    if schema.get("type") == "array" and isinstance(schema.get("items"), dict):
        return [sample(schema["items"], components, whole=whole, depth=depth + 1)]
    return _PLAIN.get(str(schema.get("type")), {})


def _own(schema: Schema) -> list[Any]:
    if schema.get("examples"):
        return list(schema["examples"])
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return [schema[key]]
    return list(schema.get("enum", ()))


def _object(schema: Schema, components: Mapping[str, Schema], *, whole: bool, depth: int) -> dict[str, Any]:
    properties: Mapping[str, Schema] = schema["properties"]
    wanted = set(properties) if whole else set(schema.get("required", ()))
    return {
        name: sample(each, components, whole=whole, depth=depth)
        for name, each in properties.items()
        if name in wanted
    }
