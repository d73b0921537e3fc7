"""The state as steps see it: copies out, plain JSON in, nothing seen by others before the step succeeds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from openrun.core.errors import JsonError, PermanentError
from openrun.core.frame import Frame, Walk
from openrun.core.graph import Graph
from openrun.core.interpolation import MISSING
from openrun.core.layers import Layer, nobody
from openrun.core.state import StateContainer, StateView, check_key
from openrun.core.types import RESERVED_ROOTS, StateType

from .graph.notation import flow


def framed(values: dict[str, Any], outputs: dict[str, Any]) -> Frame:
    """The root frame of a run with these values, and outputs, written at seq 1."""
    layer = Layer(None)
    frame = Frame(Walk(Graph.compile(flow("t -> a")), None, 0), None, "/", layer)
    for key, value in values.items():
        layer.write(key, value, 1, nobody)
    for step, output in outputs.items():
        frame.outputs.write(step, output, 1, nobody)
    return frame


def inner(outer: Frame, values: dict[str, Any], outputs: dict[str, Any]) -> Frame:
    """A frame with a layer of its own, like that of an item."""
    layer = Layer(outer.layer)
    frame = Frame(outer.walk, outer, "/e[0]", layer)
    for key, value in values.items():
        layer.write(key, value, 2, nobody)
    for step, output in outputs.items():
        frame.outputs.write(step, output, 2, nobody)
    return frame


ROOTS = {"run": {"id": "r"}, "trigger": {"id": "t"}, "secrets": {"key": "hidden"}}


# -- a view ------------------------------------------------------------------------------------------


def test_a_view_reads_keys_roots_and_outputs() -> None:
    view = StateView(framed({"a": 1}, {"s": {"n": 2}}), 5, ROOTS)
    assert view.read("a") == 1
    assert view.read("run") == {"id": "r"}
    assert view.read("steps") == {"s": {"n": 2}}
    assert view.read("nothing") is MISSING
    assert view.step_output("s") == {"n": 2}
    assert view.step_output("nothing") is MISSING
    assert list(view.roots()) == ["a", "steps", "run", "trigger", "secrets"]


def test_a_view_shows_nothing_written_after_its_start() -> None:
    view = StateView(framed({"a": 1}, {"s": 1}), 0, {})
    assert view.read("a") is MISSING
    assert view.step_output("s") is MISSING
    assert view.everything() == {"steps": {}}


def test_a_view_reads_its_own_scope_first_and_then_outward() -> None:
    outer = framed({"a": "outer", "b": "outer"}, {"s": "outer", "u": "outer"})
    view = StateView(inner(outer, {"a": "inner"}, {"s": "inner"}), 5, {})
    assert (view.read("a"), view.read("b")) == ("inner", "outer")
    assert (view.step_output("s"), view.step_output("u")) == ("inner", "outer")
    assert view.read("steps") == {"s": "inner", "u": "outer"}


def test_everything_is_all_but_secrets() -> None:
    view = StateView(framed({"a": 1}, {"s": 2}), 5, ROOTS)
    assert view.everything() == {
        "run": {"id": "r"},
        "trigger": {"id": "t"},
        "a": 1,
        "steps": {"s": 2},
    }


# -- a container -------------------------------------------------------------------------------------


def test_what_is_set_is_seen_at_once_and_is_the_patch() -> None:
    state = StateContainer({"a": 1}, view=StateView(framed({"b": 2}, {}), 5, ROOTS))
    state.set("c", [3])
    state.set("b", 4)
    assert (state.get("a"), state.get("b"), state.get("c")) == (1, 4, [3])
    assert state.patch == {"a": 1, "c": [3], "b": 4}


def test_containers_come_out_as_copies() -> None:
    frame = framed({"list": [1]}, {"s": {"n": [2]}})
    state = StateContainer(view=StateView(frame, 5, {}))
    state.get("list").append(2)
    state.get("steps")["s"]["n"].append(3)
    state.to_dict()["list"].append(4)
    assert state.get("list") == [1]
    assert state.get_nested("steps.s.n") == [2]


def test_what_goes_in_is_copied_too() -> None:
    mine = {"n": [1]}
    state = StateContainer()
    state.set("a", mine)
    mine["n"].append(2)
    assert state.get("a") == {"n": [1]}


def test_a_missing_key_gives_the_default() -> None:
    state = StateContainer()
    assert state.get("a") is None
    assert state.get("a", 7) == 7
    assert StateContainer({"a": None}).get("a", 7) is None


def test_membership_and_what_it_looks_like() -> None:
    state = StateContainer({"a": 1}, view=StateView(framed({"b": 2}, {}), 5, {}))
    assert "a" in state
    assert "b" in state
    assert "c" not in state
    assert repr(StateContainer({"a": 1})) == "StateContainer({'a': 1})"


def test_secrets_are_no_part_of_what_a_step_gets() -> None:
    state = StateContainer(view=StateView(framed({}, {}), 5, ROOTS))
    assert state.get("secrets") is None
    assert "secrets" not in state
    assert "secrets" not in state.to_dict()


@pytest.mark.parametrize("key", sorted(RESERVED_ROOTS))
def test_reserved_roots_cannot_be_set(key: str) -> None:
    with pytest.raises(PermanentError, match="reserved"):
        StateContainer().set(key, 1)
    with pytest.raises(PermanentError, match="reserved"):
        StateContainer().declare(key, "any")


def test_a_key_has_a_name() -> None:
    with pytest.raises(PermanentError, match="non-empty"):
        check_key("")


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, {"a": b"x"}])
def test_only_plain_json_goes_in(value: object) -> None:
    with pytest.raises(JsonError):
        StateContainer().set("a", value)


def test_what_has_a_plain_form_goes_in_as_that() -> None:
    state = StateContainer({"at": datetime(2026, 1, 2, tzinfo=UTC), "pair": (1, 2)})
    assert state.get("pair") == [1, 2]
    assert isinstance(state.get("at"), str)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("user.emails.0", "x@y"),
        ("user.emails.-1", "z@y"),
        ("user", {"emails": ["x@y", "z@y"]}),
        ("user.emails.2", None),
        ("user.emails.-3", None),
        ("user.emails.first", None),
        ("user.name", None),
        ("user.emails.0.at", None),
        ("nobody.at.all", None),
    ],
)
def test_a_dotted_path_leads_into_containers(path: str, value: object) -> None:
    state = StateContainer({"user": {"emails": ["x@y", "z@y"]}})
    assert state.get_nested(path) == value
    assert state.get_nested(path, "default") == ("default" if value is None else value)


def test_a_dotted_path_leads_into_the_outputs_of_steps() -> None:
    state = StateContainer(view=StateView(framed({}, {"s": {"rows": [{"n": 1}]}}), 5, ROOTS))
    assert state.get_nested("steps.s.rows.0.n") == 1
    assert state.get_nested("steps.s") == {"rows": [{"n": 1}]}
    assert state.get_nested("steps") == {"s": {"rows": [{"n": 1}]}}
    assert state.get_nested("steps.x.rows", 0) == 0
    assert state.get_nested("run.id") == "r"
    assert StateContainer().get_nested("steps.s") is None


def test_a_state_goes_to_a_dict_and_back() -> None:
    state = StateContainer({"a": {"b": [1, None]}, "c": "x"})
    assert StateContainer.from_dict(state.to_dict()).to_dict() == {"a": {"b": [1, None]}, "c": "x"}
    viewed = StateContainer({"b": 2}, view=StateView(framed({"a": 1, "b": 1}, {}), 5, {}))
    assert viewed.to_dict() == {"a": 1, "b": 2, "steps": {}}


def test_a_patch_is_applied_key_by_key() -> None:
    state = StateContainer({"a": 1})
    state.apply({"a": 2, "b": 3})
    assert state.to_dict() == {"a": 2, "b": 3}
    with pytest.raises(PermanentError):
        state.apply({"run": 1})


VALUES: dict[StateType, list[Any]] = {
    StateType.STRING: ["x"],
    StateType.INTEGER: [1],
    StateType.NUMBER: [1.5],
    StateType.BOOLEAN: [True],
    StateType.OBJECT: [{}],
    StateType.ARRAY: [[]],
}


@pytest.mark.parametrize("kind", VALUES)
def test_a_typed_slot_refuses_values_of_another_type(kind: StateType) -> None:
    state = StateContainer()
    state.declare("a", kind.value)
    for other, values in VALUES.items():
        for value in values:
            if other is kind or (kind is StateType.NUMBER and other is StateType.INTEGER):
                state.set("a", value)
                assert state.get("a") == value
            else:
                with pytest.raises(PermanentError, match="holds"):
                    state.set("a", value)


def test_a_typed_slot_may_be_null_and_other_keys_stay_free() -> None:
    state = StateContainer()
    state.declare("a", StateType.STRING)
    state.declare("any", StateType.ANY)
    state.set("a", None)
    state.set("any", 1)
    state.set("b", 1)
    assert state.to_dict() == {"a": None, "any": 1, "b": 1}


def test_declaring_a_slot_checks_the_value_it_has() -> None:
    state = StateContainer({"a": 1})
    state.declare("a", "integer")
    with pytest.raises(PermanentError, match="holds string, not int"):
        state.declare("a", "string")
    with pytest.raises(ValueError, match="nonsense"):
        state.declare("a", "nonsense")
