"""Which steps are others in another version, and which outputs steps read."""

from typing import Any

import pytest

from openrun import Flow
from openrun.definition.changes import Changes, changes
from openrun.definition.program import Program
from openrun.definition.reads import reads

from .given import branch, document, each, edge, transform


def program(*parts: Any, edges: Any = None) -> Program:
    return Flow.from_dict(document(parts, edges)).program()


def test_a_version_is_no_other_than_itself() -> None:
    assert changes(program(transform("a")), program(transform("a"))) == Changes()


def test_another_config_or_type_is_a_change() -> None:
    old = program(transform("a"), transform("b"), transform("c"))
    new = program(transform("a", 2), branch("b"), transform("c"))
    assert changes(old, new) == Changes(changed=frozenset({("a",), ("b",)}))


@pytest.mark.parametrize(
    "more",
    [{"name": "A"}, {"retry": 3}, {"timeout": 5}, {"position": [1, 2]}, {"allow_failure": True}],
    ids=str,
)
def test_how_a_step_is_named_drawn_or_tried_is_no_change(more: dict[str, Any]) -> None:
    assert changes(program(transform("a")), program(transform("a", **more))) == Changes()


def test_steps_that_came_and_went_are_told() -> None:
    found = changes(program(transform("a"), transform("b")), program(transform("a"), transform("c")))
    assert (set(found.added), set(found.removed)) == ({("c",)}, {("b",)})
    assert not found.changed


def test_of_a_body_it_is_told_which_of_its_steps_changed() -> None:
    old = program(each("all", [transform("a"), each("inner", [transform("b")])]))
    new = program(each("all", [transform("a"), each("inner", [transform("b", 2)])]))
    found = changes(old, new)
    assert found.changed == {("all", "inner", "b")}
    assert found.within == {("all",), ("all", "inner")}


def test_a_body_with_another_edge_or_step_is_another_body() -> None:
    steps = [transform("a"), transform("b")]
    old, wired = program(each("all", steps)), program(each("all", steps, [edge("a", "b")]))
    assert changes(old, wired) == Changes(within=frozenset({("all",)}))
    more = program(each("all", [*steps, transform("c")]))
    assert changes(old, more) == Changes(within=frozenset({("all",)}), added=frozenset({("all", "c")}))


def test_other_items_for_the_same_body_are_a_change_of_the_step_itself() -> None:
    old, new = each("all", [transform("a")]), each("all", [transform("a")])
    new["config"] = {**new["config"], "items": [1, 2]}
    assert changes(program(old), program(new)) == Changes(changed=frozenset({("all",)}))


def test_the_outputs_that_templates_read_are_known() -> None:
    found = reads(
        program(
            transform("a"),
            transform("b", "<<steps.a.x>> and {{ steps.start }}"),
            transform("c", "{{ steps }}"),
            each("all", [transform("d", "<<steps.a>>")]),
        )
    )
    assert found == {("b",): {"a", "start"}, ("c",): {"*"}, ("all", "d"): {"a"}}
