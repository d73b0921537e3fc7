"""A CloudEvent (CloudEvents 1.0.2), and its JSON.

There is no event that breaks the specification: making one checks it, and all that is wrong is said at once. Data that is
no JSON is text, or base64 text of bytes that are no text.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from openrun.bus.attributes import OPTIONAL, REQUIRED, EventFault, attribute_faults
from openrun.bus.media_types import is_json
from openrun.core.errors import JsonError, OpenRunError
from openrun.core.strict_json import canonical, decode
from openrun.core.types import Json

SPEC_VERSION = "1.0"
MOST_BYTES = 64 * 2**10
"""Of an event as JSON, its data included."""
HOPS = "openrunhops"
"""The extension that counts the flows an event has come through."""

_HOPS_DIGITS = 9
_NAMED = (*REQUIRED, *OPTIONAL)
_NOT_EXTENSIONS = frozenset({*_NAMED, "specversion", "data", "data_base64"})


class InvalidEvent(OpenRunError, ValueError):
    """What is given is no CloudEvent; `faults` are all that is wrong with it."""

    def __init__(self, faults: Sequence[EventFault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(_placed(each) for each in self.faults))


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """Something that happened. (source, id) names it once. Raises `InvalidEvent`.

    `data` is plain JSON data (None: there is none); of a `datacontenttype` that is no JSON it is text, and with `encoded`
    that text is the base64 of bytes. `time` is RFC 3339. Extensions are text, booleans, or whole numbers of 32 bits.
    """

    id: str
    source: str
    type: str
    data: Json = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    subject: str | None = None
    time: str | None = None
    extensions: Mapping[str, str | int | bool] = field(default_factory=dict)
    encoded: bool = False
    _text: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named = {name: getattr(self, name) for name in _NAMED}
        faults = [*attribute_faults(named, self.extensions), *self._data_faults()]
        if faults:
            raise InvalidEvent(faults)
        try:
            text = canonical(self.plain())
            size = len(text.encode())
        except (JsonError, UnicodeEncodeError) as error:
            raise InvalidEvent([EventFault(attribute="data", message=f"is not JSON: {error}")]) from None
        if size > MOST_BYTES:
            message = (
                f"makes the event {size:,} bytes long: {MOST_BYTES:,} is the most; keep the bulk elsewhere, and "
                "say where in the extension 'dataref'"
            )
            raise InvalidEvent([EventFault(attribute="data", message=message)])
        object.__setattr__(self, "_text", text)

    @property
    def hops(self) -> int:
        """How many flows it has come through; 0 where nothing is said that could be counted."""
        given = self.extensions.get(HOPS, 0)
        if isinstance(given, str):
            return int(given) if given.isascii() and given.isdigit() and len(given) <= _HOPS_DIGITS else 0
        return max(0, int(given))

    def plain(self) -> dict[str, Json]:
        """All of it as JSON data, as in structured mode."""
        present = {name: value for name in _NAMED if (value := getattr(self, name)) is not None}
        whole: dict[str, Json] = {"specversion": SPEC_VERSION, **present, **self.extensions}
        if self.data is not None:
            whole["data_base64" if self.encoded else "data"] = self.data
        return whole

    def to_json(self) -> str:
        """All of it as JSON text (structured mode)."""
        return self._text

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The event of JSON text. Raises `InvalidEvent`."""
        try:
            return cls.from_plain(decode(text))
        except JsonError as error:
            raise InvalidEvent([EventFault(attribute="", message=f"cannot be read: {error}")]) from None

    @classmethod
    def from_plain(cls, whole: Json) -> Self:
        """The event of JSON data in structured mode. Raises `InvalidEvent`."""
        if not isinstance(whole, dict):
            raise InvalidEvent([EventFault(attribute="", message="is no JSON object: an event is one")])
        named: dict[str, Json] = {name: whole.get(name) for name in _NAMED}
        others = {name: value for name, value in whole.items() if name not in _NOT_EXTENSIONS}
        extensions = {name: value for name, value in others.items() if value is not None}
        faults = [*_version_faults(whole.get("specversion"))]
        data, encoded = whole.get("data"), False
        if whole.get("data_base64") is not None:
            if data is not None:
                faults.append(
                    EventFault(attribute="data", message="is there beside 'data_base64': give one of them")
                )
            given = whole["data_base64"]
            data, encoded = _from_base64(given, named["datacontenttype"], faults)
        try:
            event = cls(**named, data=data, extensions=extensions, encoded=encoded)
        except InvalidEvent as error:
            faults.extend(error.faults)
        if faults:
            raise InvalidEvent(faults)
        return event

    def _data_faults(self) -> Iterator[EventFault]:
        if self.encoded:
            if not isinstance(self.data, str) or _bytes_of(self.data) is None:
                yield EventFault(attribute="data_base64", message="is no base64 text: encode the bytes")
        elif self.data is not None and not isinstance(self.data, str) and not is_json(self.datacontenttype):
            message = f"is no text, and 'datacontenttype' is {str(self.datacontenttype)[:80]!r}: give text, or a type of JSON"
            yield EventFault(attribute="data", message=message)


def data_of(body: bytes, content_type: str | None) -> tuple[Json, bool]:
    """Data that came as bytes, and whether it is base64 text now. Raises `JsonError` for JSON that cannot be read."""
    if not body:
        return None, False
    if is_json(content_type):
        return decode(body), False
    try:
        return body.decode(), False
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), True


def bytes_of(event: CloudEvent) -> bytes:
    """The data as bytes of its type."""
    if event.data is None:
        return b""
    if event.encoded:
        return base64.b64decode(event.data)
    if is_json(event.datacontenttype):
        return canonical(event.data).encode()
    return str(event.data).encode()


def _from_base64(given: Json, content_type: Json, faults: list[EventFault]) -> tuple[Json, bool]:
    body = _bytes_of(given) if isinstance(given, str) else None
    if body is None:
        faults.append(EventFault(attribute="data_base64", message="is no base64 text: encode the bytes"))
        return None, False
    try:
        return data_of(body, content_type if isinstance(content_type, str) else None)
    except JsonError as error:
        faults.append(
            EventFault(attribute="data_base64", message=f"holds no JSON, which its type is: {error}")
        )
        return None, False


def _bytes_of(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _version_faults(given: Json) -> Iterator[EventFault]:
    if given != SPEC_VERSION:
        said = "is missing" if given is None else f"{str(given)[:20]!r} is not known"
        yield EventFault(attribute="specversion", message=f"{said}: give {SPEC_VERSION!r}")


def _placed(fault: EventFault) -> str:
    said = str(fault) if fault.attribute else f"the event {fault.message}"
    return said if fault.index is None else f"event {fault.index + 1} of the batch: {said}"
