"""Values with versions, looked up outward."""

import random

from hypothesis import given
from hypothesis import strategies as st

from openrun.core.interpolation import MISSING
from openrun.core.layers import Layer, Readers, nobody


def between(oldest: int, newest: int) -> Readers:
    return lambda: (oldest, newest)


def test_a_key_that_was_never_set_is_missing() -> None:
    layer = Layer(Layer(None))
    assert layer.own("a", 9) is MISSING
    assert layer.read("a", 9) is MISSING
    assert list(layer.keys(9)) == []


def test_a_reader_sees_the_value_as_of_its_start() -> None:
    layer = Layer(None)
    layer.write("a", 1, 1, nobody)
    layer.write("a", 2, 5, between(3, 3))
    layer.write("a", 3, 7, between(3, 6))
    assert [layer.own("a", at) for at in (0, 1, 4, 5, 6, 7, 9)] == [MISSING, 1, 1, 2, 2, 3, 3]


def test_a_version_that_nobody_reads_any_more_is_forgotten() -> None:
    layer = Layer(None)
    for seq in range(1, 100):
        layer.write("a", seq, seq, nobody)
    assert layer.cells["a"].older is None


def test_versions_older_than_the_oldest_reader_needs_are_forgotten() -> None:
    layer = Layer(None)
    for seq in range(1, 6):
        layer.write("a", seq, seq, between(1, seq))
    layer.write("a", 9, 9, between(5, 5))
    assert layer.own("a", 5) == 5
    assert layer.cells["a"].older is not None
    assert layer.cells["a"].older.older is None


def test_an_outer_layer_shows_through_until_the_key_is_set() -> None:
    outer = Layer(None)
    inner = Layer(outer)
    outer.write("a", "outer", 1, nobody)
    outer.write("b", "outer", 1, nobody)
    inner.write("a", "inner", 2, nobody)
    assert (inner.read("a", 1), inner.read("a", 2), inner.read("b", 2)) == ("outer", "inner", "outer")
    assert outer.read("a", 2) == "outer"
    assert list(inner.keys(2)) == ["a", "b"]


def test_keys_come_with_outer_layers_first_and_each_once() -> None:
    outer = Layer(None)
    inner = Layer(outer)
    inner.write("z", 1, 1, nobody)
    inner.write("late", 1, 9, nobody)
    outer.write("y", 1, 1, nobody)
    outer.write("z", 1, 1, nobody)
    assert list(inner.keys(5)) == ["y", "z"]


def test_none_is_a_value() -> None:
    layer = Layer(None)
    layer.write("a", None, 1, nobody)
    assert layer.read("a", 1) is None
    assert list(layer.keys(1)) == ["a"]


@given(st.lists(st.sampled_from(["read", "write", "leave"]), max_size=40), st.randoms(use_true_random=False))
def test_every_reader_under_way_reads_what_a_full_history_says(
    acts: list[str], chance: random.Random
) -> None:
    """Readers come in order and leave in any; forgetting versions must not change what they see."""
    layer = Layer(None)
    history: list[tuple[int, object]] = [(0, MISSING)]
    readers: list[int] = []
    for seq, act in enumerate(acts, start=1):
        if act == "write":
            layer.write("a", seq, seq, between(readers[0], readers[-1]) if readers else nobody)
            history.append((seq, seq))
        elif act == "read":
            readers.append(seq)
        elif readers:
            readers.remove(chance.choice(readers))
        for at in readers:
            assert layer.own("a", at) == next(value for wrote, value in reversed(history) if wrote <= at)
