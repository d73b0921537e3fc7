"""The front door: from a request that has found its webhook to a run that is asked for.

The order matters. What proves the caller is checked on the raw bytes before anything reads them; nothing that comes
after can be reached by someone who may not call.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openrun.core.types import Json
from openrun.net import trace_context
from openrun.steps.form import check_form
from openrun.steps.triggers.signature import SlackSignature
from openrun.triggers.base import Arrival, Delivery, RunRequest
from openrun.triggers.body import body_of, query_of
from openrun.triggers.delivery_id import id_in_body, id_in_headers
from openrun.triggers.headers import shown_headers
from openrun.triggers.refusals import InvalidInput
from openrun.triggers.routes import Endpoint
from openrun.triggers.signatures import verify

_CHALLENGE_LENGTH = 1_000
_WORK = 2_000_000
"""What a check may take: a tenth of a second, for others wait meanwhile."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Answered at once with its text, and starts no run: how Slack asks whether somebody listens."""

    text: str


def receive(
    endpoint: Endpoint,
    path_params: Mapping[str, str],
    arrival: Arrival,
    secrets: Mapping[str, str],
    now: float,
) -> RunRequest | Challenge:
    """The run that a request asks for; `secrets` are values by name, `now` is in Unix seconds.

    Raises `BadSignature`, `MissingSecret`, `MalformedRequest` (and its `MalformedBody`), `UnsupportedBody` and
    `InvalidInput`: all of them a `Refusal`, which knows its HTTP status.
    """
    config = endpoint.config
    proof = config.proof()
    signed_id = None if proof is None else verify(proof, arrival, secrets, now)
    header_id = signed_id or id_in_headers(arrival, config)
    body = body_of(arrival)
    challenge = _challenge(body) if isinstance(proof, SlackSignature) else None
    if challenge is not None:
        return challenge
    body_id = id_in_body(body, config)
    query = query_of(arrival.query)
    faults = [] if config.input_schema is None else check_form(config.input_schema, body, work=_WORK)
    if faults:
        raise InvalidInput(tuple(faults))
    delivery_id = body_id or header_id
    trace = trace_context.parse(_joined(arrival, "traceparent"), _joined(arrival, "tracestate"))
    return RunRequest(
        namespace=endpoint.namespace,
        flow=endpoint.flow_id,
        trigger=endpoint.step_id,
        payload={
            "body": body,
            "query": query,
            "path": dict(path_params),
            "headers": shown_headers(arrival, config),
            "method": arrival.method,
        },
        key=_key(endpoint, delivery_id),
        fingerprint=_fingerprint(arrival, body_id),
        traceparent=None if trace is None else trace.traceparent,
        tracestate=None if trace is None else trace.tracestate,
        delivery=_delivery(arrival, delivery_id),
    )


def _challenge(body: Json) -> Challenge | None:
    if not isinstance(body, dict) or body.get("type") != "url_verification":
        return None
    text = body.get("challenge")
    return Challenge(text) if isinstance(text, str) and len(text) <= _CHALLENGE_LENGTH else None


def _joined(arrival: Arrival, name: str) -> str | None:
    return ",".join(arrival.values(name)) or None


def _key(endpoint: Endpoint, delivery_id: str | None) -> str | None:
    if delivery_id is None:
        return None
    return f"hook:{endpoint.namespace}:{endpoint.flow_id}:{endpoint.step_id}:{delivery_id}"


def _fingerprint(arrival: Arrival, body_id: str | None) -> str:
    # Of headers a repetition has others. A provider that names its events in the body may tell more of one the
    # second time, such as how often it was sent before.
    # A body that is compressed anew is the same body.
    body = arrival.body if arrival.decoded is None else arrival.decoded
    said = body if body_id is None else body_id.encode()
    return _digest((_bytes(arrival.method), _bytes(arrival.raw_path), _bytes(arrival.query), said))


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        # With its length, so that no two requests run into each other.
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def _delivery(arrival: Arrival, delivery_id: str | None) -> Delivery:
    return Delivery(
        method=arrival.method,
        path=arrival.raw_path,
        delivery_id=delivery_id,
        digest=hashlib.sha256(arrival.body).hexdigest(),
        size=len(arrival.body),
        remote=arrival.remote,
    )


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
