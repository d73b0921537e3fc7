"""Signing what is sent out, as Standard Webhooks 1.0 has it."""

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence

_PREFIX = "whsec_"
_OF_OTHER_KINDS = ("whsk_", "whpk_")


def signed_headers(delivery: str, timestamp: int, body: bytes, secrets: Sequence[str]) -> Mapping[str, str]:
    """The headers of a delivery of this id at this Unix second: a signature for each secret, and none without.

    Raises ValueError for an id with a full stop, and for a secret that is none; it goes on after the secret's name.
    """
    if "." in delivery:
        # It could be read as a shorter id, and the beginning of a timestamp.
        raise ValueError(f"the id {delivery!r} has a full stop")
    headers = {"webhook-id": delivery, "webhook-timestamp": str(timestamp)}
    signed = f"{delivery}.{timestamp}.".encode() + body
    made = (hmac.digest(signing_key(each), signed, "sha256") for each in secrets)
    signatures = " ".join(f"v1,{base64.b64encode(each).decode()}" for each in made)
    return {**headers, "webhook-signature": signatures} if signatures else headers


def signing_key(secret: str) -> bytes:
    """The key of a secret such as "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw". Raises ValueError as `signed_headers` does."""
    if secret.startswith(_OF_OTHER_KINDS):
        raise ValueError("is an ed25519 key, which are not supported; use one that begins with 'whsec_'")
    text = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError("is not base64 after 'whsec_', as secrets of Standard Webhooks are")
    return key
