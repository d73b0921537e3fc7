"""What people may write for a value, told to type checkers; the kept value has the one type that pydantic makes of it.

A field's annotation names every spelling, so plain `mypy` and `pyright` take them all without a plugin. Its
schema, in pydantic and in JSON, is that of the kept type alone. Code that reads such a field makes the kept type of
it, as in `JoinMode(step.join_mode)`, which costs nothing once it is that.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, Union, get_args

from pydantic import AwareDatetime, BeforeValidator, GetCoreSchemaHandler, GetPydanticSchema
from pydantic_core import CoreSchema

from openrun.core.durations import Seconds, parse_duration
from openrun.core.types import EffectClass, JoinMode, Losers, OnFailure, OnItemError

T = TypeVar("T")


def kept_as(kind: Any) -> GetPydanticSchema:
    """Marks an annotation whose values are validated, kept and written as this type, whatever else it names."""
    return GetPydanticSchema(lambda _source, handler: handler(kind))


def _no_number(value: Any) -> Any:
    if isinstance(value, datetime) or (isinstance(value, str) and "T" in value.upper()):
        return value
    raise ValueError("write an instant as RFC 3339 text, such as '2030-01-31T09:00:00Z'")


Instant = Annotated[datetime | str, kept_as(Annotated[datetime, AwareDatetime]), BeforeValidator(_no_number)]
"""A point in time with its zone."""

JoinModeName = Literal["NO_WAIT", "ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS"]
LosersName = Literal["detach", "cancel"]
OnFailureName = Literal["drain", "fail_fast"]
OnItemErrorName = Literal["fail", "collect", "tolerate"]
EffectName = Literal["pure", "idempotent", "external", "at_most_once"]

AnyJoinMode = Annotated[JoinMode | JoinModeName, kept_as(JoinMode)]
AnyLosers = Annotated[Losers | LosersName, kept_as(Losers)]
AnyOnItemError = Annotated[OnItemError | OnItemErrorName, kept_as(OnItemError)]
AnyEffect = Annotated[EffectClass | EffectName, kept_as(EffectClass)]
AnyOnFailure = OnFailure | OnFailureName

Duration = Annotated[float | str, kept_as(Seconds)]
"""Seconds, or text such as "5m"; kept as seconds."""


def seconds_in(duration: float | str) -> float:
    """The seconds of a duration, however it is written."""
    return parse_duration(duration) if isinstance(duration, str) else duration


def _without_text(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    kinds = tuple(kind for kind in get_args(source) if kind is not str)
    return handler(Union[kinds])  # noqa: UP007 (of a tuple)


OrTemplate = Annotated[T | str, GetPydanticSchema(_without_text)]
"""A value, or the template that makes it; `OrTemplate[int]` is kept as an int once it is rendered."""
