"""The sender's own name for a delivery, by which repetitions are known."""

import re

from openrun.core.types import Json
from openrun.steps.triggers.signature import GitHubSignature, SlackSignature, StripeSignature
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.triggers.base import Arrival
from openrun.triggers.refusals import MalformedRequest

IDEMPOTENCY_HEADER = "Idempotency-Key"
LONGEST = 256

_VISIBLE = re.compile(r"[!-~]+")
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"[ \t]*(?:;.*)?')
_ESCAPED = re.compile(r'\\(["\\])')


def id_in_headers(arrival: Arrival, config: TriggerWebhookConfig) -> str | None:
    """The id in the header that the scheme or the config names, else in `Idempotency-Key`, else None.

    Raises `MalformedRequest` for one that is repeated, longer than 256 characters or not of visible ASCII.
    """
    name = config.delivery_id_header
    if isinstance(config.proof(), GitHubSignature):
        name = "X-GitHub-Delivery"
    given = _one(arrival, name) if name is not None else None
    if given is not None and name is not None:
        return _checked(given, name)
    key = _one(arrival, IDEMPOTENCY_HEADER)
    return None if key is None else _checked(_unquoted(key), IDEMPOTENCY_HEADER)


def id_in_body(body: Json, config: TriggerWebhookConfig) -> str | None:
    """The id that the scheme's provider puts into the body, or None."""
    match config.proof():
        case StripeSignature():
            name = "id"
        case SlackSignature():
            name = "event_id"
        case _:
            return None
    given = body.get(name) if isinstance(body, dict) else None
    return _checked(given, name) if isinstance(given, str) else None


def _one(arrival: Arrival, name: str) -> str | None:
    values = arrival.values(name)
    if len(values) > 1:
        raise MalformedRequest(f"{name} is there more than once")
    return values[0].strip(" \t") if values else None


def _checked(given: str, name: str) -> str:
    if len(given) > LONGEST or _VISIBLE.fullmatch(given) is None:
        raise MalformedRequest(f"{name} has to be 1 to {LONGEST} visible ASCII characters")
    return given


def _unquoted(key: str) -> str:
    """A structured-field string is quoted (RFC 8941); a bare token is taken as well."""
    match = _QUOTED.fullmatch(key)
    return key if match is None else _ESCAPED.sub(r"\1", match[1])
