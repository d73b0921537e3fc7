"""Small changes to JSON Schemas as pydantic makes them, which every schema here has in common."""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NUMBERS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
_BOUNDS_OF = {
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "array": {"minLength": "minItems", "maxLength": "maxItems"},
    "object": {"minLength": "minProperties", "maxLength": "maxProperties"},
    "string": {"minLength": "minLength", "maxLength": "maxLength"},
}
_BOUNDS = (*_NUMBERS, "minLength", "maxLength")
_HOLDING_ONE = ("items", "additionalProperties", "propertyNames", "contains", "not")
_HOLDING_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_HOLDING_NAMED = ("properties", "patternProperties", "$defs", "definitions")


def mapped(schema: Schema, change: Callable[[Schema], Schema]) -> Schema:
    """The schema with every schema right below it changed."""
    made = dict(schema)
    for key in _HOLDING_ONE:
        if isinstance(made.get(key), dict):
            made[key] = change(made[key])
    for key in _HOLDING_MANY:
        if key in made:
            made[key] = [change(each) for each in made[key]]
    for key in _HOLDING_NAMED:
        if key in made:
            made[key] = {name: change(each) for name, each in made[key].items()}
    return made


def tidy(schema: Schema) -> Schema:
    """Without what says nothing to an editor, and with bounds where validators look for them."""
    made = mapped(schema, tidy)
    if "properties" in made:
        made["properties"] = {
            name: {"title": name.replace("_", " ").capitalize(), **each}
            for name, each in made["properties"].items()
        }
    if made.get("default", 0) in (None, ""):
        del made["default"]
    if "anyOf" in made:
        # Pydantic leaves what bounds a union beside it, and in words that may be of no kind in it.
        beside = {key: made.pop(key) for key in _BOUNDS if key in made}
        made["anyOf"] = [_bounded(each, beside) for each in made["anyOf"]]
    return made


def _bounded(schema: Schema, bounds: Schema) -> Schema:
    words = _BOUNDS_OF.get(schema.get("type", ""), {})
    return {**schema, **{words[key]: bound for key, bound in bounds.items() if key in words}}


def closed(schema: Schema) -> Schema:
    """An object with its own keys only, `$schema` and `x-` keys aside."""
    made = {key: each for key, each in schema.items() if key != "additionalProperties"}
    made["patternProperties"] = {
        r"^(x-|\$schema$)": {
            "description": "Kept, and without meaning to OpenRun.",
            "examples": ["a note for people or for other tools"],
        }
    }
    made["additionalProperties"] = False
    return made
