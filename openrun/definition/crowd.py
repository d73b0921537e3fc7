"""How much of a document's data a model looks at one by one, which must be bounded: it tells of each fault."""

import types
from functools import lru_cache
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from openrun.core.types import Json

MOST = 10_000


def crowded(fields: dict[str, Json], cls: type[BaseModel]) -> str | None:
    """The first field with more than `MOST` values inside, those aside that take anything as it is."""
    for name, value in fields.items():
        if (type(value) is dict or type(value) is list) and name not in opaque(cls) and _exceeds(value):
            return name
    return None


@lru_cache(maxsize=256)
def opaque(cls: type[BaseModel]) -> frozenset[str]:
    """Fields whose values are not looked into, and a step's config, which has fields of its own."""
    return frozenset(
        name for name, field in cls.model_fields.items() if name == "config" or _is_opaque(field.annotation)
    )


def _is_opaque(annotation: Any) -> bool:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return all(each is type(None) or _is_opaque(each) for each in inner)
    # A protocol names what Python may give in place of JSON.
    return annotation is Any or (origin in (dict, list) and inner[-1] is Any) or _is_protocol(annotation)


def _is_protocol(annotation: Any) -> bool:
    return getattr(annotation, "_is_protocol", False) is True


def _exceeds(value: Json) -> bool:
    count = 0
    pending = [value]
    while pending and count <= MOST:
        part = pending.pop()
        count += len(part)
        pending += [
            each
            for each in (part.values() if type(part) is dict else part)
            if type(each) is dict or type(each) is list
        ]
    return count > MOST
