"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from openrun.core.durations import Seconds, parse_duration

SECONDS: TypeAdapter[float] = TypeAdapter(Seconds)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("0", 0),
        ("1.5", 1.5),
        (" 5m ", 300),
        ("250ms", 0.25),
        ("1h30m", 5_400),
        ("1.5h", 5_400),
        ("1w2d3h4m5s6ms", 604_800 + 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5.006),
        ("PT5M", 300),
        ("PT0.5S", 0.5),
        ("P1DT2H", 93_600),
        ("P2W", 1_209_600),
        ("P1W2DT3H4M5S", 604_800 + 2 * 86_400 + 3 * 3_600 + 4 * 60 + 5),
    ],
)
def test_a_duration_is_read_as_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert SECONDS.validate_python(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "P",
        "PT",
        "5x",
        "-5",
        "-5m",
        "5 m",
        "m5",
        "1e3",
        "inf",
        "nan",
        "PT5",
        "P5H",
        "PT5M3H",
        "P1M",
        "\u0665m",
        "5m\nx",
        "1" * 13,
    ],
)
def test_anything_else_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration; write seconds"):
        parse_duration(text)


def test_a_long_text_is_not_repeated_whole() -> None:
    with pytest.raises(ValueError, match="no duration") as caught:
        parse_duration("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_numbers_are_seconds_already() -> None:
    assert SECONDS.validate_python(90) == 90
    assert SECONDS.validate_python(0.5) == 0.5


@pytest.mark.parametrize("wrong", [float("inf"), float("nan"), None, [], "soon"])
def test_what_is_no_finite_duration_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        SECONDS.validate_python(wrong)


@given(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999))
def test_both_spellings_agree(hours: int, minutes: int, seconds: int) -> None:
    short = parse_duration(f"{hours}h{minutes}m{seconds}s")
    assert (
        short == parse_duration(f"PT{hours}H{minutes}M{seconds}S") == hours * 3_600 + minutes * 60 + seconds
    )


def test_the_schema_names_both_forms() -> None:
    schema = SECONDS.json_schema()
    assert [each["type"] for each in schema["anyOf"]] == ["number", "string"]
