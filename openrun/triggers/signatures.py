"""Whether a request comes from who may send it: checked on the raw bytes, before anything else looks at them.

Each scheme makes two lists: what the request offers as proof, and what each active secret would make of it. Every one is
compared with every other, in constant time, and to the end. Texts are compared and not the bytes they stand for, so
that there is one spelling of a signature and no other.
"""

import base64
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import assert_never

from openrun.net.standard_webhooks import signing_key
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.signature import (
    BasicSecret,
    GitHubSignature,
    HeaderSecret,
    HmacSignature,
    Signature,
    SlackSignature,
    StandardSignature,
    StripeSignature,
)
from openrun.triggers.base import Arrival
from openrun.triggers.refusals import BadSignature, MissingSecret

MOST_SIGNATURES = 32

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_ID = re.compile(r"[!-~]{1,256}")


@dataclass(frozen=True, slots=True)
class _Proof:
    """What a request offers, and what a secret makes of the request; `signed_id` is the id of it that is signed."""

    offered: tuple[str, ...]
    made_with: Callable[[str], str]
    """Raises ValueError when the secret is of no use; its message goes on after the secret's name."""
    signed_id: str | None = None


def verify(signature: Signature, arrival: Arrival, secrets: Mapping[str, str], now: float) -> str | None:
    """The delivery's id where the signature covers one in a header, else None.

    `secrets` are values by name, `now` is in Unix seconds. Raises `BadSignature`; raises `MissingSecret` where nothing
    matched, and a secret that might have has no value or one of no use.
    """
    proof = _proof(signature, arrival, now)
    matched = False
    missing: MissingSecret | None = None
    for name in signature.secrets:
        try:
            made = _bytes(proof.made_with(_value(secrets.get(name))))
        except ValueError as error:
            missing = missing or MissingSecret(name, f"secret {name!r} {error}")
            continue
        for offered in proof.offered:
            matched |= hmac.compare_digest(_bytes(offered), made)
    if matched:
        return proof.signed_id
    raise missing or BadSignature("no signature matches any of the secrets")


def _value(given: str | None) -> str:
    # With an empty one anybody could sign, and a blank one is empty in a header.
    if not given or not given.strip():
        raise ValueError("has no value")
    return given


def _proof(signature: Signature, arrival: Arrival, now: float) -> _Proof:
    match signature:
        case StandardSignature():
            return _standard(signature, arrival, now)
        case GitHubSignature():
            return _github(arrival)
        case StripeSignature():
            return _stripe(signature, arrival, now)
        case SlackSignature():
            return _slack(signature, arrival, now)
        case HmacSignature():
            return _hmac(signature, arrival, now)
        case HeaderSecret():
            return _header(signature, arrival)
        case BasicSecret():
            return _basic(signature, arrival)
        case _:
            assert_never(signature)


def _standard(signature: StandardSignature, arrival: Arrival, now: float) -> _Proof:
    delivery = _id(arrival, "webhook-id", besides=".")
    timestamp = _timestamp(_one(arrival, "webhook-timestamp"), signature.tolerance_seconds, now)
    # Those of other versions may stand beside ours, and match nothing.
    offered = _bounded(_one(arrival, "webhook-signature").split(" "))
    signed = f"{delivery}.{timestamp}.".encode() + arrival.body

    def made_with(secret: str) -> str:
        return "v1," + _base64(hmac.digest(signing_key(secret), signed, "sha256"))

    return _Proof(tuple(offered), made_with, delivery)


def _github(arrival: Arrival) -> _Proof:
    offered = _one(arrival, "x-hub-signature-256")
    return _Proof((offered,), lambda secret: "sha256=" + _hex(secret, arrival.body))


def _stripe(signature: StripeSignature, arrival: Arrival, now: float) -> _Proof:
    header = _one(arrival, "stripe-signature")
    pairs = [part.strip(" ").partition("=") for part in _bounded(header.split(","))]
    times = [value for name, _, value in pairs if name == "t"]
    if len(times) != 1:
        raise BadSignature("stripe-signature needs one t=")
    timestamp = _timestamp(times[0], signature.tolerance_seconds, now)
    signed = f"{timestamp}.".encode() + arrival.body
    offered = tuple(value for name, _, value in pairs if name == "v1")
    return _Proof(offered, lambda secret: _hex(secret, signed))


def _slack(signature: SlackSignature, arrival: Arrival, now: float) -> _Proof:
    given = _one(arrival, "x-slack-request-timestamp")
    timestamp = _timestamp(given, signature.tolerance_seconds, now)
    signed = f"v0:{timestamp}:".encode() + arrival.body
    offered = _one(arrival, "x-slack-signature")
    return _Proof((offered,), lambda secret: "v0=" + _hex(secret, signed))


def _hmac(signature: HmacSignature, arrival: Arrival, now: float) -> _Proof:
    pieces = signature.parts()
    filled = {"body": arrival.body}
    if signature.timestamp_header is not None:
        given = _one(arrival, signature.timestamp_header)
        filled["timestamp"] = _timestamp(given, signature.tolerance_seconds, now).encode()
    delivery = None
    if signature.id_header is not None:
        # An id with a mark of `signed` in it could be read as a shorter one and the beginning of what follows.
        delivery = _id(arrival, signature.id_header, besides="".join(pieces[2:-1:2]))
        filled["id"] = delivery.encode()
    signed = b"".join(filled[each] if at % 2 else each.encode() for at, each in enumerate(pieces))

    def made_with(secret: str) -> str:
        digest = hmac.digest(_bytes(secret), signed, signature.algorithm)
        return signature.prefix + (digest.hex() if signature.encoding == "hex" else _base64(digest))

    offered = _one(arrival, signature.header)
    if signature.encoding == "hex":
        start = len(signature.prefix)
        offered = offered[:start] + offered[start:].lower()
    return _Proof((offered,), made_with, delivery)


def _header(signature: HeaderSecret, arrival: Arrival) -> _Proof:
    # What goes over the wire has no spaces at its ends.
    return _Proof((_one(arrival, signature.name),), lambda secret: f"{signature.prefix}{secret}".strip(" \t"))


def _basic(signature: BasicSecret, arrival: Arrival) -> _Proof:
    scheme, _, offered = _one(arrival, "authorization").partition(" ")
    if scheme.lower() != "basic":
        raise BadSignature("authorization is not of the kind Basic")
    return _Proof((offered.strip(" "),), lambda secret: _base64(_bytes(f"{signature.username}:{secret}")))


def _one(arrival: Arrival, name: str) -> str:
    """The value of a header that has to be there once: of two, another reader might take the other."""
    values = arrival.values(name)
    if len(values) != 1:
        raise BadSignature(f"header {name.lower()} is there {len(values)} times, not once")
    return values[0].strip(" \t")


def _id(arrival: Arrival, name: str, *, besides: str) -> str:
    value = _one(arrival, name)
    if _ID.fullmatch(value) is None or any(mark in value for mark in besides):
        raise BadSignature(f"header {name.lower()} is no id")
    return value


def _timestamp(text: str, tolerance: float | str, now: float) -> str:
    if _TIMESTAMP.fullmatch(text) is None:
        raise BadSignature("the timestamp is not in Unix seconds")
    if abs(now - int(text)) > seconds_in(tolerance):
        raise BadSignature("the timestamp is too far from now")
    return text


def _bounded(parts: list[str]) -> list[str]:
    if len(parts) > MOST_SIGNATURES:
        raise BadSignature(f"there are more than {MOST_SIGNATURES} signatures")
    return parts


def _hex(secret: str, signed: bytes) -> str:
    return hmac.digest(_bytes(secret), signed, "sha256").hex()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
