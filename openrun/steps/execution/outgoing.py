"""What a request step sends: query, body and content type, made of JSON values."""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from openrun.core.errors import JsonError, PermanentError
from openrun.core.kinds import kind_of
from openrun.core.strict_json import plain
from openrun.core.types import Json

JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
TEXT_TYPE = "text/plain; charset=utf-8"

_CONSTANTS = {True: "true", False: "false"}


def pairs(given: Mapping[str, Json], field: str) -> dict[str, list[str]]:
    """Each name with its texts: a list repeats its name, null leaves it out.

    Raises PermanentError (INVALID_REQUEST) for an object, or a list inside a list.
    """
    found: dict[str, list[str]] = {}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        texts = [_text(each, f"{field}.{name}") for each in values if each is not None]
        if texts:
            found[name] = texts
    return found


def encoded(body: Json, form: Mapping[str, Json] | None) -> tuple[bytes | None, str | None]:
    """The bytes to send, and their content type."""
    if form is not None:
        return urlencode(pairs(form, "form"), doseq=True).encode(), FORM_TYPE
    if body is None:
        return None, None
    try:
        if isinstance(body, str):
            return body.encode(), TEXT_TYPE
        return json.dumps(plain(body), ensure_ascii=False, separators=(",", ":")).encode(), JSON_TYPE
    except (JsonError, UnicodeEncodeError) as error:
        reason = str(error) if isinstance(error, JsonError) else "it has a lone surrogate"
        raise _invalid(f"the body cannot be sent: {reason}") from None


def _text(value: Json, place: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return _CONSTANTS[value]
    if isinstance(value, int | float):
        return str(value)
    raise _invalid(f"{place} is {kind_of(value)}; text, numbers, booleans and lists of those can be sent")


def _invalid(message: str) -> PermanentError:
    return PermanentError(message, code="INVALID_REQUEST")
