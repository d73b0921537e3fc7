"""JSON Patch (RFC 6902): all of it or nothing, with errors that say which, within bounds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.limits import Limits
from openrun.core.patch import PatchError, PatchPathError, PatchTestFailed, difference, patched

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(PLAIN, PLAIN)
def test_a_difference_makes_the_one_value_of_the_other(before: Any, after: Any) -> None:
    assert patched(before, difference(before, after)) == after


def test_every_operation_does_what_the_standard_says() -> None:
    value = {"a": [1, 2], "b": {"c": 3}}
    found = patched(
        value,
        [
            {"op": "add", "path": "/a/-", "value": 3},
            {"op": "replace", "path": "/b/c", "value": 4},
            {"op": "move", "from": "/b/c", "path": "/d"},
            {"op": "copy", "from": "/a", "path": "/e"},
            {"op": "remove", "path": "/a/0"},
            {"op": "test", "path": "/e", "value": [1, 2, 3]},
        ],
    )
    assert found == {"a": [2, 3], "b": {}, "d": 4, "e": [1, 2, 3]}
    assert value == {"a": [1, 2], "b": {"c": 3}}


def test_a_failed_test_is_another_error_than_a_bad_path() -> None:
    with pytest.raises(PatchTestFailed, match="operation 1: the test of '/a' failed"):
        patched({"a": 1}, [{"op": "add", "path": "/b", "value": 1}, {"op": "test", "path": "/a", "value": 2}])
    with pytest.raises(PatchPathError, match="operation 0, remove /b"):
        patched({"a": 1}, [{"op": "remove", "path": "/b"}])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/a/b/c", "value": 1},
        {"op": "replace", "path": "/list/7", "value": 1},
        {"op": "remove", "path": "/list/-"},
        {"op": "add", "path": "/text/0", "value": "x"},
        {"op": "copy", "from": "/nobody", "path": "/x"},
        {"op": "move", "from": "/list", "path": "/list/0"},
    ],
)
def test_a_place_that_is_not_there_is_named(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchPathError, match=str(operation["path"])):
        patched({"a": {}, "list": [1], "text": "abc"}, [operation])


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ({"op": "merge", "path": ""}, "one of add, copy"),
        ({"path": "/a"}, "one of add, copy"),
        ("add", "an object"),
        ({"op": "add", "path": "a", "value": 1}, "JSON Pointer"),
        ({"op": "move", "path": "/a"}, "`from`"),
        ({"op": "add", "path": "/a"}, "value"),
        ({"op": "add", "path": "/a", "value": {1}}, "set"),
        ({"op": "add", "path": "/a" * 100, "value": 1}, "deeper"),
    ],
)
def test_what_is_no_operation_is_refused(operation: Any, words: str) -> None:
    with pytest.raises(PatchError, match=words):
        patched({"a": 1}, [operation])


def test_copies_of_copies_do_not_grow_without_bounds() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": "/a/-"}] * 60
    with pytest.raises(PatchError, match="copies more"):
        patched({"a": [1]}, doubling)


def test_too_many_operations_and_too_large_a_result_are_refused() -> None:
    with pytest.raises(PatchError, match="at most"):
        patched({}, [{"op": "add", "path": "/a", "value": 1}] * 10_001)
    adds = [{"op": "add", "path": f"/{at}", "value": "x" * 50} for at in range(10)]
    with pytest.raises(PatchError, match="cannot be kept"):
        patched({}, adds, limits=Limits(value_bytes=400))


def test_a_value_that_is_copied_into_its_own_depth_is_refused() -> None:
    inner: Any = {}
    for _ in range(60):
        inner = {"a": inner}
    deeper = [{"op": "copy", "from": "/a", "path": "/a" * 60 + f"/{chr(98 + at)}"} for at in range(12)]
    with pytest.raises(PatchError, match=r"nested|deep"):
        patched(inner, deeper)
