"""Loops of a flow, counted before they are compiled: compiling costs their number, and their depth, times the edges.

Steps that no cycle holds are peeled off first. Then, level by level, the strongly connected components of what is
left are the loops, and their inner edges that do not lead back to a header are what the next level is made of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from openrun.core.regions import Pair, components


@dataclass(frozen=True, slots=True)
class Loops:
    """How many there are, how deep they are nested (both as far as they were counted), and their headers."""

    count: int = 0
    depth: int = 0
    headers: tuple[int, ...] = ()


def count_loops(size: int, pairs: Sequence[Pair], deepest: int) -> Loops:
    """The loops of a graph; those nested more than one level deeper than `deepest` are not counted."""
    inner = _cyclic(size, pairs)
    count = depth = 0
    headers: set[int] = set()
    while inner and depth <= deepest:
        home = _homes(inner)
        kept = [(s, t) for s, t in inner if s in home and home[s] == home.get(t)]
        if not kept:
            break
        depth += 1
        count += len(set(home.values()))
        entered = {t for s, t in pairs if t in home and home.get(s) != home[t]}
        # A cycle nobody enters begins at its first step, as in openrun.core.regions.
        firsts = {home[step]: step for step in sorted(home, reverse=True)}
        for step in entered:
            firsts.pop(home[step], None)
        entered.update(firsts.values())
        headers |= entered
        inner = [(s, t) for s, t in kept if t not in entered]
    return Loops(count, depth, tuple(sorted(headers)))


def _homes(pairs: Sequence[Pair]) -> dict[int, int]:
    """Per step of a cycle, the number of its component."""
    successors: dict[int, list[int]] = {}
    for source, target in pairs:
        successors.setdefault(source, []).append(target)
    loops = {source for source, target in pairs if source == target}
    parts = components(sorted(successors), successors)
    return {step: at for at, part in enumerate(parts) if len(part) > 1 or part[0] in loops for step in part}


def _cyclic(size: int, pairs: Sequence[Pair]) -> list[Pair]:
    """The edges that are left when steps without inbound edges are taken away, again and again."""
    arity = [0] * size
    out: list[list[int]] = [[] for _ in range(size)]
    for source, target in pairs:
        arity[target] += 1
        out[source].append(target)
    pending = [at for at in range(size) if not arity[at]]
    gone = 0
    while pending:
        gone += 1
        for target in out[pending.pop()]:
            arity[target] -= 1
            if not arity[target]:
                pending.append(target)
    return [] if gone == size else [(s, t) for s, t in pairs if arity[s] and arity[t]]
