from typing import Any

import pytest

from openrun.core.results import StepRunResult
from openrun.steps.execution import Operator, StepConditional, StepConditionalConfig
from openrun.steps.execution.pattern import compiled

from .given import error_of, output_of, ran, refusal

COSTLY = "(a|b)*a(a|b){200}c"


def comparing(left: Any, operator: Operator, right: Any = None) -> StepConditional:
    return StepConditional(id="if", config=StepConditionalConfig(left=left, operator=operator, right=right))


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (1, 1.0, True),
        (2**70, float(2**70), True),
        (1, 2, False),
        (1, True, False),
        (True, 1, False),
        (0, False, False),
        (0, None, False),
        (None, None, True),
        ("", None, False),
        ("1", 1, False),
        ("a", "a", True),
        (True, True, True),
        (True, False, False),
        ([1, {"a": 1}], [1.0, {"a": 1.0}], True),
        ([1], [True], False),
        ([1], [1, 1], False),
        ([1], 1, False),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1}, [1], False),
        ({"a": 1, "b": [None]}, {"b": [None], "a": 1}, True),
        (1, [1], False),
        ({}, {}, True),
        ([], {}, False),
    ],
)
async def test_values_are_equal_as_json(left: Any, right: Any, *, equal: bool) -> None:
    assert await output_of(comparing(left, "equals", right)) is equal
    assert await output_of(comparing(left, "not_equals", right)) is not equal


@pytest.mark.parametrize(
    ("left", "right", "order"),
    [(1, 2, -1), (2.5, 1, 1), (1, 1.0, 0), ("a", "b", -1), ("b", "a", 1), ("a", "a", 0)],
)
async def test_numbers_and_texts_have_an_order(left: Any, right: Any, order: int) -> None:
    assert await output_of(comparing(left, "greater_than", right)) is (order > 0)
    assert await output_of(comparing(left, "less_than", right)) is (order < 0)
    assert await output_of(comparing(left, "greater_or_equal", right)) is (order >= 0)
    assert await output_of(comparing(left, "less_or_equal", right)) is (order <= 0)


@pytest.mark.parametrize("operator", ["greater_than", "less_than", "greater_or_equal", "less_or_equal"])
@pytest.mark.parametrize(
    ("left", "right", "kinds"),
    [
        ("1", 1, "text and a number"),
        (None, 1, "null and a number"),
        (True, 1, "a boolean and a number"),
        (1, False, "a number and a boolean"),
        ([1], [2], "a list and a list"),
        ({}, "a", "an object and text"),
    ],
)
async def test_other_kinds_have_no_order(operator: Operator, left: Any, right: Any, kinds: str) -> None:
    error = await error_of(comparing(left, operator, right))
    assert error.code == "TYPE_MISMATCH"
    assert error.message.startswith(kinds)
    assert not error.retryable


@pytest.mark.parametrize(
    ("whole", "part", "held"),
    [
        ("hello", "ell", True),
        ("hello", "x", False),
        ("hello", "", True),
        ([1, 2], 1.0, True),
        ([1, 2], True, False),
        ([[1]], [1], True),
        ([], None, False),
        ({"a": 1}, "a", True),
        ({"a": 1}, "b", False),
    ],
)
async def test_texts_lists_and_objects_contain(whole: Any, part: Any, *, held: bool) -> None:
    assert await output_of(comparing(whole, "contains", part)) is held
    assert await output_of(comparing(whole, "not_contains", part)) is not held
    assert await output_of(comparing(part, "in", whole)) is held
    assert await output_of(comparing(part, "not_in", whole)) is not held


@pytest.mark.parametrize(
    ("whole", "part", "message"),
    [
        (None, "a", "null contains nothing; text, a list or an object does"),
        (5, 5, "a number contains nothing; text, a list or an object does"),
        (True, "a", "a boolean contains nothing; text, a list or an object does"),
        ("a1", 1, "text contains text, not a number"),
        ({"1": 1}, 1, "an object contains text, not a number"),
    ],
)
async def test_what_cannot_contain_is_an_error(whole: Any, part: Any, message: str) -> None:
    containing: tuple[Operator, ...] = ("contains", "not_contains")
    for operator in containing:
        error = await error_of(comparing(whole, operator, part))
        assert (error.code, error.message) == ("TYPE_MISMATCH", message)
    contained: tuple[Operator, ...] = ("in", "not_in")
    for operator in contained:
        assert (await error_of(comparing(part, operator, whole))).message == message


@pytest.mark.parametrize(
    ("value", "there"), [(None, False), (0, True), ("", True), (False, True), ([], True)]
)
async def test_what_is_not_null_exists(value: Any, *, there: bool) -> None:
    assert await output_of(comparing(value, "exists")) is there


@pytest.mark.parametrize(
    ("text", "pattern", "matched"),
    [
        ("order A-12", "[A-Z]-[0-9]+", True),
        ("order A-12", "^[A-Z]", False),
        ("Grüße", "^Gr.{2}e$", True),
        ("x", "", True),
        ("a\nb", "(?m)^b$", True),
        ("ABC", "(?i)abc", True),
    ],
)
async def test_a_pattern_is_searched_for_anywhere(text: str, pattern: str, *, matched: bool) -> None:
    assert await output_of(comparing(text, "matches", pattern)) is matched


async def test_only_text_is_matched() -> None:
    error = await error_of(comparing(5, "matches", "5"))
    assert (error.code, error.message) == (
        "TYPE_MISMATCH",
        "a pattern and text can be matched, not text and a number",
    )


INVALID = {
    "(": "missing )",
    "(?=x)": "invalid perl operator",
    "a{5000}": "invalid repetition size",
    "\\pL{200}": "pattern too large",
    "a" * 1_001: "longer than 1,000 characters",
    "(?:[a-cx-z]{90}){10}\\pL{8}": "too complex",
    "\ud800": "lone surrogate",
}


@pytest.mark.parametrize("pattern", INVALID)
async def test_an_invalid_pattern_is_an_error_and_a_fault(
    pattern: str, capfd: pytest.CaptureFixture[str]
) -> None:
    step = comparing("text", "matches", pattern)
    error = await error_of(step)
    assert error.code == "INVALID_PATTERN"
    assert INVALID[pattern] in error.message
    [(pointer, message)] = step.faults()
    assert (pointer, message) == ("/config/right", error.message)
    assert capfd.readouterr().err == ""


async def test_a_costly_pattern_searches_short_texts_only(capfd: pytest.CaptureFixture[str]) -> None:
    assert await output_of(comparing("ab" * 1_000, "matches", COSTLY)) is False
    error = await error_of(comparing("ab" * 500_000, "matches", COSTLY))
    assert error.code == "INVALID_PATTERN"
    assert "too costly for a text of 1,000,000 characters" in error.message
    assert capfd.readouterr().err == ""


def test_patterns_are_kept() -> None:
    assert compiled("a+") is compiled("a+")


def test_a_pattern_that_is_a_template_is_checked_when_it_runs() -> None:
    assert comparing("x", "matches", "<<pattern>>").faults() == []
    assert comparing("x", "matches", "a+").faults() == []
    assert comparing("x", "matches", 5).faults() == [
        ("/config/right", "`matches` takes a pattern, which is text")
    ]


def test_exists_takes_no_right() -> None:
    assert comparing("x", "exists").faults() == []
    [(pointer, message)] = comparing("x", "exists", right=False).faults()
    assert pointer == "/config/right"
    assert "takes no `right`" in message


async def test_the_port_is_the_answer() -> None:
    yes, no = await ran(comparing(1, "equals", 1)), await ran(comparing(1, "equals", 2))
    assert isinstance(yes, StepRunResult)
    assert isinstance(no, StepRunResult)
    assert (yes.ports, yes.step_id, yes.output) == (("true",), "if", True)
    assert (no.ports, no.output) == (("false",), False)
    assert comparing(1, "equals", 1).ports == ("true", "false")


def test_an_operator_is_one_of_a_closed_set_and_no_template() -> None:
    assert "Input should be 'equals'" in refusal(StepConditionalConfig, left=1, operator="like")
    assert "Input should be 'equals'" in refusal(StepConditionalConfig, left=1, operator="{{op}}")
    assert StepConditionalConfig(left=1).operator == "equals"
