"""Loop regions: the strongly connected components of a flow, nested ones found by removing back edges.

A *header* is a step of the region with an edge from outside it; a *back edge* is an inner edge into a
header. Without its back edges a region either has no cycle left or holds nested regions, found the same way.
Tarjan's algorithm (1972), written as a loop so that a long chain cannot exhaust the stack.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One loop: its steps, where it is entered, and the region around it (None at the top)."""

    index: int
    parent: int | None
    steps: frozenset[int]
    headers: tuple[int, ...]


def find_regions(size: int, pairs: Sequence[Pair]) -> tuple[Region, ...]:
    """All regions of a graph of `size` steps, outer ones before those they hold. Costs O(edges) per depth."""
    into: list[list[int]] = [[] for _ in range(size)]
    for source, target in pairs:
        into[target].append(source)
    regions: list[Region] = []
    pending: list[tuple[Collection[int], list[Pair], int | None]] = [(range(size), list(pairs), None)]
    while pending:
        nodes, inner, parent = pending.pop()
        parts = [(steps, _headers(steps, into)) for steps in _cycles(nodes, inner)]
        for (steps, headers), kept in zip(parts, _without_back_edges(parts, inner), strict=True):
            regions.append(Region(index=len(regions), parent=parent, steps=steps, headers=headers))
            pending.append((sorted(steps), kept, regions[-1].index))
    return tuple(regions)


def _headers(steps: frozenset[int], into: Sequence[Sequence[int]]) -> tuple[int, ...]:
    entered = sorted(step for step in steps if any(source not in steps for source in into[step]))
    # A cycle nobody enters never runs; its first step stands in so that the graph stays well formed.
    return tuple(entered) or (min(steps),)


def _without_back_edges(
    parts: Sequence[tuple[frozenset[int], tuple[int, ...]]], inner: Iterable[Pair]
) -> list[list[Pair]]:
    """The edges inside each part, but those into its headers."""
    home = {step: at for at, (steps, _headers) in enumerate(parts) for step in steps}
    heads = {header for _steps, headers in parts for header in headers}
    kept: list[list[Pair]] = [[] for _ in parts]
    for source, target in inner:
        at = home.get(source)
        if at is not None and home.get(target) == at and target not in heads:
            kept[at].append((source, target))
    return kept


def _cycles(nodes: Collection[int], pairs: Iterable[Pair]) -> list[frozenset[int]]:
    successors: dict[int, list[int]] = {}
    loops: set[int] = set()
    for source, target in pairs:
        successors.setdefault(source, []).append(target)
        if source == target:
            loops.add(source)
    if not successors:
        return []
    found = components(nodes, successors)
    return [frozenset(part) for part in found if len(part) > 1 or part[0] in loops]


def components(nodes: Collection[int], successors: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Strongly connected components, each before those that lead to it."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    stacked: set[int] = set()
    found: list[list[int]] = []
    for root in nodes:
        if root in order:
            continue
        trail: list[tuple[int, int]] = [(root, 0)]
        while trail:
            node, at = trail.pop()
            if at == 0:
                order[node] = low[node] = len(order)
                stack.append(node)
                stacked.add(node)
            below = successors.get(node, ())
            if at < len(below):
                trail.append((node, at + 1))
                child = below[at]
                if child not in order:
                    trail.append((child, 0))
                elif child in stacked:
                    low[node] = min(low[node], order[child])
                continue
            for child in below:
                if child in stacked:
                    low[node] = min(low[node], low[child])
            if low[node] == order[node]:
                found.append(_unwind(stack, stacked, node))
    return found


def _unwind(stack: list[int], stacked: set[int], root: int) -> list[int]:
    part: list[int] = []
    while True:
        node = stack.pop()
        stacked.discard(node)
        part.append(node)
        if node == root:
            return part
