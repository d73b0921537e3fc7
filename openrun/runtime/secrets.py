"""Keeping secrets out of what is recorded and shown."""

import base64
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

import msgspec
import re2

from openrun.core.errors import ErrorObject

T = TypeVar("T")

_MASK = "***"
_SHORTEST = 4
"""Shorter values would mask innocent text."""
_SHORTEST_IN_BASE64 = 8
_LONG = 1_000
"""Longer ones, such as certificates, are no names, and too much for one pattern."""
_ANY_CASE = re2.Options()
_ANY_CASE.case_sensitive = False
_ANY_CASE.max_mem = 64 * 2**20
_DATA = frozenset(
    {"input", "state", "patch", "output", "data", "details", "message", "code", "items", "inputs", "results"}
    | {"reason", "result", "error", "failures", "wait", "asks", "payload", "title", "form", "answer", "value"}
    | {"values", "outputs", "comment"}
)
"""Fields of events, and of what is in them, that hold what a flow made; the rest are names and numbers."""


def _spellings(value: str) -> Iterator[str]:
    """The value as it is, in a URL, in a JSON text, and in base64, wherever in a text it begins."""
    yield value
    yield quote(value, safe="")
    yield quote(value)
    yield quote_plus(value)
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    data = value.encode(errors="surrogateescape")
    if len(data) >= _SHORTEST_IN_BASE64:
        for before in range(3):
            # Of the letters at both ends some bits are those of what stands beside the value.
            letters = base64.b64encode(bytes(before) + data + bytes(-(before + len(data)) % 3)).decode()
            first, last = -(-before * 8 // 6), (before + len(data)) * 8 // 6
            yield letters[first:last]
            yield letters[first:last].replace("+", "-").replace("/", "_")


class Redactor:
    """Replaces the values of an engine's secrets wherever they stand in an error."""

    __slots__ = ("_long", "_values")

    def __init__(self, secrets: Mapping[str, str]) -> None:
        values = {each for each in secrets.values() if len(each) >= _SHORTEST}
        spelled = {each for value in values for each in _spellings(value)}
        # Longest first, so that a secret inside another leaves no rest of it; in any case, as hosts are.
        ordered = sorted(spelled, key=len, reverse=True)
        self._long = tuple(each for each in ordered if len(each) > _LONG)
        parts = [re2.escape(each) for each in ordered if len(each) <= _LONG]
        self._values = re2.compile("|".join(parts), _ANY_CASE) if parts else None

    def error(self, error: ErrorObject) -> ErrorObject:
        if not self._has_any:
            return error
        return msgspec.structs.replace(
            error,
            message=self._text(error.message),
            code=self._text(error.code),
            details=self._data(error.details),
        )

    @property
    def _has_any(self) -> bool:
        return self._values is not None or bool(self._long)

    def _text(self, text: str) -> str:
        for each in self._long:
            text = text.replace(each, _MASK)
        # Nearly all texts have none, and finding that out is quick.
        return self._values.sub(_MASK, text) if self._values and self._values.search(text) else text

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
        return self._masked(value) if self._has_any else value

    def _masked(self, value: Any) -> Any:
        if isinstance(value, msgspec.Struct):
            given = {name: getattr(value, name) for name in _DATA & set(value.__struct_fields__)}
            return msgspec.structs.replace(
                value, **{name: self._masked(each) for name, each in given.items()}
            )
        if isinstance(value, tuple):
            return tuple(map(self._masked, value))
        return value if isinstance(value, Enum) else self._data(value)
