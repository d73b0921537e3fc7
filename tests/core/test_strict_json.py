"""What strict JSON promises: one reading, one writing, and nothing that cannot be stored and read back."""

import dataclasses
import enum
import json
import sys
import uuid
from collections import OrderedDict, defaultdict
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from openrun.core.errors import JsonError
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.strict_json import canonical, copy, decode, plain, pointer_token

text = st.text(st.characters(exclude_categories=["Cs"]))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(text, inner, max_size=5)
)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Size(enum.Enum):
    BIG = ("big", 1)


class Model(BaseModel):
    name: str
    at: datetime
    price: Decimal = Decimal("1.50")


class Struct(msgspec.Struct):
    name: str
    at: datetime


@dataclasses.dataclass
class Record:
    name: str
    colour: Colour
    parts: tuple[int, ...] = (1, 2)


class Point(NamedTuple):
    x: int
    y: int


def refusal(value: object, limits: Limits = DEFAULT_LIMITS) -> JsonError:
    with pytest.raises(JsonError) as caught:
        plain(value, limits=limits)
    return caught.value


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(json_values)
def test_what_is_plain_can_be_written_and_read_back_equal(value: Any) -> None:
    written = canonical(plain(value))
    assert decode(written) == value
    assert canonical(decode(written.encode())) == written


@given(json_values)
def test_plain_data_stays_as_it_is_but_shares_no_container(value: Any) -> None:
    result = plain(value)
    assert result == value
    assert plain(result) == result
    assert canonical(result) == canonical(value)
    assert not isinstance(value, (dict, list)) or result is not value


@given(json_values)
def test_a_copy_is_equal_and_shares_no_container(value: Any) -> None:
    wrapped = [{"value": value}]
    copied = copy(wrapped)
    assert copied == wrapped
    assert copied[0] is not wrapped[0]
    assert not isinstance(value, (dict, list)) or copied[0]["value"] is not value


@given(st.text(alphabet='[]{},:"\\ \n1atruefalsn-.eE+u0d8', max_size=60))
def test_decoding_agrees_with_the_standard_parser_or_refuses(source: str) -> None:
    try:
        value = decode(source, limits=Limits(json_depth=4, json_nodes=6))
    except JsonError:
        return
    assert json.loads(source) == value


@given(json_values)
def test_a_decoder_that_is_given_the_exact_number_of_nodes_accepts(value: Any) -> None:
    def count(item: Any) -> int:
        inner = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        return 1 + sum(map(count, inner))

    nodes = count(value)
    indented = json.dumps(value, indent=1, ensure_ascii=False)
    assert decode(indented, max_nodes=nodes) == value
    if nodes > 1:
        with pytest.raises(JsonError, match=f"more than {nodes - 1} values"):
            decode(indented, max_nodes=nodes - 1)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ('{"a": NaN}', "NaN is not a JSON number"),
        ("-Infinity", "-Infinity is not"),
        ("[1e999]", "number 1e999 is too large"),
        ('{"a":1,"b":2,"a":3}', "duplicate key 'a'"),
        ('["\\ud800"]', "lone surrogate"),
        ('{"\\uDFFF": 1}', "lone surrogate"),
        ('"\ud800"', "lone surrogate at character 1"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8 at byte 0"),
        ('{"a": 1}'.encode("utf-16-le"), "line 1, column 2"),
        ('{\n "a": }', "line 2, column 7"),
        ("[1] 2", "line 1, column 5: Extra data"),
        ("", "line 1, column 1"),
        ('["a\nb"]', "control character"),
        ("9" * 1_300, "larger than 4,096 bits"),
        (str(2**4_096), "larger than 4,096 bits"),
        ("[\n" * 65 + "]" * 65, "line 65, column 1: nested deeper than 64 levels"),
        ('["[", ' + "[" * 65 + "]" * 65 + "]", "column 70: nested deeper than 64 levels"),
    ],
)
def test_what_is_not_strict_json_is_refused_and_the_message_says_where(
    source: str | bytes, message: str
) -> None:
    with pytest.raises(JsonError, match=f"(?i){message}"):
        decode(source)


def test_a_surrogate_pair_is_one_character_and_an_escaped_backslash_is_none() -> None:
    assert decode('"\\ud83d\\ude00"') == "😀"
    assert decode('"\\\\ud800"') == "\\ud800"


def test_a_byte_order_mark_is_skipped() -> None:
    assert decode(b"\xef\xbb\xbf[1]") == [1]
    assert decode("\ufeff[1]") == [1]


def test_numbers_up_to_the_limit_are_exact() -> None:
    biggest = 2**4_096 - 1
    assert decode(str(-biggest)) == -biggest
    assert decode("-0.5e2") == -50.0


def test_depth_is_counted_outside_strings_only() -> None:
    assert canonical(decode("[" * 64 + "]" * 64)) == "[" * 64 + "]" * 64
    assert decode('["' + "[" * 200 + '"]') == ["[" * 200]


def test_commas_inside_strings_are_no_values() -> None:
    assert decode('["a,b,c,d"]', max_nodes=2) == ["a,b,c,d"]


@pytest.mark.parametrize("value", [None, True, 1, -1.5, "text", "é"])
def test_a_scalar_is_its_own_copy(value: object) -> None:
    assert plain(value) is value
    assert copy(value) is value


def test_siblings_do_not_add_to_the_depth() -> None:
    assert decode("[" + ",".join(["[]"] * 200) + "]") == [[]] * 200


@pytest.mark.parametrize("source", ["x" * 11, b"x" * 11, "é" * 6])
def test_data_over_the_byte_limit_is_refused_before_it_is_parsed(source: str | bytes) -> None:
    with pytest.raises(JsonError, match="larger than 10 bytes") as caught:
        decode(source, max_bytes=10)
    assert caught.value.code == "VALUE_TOO_LARGE"


def test_depth_that_the_process_cannot_parse_is_refused_too() -> None:
    with pytest.raises(JsonError, match="too deeply"):
        decode("[" * 200_000, limits=Limits(json_depth=10**6, json_nodes=10**6))


def test_a_string_that_is_never_closed_is_refused_in_linear_time() -> None:
    with pytest.raises(JsonError):
        decode('["' + '\\"' * 500_000 + "[" * 100)


def test_canonical_text_is_sorted_compact_and_unescaped() -> None:
    assert canonical({"b": [1, 2.0, None], "a": {"é": True}}) == '{"a":{"é":true},"b":[1,2.0,null]}'


@pytest.mark.parametrize("value", [float("nan"), {1: 2, "a": 3}, object(), {"a": {1, 2}}])
def test_what_is_not_plain_has_no_canonical_text(value: object) -> None:
    with pytest.raises(JsonError, match="not plain JSON data"):
        canonical(value)


def test_a_cycle_has_no_canonical_text() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(JsonError, match="not plain JSON data"):
        canonical(cycle)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, (2, 3)), [1, [2, 3]]),
        (Point(1, 2), [1, 2]),
        (Colour.RED, "red"),
        ({Colour.RED: Level.HIGH}, {"red": 3}),
        (Size.BIG, ["big", 1]),
        (Record("a", Colour.RED), {"name": "a", "colour": "red", "parts": [1, 2]}),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02T03:04:05Z"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2024-01-02T03:00:00+02:00"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(seconds=90))), "2024-01-02T02:58:30Z"),
        (date(2024, 1, 2), "2024-01-02"),
        (
            Model(name="x", at=datetime(2024, 1, 2, tzinfo=UTC)),
            {"name": "x", "at": "2024-01-02T00:00:00Z", "price": "1.50"},
        ),
        (Struct("x", datetime(2024, 1, 2, tzinfo=UTC)), {"name": "x", "at": "2024-01-02T00:00:00Z"}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(list, a=[True]), {"a": [True]}),
        ([1.5, -(2**63), 2**100], [1.5, -(2**63), 2**100]),
        (2**70, 2**70),
        ({"é": "ü", "a": "x"}, {"é": "ü", "a": "x"}),
    ],
)
def test_an_authors_value_becomes_plain_data(value: object, expected: object) -> None:
    result = plain(value)
    assert result == expected
    assert type(result) is type(expected)


def test_subclasses_of_plain_types_become_the_plain_type() -> None:
    kinds = [type("Text", (str,), {})("a"), type("Whole", (int,), {})(7), type("Part", (float,), {})(1.5)]
    result = plain([*kinds, type("Items", (list,), {})([1])])
    assert [type(item) for item in result] == [str, int, float, list]
    assert result == ["a", 7, 1.5, [1]]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "type object is not JSON data"),
        (b"x", "type bytes is not JSON data; decode it, or encode it as base64 text"),
        ({1, 2}, "a set has no order"),
        (Decimal(1), r"decimal.Decimal is not JSON data; use str\(...\) or float"),
        (uuid.UUID(int=1), r"uuid.UUID is not JSON data; use str"),
        (time(1), "isoformat"),
        (Record, "type type is not JSON data"),
        (datetime(2024, 1, 2), "without a time zone"),  # noqa: DTZ001
        (float("nan"), "nan is not a JSON number"),
        (float("-inf"), "-inf is not a JSON number"),
        (2**4_096, "integer larger than 4,096 bits"),
        ("\ud800", "lone surrogate"),
        ({"\udfff": 1}, "lone surrogate"),
    ],
)
def test_what_has_no_one_spelling_in_json_is_refused_with_the_way_out(value: object, message: str) -> None:
    with pytest.raises(JsonError, match=message):
        plain(value)


def test_a_refusal_names_the_place_as_a_json_pointer() -> None:
    error = refusal({"a/b": [1, {"~": (0, object())}]})
    assert error.pointer == "/a~1b/1/~0/1"
    assert str(error) == "a value of type object is not JSON data (at /a~1b/1/~0/1)"


def test_keys_are_text() -> None:
    error = refusal({"a": {1: 2}})
    assert "key of type int is not text: 1" in str(error)


def test_a_model_that_cannot_be_dumped_is_refused() -> None:
    class Holder(BaseModel):
        held: Any

    class Box(msgspec.Struct):
        held: Any

    assert "Holder is not JSON data" in str(refusal([Holder(held=object())]))
    assert "Box is not JSON data" in str(refusal([Box(held=object())]))


def test_a_value_that_contains_itself_is_refused() -> None:
    cycle: dict[str, Any] = {}
    cycle["a"] = [cycle]
    assert "contains itself" in str(refusal(cycle))


def test_depth_is_bounded_where_the_decoder_bounds_it() -> None:
    assert decode(canonical(plain(nested(64)))) == nested(64)
    assert "nested deeper than 64 levels" in str(refusal(nested(65)))


def test_a_record_that_holds_itself_is_refused() -> None:
    loop = dataclasses.make_dataclass("Loop", ["inner"])(None)
    loop.inner = loop
    assert "nested deeper" in str(refusal(loop))


def test_shared_parts_are_counted_each_time_they_are_met() -> None:
    shared: list[Any] = [1]
    for _ in range(40):
        shared = [shared, shared]
    error = refusal(shared)
    assert error.code == "VALUE_TOO_LARGE"
    assert "more than 100,000 values" in str(error)


@pytest.mark.parametrize("value", ["x" * 99, ["x" * 97], "\n" * 50, ["\x01" * 17], {"k": "é" * 48}])
def test_a_value_over_the_byte_limit_is_refused(value: object) -> None:
    error = refusal(value, Limits(value_bytes=100))
    assert error.code == "VALUE_TOO_LARGE"


@given(json_values)
def test_size_is_that_of_the_canonical_text(value: Any) -> None:
    size = len(canonical(value).encode())
    assert plain(value, limits=Limits(value_bytes=size)) == value
    if isinstance(value, (str, list, dict)):
        assert refusal(value, Limits(value_bytes=size - 1)).code == "VALUE_TOO_LARGE"


@given(st.integers(-(2**4_000), 2**4_000))
def test_big_integers_count_by_their_digits(value: int) -> None:
    size = len(str(value)) + 2
    assert plain([value], limits=Limits(value_bytes=size)) == [value]
    assert refusal([value], Limits(value_bytes=size - 1)).code == "VALUE_TOO_LARGE"


def test_the_greatest_float_is_a_number() -> None:
    assert plain([sys.float_info.max, -sys.float_info.max]) == [sys.float_info.max, -sys.float_info.max]
    assert plain(-sys.float_info.max) == -sys.float_info.max


def test_a_pointer_step_escapes_what_a_pointer_reserves() -> None:
    assert [pointer_token("a/b~c"), pointer_token(3)] == ["/a~1b~0c", "/3"]


def test_more_strings_than_values_may_have_are_refused_before_they_are_taken_apart() -> None:
    with pytest.raises(JsonError, match="more than 10 values") as caught:
        decode('{"a":' * 70, max_nodes=10)
    assert caught.value.code == "VALUE_TOO_LARGE"


def test_quotes_inside_a_text_are_no_strings_of_their_own() -> None:
    text = '["' + '\\"' * 100 + '",[],[],[]]'
    assert decode(text, max_nodes=5) == ['"' * 100, [], [], []]
