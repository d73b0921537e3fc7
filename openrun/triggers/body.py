"""What a request says, as JSON data: its body by its media type, and its query."""

import base64
from urllib.parse import parse_qsl

from openrun.core.errors import JsonError
from openrun.core.strict_json import TOO_LARGE, decode, plain
from openrun.core.types import Json
from openrun.triggers.base import Arrival
from openrun.triggers.refusals import BodyTooLarge, MalformedBody, MalformedRequest, UnsupportedBody

MOST_FIELDS = 1_000
FORM = "application/x-www-form-urlencoded"

_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


def body_of(arrival: Arrival) -> Json:
    """The body as JSON data; null when it is empty.

    JSON types are strict JSON, forms are objects (a repeated name has a list), text types are text. Of all other types, and
    without a type, it is text if it is UTF-8, and else base64 text; without a type it is JSON if it can be read as that.
    Raises `MalformedBody` (`BodyTooLarge`), and `UnsupportedBody` for `multipart/…` and for charsets other than UTF-8.
    """
    body = arrival.body if arrival.decoded is None else arrival.decoded
    if not body:
        return None
    kind = media_type(arrival)
    if kind.startswith("multipart/"):
        raise UnsupportedBody(f"{kind} bodies are not taken; send JSON, a form ({FORM}), text or plain bytes")
    if kind == FORM:
        return _form(body)
    if kind == "application/json" or kind.endswith("+json"):
        return _json(body)
    if kind.startswith("text/"):
        return _text(body)
    return _anything(body, typed=bool(kind))


def query_of(query: str) -> dict[str, Json]:
    """The parameters of a query, names that are repeated as lists. Raises `MalformedRequest`."""
    if not query:
        return {}
    try:
        query.encode()
        return _fields(query)
    except ValueError as error:
        raise MalformedRequest(f"the query cannot be read: {_reason(error)}") from None


def media_type(arrival: Arrival) -> str:
    """The media type in lower case without parameters, or "". Raises `UnsupportedBody` as `body_of` does."""
    values = arrival.values("content-type")
    if len(values) > 1:
        raise UnsupportedBody("Content-Type is there more than once")
    kind, *parameters = (values[0] if values else "").split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        charset = value.strip(" \t").strip('"')
        if name.strip(" \t").lower() == "charset" and charset.lower() not in _UTF8:
            raise UnsupportedBody(f"charset {charset[:40]!r} is not taken; send UTF-8")
    return kind.strip(" \t").lower()


def _json(body: bytes) -> Json:
    try:
        return decode(body)
    except JsonError as error:
        raise _refused(error) from None


def _form(body: bytes) -> Json:
    try:
        return _kept(_fields(body.decode()))
    except ValueError as error:
        raise MalformedBody(f"the form cannot be read: {_reason(error)}") from None


def _text(body: bytes) -> Json:
    try:
        return _kept(body.decode())
    except UnicodeDecodeError as error:
        raise MalformedBody(f"the body is text, and not UTF-8 at byte {error.start}") from None


def _anything(body: bytes, *, typed: bool) -> Json:
    if not typed:
        try:
            return decode(body)
        except JsonError:
            # Text that happens to be no JSON.
            pass
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = base64.b64encode(body).decode()
    return _kept(text)


def _fields(text: str) -> dict[str, Json]:
    pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def _kept(value: Json) -> Json:
    try:
        return plain(value)
    except JsonError as error:
        raise _refused(error) from None


def _refused(error: JsonError) -> MalformedBody:
    kind = BodyTooLarge if error.code == TOO_LARGE else MalformedBody
    return kind(str(error), code=error.code)


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    return f"it has more than {MOST_FIELDS:,} fields"
