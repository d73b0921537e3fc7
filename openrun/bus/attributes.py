"""What the attributes of a CloudEvent may be, and what is wrong with those that are given (CloudEvents 1.0.2).

Bounds are ours where the specification has none: what names an event must fit into an index of the store.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from openrun.core.strict_json import pointer_token

MOST_ID = 256
MOST_SOURCE = 1_024
MOST_TYPE = 256
MOST_NAME = 20
"""Characters, as of all of these."""
MOST_EXTENSIONS = 100
MOST_FAULTS = 100
"""Of a batch: what is wrong beyond these is not looked for."""

REQUIRED = ("id", "source", "type")
OPTIONAL = ("datacontenttype", "dataschema", "subject", "time")
RESERVED = frozenset({*REQUIRED, *OPTIONAL, "specversion", "data"})
"""No extension has one of these names; `data_base64` is none either, for its underscore."""

_INTEGER = 2**31
_NAME = re.compile(r"[a-z0-9]+")
_URI = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_FIRST_SEGMENT = re.compile(r"[^/?#]*")
# Controls, surrogates and noncharacters, of which a String has none.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(0x10000 * n + 0xFFFE) + chr(0x10000 * n + 0xFFFF) for n in range(17))
    + "]"
)
_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)
_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"  # noqa: S105
_MEDIA_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(?:[ \t]*;[ \t]*{_TOKEN}=(?:{_TOKEN}|"[^"]*"))*')


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFault:
    """One thing wrong with an event: the attribute, what it is, and the way out."""

    attribute: str
    """Its name, or "data"; "" is the event itself."""
    message: str
    index: int | None = None
    """Which event of a batch, from 0; None when there is one."""

    def __str__(self) -> str:
        return f"{self.attribute!r} {self.message}"

    @property
    def pointer(self) -> str:
        """The place as an RFC 6901 JSON Pointer into what was sent."""
        keys = [str(self.index)] if self.index is not None else []
        keys += [self.attribute] if self.attribute else []
        return "".join(pointer_token(each) for each in keys)


def attribute_faults(named: Mapping[str, object], extensions: Mapping[str, object]) -> Iterator[EventFault]:
    """All that is wrong with the attributes that the specification names (None: absent) and with the others."""
    for name in REQUIRED:
        if named[name] is None or named[name] == "":
            yield EventFault(attribute=name, message=f"is missing: {_WANTED[name]}")
        else:
            yield from _faults(name, named[name])
    for name in OPTIONAL:
        if named[name] is not None:
            yield from _faults(name, named[name])
    if len(extensions) > MOST_EXTENSIONS:
        crowd = f"has {len(extensions):,} extensions: {MOST_EXTENSIONS:,} is the most; put the rest into data"
        yield EventFault(attribute="", message=crowd)
        return
    for name, value in extensions.items():
        message = _name_fault(name) or _value_fault(value)
        if message is not None:
            yield EventFault(attribute=str(name)[: 2 * MOST_NAME], message=message)


def _faults(name: str, value: object) -> Iterator[EventFault]:
    if not isinstance(value, str):
        yield EventFault(attribute=name, message=f"is {_kind(value)}: give text")
    elif not value:
        yield EventFault(attribute=name, message=f"is empty: {_WANTED[name]}, or leave it out")
    elif (message := _text_fault(value) or _CHECKS[name](value)) is not None:
        yield EventFault(attribute=name, message=message)


def _name_fault(name: object) -> str | None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return "is no name of an attribute: use a to z and 0 to 9 alone"
    if len(name) > MOST_NAME:
        return f"is longer than {MOST_NAME} characters: shorten the name"
    if name in RESERVED:
        return "is reserved: an extension needs another name"
    return None


def _value_fault(value: object) -> str | None:
    match value:
        case bool():
            return None
        case int():
            fits = -_INTEGER <= value < _INTEGER
            return None if fits else "is a number of more than 32 bits: give it as text"
        case str():
            return _text_fault(value)
        case _:
            return f"is {_kind(value)}: an extension is text, a whole number or a boolean; put the rest into data"


def _text_fault(value: str) -> str | None:
    found = _FORBIDDEN.search(value)
    if found is None:
        return None
    return f"has the character U+{ord(found[0]):04X} at {found.start()}, which is not allowed: remove it"


def _no_longer_than(most: int) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        return None if len(value) <= most else f"has {len(value):,} characters: {most:,} is the most"

    return check


def _source_fault(value: str) -> str | None:
    if not _URI.fullmatch(value) or value.count("#") > 1:
        return f"{value[:80]!r} is no URI reference: {_WANTED['source']}, and %-encode other characters"
    head = _FIRST_SEGMENT.match(value)
    if head is not None and ":" in head[0] and not _SCHEME.match(value):
        return f"{value[:80]!r} is no URI reference: before the first colon stands a scheme; begin with '/' or './'"
    return _no_longer_than(MOST_SOURCE)(value)


def _schema_fault(value: str) -> str | None:
    if not _URI.fullmatch(value) or value.count("#") > 1 or not _SCHEME.match(value):
        return f"{value[:80]!r} is no absolute URI: {_WANTED['dataschema']}"
    return None


def _content_type_fault(value: str) -> str | None:
    return (
        None
        if _MEDIA_TYPE.fullmatch(value)
        else f"{value[:80]!r} is no media type: {_WANTED['datacontenttype']}"
    )


def _time_fault(value: str) -> str | None:
    found = _TIME.fullmatch(value)
    try:
        if found is not None:
            year, month, day, hour, minute, second = map(int, found.groups())
            # A leap second is a time too.
            datetime(year, month, day, hour, minute, 59 if second == 60 else second)  # noqa: DTZ001
            return None
    except ValueError:
        pass
    return f"{value[:80]!r} is no time: {_WANTED['time']}"


def _kind(value: object) -> str:
    match value:
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case list() | tuple():
            return "a list"
        case Mapping():
            return "an object"
        case _:
            return "null" if value is None else f"of type {type(value).__name__}"


_WANTED = {
    "id": "name the event, once within its source",
    "source": "say where it comes from, such as /orders or https://shop.example/orders",
    "type": "say what happened, such as com.example.order.paid",
    "datacontenttype": "give a media type such as application/json",
    "dataschema": "give one such as https://shop.example/schemas/order.json",
    "subject": "say what it is about",
    "time": "give RFC 3339 with a zone, such as 2026-03-01T12:00:00Z",
}
_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "id": _no_longer_than(MOST_ID),
    "source": _source_fault,
    "type": _no_longer_than(MOST_TYPE),
    "datacontenttype": _content_type_fault,
    "dataschema": _schema_fault,
    "subject": _no_longer_than(MOST_SOURCE),
    "time": _time_fault,
}
