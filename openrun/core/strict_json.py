"""Strict JSON: one decoder for every edge, one canonical text, one way from an author's value to plain data.

Three invariants hold these together. What `plain` lets through, `canonical` writes and `decode` reads back
equal, under the same limits: a value that was stored can always be loaded. Work is linear in the size of
the input, whatever the input: shape is measured before the parser recurses, integers are bounded before they
are converted, shared containers are counted each time they are met. And a value that leaves here is
fresh: no container in it is shared with what came in.
"""

import functools
import json
import math
import re
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from itertools import accumulate
from typing import Any, NoReturn

import msgspec
from pydantic import BaseModel

from openrun.core.errors import JsonError
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.types import Json

TOO_LARGE = "VALUE_TOO_LARGE"

# The closing quote is optional, so that an unclosed string is scanned once and not once per quote in it.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+', re.DOTALL)
_STRING_OR_BRACKET = re.compile(_STRING.pattern + r"|[\[\]{}]", re.DOTALL)
_EMPTY = re.compile(r"\[\s*+\]|\{\s*+\}")
_NOT_BRACKETS = re.compile(r"[^\[\]{}]++")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

_FLOAT_MAX = sys.float_info.max
_INT_MAX = 2**63
_MINUTE = timedelta(minutes=1)
# Most bytes a character, and a value other than a string, can take in canonical JSON.
_CHARACTER_BYTES = 6
_NODE_BYTES = 26

_HINTS = {
    "bytes": "decode it, or encode it as base64 text",
    "bytearray": "decode it, or encode it as base64 text",
    "set": "a set has no order; use sorted(...)",
    "frozenset": "a set has no order; use sorted(...)",
    "Decimal": "use str(...) or float(...)",
    "UUID": "use str(...)",
    "timedelta": "use .total_seconds()",
    "time": "use .isoformat()",
    "complex": "use a list of two numbers",
    "generator": "use list(...)",
}


def decode(
    data: str | bytes,
    *,
    limits: Limits = DEFAULT_LIMITS,
    max_bytes: int | None = None,
    max_nodes: int | None = None,
) -> Json:
    """The JSON value that `data` spells, or `JsonError`: UTF-8, finite numbers, no duplicate key, bounded.

    A byte order mark is skipped. `max_bytes` and `max_nodes` stand for `value_bytes` and `json_nodes`.
    """
    text = _text(data, limits.value_bytes if max_bytes is None else max_bytes)
    _check_shape(text, limits.json_depth, limits.json_nodes if max_nodes is None else max_nodes)
    try:
        value = _decoder(limits.template_integer_bits).decode(text)
    except json.JSONDecodeError as error:
        raise JsonError(f"invalid JSON at line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise JsonError("invalid JSON: nested too deeply for this process") from None
    if _SURROGATE_ESCAPE.search(text):
        _check_surrogates(value, "invalid JSON: ")
    return value


def canonical(value: Json) -> str:
    """The one text of plain data: sorted keys, no spaces, no escapes that are not needed."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise JsonError(f"not plain JSON data: {error}") from error


def plain(value: Any, *, limits: Limits = DEFAULT_LIMITS) -> Json:
    """An author's value as fresh plain JSON data, or `JsonError` that names the type and the place.

    Tuples become lists; pydantic models, msgspec structs, dataclasses and enums become what they hold;
    aware datetimes become RFC 3339 text and dates their ISO text. Sets, bytes, decimals, UUIDs and all
    other types are refused, since each has more than one spelling.
    """
    kind = type(value)
    if kind is str:
        if value.isascii() and len(value) * _CHARACTER_BYTES + 2 <= limits.value_bytes:
            return value
    elif kind is int:
        if -_INT_MAX < value < _INT_MAX:
            return value
    elif kind is float:
        if -_FLOAT_MAX <= value <= _FLOAT_MAX:
            return value
    elif kind is bool or value is None:
        return value
    return _normalise(value, limits)


def copy(value: Json) -> Json:
    """A deep copy of data that is plain already."""
    kind = type(value)
    if kind is dict:
        return {
            key: copy(item) if type(item) is dict or type(item) is list else item
            for key, item in value.items()
        }
    if kind is list:
        return [copy(item) if type(item) is dict or type(item) is list else item for item in value]
    return value


def pointer_token(key: str | int) -> str:
    """A key or an index as one step of an RFC 6901 JSON Pointer."""
    return f"/{str(key).replace('~', '~0').replace('/', '~1')}"


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)


def _text(data: str | bytes, max_bytes: int) -> str:
    if len(data) > max_bytes:
        raise JsonError(f"larger than {max_bytes:,} bytes", code=TOO_LARGE)
    if isinstance(data, bytes):
        try:
            return data.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise JsonError(f"invalid JSON: not UTF-8 at byte {error.start}") from None
    try:
        if not data.isascii() and len(data.encode()) > max_bytes:
            raise JsonError(f"larger than {max_bytes:,} bytes", code=TOO_LARGE)
    except UnicodeEncodeError as error:
        raise JsonError(f"invalid JSON: lone surrogate at character {error.start}") from None
    return data.removeprefix("\ufeff")


def _check_shape(text: str, max_depth: int, max_nodes: int) -> None:
    """Bound depth and nodes before the parser recurses; what is not JSON at all is left to the parser."""
    openers = text.count("[") + text.count("{")
    if openers <= max_depth and openers + text.count(",") < max_nodes:
        return
    # A value has two strings at most, its key and itself; more than that need not be taken apart to be refused.
    if text.count('"') - text.count('\\"') > 4 * max_nodes + 2:
        raise JsonError(f"more than {max_nodes:,} values", code=TOO_LARGE)
    bare = _STRING.sub('"', text)
    openers = bare.count("[") + bare.count("{")
    if 1 + openers + bare.count(",") - len(_EMPTY.findall(bare)) > max_nodes:
        raise JsonError(f"more than {max_nodes:,} values", code=TOO_LARGE)
    if openers > max_depth:
        brackets = _NOT_BRACKETS.sub("", bare)
        if max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets)) > max_depth:
            _refuse_depth(text, max_depth)


def _refuse_depth(text: str, max_depth: int) -> NoReturn:
    tokens = _STRING_OR_BRACKET.finditer(text)
    depth = 0
    place = 0
    while depth <= max_depth:
        token = next(tokens)
        place = token.start()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
    line = text.count("\n", 0, place) + 1
    column = place - text.rfind("\n", 0, place)
    raise JsonError(f"invalid JSON at line {line}, column {column}: nested deeper than {max_depth} levels")


@functools.lru_cache(maxsize=8)
def _decoder(integer_bits: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_int=_integer_parser(integer_bits),
        parse_float=_finite,
        parse_constant=_refuse_constant,
        object_pairs_hook=_unique,
    )


def _integer_parser(bits: int) -> Callable[[str], int]:
    # Digits are counted first: turning text into an integer takes time quadratic in them.
    digits = int(bits * math.log10(2)) + 2

    def parse(text: str) -> int:
        if len(text) < 19:
            return int(text)
        if len(text) <= digits:
            number = int(text)
            if number.bit_length() <= bits:
                return number
        raise JsonError(f"invalid JSON: integer {text[:20]}… is larger than {bits:,} bits")

    return parse


def _finite(text: str) -> float:
    number = float(text)
    if math.isfinite(number):
        return number
    raise JsonError(f"invalid JSON: number {text[:20]} is too large")


def _refuse_constant(text: str) -> NoReturn:
    raise JsonError(f"invalid JSON: {text} is not a JSON number")


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        key = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise JsonError(f"invalid JSON: duplicate key {key[:80]!r}")
    return found


def _check_surrogates(value: Json, prefix: str = "") -> None:
    try:
        _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise JsonError(f"{prefix}a string has a lone surrogate, which is no character") from None


class _RefusedError(Exception):
    """A fault on its way up; every container it passes adds its step to `path`, innermost first."""

    def __init__(self, message: str, code: str = "INVALID_JSON") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.path: list[str | int] = []
        self.containers: list[int] = []

    def passing(self, step: str | int, container: object) -> None:
        self.path.append(step)
        self.containers.append(id(container))

    def as_json_error(self) -> JsonError:
        pointer = "".join(map(pointer_token, reversed(self.path)))
        message = self.message
        if len(set(self.containers)) < len(self.containers):
            message = "the value contains itself"
        place = f" (at {pointer[:200]})" if pointer else ""
        return JsonError(message + place, pointer=pointer, code=self.code)


def _normalise(value: Any, limits: Limits) -> Json:
    copier = _Copier(limits)
    try:
        result = copier.item(value, 0)
        copier.check_size(result)
    except _RefusedError as refused:
        raise refused.as_json_error() from None
    return result


class _Copier:
    """Copies one value and counts what it copies."""

    __slots__ = ("limits", "nodes", "size")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.nodes = 1
        self.size = 0

    def item(self, value: Any, depth: int) -> Json:
        kind = type(value)
        if kind is str:
            self.size += len(value) + 2
            return value if value.isascii() else _without_surrogates(value)
        if kind is int:
            return value if -_INT_MAX < value < _INT_MAX else self.big(value)
        if kind is bool or value is None:
            return value
        if kind is dict:
            return self.dict(value, depth + 1)
        if kind is list or kind is tuple:
            return self.list(value, depth + 1)
        return self.other(value, depth)

    def dict(self, value: dict[Any, Any], depth: int) -> dict[str, Json]:
        self.enter(len(value), depth)
        copied = {}
        key: Any = ""
        try:
            for key, item in value.items():
                if type(key) is not str:
                    key = self.key(key)  # noqa: PLW2901 (a fault names the key as it is in the copy)
                elif not key.isascii():
                    _without_surrogates(key)
                self.size += len(key) + 3
                copied[key] = self.item(item, depth)
        except _RefusedError as refused:
            refused.passing(str(key), value)
            raise
        return copied

    def list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Json]:
        self.enter(len(value), depth)
        copied: list[Json] = []
        try:
            for item in value:
                copied.append(self.item(item, depth))  # noqa: PERF401 (a fault needs the index)
        except _RefusedError as refused:
            refused.passing(len(copied), value)
            raise
        return copied

    def enter(self, count: int, depth: int) -> None:
        self.nodes += count
        if self.nodes > self.limits.json_nodes:
            raise _RefusedError(f"more than {self.limits.json_nodes:,} values", TOO_LARGE)
        if depth > self.limits.json_depth:
            raise _RefusedError(f"nested deeper than {self.limits.json_depth} levels")

    def key(self, key: object) -> str:
        if isinstance(key, str):
            return _without_surrogates(str.__str__(key))
        raise _RefusedError(f"a key of type {_name(key)} is not text: {key!r:.80}")

    def big(self, value: int) -> int:
        bits = value.bit_length()
        if bits > self.limits.template_integer_bits:
            raise _RefusedError(f"an integer larger than {self.limits.template_integer_bits:,} bits")
        self.size += bits >> 2
        return value

    def other(self, value: Any, depth: int) -> Json:
        """What is less common than plain data; subclasses of plain types count as what they extend."""
        match value:
            case Enum():
                return self.item(value.value, depth)
            case str():
                return self.item(str.__str__(value), depth)
            case int():
                return self.item(int.__int__(value), depth)
            case float():
                return _finite_float(value)
            case dict():
                return self.dict(value, depth + 1)
            case list() | tuple():
                return self.list(value, depth + 1)
            case _:
                # One level more, so that an author's types which unfold into each other come to an end.
                return self.item(_unfold(value), depth + 1)

    def check_size(self, result: Json) -> None:
        """The size is known between bounds; only a value near the limit is written out to be measured."""
        limit = self.limits.value_bytes
        if self.size * _CHARACTER_BYTES + self.nodes * _NODE_BYTES <= limit:
            return
        if self.size > limit or len(canonical(result).encode()) > limit:
            raise _RefusedError(f"the value is larger than {limit:,} bytes", TOO_LARGE)


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _RefusedError("a string has a lone surrogate, which is no character") from None
    return text


def _finite_float(value: float) -> float:
    if -_FLOAT_MAX <= value <= _FLOAT_MAX:
        return float.__float__(value)
    raise _RefusedError(f"{float(value)!r} is not a JSON number")


def _unfold(value: Any) -> Any:
    match value:
        case datetime():
            return _rfc3339(value)
        case date():
            return value.isoformat()
        case BaseModel():
            return _dump(value, lambda: value.model_dump(mode="json"))
        case msgspec.Struct():
            return _dump(value, lambda: msgspec.to_builtins(value))
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: getattr(value, field.name) for field in fields(value)}
        case _:
            hint = _HINTS.get(type(value).__name__)
            advice = f"; {hint}" if hint else ""
            raise _RefusedError(f"a value of type {_name(value)} is not JSON data{advice}")


def _dump(value: object, dump: Callable[[], Any]) -> Any:
    try:
        return dump()
    except (TypeError, ValueError, RecursionError) as error:
        raise _RefusedError(f"a value of type {_name(value)} is not JSON data: {error}") from error


def _rfc3339(moment: datetime) -> str:
    offset = moment.utcoffset()
    if offset is None:
        raise _RefusedError("a datetime without a time zone; use datetime.now(UTC)")
    if offset % _MINUTE:
        moment = moment.astimezone(UTC)
    return moment.isoformat().replace("+00:00", "Z")


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
