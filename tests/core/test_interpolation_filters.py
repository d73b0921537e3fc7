"""What filters and tests in expressions promise: Jinja's names, over plain data."""

from collections.abc import Iterable
from typing import Any

import pytest

from openrun.core.interpolation import MISSING, compile_value

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


def value_of(expression: str) -> Any:
    return compile_value(f"{{{{ {expression} }}}}").render(State(STATE))


def same(left: object, right: object) -> bool:
    return left == right and type(left) is type(right)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("-7 | abs", 7),
        ("'SGk=' | b64decode", "Hi"),
        ("'Hé' | b64encode", "SMOp"),
        ("text | capitalize", "Hello world"),
        ("numbers | count", 3),
        ("missing | d('x')", "x"),
        ("missing | default", ""),
        ("nothing | default('x')", None),
        ("nothing | default('x', true)", "x"),
        ("n | default('x', boolean=true)", 5),
        ("{'b': 1, 'A': 2} | dictsort", [["A", 2], ["b", 1]]),
        ("{'b': 1, 'A': 2} | dictsort(by='value', reverse=true)", [["A", 2], ["b", 1]]),
        ("numbers | first", 3),
        ("text | last", "d"),
        ("'1.5' | float", 1.5),
        ("'x' | float(9)", 9),
        ("'inf' | float", 0.0),
        ("nothing | float", 0.0),
        ("big | float(-1)", -1),
        ("'12' | int", 12),
        ("'1.9' | int", 1),
        ("1.9 | int", 1),
        ("'x' | int(-1)", -1),
        ("'1e999' | int", 0),
        ("nothing | int(3)", 3),
        ("('9' * 5000) | int(4)", 4),
        ("'ff' | int(base=16)", 255),
        ("'0x1f' | int(0, 0)", 31),
        ("'12' | int(base=none)", 12),
        ("{'a': 1} | items", [["a", 1]]),
        ("[1, 'a', none, true] | join('-')", "1-a--true"),
        ("items | join(',', attribute='name')", "b,A,c"),
        ("missing | join", ""),
        ("user | keys | length", 6),
        ("missing | length", 0),
        ("'ab' | list", ["a", "b"]),
        ("{'a': 1} | list", ["a"]),
        ("missing | list", []),
        ("'A' | lower", "a"),
        ("missing | lower", ""),
        ("items | map(attribute='n') | list", [2, 1, 3]),
        ("items | map(attribute='on', default=0)", [True, False, 0]),
        ("items | map(attribute='on')", [True, False, None]),
        ("user.items | map('string') | join('+')", "10+20"),
        ("words | map('replace', 'A', 'a')", ["b", "a", "c"]),
        ("[[1], []] | map('first')", [1, None]),
        ("numbers | max", 3),
        ("words | min", "A"),
        ("words | min(case_sensitive=true)", "A"),
        ("items | max(attribute='n')", {"name": "c", "n": 3}),
        ("[1, true, 0.5] | min", 0.5),
        ("numbers | reject('odd')", [2]),
        ("[0, 1, ''] | reject", [0, ""]),
        ("items | rejectattr('on') | map(attribute='name')", ["A", "c"]),
        ("'aXbX' | replace('X', '--')", "a--b--"),
        ("'aXbX' | replace('X', '-', 1)", "a-bX"),
        ("'ab' | replace('', '.')", ".a.b."),
        ("numbers | reverse", [2, 1, 3]),
        ("'abc' | reverse", "cba"),
        ("2.567 | round(2)", 2.57),
        ("7 | round", 7),
        ("2.1 | round(method='ceil')", 3.0),
        ("2.19 | round(1, 'floor')", 2.1),
        ("numbers | select('gt', 1)", [3, 2]),
        ("[0, 1, ''] | select", [1]),
        ("numbers | select('in', [1, 2])", [1, 2]),
        ("items | selectattr('n', '>=', 2) | map(attribute='name')", ["b", "c"]),
        ("items | selectattr('on') | length", 1),
        ("words | sort", ["A", "b", "c"]),
        ("words | sort(case_sensitive=true, reverse=true)", ["c", "b", "A"]),
        ("items | sort(attribute='n') | map(attribute='n')", [1, 2, 3]),
        ("'a b  c' | split", ["a", "b", "c"]),
        ("'a,b,c' | split(',', 1)", ["a", "b,c"]),
        ("n | string", "5"),
        ("numbers | sum", 6),
        ("items | sum(attribute='n')", 6),
        ("missing | sum(start=1)", 1),
        ("text | title", "Hello World"),
        ("{'b': [1], 'a': none} | tojson", '{"a":null,"b":[1]}'),
        ("'x' | tojson", '"x"'),
        ("missing | tojson", "null"),
        ("0 | tojson", "0"),
        ("'  a ' | trim", "a"),
        ("'xax' | trim('x')", "a"),
        ("text | truncate(8)", "hello..."),
        ("text | truncate(9, true)", "hello ..."),
        ("text | truncate", "hello world"),
        ("text | truncate(8, end='')", "hello"),
        ("[1, 1, 'a', 'A', none] | unique", [1, "a", None]),
        ("['a', 'A'] | unique(case_sensitive=true)", ["a", "A"]),
        ("items | unique(attribute='on') | length", 3),
        ("text | upper", "HELLO WORLD"),
        ("'a b/c' | urlencode", "a%20b/c"),
        ("{'a b': 1, 'c': 'é'} | urlencode", "a+b=1&c=%C3%A9"),
        ("{'a': 1} | values", [1]),
        ("missing | items", []),
    ],
)
def test_filters_work_on_plain_data(expression: str, expected: object) -> None:
    assert same(value_of(expression), expected)


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("n is defined", "missing is defined"),
        ("missing is undefined", "n is undefined"),
        ("nothing is none", "missing is none"),
        ("yes is true", "1 is true"),
        ("false is false", "0 is false"),
        ("yes is boolean", "n is boolean"),
        ("n is integer", "yes is integer"),
        ("half is float", "n is float"),
        ("yes is number", "text is number"),
        ("text is string", "n is string"),
        ("user is mapping", "items is mapping"),
        ("items is sequence", "n is sequence"),
        ("text is iterable", "missing is iterable"),
        ("4 is even", "n is even"),
        ("n is odd", "4 is odd"),
        ("9 is divisibleby 3", "9 is divisibleby(2)"),
        ("'A' is upper", "n is upper"),
        ("'a' is lower", "'A' is lower"),
        ("n is eq 5", "n is ne(5)"),
        ("n is lt 6", "n is le 4"),
        ("n is gt 4", "n is ge 6"),
        ("1 is in numbers", "9 is in numbers"),
        ("n is not none", "n is not defined"),
        ("n is not even and n is odd", "n is even or n is none"),
    ],
)
def test_tests_say_what_a_value_is(true: str, false: str) -> None:
    assert value_of(true) is True
    assert value_of(false) is False
