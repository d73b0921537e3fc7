"""What is different between two versions of a flow, and the patch that leads from one to the other."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openrun.core.patch import patched
from openrun.core.strict_json import canonical
from openrun.definition.diff import EdgeEnds, FieldChange, FlowDiff, Renaming, StepChange, diff

from .given import Part, document, edge, transform


def apart(old: Part, new: Part) -> FlowDiff:
    """The difference, whose patch leads to the new document."""
    found = diff(old, new)
    assert canonical(patched(old, found.patch)) == canonical(new)
    return found


def test_a_document_is_no_other_than_itself() -> None:
    same = document([transform("a"), transform("b")])
    assert apart(same, deepcopy(same)) == FlowDiff()


def test_fields_of_the_flow_are_told_with_old_and_new() -> None:
    old = document([transform("a")], timeout=5, description="Old")
    new = document([transform("a")], timeout=6, on_failure="fail_fast")
    assert set(apart(old, new).fields) == {
        FieldChange(pointer="/description", kind="removed", old="Old"),
        FieldChange(pointer="/timeout", kind="changed", old=5, new=6),
        FieldChange(pointer="/on_failure", kind="added", new="fail_fast"),
    }


def test_steps_and_their_edges_come_and_go() -> None:
    found = apart(document([transform("a"), transform("b")]), document([transform("a"), transform("c", 2)]))
    assert (found.added, found.removed, found.changed) == (("c",), ("b",), ())
    assert found.edges_added == (EdgeEnds(source="start", source_port="default", target="c"),)
    assert found.edges_removed == (EdgeEnds(source="start", source_port="default", target="b"),)


def test_of_a_changed_step_each_place_is_told() -> None:
    old = document([transform("a", {"x/y": 1, "z": [1, 2, 3]})])
    new = document([transform("a", {"x/y": 2, "z": [1]}, retry={"max_attempts": 3})])
    assert apart(old, new).changed == (
        StepChange(
            id="a",
            fields=(
                FieldChange(pointer="/config/value/x~1y", kind="changed", old=1, new=2),
                FieldChange(pointer="/config/value/z/2", kind="removed", old=3),
                FieldChange(pointer="/config/value/z/1", kind="removed", old=2),
                FieldChange(pointer="/retry", kind="added", new={"max_attempts": 3}),
            ),
        ),
    )


def test_a_step_that_is_only_drawn_elsewhere_has_moved_and_not_changed() -> None:
    old = document([transform("a", position=[1, 2]), transform("b"), transform("c", position=[1, 2])])
    new = document([transform("a", position=[1, 3]), transform("b", position=[5, 5]), transform("c", 2)])
    found = apart(old, new)
    assert found.moved == ("a", "b")
    assert [change.id for change in found.changed] == ["c"]


def test_a_step_that_is_equal_but_for_its_id_was_renamed_and_its_edges_are_the_same() -> None:
    old = document([transform("a"), transform("b", 2)], [edge("start", "a"), edge("a", "b")])
    new = document([transform("z"), transform("b", 2)], [edge("start", "z"), edge("z", "b")])
    assert apart(old, new) == FlowDiff(renamed=(Renaming(old="a", new="z"),), patch=diff(old, new).patch)


def test_of_equal_steps_as_many_were_renamed_as_there_are_pairs() -> None:
    old = document([transform("a"), transform("b")], [])
    new = document([transform("x")], [])
    found = apart(old, new)
    assert found.renamed == (Renaming(old="a", new="x"),)
    assert (found.removed, found.added) == (("b",), ())


def test_the_default_port_is_the_same_whether_it_is_written_or_not() -> None:
    old = document([transform("a")], [edge("start", "a")])
    new = document([transform("a")], [edge("start", "a", "default")])
    found = apart(old, new)
    assert (found.edges_added, found.edges_removed) == ((), ())


def test_steps_in_another_order_are_the_same_steps() -> None:
    steps = [transform("a"), transform("b", 2), transform("c", 3)]
    old, new = document(steps, []), document(steps[::-1], [])
    assert apart(old, new) == FlowDiff(patch=diff(old, new).patch)


def test_a_step_put_in_front_is_one_operation() -> None:
    old = document([transform("b"), transform("c")], [])
    new = deepcopy(old)
    new["steps"].insert(0, transform("a"))
    assert apart(old, new).patch == ({"op": "add", "path": "/steps/0", "value": transform("a")},)


_IDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a/b", "~"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y/", "~z"]), inner),
    max_leaves=6,
)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    ids = draw(st.lists(_IDS, unique=True))
    steps: list[Part] = [
        {"id": step_id, "type": "transform", "config": {"value": draw(_VALUES)}} for step_id in ids
    ]
    for step in steps:
        if draw(st.booleans()):
            step["position"] = [draw(st.integers(0, 2)), 0]
    found: dict[str, Any] = {"name": "A flow", "steps": steps}
    if draw(st.booleans()):
        found["edges"] = [edge(draw(_IDS), draw(_IDS)) for _ in range(draw(st.integers(0, 5)))]
    return found | draw(st.dictionaries(st.sampled_from(["x-a", "x-b", "timeout"]), _VALUES))


@given(documents(), documents())
def test_the_patch_leads_from_any_document_to_any_other(old: dict[str, Any], new: dict[str, Any]) -> None:
    apart(old, new)


@given(documents(), documents())
def test_every_step_is_told_of_once_and_none_is_left_out(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = diff(old, new)
    before = {step["id"]: step for step in old["steps"]}
    after = {step["id"]: step for step in new["steps"]}
    come = [*found.added, *(each.new for each in found.renamed)]
    gone = [*found.removed, *(each.old for each in found.renamed)]
    assert sorted(come) == sorted(after.keys() - before.keys())
    assert sorted(gone) == sorted(before.keys() - after.keys())
    both = {
        step_id
        for step_id in before.keys() & after.keys()
        if canonical(before[step_id]) != canonical(after[step_id])
    }
    assert sorted([*found.moved, *(change.id for change in found.changed)]) == sorted(both)
