"""What expressions promise: Jinja's syntax over plain data, and clear errors instead of Python's."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.errors import TemplateError
from openrun.core.interpolation import MISSING, compile_value
from openrun.core.limits import DEFAULT_LIMITS, Limits

STATE: dict[str, Any] = {
    "user": {"name": "Ada", "age": 36, "items": [10, 20], "keys": "mine", "0": "zero", "if": 1},
    "items": [{"name": "b", "n": 2, "on": True}, {"name": "A", "n": 1, "on": False}, {"name": "c", "n": 3}],
    "numbers": [3, 1, 2],
    "words": ["b", "A", "c"],
    "n": 5,
    "half": 0.5,
    "text": "hello world",
    "yes": True,
    "nothing": None,
    "big": 10**1000,
}


class State:
    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values

    def read(self, root: str) -> Any:
        return self.values.get(root, MISSING)

    def roots(self) -> Iterable[str]:
        return self.values

    def step_output(self, step_id: str) -> Any:
        steps = self.read("steps")
        return steps.get(step_id, MISSING) if isinstance(steps, dict) else MISSING

    def everything(self) -> dict[str, Any]:
        return self.values


def value_of(expression: str, limits: Limits = DEFAULT_LIMITS, **more: Any) -> Any:
    return compile_value(f"{{{{ {expression} }}}}", limits=limits).render(State(STATE | more))


def failure(expression: str, limits: Limits = DEFAULT_LIMITS) -> str:
    compiled = compile_value(f"{{{{ {expression} }}}}", limits=limits)
    with pytest.raises(TemplateError) as caught:
        compiled.render(State(STATE))
    return str(caught.value)


def fault(expression: str, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(TemplateError) as caught:
        compile_value(f"{{{{ {expression} }}}}", limits=limits)
    return str(caught.value)


def same(left: object, right: object) -> bool:
    return left == right and type(left) is type(right)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("user.name", "Ada"),
        ("user.items", [10, 20]),
        ("user.keys", "mine"),
        ("user.items.0", 10),
        ("user.items.0 + 1", 11),
        ("items.0.name", "b"),
        ("items.0.name ~ items[1]['name']", "bA"),
        ("items[-1].name", "c"),
        ("items[n - 4].name", "A"),
        ("user['na' ~ 'me']", "Ada"),
        ("user.0", "zero"),
        ("user[0] ~ ''", "zero"),
        ("user.if", 1),
        ("(user).name", "Ada"),
        ("(items | first).name", "b"),
        ("text[0]", "h"),
        ("text.4", "o"),
        ("text[-1]", "d"),
        ("text[:5]", "hello"),
        ("numbers[1:]", [1, 2]),
        ("numbers[::2]", [3, 2]),
        ("numbers[::-1]", [2, 1, 3]),
        ("missing[1:]", None),
        ("true", True),
        ("False", False),
        ("none", None),
        ("'a' 'b'", "ab"),
        (r"'a\'b\\\n\x41\u00e9'", "a'b\\\nAé"),
    ],
)
def test_names_read_data_and_never_a_python_attribute(expression: str, expected: object) -> None:
    assert same(value_of(expression), expected)


@pytest.mark.parametrize(
    "expression",
    [
        "missing",
        "missing.x.y",
        "user.nope",
        "user.name.x",
        "items[9]",
        "items[-9].x",
        "items.name",
        "user[missing]",
        "numbers['0']",
        "nothing.x",
        "n[0]",
        "''.__class__",
        "user.__class__.__mro__",
        "text.upper",
        "numbers.append",
        "(n).real",
        "'x' if false",
        "[] | first",
        "missing | last",
        "[] | min",
    ],
)
def test_what_is_not_there_is_null_alone_and_empty_in_text(expression: str) -> None:
    assert value_of(expression) is None
    assert compile_value(f"[{{{{ {expression} }}}}]").render(State(STATE)) == "[]"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 / 2", 3.5),
        ("4 / 2", 2.0),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 3", 1),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("0 ** 0", 1),
        ("2 ** 0.5 > 1.41", True),
        ("-n", -5),
        ("+n", 5),
        ("- half", -0.5),
        ("true + 1", 2),
        ("half + n", 5.5),
        ("'a' + 'b'", "ab"),
        ("[1] + [2]", [1, 2]),
        ("'ab' * 2", "abab"),
        ("2 * 'ab'", "abab"),
        ("[0] * 3", [0, 0, 0]),
        ("'ab' * -1", ""),
        ("1_000", 1000),
        ("1 ~ 2 ~ none ~ true ~ missing ~ [1]", "12true[1]"),
        ("big * big > big", True),
    ],
)
def test_arithmetic_follows_python(expression: str, expected: object) -> None:
    limits = Limits(template_integer_bits=8_192)
    assert same(value_of(expression, limits), expected)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 < 2 < 3", True),
        ("1 < 3 < 2", False),
        ("n >= 5 and n <= 5 and not n != 5", True),
        ("'a' < 'b' and 'b' > 'a'", True),
        ("n == 5.0", True),
        ("text == 1", False),
        ("items == items", True),
        ("missing == none", False),
        ("missing == nope", True),
        ("1 in numbers", True),
        ("9 not in numbers", True),
        ("'name' in user", True),
        ("1 in user", False),
        ("'ell' in text", True),
        ("1 in missing", False),
        ("missing or 'x'", "x"),
        ("missing and 1", None),
        ("n and 'x'", "x"),
        ("'a' if n > 3 else 'b'", "a"),
        ("'a' if n > 9 else 'b'", "b"),
        ("not missing", True),
        ("[1, missing, (2, 3)]", [1, None, [2, 3]]),
        ("()", []),
        ("{'a': n, 'b' ~ 1: missing}", {"a": 5, "b1": None}),
    ],
)
def test_comparison_logic_and_literals_follow_jinja(expression: str, expected: object) -> None:
    assert same(value_of(expression), expected)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("missing + 1", "cannot compute with 'missing', which is missing; | default(...) gives it a value"),
        ("1 - user.nope[0]", "cannot compute with 'user.nope[0]'"),
        ("- missing", "cannot compute with 'missing'"),
        ("(numbers | last)[0].x * 2", "cannot compute with a value"),
        ("1 + 'a'", "cannot add a number and text; ~ joins text"),
        ("none + 1", "cannot add null and a number"),
        ("text - 1", "cannot compute text - a number"),
        ("text * 1.5", "cannot multiply text by a number"),
        ("user * 2", "cannot multiply an object by a number"),
        ("'%s' % 1", "cannot compute text % a number"),
        ("- text", "a number is needed, not text"),
        ("10 ** (10 ** 8)", "an integer larger than 4,096 bits"),
        ("9 ** 9 ** 9 ** 9 ** 9", "an integer larger than 4,096 bits"),
        ("big * big", "an integer larger than 4,096 bits"),
        ("1 / 0", "division by zero"),
        ("1 // 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("0 ** -1", "division by zero"),
        ("(-8) ** 0.5", "not a real number"),
        ("1e308 * 10", "not a finite number"),
        ("big / 3", "OverflowError"),
        ("'' * (10 ** 100)", "OverflowError"),
        ("1 < 'a'", "cannot compare a number with text"),
        ("missing > 1", "cannot compare a number with missing"),
        ("numbers < numbers", "cannot compare a list with a list"),
        ("1 in 2", "cannot look for a number in a number"),
        ("1 in text", "cannot look for a number in text"),
        ("user[none]", "null is no index or key"),
        ("numbers[true]", "a boolean is no index or key"),
        ("text[1.5]", "a number is no index or key"),
        ("numbers['a':]", "text is no bound of a slice"),
        ("numbers[::0]", "a slice with step 0"),
        ("user[1:]", "an object cannot be sliced"),
        ("{1: 2}", "a key of an object is text, not a number"),
        ("numbers[0] | length", "a number has no length"),
        ("n | list", "a number has no elements"),
        ("n | first", "a number has no order"),
        ("user | first", "an object has no order"),
        ("n | items", "an object is needed, not a number"),
        ("text | abs", "a number is needed, not text"),
        ("[1, 'a'] | sort", "cannot order a number and text"),
        ("[1, none] | min", "cannot order a number and null"),
        ("[[1], [2]] | max", "cannot order a list"),
        ("['a'] | sum", "cannot sum text"),
        ("[1] | sum(start='a')", "cannot add text and a number"),
        ("1.5 | round(999)", "precision is at most 300"),
        ("1.5 | round(method='up')", "method is"),
        ("1.5 | round('a')", "precision is an integer, not text"),
        ("'1' | int(base=99)", "base is 0 or from 2 to 36"),
        ("'a' | split('')", "cannot split at the empty text"),
        ("text | truncate(2)", "length 2 has no room"),
        ("'é' | b64decode", "not base64 of UTF-8 text"),
        ("'/w==' | b64decode", "not base64 of UTF-8 text"),
        ("user | dictsort(by='x')", "by is 'key' or 'value'"),
        ("items | map(attribute=[1])", "attribute is a name or a dotted path"),
        ("items | map(attribute='x' * 2000)", "attribute is a name or a dotted path"),
        ("1.5 is odd", "an integer is needed, not a number"),
        ("1 is divisibleby 0", "division by zero"),
    ],
)
def test_what_cannot_be_computed_is_a_template_error_that_names_the_template(
    expression: str, message: str
) -> None:
    error = failure(expression)
    assert message in error
    assert error.startswith("template ")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("a b", "unexpected 'b' after the expression"),
        ("a, b", "unexpected ',' after the expression"),
        ("a +", "end of the expression"),
        ("a ? b", "unexpected char '?'"),
        ("a.b()", "a call is not allowed; use a filter"),
        ("range(3)", "a call is not allowed"),
        ("cycler.__init__.__globals__.os.popen('id')", "a call is not allowed"),
        ("a | uper", "unknown filter 'uper'; did you mean 'upper'"),
        ("x | attr('__class__')", "unknown filter 'attr'"),
        ("x | a.b", "unknown filter 'a.b'"),
        ("a is odd_", "unknown test 'odd_'; did you mean 'odd'"),
        ("a | map('uper')", "unknown filter 'uper'"),
        ("a | map(b)", "named by a constant text"),
        ("a | map", "map needs either attribute"),
        ("a | map('upper', attribute='x')", "map needs either attribute"),
        ("a | map('replace', 'x')", "filter 'replace': missing a required argument: 'new'"),
        ("a | select('od')", "unknown test 'od'"),
        ("a | select(b)", "named by a constant text"),
        ("a | select('eq')", "test 'eq': missing a required argument"),
        ("a | selectattr('x', 'od')", "unknown test 'od'"),
        ("a | selectattr", "filter 'selectattr': missing a required argument"),
        ("a | default(1, 2, 3)", "filter 'default': too many positional arguments"),
        ("a | upper(x=1)", "filter 'upper': got an unexpected keyword argument 'x'"),
        ("a | upper(value=1)", "filter 'upper': got"),
        ("a is eq(other=1)", "test 'eq':"),
        ("a | join(*b)", "* and ** are not allowed in the options of 'join'"),
        ("a is eq(**b)", "* and ** are not allowed"),
        ("a[1, 2]", "one index or key is expected"),
        ("a[]", "one index or key is expected"),
        ("a[1:2, 3]", "one index or key is expected"),
        (r"'\d'", r"unknown escape '\\d'"),
        (r"'\101'", r"unknown escape '\\1'"),
        (r"'\ud800'", "lone surrogate"),
        (r"'\Uffffffff'", "illegal Unicode character"),
        ("1e999", "a number that is too large"),
        ("9" * 2_000, "an integer larger than 4,096 bits"),
        ("9" * 5_000, "bad syntax"),
        ("a = 1", "unexpected '=' after the expression"),
        ("a if", "end of the expression"),
        ("²", "Invalid character in identifier"),
    ],
)
def test_what_is_no_allowed_expression_is_refused_when_it_is_compiled(expression: str, message: str) -> None:
    assert message in fault(expression)


def test_depth_and_size_are_bounded_when_compiled() -> None:
    assert "nested deeper than 40 levels" in fault("(" * 41 + "1" + ")" * 41)
    assert "nested deeper than 40 levels" in fault("1" + "+1" * 60)
    assert "more than 2,000 parts" in fault("[" + "1," * 2_000 + "]")
    assert "bad syntax" in fault("not " * 5_000 + "a")
    assert "nested too deeply" in fault(
        "[]|map(" + "'map'," * 1_500 + "'list')", Limits(template_nodes=5_000)
    )
    assert value_of("1" + "+1" * 38) == 39


@pytest.mark.parametrize(
    "expression",
    [
        "'é' * 60",
        "[0] * 60",
        "(text * 6) ~ (text * 6)",
        "(text * 9)[0:] + text",
        "[text, text, text, text, text, text, text, text]",
        "{'a': text * 5, 'b': text * 5}",
        "(text * 5) | replace('o', 'x' * 9)",
        "[text * 5, text * 5] | join",
        "(text * 9) | b64encode",
        "('ŉ' * 40) | upper",
        "(text * 9) | tojson ~ 'x'",
        "[items, items] | unique",
    ],
)
def test_a_value_that_grows_too_large_is_refused(expression: str) -> None:
    assert "a value larger than 100 bytes" in failure(expression, Limits(template_value_bytes=100))


@pytest.mark.parametrize(
    "expression",
    [
        "numbers | map('string') | map('upper') | map('lower')",
        "('x' * 30) | list",
        "('a b ' * 20) | split",
        "('a,' * 20) | split(',')",
    ],
)
def test_work_over_the_operations_limit_is_refused(expression: str) -> None:
    assert "more than 15 operations" in failure(expression, Limits(template_operations=15))


def test_each_template_has_its_own_operations_and_all_together_have_fifty_times_as_many() -> None:
    limits = Limits(template_operations=20)
    template = "{{ numbers | map('string') | join }}"
    assert compile_value([template] * 30, limits=limits).render(State(STATE)) == ["312"] * 30
    with pytest.raises(TemplateError, match="operations"):
        compile_value([template] * 200, limits=limits).render(State(STATE))


def test_a_value_that_is_only_read_may_be_larger_than_what_a_template_may_make() -> None:
    limits = Limits(template_value_bytes=10)
    assert value_of("text | default('')", limits) == "hello world"
    assert value_of("items[0].n", limits) == 2


@given(
    st.recursive(
        st.sampled_from(
            ["1", "2.5", "'a'", "n", "text", "items", "missing", "none", "user.age", "[1]", "{}"]
        ),
        lambda inner: st.one_of(
            st.tuples(
                inner,
                st.sampled_from(["+", "-", "*", "/", "//", "%", "**", "~", "<", "==", "in", "and"]),
                inner,
            ).map(lambda parts: f"({' '.join(parts)})"),
            st.tuples(
                inner, st.sampled_from(["length", "sort", "join", "sum", "unique", "int", "tojson"])
            ).map("|".join),
            st.tuples(inner, inner).map(lambda parts: f"[{parts[0]}, {parts[1]}][{parts[0]}]"),
        ),
        max_leaves=8,
    )
)
def test_any_expression_gives_plain_data_or_a_template_error(expression: str) -> None:
    try:
        result = value_of(expression)
    except TemplateError:
        return
    assert type(result) in {type(None), bool, int, float, str, list, dict}
