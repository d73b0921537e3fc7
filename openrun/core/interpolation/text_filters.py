"""Filters that read their subject as text."""

import base64
import binascii
from collections.abc import Callable
from urllib.parse import quote, quote_plus

from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError
from openrun.core.interpolation.path import kind_of
from openrun.core.interpolation.printing import text_of
from openrun.core.interpolation.reader import MISSING
from openrun.core.strict_json import canonical
from openrun.core.types import Json


def mapped(change: Callable[[str], str]) -> Callable[[Budget, Json], Json]:
    """A filter without options that changes the whole text."""

    def apply(budget: Budget, value: Json, /) -> Json:
        return budget.made(change(text_of(budget, value)))

    return apply


def trim(budget: Budget, value: Json, /, chars: Json = None) -> Json:
    return text_of(budget, value).strip(None if chars is None else text_of(budget, chars))


def replace(budget: Budget, value: Json, old: Json, new: Json, /, count: Json = None) -> Json:
    text, before, after = (text_of(budget, part) for part in (value, old, new))
    most = whole("count", count, -1)
    found = text.count(before) if most < 0 else min(text.count(before), most)
    # Counted first: replacing the empty text, or one character by many, multiplies.
    budget.reserve(budget.measure(text) + found * budget.measure(after))
    return text.replace(before, after, most)


def truncate(
    budget: Budget, value: Json, /, length: Json = 255, killwords: Json = False, end: Json = "..."
) -> Json:
    """As in Jinja, with no leeway: at most `length` characters, `end` included."""
    text, tail = text_of(budget, value), text_of(budget, end)
    room = whole("length", length, 255)
    if len(text) <= room:
        return text
    if room < len(tail):
        raise FaultError(f"length {room} has no room for the end of {len(tail)} characters")
    head = text[: room - len(tail)]
    return (head if killwords else head.rsplit(" ", 1)[0]) + tail


def split(budget: Budget, value: Json, /, sep: Json = None, maxsplit: Json = -1) -> Json:
    separator = None if sep is None else text_of(budget, sep)
    if separator == "":
        raise FaultError("cannot split at the empty text; use list for characters")
    most = whole("maxsplit", maxsplit, -1)
    # No more parts than may still be paid for: parts take far more room than the text does.
    parts = text_of(budget, value).split(separator, budget.left if most < 0 else min(most, budget.left))
    budget.charge(len(parts))
    return budget.made(parts)


def urlencode(budget: Budget, value: Json, /) -> Json:
    """A text for use in a path, or an object as a query."""
    if type(value) is dict:
        pairs = (f"{quote_plus(key)}={quote_plus(text_of(budget, item))}" for key, item in value.items())
        return budget.made("&".join(pairs))
    return budget.made(quote(text_of(budget, value)))


def b64encode(budget: Budget, value: Json, /) -> Json:
    return budget.made(base64.b64encode(text_of(budget, value).encode()).decode())


def b64decode(budget: Budget, value: Json, /) -> Json:
    try:
        return base64.b64decode(text_of(budget, value), validate=True).decode()
    except (binascii.Error, ValueError):
        raise FaultError("the text is not base64 of UTF-8 text") from None


def tojson(budget: Budget, value: Json, /) -> Json:
    budget.reserve(budget.measure(value))
    return budget.made(canonical(None if value is MISSING else value))


def whole(name: str, value: Json, default: int) -> int:
    """An option that is an integer."""
    if value is None:
        return default
    if type(value) is int:
        return value
    raise FaultError(f"{name} is an integer, not {kind_of(value)}")
