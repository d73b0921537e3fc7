"""The words JSON has for what a value is."""

from openrun.core.types import Json

_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


def kind_of(value: Json) -> str:
    """What a value is, for messages."""
    return _KINDS.get(type(value), type(value).__name__)
