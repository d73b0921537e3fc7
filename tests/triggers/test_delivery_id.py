from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.types import Json
from openrun.triggers.delivery_id import id_in_body, id_in_headers
from openrun.triggers.refusals import MalformedRequest

from .given import a_request, an_endpoint, proving

PLAIN = an_endpoint().config
GITHUB = an_endpoint(signature=proving("github")).config


def keyed(value: str) -> str | None:
    return id_in_headers(a_request(headers={"idempotency-key": value}), PLAIN)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ('"9f-1"', "9f-1"),
        ("9f-1", "9f-1"),
        ('  "a" ', "a"),
        ('"a"; x=1', "a"),
        (r'"a\"b\\c"', 'a"b\\c'),
        ("a;b", "a;b"),
        ('"' + "a" * 256 + '"', "a" * 256),
        # No structured-field string: taken to the letter, like any other token.
        ('"a', '"a'),
        (r'"a\b"', r'"a\b"'),
    ],
)
def test_an_idempotency_key_is_a_quoted_string_or_a_bare_token(value: str, key: str) -> None:
    assert keyed(value) == key


@pytest.mark.parametrize(
    "value", ["", '""', '"a b"', "a b", "ä", "a\x00", "a\udcff", "a" * 257, '"' + "a" * 257 + '"']
)
def test_an_id_is_up_to_256_visible_characters(value: str) -> None:
    with pytest.raises(MalformedRequest, match="Idempotency-Key has to be 1 to 256 visible ASCII characters"):
        keyed(value)


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=256))
def test_any_key_survives_being_quoted(key: str) -> None:
    assert keyed('"' + key.replace("\\", "\\\\").replace('"', '\\"') + '"') == key


@given(st.text(max_size=300))
def test_no_key_whatever_makes_it_fail(value: str) -> None:
    try:
        key = keyed(value)
    except MalformedRequest:
        return
    assert key is not None
    assert key.isascii()


def test_two_keys_are_refused() -> None:
    once = a_request(headers={"Idempotency-Key": "a"})
    with pytest.raises(MalformedRequest, match="Idempotency-Key is there more than once"):
        id_in_headers(replace(once, headers=once.headers * 2), PLAIN)


def test_the_schemes_own_header_comes_before_the_common_one() -> None:
    both = a_request(headers={"X-GitHub-Delivery": "gh", "Idempotency-Key": "key"})
    assert id_in_headers(both, GITHUB) == "gh"
    assert id_in_headers(both, PLAIN) == "key"
    assert id_in_headers(a_request(headers={"Idempotency-Key": "key"}), GITHUB) == "key"
    assert id_in_headers(a_request(), GITHUB) is None


def test_the_config_may_name_a_header() -> None:
    config = an_endpoint(delivery_id_header="X-Event-Id").config
    assert id_in_headers(a_request(headers={"x-event-id": "7", "Idempotency-Key": "key"}), config) == "7"
    assert id_in_headers(a_request(headers={"Idempotency-Key": "key"}), config) == "key"
    with pytest.raises(MalformedRequest, match="X-Event-Id has to be"):
        id_in_headers(a_request(headers={"x-event-id": "a b"}), config)


@pytest.mark.parametrize(
    ("scheme", "body", "found"),
    [
        ("stripe", {"id": "evt_1"}, "evt_1"),
        ("slack", {"event_id": "Ev1", "id": "x"}, "Ev1"),
        ("slack", {"id": "x"}, None),
        ("stripe", {"id": 7}, None),
        ("stripe", ["id"], None),
        ("stripe", None, None),
        ("github", {"id": "x", "event_id": "y"}, None),
    ],
)
def test_some_providers_put_the_id_into_the_body(scheme: str, body: Json, found: str | None) -> None:
    assert id_in_body(body, an_endpoint(signature=proving(scheme)).config) == found


@pytest.mark.parametrize("value", ["", "a b", "x" * 257, "ä"])
def test_an_id_in_the_body_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(MalformedRequest, match="id has to be 1 to 256"):
        id_in_body({"id": value}, an_endpoint(signature=proving("stripe")).config)
