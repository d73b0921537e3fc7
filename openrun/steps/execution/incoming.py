"""What a request step makes of a response: JSON data, its body parsed or decoded."""

import codecs
import re
from typing import Any

import msgspec

from openrun.core.errors import JsonError, StepError
from openrun.core.strict_json import decode
from openrun.core.types import Json
from openrun.net.http import HttpResponse

SHOWN_BYTES = 4 * 2**10
"""The most of a body that the error of a failed request keeps."""

# Others are refused unseen: Python looks for a module of the name that a server gives.
_CHARSET = re.compile(
    r"utf-?8|utf-(16|32)(le|be)?|us-ascii|iso-8859-\d{1,2}|windows-(125\d|874)|koi8-[ru]|"
    r"gb2312|gbk|gb18030|big5|shift_jis|euc-(jp|kr)|iso-2022-jp"
)


def received(response: HttpResponse) -> dict[str, Json]:
    """{status, headers, body, data}: `data` is the JSON that was sent, or null, and `body` the same or text."""
    data, is_json = _parsed(response)
    return {
        "status": response.status,
        "headers": response.headers,
        "body": data if is_json else _text(response.body, response.charset),
        "data": data,
    }


def with_body(failure: StepError, response: HttpResponse) -> StepError:
    """The failure with the beginning of the response's body in its details."""
    shown = _text(response.body[:SHOWN_BYTES], response.charset)
    details: dict[str, Any] = {**(failure.error.details or {}), "body": shown}
    failure.error = msgspec.structs.replace(failure.error, details=details)
    return failure


def _parsed(response: HttpResponse) -> tuple[Json, bool]:
    kind = response.content_type
    if kind not in ("application/json", "text/json") and not kind.endswith("+json"):
        return None, False
    charset = _charset(response.charset)
    try:
        # JSON is UTF-8 by its standard, and strictly so; a server that says otherwise is believed.
        text = response.body if charset == "utf-8" else response.body.decode(charset)
        return decode(text), True
    except (JsonError, UnicodeDecodeError):
        return None, False


def _text(body: bytes, charset: str | None) -> str:
    return body.decode(_charset(charset), errors="replace")


def _charset(label: str | None) -> str:
    """The codec for what a server declares; UTF-8 if it is unknown."""
    name = (label or "").strip().lower()
    if _CHARSET.fullmatch(name) is None:
        return "utf-8"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "utf-8"
