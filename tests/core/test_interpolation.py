"""What templates in JSON values promise: references, text, types, errors that say what there is instead."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.errors import TemplateError
from openrun.core.interpolation import MISSING, compile_value, escape, find_faults, has_template
from openrun.core.limits import DEFAULT_LIMITS, Limits

STATE: dict[str, Any] = {
    "user": {"name": "Ada", "age": 36, "tags": ["x", "y"], "odd key": 1, "a'b": 2, 'c"d': 3, "0": "zero"},
    "items": [{"name": "first", "price": 1.5}, {"name": "second", "price": 2}],
    "steps": {"fetch": {"data": [1, 2]}, "my-step": {"ok": True}},
    "none": None,
    "yes": True,
    "empty": {},
    "long": "é" * 30,
}

text = st.text(st.characters(exclude_categories=["Cs"]))


class State:
    """A reader that remembers what it was asked."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values
        self.asked: list[str] = []

    def read(self, root: str) -> Any:
        self.asked.append(root)
        return self.values.get(root, MISSING)

    def roots(self) -> Iterable[str]:
        return self.values

    def step_output(self, step_id: str) -> Any:
        steps = self.read("steps")
        return steps.get(step_id, MISSING) if isinstance(steps, dict) else MISSING

    def everything(self) -> dict[str, Any]:
        self.asked.append("*")
        return self.values


def render(value: Any, state: dict[str, Any] | None = None, limits: Limits = DEFAULT_LIMITS) -> Any:
    return compile_value(value, limits=limits).render(State(STATE if state is None else state))


def failure(value: Any, limits: Limits = DEFAULT_LIMITS) -> TemplateError:
    with pytest.raises(TemplateError) as caught:
        render(value, limits=limits)
    return caught.value


def fault(value: Any, limits: Limits = DEFAULT_LIMITS) -> str:
    with pytest.raises(TemplateError) as caught:
        compile_value(value, limits=limits)
    return str(caught.value)


@given(text)
def test_an_escaped_text_renders_to_itself(source: str) -> None:
    compiled = compile_value(escape(source))
    assert compiled.is_constant
    assert compiled.render(State({})) == source


@given(st.text(alphabet="\\<{>}x", max_size=12))
def test_escaping_covers_every_mix_of_marks_and_backslashes(source: str) -> None:
    assert render(escape(source)) == source
    assert not has_template(escape(source))


@given(text.filter(lambda source: "<<" not in source and "{{" not in source))
def test_text_without_openers_is_constant(source: str) -> None:
    compiled = compile_value(source)
    assert (compiled.is_constant, compiled.render(State({}))) == (True, source)
    assert not has_template(source)


@given(st.text(alphabet="<>{}?.[]()'\"\\ $*ab01|:,+-~=", max_size=30))
def test_any_text_either_renders_or_fails_as_a_template_error(source: str) -> None:
    with suppress(TemplateError):
        render(source, {"a": {"b": [1, "x"]}, "b": 2})


@given(text)
def test_a_rendered_value_is_never_scanned_again(value: str) -> None:
    hostile = f"<<a>>{{{{a}}}}{value}"
    assert render("<<a>>", {"a": hostile}) == hostile
    assert render("[{{a}}]", {"a": hostile}) == f"[{hostile}]"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<<user.name>>", "Ada"),
        ("<< user.age >>", 36),
        ("<<user.tags>>", ["x", "y"]),
        ("<<items.0.name>>", "first"),
        ("<<items[1].price>>", 2),
        ("<<items.-1.name>>", "second"),
        ("<<items[ -2 ].name>>", "first"),
        ('<<user["odd key"]>>', 1),
        ("<<user['odd key']>>", 1),
        (r"<<user['a\'b']>>", 2),
        (r"""<<user['c"d']>>""", 3),
        (r'<<user["c\"d"]>>', 3),
        ("<<user.0>>", "zero"),
        ("<<user[0]>>", "zero"),
        ("<<steps.my-step.ok>>", True),
        ('<<["user"].name>>', "Ada"),
        ("<<none>>", None),
        ("<<user>>", STATE["user"]),
    ],
)
def test_a_string_that_is_one_reference_keeps_the_type(template: str, expected: object) -> None:
    result = render(template)
    assert result == expected
    assert type(result) is type(expected)


def test_what_is_rendered_shares_no_container_with_the_state_or_the_config() -> None:
    config = {"tags": "<<user.tags>>", "mine": [[1]], "default": "<<nothing ?? [1]>>"}
    compiled = compile_value(config)
    first = compiled.render(State(STATE))
    first["tags"].append("z")
    first["mine"][0].append(2)
    first["default"].append(2)
    assert compiled.render(State(STATE)) == {"tags": ["x", "y"], "mine": [[1]], "default": [1]}
    constant = compile_value([[1]])
    constant.render(State({}))[0].append(2)
    assert constant.render(State({})) == [[1]]


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("Hi <<user.name>>!", "Hi Ada!"),
        ("<<yes>> <<none>> <<user.age>> <<items[0].price>>", "true null 36 1.5"),
        ("<<user.tags>>|<<empty>>", '["x","y"]|{}'),
        ("{{yes}} {{none}} {{user.age}} {{ 1.0 }}|{{nothing}}|", "true  36 1.0||"),
        ("{{user.tags}}", ["x", "y"]),
        (" {{user.tags}}", ' ["x","y"]'),
        ("<<user.name>><<user.name>>", "AdaAda"),
        ("a }} b >> c", "a }} b >> c"),
        ("{% if x %}{# y #}", "{% if x %}{# y #}"),
        ("\\<<x>> {{ 1 }}", "<<x>> 1"),
        ("\\\\<<x>>", "\\<<x>>"),
        ("\\{{ <<user.age>> }}", "{{ 36 }}"),
        ('<<x ?? "{{user.name}} >> y">>', "{{user.name}} >> y"),
        ("{{ '<<user.name>> }}' }}", "<<user.name>> }}"),
        ("{{ {'a': {'b': 1}} }}", {"a": {"b": 1}}),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
    ],
)
def test_of_the_two_openers_the_first_owns_the_text_up_to_its_close(template: str, expected: object) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<<user.nick?>>", None),
        ("<<user.nick ?>>", None),
        ("<<user.name?>>", "Ada"),
        ("<<user.nick ?? null>>", None),
        ('<<user.nick??"none">>', "none"),
        ('<<a.b.c ?? {"x": [1, 2.5, true]}>>', {"x": [1, 2.5, True]}),
        ("<<none ?? 1>>", None),
        ("x<<user.nick?>>", "xnull"),
        ("<<$.user.nick ?? 0>>", 0),
    ],
)
def test_a_reference_can_say_what_to_take_when_the_path_is_missing(template: str, expected: object) -> None:
    assert render(template) == expected


@pytest.mark.parametrize(
    ("template", "message", "stopped_at"),
    [
        ("<<user.nmae>>", "'user' has no 'nmae'; did you mean 'name'?", "user"),
        ("hello <<usr.name>>", "there is no 'usr'; did you mean 'user'?", ""),
        ("<<zzz>>", "there is no 'zzz'; there is 'empty', 'items', 'long', 'none', 'steps', 'user'", ""),
        ("<<items[5].name>>", "'items' is a list of 2, so it has no '[5]'", "items"),
        ("<<items.0.name.x>>", "'items[0].name' is text, so it has no '.x'", "items[0].name"),
        ('<<user["odd key"].y>>', "is a number, so it has no '.y'", 'user["odd key"]'),
        ("<<none.x>>", "'none' is null", "none"),
        ("<<empty.x>>", "'empty' has no 'x'", "empty"),
        ("<<$.user.nmae>>", "did you mean 'name'", "user"),
    ],
)
def test_a_missing_path_says_where_it_stopped_and_what_there_is(
    template: str, message: str, stopped_at: str
) -> None:
    error = failure(template).error
    assert error.code == "MISSING_PATH"
    assert message in error.message
    assert error.details is not None
    assert error.details["stopped_at"] == stopped_at


def test_a_missing_path_in_an_empty_state_suggests_nothing() -> None:
    with pytest.raises(TemplateError, match=r"there is no 'a'$"):
        render("<<a>>", {})


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (
            "cat <<EOF",
            r"'<<' at character 5 is never closed by '>>'; write \<< for the characters themselves",
        ),
        ("{{ a", r"'{{' at character 1 is never closed by '}}'; write \{{"),
        ("{{ 'a }}", "never closed"),
        ("{{ a } b", "never closed"),
        ("{{ (a }}", "'}' closes nothing"),
        ("<<it's>>", "never closed"),
        ("<<>>", "a path is expected"),
        ("<<a b>>", "unexpected 'b' after the path"),
        ("<<a.>>", "a name is expected after '.'"),
        ("<<a..b>>", "a name is expected after '.' at '..b'"),
        ("<<a[b]>>", "an index or a quoted key is expected"),
        ("<<a['\\q']>>", "a bad string"),
        ("<<a ?? 'x'>>", "after ?? a JSON literal is expected"),
        ("<<a ? b>>", "unexpected '? b'"),
        ("<<$.a[?(@.b > 1)]>>", "no filters, unions or expressions as at '[?(@.b > 1)]'"),
        ("<<$.a['b','c']>>", "no filters, unions"),
        ("<<$.a[0,1]>>", "no filters, unions"),
        ("<<$.a[(1)]>>", "no filters, unions"),
        ("<<$.a[::0]>>", "step 0"),
        ("<<$.a.`parent`>>", "unexpected"),
        ("<<$.a where b>>", "unexpected 'where b'"),
        ("<<$.a|$.b>>", "unexpected '|$.b'"),
        ("<<$.a.sum()>>", "unexpected '()'"),
        ("<<$a>>", "unexpected 'a'"),
        ("{{}}", "an expression is expected"),
        ("{{- a }}", "{{- is not supported"),
    ],
)
def test_bad_syntax_is_refused_before_anything_runs(template: str, message: str) -> None:
    assert message in fault(template)


def test_a_fault_names_its_template_shortened() -> None:
    assert fault("x <<a b>> y").startswith("template '<<a b>>': ")
    assert fault("{{ " + "a + " * 50).startswith("template '{{ a + a + ")
    assert len(fault("{{ " + "a + " * 5_000)) < 250


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("<<$.user.name>>", "Ada"),
        ("<<$['user'][\"name\"]>>", "Ada"),
        ("<<$.items[0].name>>", "first"),
        ("<<$.items.0.name>>", "first"),
        ("<<$.items[*].name>>", ["first", "second"]),
        ("<<$.items.*.price>>", [1.5, 2]),
        ("<<$.items[1:].name>>", ["second"]),
        ("<<$.items[::-1].name>>", ["second", "first"]),
        ("<<$.items[0:1:1]['name']>>", ["first"]),
        ("<<$.user[0:1]>>", []),
        ("<<$.none[*]>>", []),
        ("<<$..name>>", ["Ada", "first", "second"]),
        ("<<$.items..name>>", ["first", "second"]),
        ("<<$.items..[1].name>>", ["second"]),
        ("<<$.steps..*>>", [{"data": [1, 2]}, {"ok": True}, [1, 2], 1, 2, True]),
        ("<<$.nothing[*]>>", []),
        ("names: <<$.items[*].name>>", 'names: ["first","second"]'),
        ("<<$>>", STATE),
        ("<<$.*[0].name>>", ["first"]),
    ],
)
def test_jsonpath_gives_one_value_when_definite_and_a_list_otherwise(template: str, expected: object) -> None:
    assert render(template) == expected


def test_jsonpath_reads_one_root_when_it_names_one() -> None:
    for template, asked in [
        ("<<$.user.tags[*]>>", ["user"]),
        ("<<$.user>>", ["user"]),
        ("<<$..name>>", ["*"]),
    ]:
        state = State(STATE)
        compile_value(template).render(state)
        assert state.asked == asked


def test_jsonpath_visits_a_bounded_number_of_values() -> None:
    error = failure("<<$..*..*..*>>", Limits(jsonpath_nodes=50))
    assert "visits more than 50 values" in str(error)
    assert str(error).startswith("template '<<$..*..*..*>>'")


def test_the_matches_of_a_jsonpath_are_bounded_in_size() -> None:
    assert "larger than 90 bytes" in str(failure("<<$..*>>", Limits(template_value_bytes=90)))


def test_strings_inside_lists_and_objects_are_rendered_and_keys_are_literal() -> None:
    config = {
        "<<user>>": ["<<user.age>>", {"deep": "{{ user.name | upper }}"}],
        "n": 1,
        "s": "plain",
        "t": None,
    }
    expected = {"<<user>>": [36, {"deep": "ADA"}], "n": 1, "s": "plain", "t": None}
    assert render(config) == expected


@pytest.mark.parametrize(
    ("value", "roots", "step_refs"),
    [
        ("text", set(), set()),
        (["<<user.name>>", {"x": "{{ items[0] }}"}], {"user", "items"}, set()),
        ("a<<secrets.key>>{{ run.id }}", {"secrets", "run"}, set()),
        ("<<$>>", {"*"}, set()),
        ("<<$..x>>", {"*"}, set()),
        ("<<$.secrets..x>>", {"secrets"}, set()),
        ("<<steps.fetch.data>>", {"steps"}, {"fetch"}),
        ("<<steps['my-step']?>> <<$.steps.a.b>> <<$.steps.b[*]>>", {"steps"}, {"my-step", "a", "b"}),
        ("{{ steps.fetch.data }} {{ steps['x y'].z + steps.b[0] }}", {"steps"}, {"fetch", "x y", "b"}),
        ("{{ steps[user.name] }}", {"steps", "user"}, set()),
        ("{{ a if b else c | default(d) }}", {"a", "b", "c", "d"}, set()),
        ("<<steps>>", {"steps"}, set()),
    ],
)
def test_a_compiled_value_names_the_roots_and_steps_it_reads(
    value: Any, roots: set[str], step_refs: set[str]
) -> None:
    compiled = compile_value(value)
    assert compiled.roots == roots
    assert compiled.step_refs == step_refs
    assert compiled.is_constant is (not roots)


def test_all_faults_are_found_with_their_places() -> None:
    config = {"a/b": ["fine", "<<a b>>"], "c": "{{ x | uper }}", "d": "<<ok>>"}
    assert find_faults(config) == [
        ("/a~1b/1", "template '<<a b>>': unexpected 'b' after the path"),
        ("/c", "template '{{ x | uper }}': unknown filter 'uper'; did you mean 'upper'?"),
    ]
    assert find_faults({"d": "<<ok>>"}) == []


def test_compiling_fails_with_the_first_fault_and_its_pointer() -> None:
    error = failure({"x": ["<<", "{{"]})
    assert error.error.details == {"pointer": "/x/0"}


def test_only_the_first_hundred_faults_are_collected() -> None:
    assert len(find_faults(["<<"] * 500)) == 100


def test_a_value_with_too_many_templates_is_refused() -> None:
    assert "more than 20,000 templates" in fault(["<<a>>"] * 20_001)


def test_a_value_nested_too_deeply_is_refused() -> None:
    value: Any = "<<a>>"
    for _ in range(65):
        value = [value]
    assert "nested deeper than 64 levels" in fault(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a << b", True),
        ("{{", True),
        ("\\<< and \\{{", False),
        ({"<<a>>": "b"}, False),
        ({"a": [1, {"b": "<<c>>"}]}, True),
        ([None, 1, True], False),
    ],
)
def test_a_quick_look_tells_whether_there_is_a_template(value: Any, expected: bool) -> None:
    assert has_template(value) is expected


def test_the_source_of_a_template_is_bounded() -> None:
    assert "longer than 10 characters" in fault("<<aaaaaaaaaaa>>", Limits(template_source_bytes=10))
    assert "longer than 10 characters" in fault("x{{ aaaaaaaaa }}", Limits(template_source_bytes=10))


def test_rendered_text_is_bounded_in_bytes() -> None:
    assert failure("<<long>>!<<long>>", Limits(template_output_bytes=50)).error.code == "VALUE_TOO_LARGE"
    assert failure("<<long>>!", Limits(template_output_bytes=50)).error.code == "VALUE_TOO_LARGE"
    assert render("<<long>>!", limits=Limits(template_output_bytes=61)) == "é" * 30 + "!"


def test_a_rendered_value_is_bounded_in_bytes() -> None:
    error = failure(["<<long>>"] * 3, Limits(value_bytes=180))
    assert error.error.code == "VALUE_TOO_LARGE"
    assert str(error).startswith("the rendered value: ")


def test_a_compiled_value_shows_what_it_reads() -> None:
    assert repr(compile_value("<<a>>")) == (
        "Compiled(is_constant=False, roots=frozenset({'a'}), step_refs=frozenset())"
    )


def test_missing_is_false_and_says_its_name() -> None:
    assert not MISSING
    assert repr(MISSING) == "MISSING"
