import gzip
import hashlib
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.strict_json import canonical
from openrun.steps.triggers import TriggerWebhook
from openrun.triggers.base import Delivery, RunRequest
from openrun.triggers.refusals import (
    BadSignature,
    BodyTooLarge,
    InvalidInput,
    MalformedBody,
    MalformedRequest,
    Refusal,
)
from openrun.triggers.webhook import Challenge

from .given import KEYS, NOW, SCHEMES, a_request, an_endpoint, answered, asked, proving, signed, with_header

JSON = {"Content-Type": "application/json"}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_a_request_becomes_a_run_that_is_asked_for() -> None:
    endpoint = an_endpoint("/users/{user}", namespace="acme", flow_id="greet", step_id="in")
    arrival = a_request('{"a": 1}', JSON, raw_path="/users/ada", query="q=1&q=2", method="PUT")
    digest = hashlib.sha256(b'{"a": 1}').hexdigest()
    assert asked(endpoint, arrival, user="ada") == RunRequest(
        namespace="acme",
        flow="greet",
        trigger="in",
        payload={
            "body": {"a": 1},
            "query": {"q": ["1", "2"]},
            "path": {"user": "ada"},
            "headers": {"content-type": "application/json"},
            "method": "PUT",
        },
        key=None,
        # Kept for days: it must not change from one release to the next.
        fingerprint="635d08a47a01cc32d2c1d5339bb59f57a046181a5f867ab0fb05bcd08b427487",
        keep_seconds=604_800,
        delivery=Delivery(method="PUT", path="/users/ada", digest=digest, size=8, remote="192.0.2.7"),
    )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_trigger_takes_the_payload_and_no_secret_is_in_it(scheme: str) -> None:
    endpoint = an_endpoint(signature=proving(scheme))
    run = asked(endpoint, signed(scheme, a_request('{"a": "b"}', JSON)))
    trigger = TriggerWebhook(config=endpoint.config)
    assert trigger.payload(run.payload) == run.payload
    assert KEYS["new"] not in canonical(dict(run.payload))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_nothing_is_read_before_the_caller_is_known(scheme: str) -> None:
    broken = signed(scheme, a_request("{", {**JSON, "Idempotency-Key": "a b"}, query="%ff"))
    with pytest.raises(MalformedRequest):
        answered(an_endpoint(signature=proving(scheme)), broken)
    with pytest.raises(BadSignature):
        answered(an_endpoint(signature=proving(scheme)), a_request("{", {**JSON, "Idempotency-Key": "a b"}))


@pytest.mark.parametrize(
    ("scheme", "body", "delivery"),
    [
        ("standard", "{}", "msg_1"),
        ("github", "{}", "72d3162e-cc78-11e3-81ab"),
        ("stripe", '{"id": "evt_1"}', "evt_1"),
        ("slack", '{"event_id": "Ev1"}', "Ev1"),
        ("hmac", "{}", "evt-1"),
        ("header", "{}", "own"),
        ("basic", "{}", "own"),
    ],
)
def test_two_deliveries_with_the_same_id_are_one_run(scheme: str, body: str, delivery: str) -> None:
    endpoint = an_endpoint(signature=proving(scheme), namespace="acme")
    arrival = a_request(body, {**JSON, "Idempotency-Key": "own"})
    first = asked(endpoint, signed(scheme, arrival))
    again = asked(endpoint, signed(scheme, replace(arrival, remote="192.0.2.8"), at=NOW + 9))
    assert first.key == again.key == f"hook:acme:shop:hook:{delivery}"
    assert first.fingerprint == again.fingerprint
    assert first.delivery is not None
    assert first.delivery.delivery_id == delivery


def test_deliveries_without_an_id_are_runs_of_their_own() -> None:
    for scheme in ("stripe", "slack", "header", "basic"):
        run = asked(an_endpoint(signature=proving(scheme)), signed(scheme, a_request("{}", JSON)))
        assert run.key is None
    assert asked(an_endpoint(), a_request()).key is None


CHANGES: list[dict[str, Any]] = [
    {"method": "PUT"},
    {"raw_path": "/orders/"},
    {"query": "a=1"},
    {"query": "a="},
    {"body": b"[2]"},
    {"body": b"a=[1]"},
    # The same bytes, cut elsewhere.
    {"raw_path": "/order", "query": "s"},
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_repetition_is_equal_in_method_path_query_and_body(change: dict[str, Any]) -> None:
    arrival = a_request("[1]")
    fingerprint = asked(an_endpoint(), arrival).fingerprint
    assert asked(an_endpoint(), replace(arrival, **change)).fingerprint != fingerprint
    assert asked(an_endpoint(), with_header(arrival, "X-Time", "2")).fingerprint == fingerprint


def test_a_provider_that_names_its_events_may_tell_more_of_one_the_second_time() -> None:
    endpoint = an_endpoint(signature=proving("stripe"))
    bodies = (
        '{"id": "evt_1", "pending_webhooks": 2}',
        '{"id": "evt_1", "pending_webhooks": 1}',
        '{"id": "evt_2"}',
    )
    one, again, other = (asked(endpoint, signed("stripe", a_request(body, JSON))) for body in bodies)
    assert one.fingerprint == again.fingerprint != other.fingerprint


SCHEMA = {
    "type": "object",
    "required": ["amount"],
    "properties": {"amount": {"type": "number"}, "a/b": {"type": "string"}},
}


def test_a_body_that_does_not_fit_the_schema_is_refused_with_all_its_faults() -> None:
    endpoint = an_endpoint(input_schema=SCHEMA)
    with pytest.raises(InvalidInput) as caught:
        asked(endpoint, a_request('{"amount": "five", "a/b": 7}', JSON))
    assert {pointer for pointer, _ in caught.value.faults} == {"/a~1b", "/amount"}
    assert "in 2 places" in str(caught.value)
    assert "five" not in repr(caught.value.faults)
    with pytest.raises(InvalidInput, match=r"in 1 place$") as missing:
        asked(endpoint, a_request("{}", JSON))
    assert missing.value.faults == (("", '"amount" is a required property'),)
    assert asked(endpoint, a_request('{"amount": 5}', JSON)).payload["body"] == {"amount": 5}


@pytest.mark.parametrize("body", ["", "null", "[]", '"x"'])
def test_a_schema_is_held_against_any_body(body: str) -> None:
    with pytest.raises(InvalidInput):
        asked(an_endpoint(input_schema=SCHEMA), a_request(body, JSON))


CHALLENGE = '{"type": "url_verification", "token": "t", "challenge": "3eZbrw1aB10FEMAGAZd4F"}'


def test_slack_is_answered_with_its_challenge() -> None:
    endpoint = an_endpoint(signature=proving("slack"), input_schema=SCHEMA)
    assert answered(endpoint, signed("slack", a_request(CHALLENGE, JSON))) == Challenge(
        "3eZbrw1aB10FEMAGAZd4F"
    )
    with pytest.raises(BadSignature):
        answered(endpoint, a_request(CHALLENGE, JSON))


@pytest.mark.parametrize(
    "body",
    [
        '{"type": "url_verification"}',
        '{"type": "url_verification", "challenge": 7}',
        '{"type": "url_verification", "challenge": "' + "x" * 1_001 + '"}',
        '{"type": "event_callback", "challenge": "x"}',
        '["url_verification"]',
    ],
)
def test_anything_else_that_slack_sends_starts_a_run(body: str) -> None:
    endpoint = an_endpoint(signature=proving("slack"))
    assert isinstance(answered(endpoint, signed("slack", a_request(body, JSON))), RunRequest)


def test_a_challenge_of_anybody_else_starts_a_run() -> None:
    assert isinstance(answered(an_endpoint(), a_request(CHALLENGE, JSON)), RunRequest)


def test_the_callers_trace_is_taken_along() -> None:
    run = asked(an_endpoint(), a_request(headers={"Traceparent": TRACE, "TraceState": "a=1"}))
    assert (run.traceparent, run.tracestate) == (TRACE, "a=1")
    one = a_request(headers={"traceparent": TRACE, "tracestate": "a=1"})
    several = replace(one, headers=(*one.headers, ("tracestate", "b=2")))
    assert asked(an_endpoint(), several).tracestate == "a=1,b=2"
    twice = replace(one, headers=(*one.headers, ("traceparent", TRACE)))
    assert asked(an_endpoint(), twice).traceparent is None


def test_a_trace_that_is_none_is_no_reason_to_refuse() -> None:
    run = asked(an_endpoint(), a_request(headers={"traceparent": "00-0-0-0", "tracestate": "a=1"}))
    assert (run.traceparent, run.tracestate) == (None, None)


def test_a_refusal_knows_its_status_and_tells_the_caller_nothing_of_secrets() -> None:
    statuses = {kind.__name__: kind.status for kind in Refusal.__subclasses__()}
    assert statuses == {
        "BadSignature": 401,
        "MissingSecret": 503,
        "MalformedRequest": 400,
        "UnsupportedBody": 415,
        "InvalidInput": 422,
    }
    assert (MalformedBody.status, BodyTooLarge.status) == (400, 413)


def test_values_that_are_handed_over_cannot_change() -> None:
    arrival = a_request()
    with pytest.raises(AttributeError):
        arrival.body = b"x"  # type: ignore[misc]
    assert {field.name for field in fields(arrival)} >= {"method", "raw_path", "query", "headers", "body"}


TEXT = st.text(max_size=12)
HEADERS = st.dictionaries(
    st.sampled_from(["Content-Type", "Idempotency-Key", "traceparent", "tracestate", "X-Any", "Cookie"]),
    TEXT,
    max_size=4,
)


@given(st.binary(max_size=30), HEADERS, TEXT, st.sampled_from(SCHEMES))
def test_whatever_comes_is_a_run_or_a_refusal(
    body: bytes, headers: dict[str, str], query: str, scheme: str
) -> None:
    arrival = a_request(body, headers, query=query)
    for endpoint in (an_endpoint(), an_endpoint(signature=proving(scheme), input_schema=SCHEMA)):
        try:
            canonical(dict(asked(endpoint, arrival).payload))
        except Refusal as refused:
            assert 400 <= refused.status < 500  # noqa: PT017 (each kind of refusal is fine)


@pytest.mark.parametrize("scheme", ["github", "stripe", "slack", "hmac"])
def test_a_compressed_body_is_signed_as_it_was_sent_and_read_as_it_was_meant(scheme: str) -> None:
    endpoint = an_endpoint(signature=proving(scheme), input_schema=SCHEMA)
    plain = b'{"amount": 5}'
    packed = [gzip.compress(plain, mtime=seconds) for seconds in (1, 2)]
    arrivals = [signed(scheme, a_request(body, JSON, decoded=plain)) for body in packed]
    one, again = (asked(endpoint, arrival) for arrival in arrivals)
    assert one.payload["body"] == {"amount": 5}
    assert one.fingerprint == again.fingerprint
    assert one.delivery is not None
    assert (one.delivery.size, one.delivery.digest) == (len(packed[0]), hashlib.sha256(packed[0]).hexdigest())
    with pytest.raises(BadSignature):
        asked(endpoint, replace(arrivals[0], body=plain))
    assert asked(an_endpoint(), a_request(gzip.compress(b""), JSON, decoded=b"")).payload["body"] is None
