"""Keeping secrets out of what is recorded and shown."""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from openrun.core.errors import ErrorObject

T = TypeVar("T")

_MASK = "***"
_SHORTEST = 4
"""Shorter values would mask innocent text."""
_DATA = frozenset(
    {"input", "state", "patch", "output", "data", "details", "message", "code", "items", "inputs", "results"}
    | {"reason", "result", "error", "failures", "wait", "asks", "payload", "title", "form", "answer", "value"}
    | {"values", "outputs", "comment"}
)
"""Fields of events, and of what is in them, that hold what a flow made; the rest are names and numbers."""


class Redactor:
    """Replaces the values of an engine's secrets wherever they stand in an error."""

    __slots__ = ("_values",)

    def __init__(self, secrets: Mapping[str, str]) -> None:
        values = {each for each in secrets.values() if len(each) >= _SHORTEST}
        spelled = values | {quote(each, safe="") for each in values}
        # Longest first, so that a secret inside another leaves no rest of it; in any case, as hosts are.
        parts = map(re.escape, sorted(spelled, key=len, reverse=True))
        self._values = re.compile("|".join(parts), re.IGNORECASE) if values else None

    def error(self, error: ErrorObject) -> ErrorObject:
        if not self._values:
            return error
        return msgspec.structs.replace(
            error,
            message=self._text(error.message),
            code=self._text(error.code),
            details=self._data(error.details),
        )

    def _text(self, text: str) -> str:
        return self._values.sub(_MASK, text) if self._values else text

    def _data(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(key): self._data(each) for key, each in value.items()}
        if isinstance(value, list):
            return [self._data(each) for each in value]
        return value

    def masked(self, value: T) -> T:
        """The value without secrets in its data; names and numbers of facts stay what they are."""
        return self._masked(value) if self._values else value

    def _masked(self, value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            given = {name: getattr(value, name) for name in _DATA & set(value.__struct_fields__)}
            return msgspec.structs.replace(
                value, **{name: self._masked(each) for name, each in given.items()}
            )
        if isinstance(value, tuple):
            return tuple(map(self._masked, value))
        return value if isinstance(value, Enum) else self._data(value)
