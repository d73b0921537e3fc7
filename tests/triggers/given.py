"""Webhooks and requests to them, and signing as the documentation of each provider says: with none of our own code."""

import base64
import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from openrun.steps.triggers import TriggerWebhookConfig
from openrun.triggers.base import Arrival, RunRequest
from openrun.triggers.routes import Endpoint
from openrun.triggers.webhook import Challenge, receive

NOW = 1_767_225_600
KEYS = {"new": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "old": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
"""Of a form that all schemes take."""

ALL_PARTS = {
    "scheme": "hmac",
    "header": "X-Signature",
    "signed": "{id}.{timestamp}.{body}",
    "timestamp_header": "X-Time",
    "id_header": "X-Id",
}


def an_endpoint(path: str = "/orders", **config: Any) -> Endpoint:
    fields = {key: config.pop(key) for key in ("namespace", "flow_id", "step_id") if key in config}
    return Endpoint(
        **{"flow_id": "shop", "step_id": "hook", **fields},
        version="v",
        config=TriggerWebhookConfig(path=path, **config),
    )


def a_request(body: bytes | str = b"", headers: dict[str, str] | None = None, **parts: Any) -> Arrival:
    raw = body.encode() if isinstance(body, str) else body
    given = {"method": "POST", "raw_path": "/orders", "remote": "192.0.2.7", "received_at": NOW, **parts}
    return Arrival(**given, headers=tuple((headers or {}).items()), body=raw)


def with_header(arrival: Arrival, name: str, value: str) -> Arrival:
    """The request with this header set to this value only."""
    others = [each for each in arrival.headers if each[0].lower() != name.lower()]
    return replace(arrival, headers=(*others, (name, value)))


def asked(endpoint: Endpoint, arrival: Arrival, **parameters: str) -> RunRequest:
    """The run that a request asks for."""
    outcome = answered(endpoint, arrival, **parameters)
    assert isinstance(outcome, RunRequest)
    return outcome


def answered(endpoint: Endpoint, arrival: Arrival, **parameters: str) -> RunRequest | Challenge:
    return receive(endpoint, parameters, arrival, KEYS, NOW)


def signed(scheme: str, arrival: Arrival, key: str = KEYS["new"], at: int = NOW) -> Arrival:
    """The request as a sender of this scheme sends it."""
    headers = _SIGNERS[scheme](key, arrival.body, at)
    return replace(arrival, headers=(*arrival.headers, *headers.items()))


def proving(scheme: str) -> dict[str, Any]:
    """The `signature` of a config that takes what `signed` makes, with both keys."""
    further: dict[str, dict[str, Any]] = {
        "hmac": ALL_PARTS,
        "header": {"name": "X-Shop-Key"},
        "basic": {"username": "shop"},
    }
    return {"scheme": scheme, "secrets": ["new", "old"], **further.get(scheme, {})}


def _standard(key: str, body: bytes, at: int) -> dict[str, str]:
    signature = Webhook(key).sign("msg_1", datetime.fromtimestamp(at, tz=UTC), body.decode())
    return {"webhook-id": "msg_1", "webhook-timestamp": str(at), "webhook-signature": signature}


def _github(key: str, body: bytes, _at: int) -> dict[str, str]:
    digest = hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Delivery": "72d3162e-cc78-11e3-81ab"}


def _stripe(key: str, body: bytes, at: int) -> dict[str, str]:
    digest = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={at},v1={digest},v0=6ffbb59b2300aae63f272406069a9788598b792a"}


def _slack(key: str, body: bytes, at: int) -> dict[str, str]:
    digest = hmac.new(key.encode(), b":".join((b"v0", str(at).encode(), body)), hashlib.sha256)
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": "v0=" + digest.hexdigest()}


def _hmac(key: str, body: bytes, at: int) -> dict[str, str]:
    digest = hmac.new(key.encode(), f"evt-1.{at}.".encode() + body, hashlib.sha256)
    return {"X-Id": "evt-1", "X-Time": str(at), "X-Signature": digest.hexdigest()}


def _header(key: str, _body: bytes, _at: int) -> dict[str, str]:
    return {"x-shop-key": key}


def _basic(key: str, _body: bytes, _at: int) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"shop:{key}".encode()).decode()}


_SIGNERS = {
    "standard": _standard,
    "github": _github,
    "stripe": _stripe,
    "slack": _slack,
    "hmac": _hmac,
    "header": _header,
    "basic": _basic,
}
SCHEMES = tuple(_SIGNERS)
TIMED = ("standard", "stripe", "slack", "hmac")
SIGNING = ("standard", "github", "stripe", "slack", "hmac")
