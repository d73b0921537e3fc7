"""CloudEvents in messages: structured, binary and batch mode (HTTP protocol binding 1.0.2)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from openrun.bus.attributes import MOST_FAULTS, EventFault
from openrun.bus.cloud_event import SPEC_VERSION, CloudEvent, InvalidEvent, bytes_of, data_of
from openrun.bus.media_types import charset, essence
from openrun.core.errors import JsonError
from openrun.core.strict_json import decode
from openrun.core.types import Json

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
MOST_EVENTS = 1_000
"""Of a batch."""

_PREFIX = "ce-"
_AS_THEY_ARE = "".join(map(chr, range(0x21, 0x7F))).replace('"', "").replace("%", "")
_NO_HEADERS = {
    "data": "is the body in binary mode: remove the header",
    "data_base64": "is the body in binary mode: remove the header",
    "datacontenttype": "has no header of its own in binary mode: say it in Content-Type",
}
_ESCAPED = re.compile(r"\\(.)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_IN_HEADERS = ("id", "source", "type", "dataschema", "subject", "time")


class NoEvent(InvalidEvent):
    """The message does not say that it is a CloudEvent, or is one of a format that is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudMessage:
    """Headers, with names in lower case, and a body."""

    headers: Mapping[str, str]
    body: bytes


def structured(event: CloudEvent) -> CloudMessage:
    """The whole event as the body."""
    return CloudMessage(headers={"content-type": STRUCTURED}, body=event.to_json().encode())


def batch(events: Iterable[CloudEvent]) -> CloudMessage:
    """Any number of events as one list."""
    body = "[" + ",".join(each.to_json() for each in events) + "]"
    return CloudMessage(headers={"content-type": BATCH}, body=body.encode())


def to_binary(event: CloudEvent) -> CloudMessage:
    """The data as the body, all else as headers."""
    named = {name: getattr(event, name) for name in _IN_HEADERS if getattr(event, name) is not None}
    headers = {f"{_PREFIX}specversion": SPEC_VERSION}
    headers |= {_PREFIX + name: _to_header(value) for name, value in {**named, **event.extensions}.items()}
    if event.datacontenttype is not None or event.data is not None:
        headers["content-type"] = event.datacontenttype or JSON
    return CloudMessage(headers=headers, body=bytes_of(event))


def from_binary(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """The event of a message in binary mode; names in any case. Extensions are text. Raises `InvalidEvent`."""
    content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
    found, faults = _attributes(headers)
    data, encoded = None, False
    try:
        data, encoded = data_of(body, content_type)
    except JsonError as error:
        faults.append(
            EventFault(attribute="data", message=f"is not the JSON that Content-Type says: {error}")
        )
    whole = {**found, "datacontenttype": content_type, "data_base64" if encoded else "data": data}
    try:
        event = CloudEvent.from_plain(whole)
    except InvalidEvent as error:
        faults.extend(error.faults)
    if faults:
        raise InvalidEvent(faults)
    return event


def _attributes(headers: Mapping[str, str]) -> tuple[dict[str, Json], list[EventFault]]:
    found: dict[str, Json] = {}
    faults: list[EventFault] = []
    for header, value in headers.items():
        name = header.lower().removeprefix(_PREFIX)
        if not header.lower().startswith(_PREFIX):
            continue
        message = "is there more than once: send one header" if name in found else _NO_HEADERS.get(name)
        if message is not None:
            faults.append(EventFault(attribute=name, message=message))
        else:
            found[name] = _from_header(value)
    return found, faults


def from_batch(body: bytes) -> list[CloudEvent]:
    """The events of a list. Raises `InvalidEvent` with the faults of all of them."""
    wholes = _decoded(body)
    if not isinstance(wholes, list):
        raise InvalidEvent([EventFault(attribute="", message="batch is no JSON list: give a list of events")])
    if len(wholes) > MOST_EVENTS:
        message = f"batch has {len(wholes):,} events: {MOST_EVENTS:,} is the most, send several"
        raise InvalidEvent([EventFault(attribute="", message=message)])
    events: list[CloudEvent] = []
    faults: list[EventFault] = []
    for index, whole in enumerate(wholes):
        try:
            events.append(CloudEvent.from_plain(whole))
        except InvalidEvent as error:
            faults.extend(
                EventFault(attribute=each.attribute, message=each.message, index=index)
                for each in error.faults
            )
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise InvalidEvent(faults)
    return events


def read_request(content_type: str, headers: Mapping[str, str], body: bytes) -> list[CloudEvent]:
    """The events of a message in any of the three modes; the content type decides, then the header `ce-specversion`.

    Raises `InvalidEvent`: `NoEvent` where neither says that it is an event.
    """
    kind = essence(content_type)
    if kind.startswith("application/cloudevents-batch"):
        _require(kind, BATCH, content_type)
        return from_batch(body)
    if kind.startswith("application/cloudevents"):
        _require(kind, STRUCTURED, content_type)
        return [CloudEvent.from_plain(_decoded(body))]
    if any(name.lower() == "ce-specversion" for name in headers):
        return [from_binary(headers, body)]
    message = (
        f"is not said to be one (Content-Type {kind or 'is missing'}): send it as {STRUCTURED}, several as {BATCH}, or "
        "its data with its attributes in ce-* headers"
    )
    raise NoEvent([EventFault(attribute="", message=message)])


def _require(kind: str, wanted: str, content_type: str) -> None:
    if kind not in (wanted, wanted.removesuffix("+json")):
        raise NoEvent([EventFault(attribute="", message=f"format {kind!r} is not read: send {wanted}")])
    other = charset(content_type)
    if other is not None:
        raise NoEvent([EventFault(attribute="", message=f"charset {other!r} is not read: send UTF-8")])


def _decoded(body: bytes) -> Json:
    try:
        return decode(body)
    except JsonError as error:
        raise InvalidEvent([EventFault(attribute="", message=f"cannot be read: {error}")]) from None


def _to_header(value: str | int | bool) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case _:
            return quote(value, safe=_AS_THEY_ARE)


def _from_header(value: str) -> str:
    """What quotes and %-encoding stand for; an escape that is none stays as it is."""
    quoted = _QUOTED.fullmatch(value)
    return unquote(_ESCAPED.sub(r"\1", quoted[1]) if quoted else value)
