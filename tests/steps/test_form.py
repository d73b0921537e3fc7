"""Forms are filled in by people and may be written by anybody."""

import socket
from pathlib import Path
from typing import Any

import pytest

from openrun.steps.form import FORM_BYTES, check_form, form_fault

AMOUNT: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/amount",
    "type": "object",
    "properties": {
        "amount": {"$ref": "#/$defs/money"},
        "when/where": {"type": "string", "format": "date"},
        "code": {"type": "string", "pattern": r"^\d{4}-\w{1,50}$"},
    },
    "required": ["amount"],
    "additionalProperties": False,
    "$defs": {"money": {"type": "number", "exclusiveMinimum": 0, "maximum": 500}},
}


def doubling(levels: int) -> dict[str, Any]:
    """A few hundred bytes that unfold into 2 ** levels parts."""
    parts: dict[str, Any] = {
        f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)
    }
    return {"$ref": "#/$defs/a0", "$defs": {**parts, f"a{levels}": {"type": "string"}}}


def nested(word: str, levels: int, **beside: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"properties": {"a": {}}}
    for _ in range(levels):
        schema = {word: [schema], **beside}
    return schema


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> None:
        raise AssertionError("a form was about to be fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("schema", [{}, True, False, AMOUNT, {"type": ["string", "null"]}, doubling(3)])
def test_a_schema_of_bounded_size_is_a_form(schema: Any) -> None:
    assert form_fault(schema) is None


@pytest.mark.parametrize(
    "value", [{"amount": 1}, {"amount": 500, "code": "2030-x", "when/where": "2030-01-31"}]
)
def test_a_value_that_fits_has_no_faults(value: Any) -> None:
    assert check_form(AMOUNT, value) == []


def test_all_faults_of_a_value_are_told_at_once_with_their_places() -> None:
    found = check_form(AMOUNT, {"amount": 900, "when/where": "soon", "code": "x", "z": 1})
    assert {pointer for pointer, _ in found} == {"/amount", "/when~1where", "/code", ""}
    assert ("/amount", "the value is greater than the maximum of 500") in found
    assert check_form(AMOUNT, {}) == [("", '"amount" is a required property')]


def test_nothing_fits_false() -> None:
    assert len(check_form(False, 1)) == 1


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (None, "an object or a boolean, not null"),
        ("{}", "an object or a boolean, not text"),
        ([], "an object or a boolean, not a list"),
        ({"type": "strin"}, "(at /type)"),
        ({"minimum": "many"}, 'is not of type "number"'),
        ({"const": object()}, "not JSON data"),
        ({"$ref": "#/$defs/nope"}, "the form has no part '#/$defs/nope'"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "2020-12"),
        ({"allOf": [{"$id": "https://example.com/other"}]}, "`$id` has no place"),
        ({"allOf": [{"$schema": "http://json-schema.org/draft-04/schema#"}]}, "`$schema` has no place"),
        ({"$dynamicRef": "#node"}, "`$dynamicRef` has no place"),
        ({"description": "x" * FORM_BYTES}, "larger than 65,536 bytes"),
        ({"anyOf": [{"pattern": f"^{n}$"} for n in range(101)]}, "more than 100 patterns"),
        ({"patternProperties": {f"^{n}$": {} for n in range(101)}}, "more than 100 patterns"),
    ],
)
def test_what_is_no_form_is_told_why(schema: Any, reason: str) -> None:
    fault = form_fault(schema)
    assert fault is not None
    assert reason in fault
    assert check_form(schema, {}) == [("", fault)]


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize(
    "reference",
    ["http://127.0.0.1:9/form", "https://example.com/form#/a", "//example.com/form", "other.json", "#anchor"],
)
def test_a_form_never_refers_to_anything_outside_itself(reference: str) -> None:
    for schema in ({"$ref": reference}, {"$defs": {"unused": {"items": {"$ref": reference}}}}):
        assert "refers only to its own parts" in str(form_fault(schema))
        assert check_form(schema, 1) != []


def test_a_form_never_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "any.json"
    path.write_text("true")
    assert "refers only to its own parts" in str(form_fault({"$ref": path.as_uri()}))
    assert check_form({"$ref": path.as_uri()}, 1) != []


@pytest.mark.usefixtures("_no_network")
def test_an_id_does_not_make_a_reference_a_remote_one() -> None:
    schema = {
        "$id": "https://json-schema.org/draft/2020-12/schema",
        "$ref": "#/$defs/whole",
        "$defs": {"whole": {"type": "integer"}},
    }
    assert form_fault(schema) is None
    assert check_form(schema, 1) == []
    assert check_form(schema, "one") != []


def test_a_pattern_never_backtracks() -> None:
    assert check_form({"pattern": "^(a+)+$"}, "a" * 100_000 + "b") != []


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(", "(?:(?:a{1000}){1000}){1000}"])
def test_a_pattern_that_cannot_be_matched_in_linear_time_is_refused(pattern: str) -> None:
    assert "regex" in str(form_fault({"pattern": pattern}))
    assert "regex" in str(form_fault({"patternProperties": {pattern: {}}}))


def test_text_too_long_for_the_patterns_is_refused() -> None:
    form = {"allOf": [{"pattern": "[01]*1[01]{900}2"}] * 10}
    assert check_form(form, "01" * 20_000) == [("", "the value is too large to be checked against its form")]


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"not": {"$ref": "#"}},
        {"properties": {"next": {"$ref": "#"}}},
        {"properties": {"$defs": {"allOf": [{"$ref": "#/properties/$defs"}] * 2}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    ],
)
def test_a_form_that_refers_to_itself_is_refused(schema: Any) -> None:
    assert "refers to itself" in str(form_fault(schema))


@pytest.mark.parametrize("levels", [16, 20, 400])
def test_a_form_that_unfolds_without_bound_is_refused(levels: int) -> None:
    assert "with its references followed" in str(form_fault(doubling(levels)))


@pytest.mark.parametrize("word", ["unevaluatedProperties", "unevaluatedItems"])
def test_what_multiplies_the_work_is_allowed_a_few_times_only(word: str) -> None:
    assert form_fault(nested("allOf", 3, **{word: False})) is None
    assert "more than 3 times" in str(form_fault(nested("oneOf", 20, **{word: False})))


def test_a_form_nested_too_deeply_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5_000):
        schema = {"not": schema}
    assert "nested deeper than 64 levels" in str(form_fault(schema))


def test_messages_do_not_show_the_value() -> None:
    found = check_form({"type": "object", "required": ["a"]}, "x" * 1_000_000)
    assert found == [("", 'the value is not of type "object"')]
    long = check_form({"additionalProperties": False}, {"k" * 1_000_000: 1})
    assert all(len(message) <= 300 for _, message in long)


def test_no_more_than_a_hundred_faults_are_told() -> None:
    assert len(check_form({"items": {"type": "string"}}, list(range(5_000)))) == 100
    assert check_form({"allOf": [{"type": "string"}] * 50}, 1) == [("", 'the value is not of type "string"')]


def test_where_telling_would_take_too_long_only_that_it_does_not_fit_is_told() -> None:
    found = check_form({"items": {"allOf": [{"type": "string"}] * 100}}, list(range(5_000)))
    assert found == [("", "the value does not fit its form, and is too large to say where")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": object()}, "not JSON data"),
        ("x" * 3_000_000, "larger than"),
        ([[0] * 10] * 20_000, "more than 100,000 values"),
    ],
)
def test_a_value_that_is_no_bounded_json_does_not_fit(value: Any, reason: str) -> None:
    ((pointer, message),) = check_form(True, value)
    assert pointer == ""
    assert reason in message


def test_a_large_value_against_a_large_form_does_not_fit() -> None:
    form = {"items": {"allOf": [{"type": "integer"}] * 900}}
    assert check_form(form, list(range(90_000))) == [
        ("", "the value is too large to be checked against its form")
    ]
