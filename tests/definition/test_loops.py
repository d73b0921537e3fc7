from hypothesis import given
from hypothesis import strategies as st

from openrun.core.regions import find_regions
from openrun.definition.loops import count_loops

Pair = tuple[int, int]
SIZE = 8
GRAPHS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=24)


@given(GRAPHS)
def test_loops_are_counted_as_the_graph_finds_them(pairs: list[Pair]) -> None:
    regions = find_regions(SIZE, pairs)
    depth = {None: 0}
    for region in regions:
        depth[region.index] = depth[region.parent] + 1  # type: ignore[index]
    loops = count_loops(SIZE, pairs, SIZE)
    assert loops.count == len(regions)
    assert loops.depth == max(depth.values())
    assert loops.headers == tuple(sorted({header for region in regions for header in region.headers}))


def test_a_graph_without_cycles_has_none() -> None:
    loops = count_loops(4, [(0, 1), (1, 2), (0, 2), (2, 3)], 8)
    assert (loops.count, loops.depth, loops.headers) == (0, 0, ())


def test_what_is_too_deep_is_not_counted() -> None:
    nested = [(at, at + 1) for at in range(20)] + [(20 - at, at) for at in range(9)]
    assert count_loops(21, nested, 3).depth == 4
    assert count_loops(21, nested, 20).depth == 9
