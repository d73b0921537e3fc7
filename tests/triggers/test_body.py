import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.strict_json import canonical
from openrun.triggers.base import Arrival
from openrun.triggers.body import body_of, query_of
from openrun.triggers.refusals import MalformedBody, MalformedRequest, Refusal, UnsupportedBody

from .given import a_request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def typed(kind: str | None, body: bytes | str) -> Arrival:
    return a_request(body, {} if kind is None else {"Content-Type": kind})


def malformed(kind: str | None, body: bytes | str) -> MalformedBody:
    with pytest.raises(MalformedBody) as caught:
        body_of(typed(kind, body))
    return caught.value


@pytest.mark.parametrize(
    "kind",
    [JSON, "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"', "application/vnd.github+json", "text/json+json"],
)  # fmt: skip
def test_json_types_are_json(kind: str) -> None:
    assert body_of(typed(kind, '{"a": [1, 2.5, null, "ä"]}')) == {"a": [1, 2.5, None, "ä"]}


@pytest.mark.parametrize(
    "kind", [JSON, FORM, "text/plain", "image/png", "multipart/form-data; boundary=x", None]
)
def test_an_empty_body_is_null(kind: str | None) -> None:
    assert body_of(typed(kind, "")) is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b"[Infinity]", "Infinity is not a JSON number"),
        (b"[1e999]", "too large"),
        (b'{"a": 1, "a": 2}', "duplicate key 'a'"),
        (b'"\\ud800"', "lone surrogate"),
        (b'{"\\udfff": 1}', "lone surrogate"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 levels"),
        (b"[" * 50_000, "nested deeper than 64 levels"),
        (b'{"a":' * 50_000, "nested deeper than 64 levels"),
        (b"1" * 5_000, "larger than 4,096 bits"),
        (b'{"a": 1,}', "line 1, column 9"),
        (b'{\n "a" 1}', "line 2, column 6"),
        (b"\x00", "line 1, column 1"),
        (b"   ", "line 1, column"),
        (b"{'a': 1}", "line 1, column 2"),
        (b"{} {}", "line 1, column 4"),
    ],
)
def test_bad_json_is_refused_with_its_place(body: bytes, reason: str) -> None:
    refused = malformed(JSON, body)
    assert reason in str(refused)
    assert (refused.status, refused.code) == (400, "INVALID_JSON")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, b"[" + b"1," * 100_001 + b"1]"),
        (JSON, b'"' + b"a" * 2_000_001 + b'"'),
        ("text/plain", b"a" * 2_000_001),
        (FORM, b"a=" + b"a" * 2_000_001),
        ("application/octet-stream", b"\xff" * 1_600_000),
        (None, b"a" * 2_000_001),
    ],
)
def test_a_value_that_no_run_could_keep_is_refused_as_too_large(kind: str | None, body: bytes) -> None:
    refused = malformed(kind, body)
    assert (refused.status, refused.code) == (413, "VALUE_TOO_LARGE")


def test_a_form_is_an_object_and_a_repeated_name_has_a_list() -> None:
    form = "a=1&b=x+y&a=2&c=&d&%C3%A4=%26%3D&a=&&=e"
    expected = {"a": ["1", "2", ""], "b": "x y", "c": "", "d": "", "ä": "&=", "": "e"}
    assert body_of(typed(FORM, form)) == expected
    assert body_of(typed(f"{FORM}; charset=UTF-8", form)) == expected
    assert query_of(form) == expected


@pytest.mark.parametrize("form", [b"a=%ff", b"%C3=1", b"a=%ED%A0%80", b"a=\xff"])
def test_a_form_that_is_not_utf8_is_refused(form: bytes) -> None:
    assert str(malformed(FORM, form)) == "the form cannot be read: it is not UTF-8"


@pytest.mark.parametrize("query", ["a=%ff", "%C3=1", "a=\udcff"])
def test_a_query_that_is_not_utf8_is_refused(query: str) -> None:
    with pytest.raises(MalformedRequest, match="the query cannot be read: it is not UTF-8"):
        query_of(query)


def test_a_form_and_a_query_have_a_thousand_fields_at_most() -> None:
    fields = "&".join(["a=1"] * 1_000)
    assert len(query_of(fields)["a"]) == 1_000
    with pytest.raises(MalformedRequest, match="more than 1,000 fields"):
        query_of(fields + "&")
    assert "more than 1,000 fields" in str(malformed(FORM, fields + "&"))


def test_an_escape_that_is_none_stays_as_it_is() -> None:
    assert query_of("a=100%&b=%zz") == {"a": "100%", "b": "%zz"}


def test_text_is_text() -> None:
    assert body_of(typed("text/plain", '{"a": 1}')) == '{"a": 1}'
    assert body_of(typed("text/csv; header=present; charset=us-ascii", "a,b")) == "a,b"
    assert "not UTF-8 at byte 1" in str(malformed("text/html", b"a\xff"))


def test_other_types_are_text_if_they_can_be_and_base64_if_not() -> None:
    assert body_of(typed("application/xml", "<ä/>")) == "<ä/>"
    assert body_of(typed("application/octet-stream", "1")) == "1"
    assert body_of(typed("image/png", b"\x89PNG")) == base64.b64encode(b"\x89PNG").decode()
    assert body_of(typed("odd", b"\xff")) == "/w=="


def test_without_a_type_it_is_json_or_text_or_base64() -> None:
    assert body_of(typed(None, '{"a": 1}')) == {"a": 1}
    assert body_of(typed("", "[1]")) == [1]
    assert body_of(typed(None, "12")) == 12
    assert body_of(typed(None, '{"a": NaN}')) == '{"a": NaN}'
    assert body_of(typed(None, b"\xff")) == "/w=="


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("multipart/form-data; boundary=x", "multipart/form-data bodies are not taken; send JSON"),
        ("Multipart/Mixed", "multipart/mixed bodies are not taken"),
        ("application/json; charset=latin-1", "charset 'latin-1' is not taken; send UTF-8"),
        ("text/plain; a=b; Charset = utf-16", "charset 'utf-16' is not taken"),
        ("text/plain; charset=", "charset '' is not taken"),
    ],
)
def test_types_and_charsets_that_are_not_taken_are_unsupported(kind: str, reason: str) -> None:
    with pytest.raises(UnsupportedBody, match=reason) as caught:
        body_of(typed(kind, "x"))
    assert caught.value.status == 415


def test_two_content_types_are_none() -> None:
    both = Arrival(
        method="POST",
        raw_path="/",
        headers=(("Content-Type", JSON), ("content-type", "text/plain")),
        body=b"1",
        received_at=0,
    )
    with pytest.raises(UnsupportedBody, match="more than once"):
        body_of(both)


KINDS = st.sampled_from([JSON, FORM, "text/plain", "image/png", None, "", ";", "multipart/x"]) | st.text(
    max_size=12
)
BODIES: st.SearchStrategy[Any] = st.binary(max_size=60) | st.text(max_size=30).map(str.encode)


@given(KINDS, BODIES, st.text(max_size=30))
def test_whatever_comes_is_json_data_or_refused(kind: str | None, body: bytes, query: str) -> None:
    try:
        value = [body_of(typed(kind, body)), query_of(query)]
    except Refusal:
        return
    assert json.loads(canonical(value)) == value
