"""JSONPath, as far as it is safe: root, child, index, slice, wildcard and bounded descent.

Parsed here by hand: this subset is one loop over one pattern. The grammar of `jsonpath-ng` has unions, filters,
parents and named operators that would each have to be found and refused after parsing, it warns about some
of its own syntax, and it takes fifteen times as long for one path. The walk is by hand in any case,
since the number of visited nodes must be bounded.

A definite path (children and indexes only) is a `Path` like any other. Any other path is a `Query`, whose value
is the list of its matches in document order, with duplicates where branches meet, as in RFC 9535.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from openrun.core.interpolation.budget import Budget
from openrun.core.interpolation.fault import FaultError, shorten
from openrun.core.interpolation.path import BRACKET, Path, Step, bracket_step, down, named_step
from openrun.core.interpolation.reader import MISSING, Reader
from openrun.core.types import Json

Select = Callable[[Json], Iterator[Json]]

_INT = r"(-?[0-9]{1,10})?\s*+"
_SLICE_OR_STAR = re.compile(rf"\[\s*+(?:(\*)\s*+|{_INT}:\s*+{_INT}(?::\s*+{_INT})?)\]")
_NAME_OR_STAR = re.compile(r"\*|[\w-]++")
_SEGMENT = re.compile(r"\.\.(?=[\[*\w-])|\.(?=[*\w-])|(?=\[)")


@dataclass(frozen=True, slots=True)
class Query:
    """A path that can match many values: from the end of a definite `prefix`, or from the whole state."""

    prefix: Path | None
    selects: tuple[Select, ...]

    def read(self, reader: Reader, budget: Budget) -> Json:
        """The list of matches; for `$` alone, which is definite, the state itself."""
        if not self.selects:
            return reader.everything()
        start = self.prefix.read(reader) if self.prefix else reader.everything()
        found = [] if start is MISSING else [start]
        room = budget.limits.jsonpath_nodes
        for select in self.selects:
            matches: list[Json] = []
            for value in found:
                for match in select(value):
                    room -= 1
                    if room < 0:
                        raise FaultError(f"visits more than {budget.limits.jsonpath_nodes:,} values")
                    matches.append(match)
            found = matches
        return budget.made(found)


def parse_jsonpath(source: str) -> tuple[Path | Query, int]:
    """The longest JSONPath at the start of a text that begins with `$`, and where it ends."""
    steps: list[Step | Select] = []
    position = 1
    while segment := _SEGMENT.match(source, position):
        if segment[0] == "..":
            steps.append(_descend)
        step, position = _selector(source, segment.end())
        steps.append(step)
    return _path_or_query(source[:position], steps), position


def _selector(source: str, position: int) -> tuple[Step | Select, int]:
    name = _NAME_OR_STAR.match(source, position)
    if name:
        return _children if name[0] == "*" else named_step(name[0]), name.end()
    match = _SLICE_OR_STAR.match(source, position)
    if match:
        return _children if match[1] else _slice(*map(_bound, match.group(2, 3, 4))), match.end()
    if BRACKET.match(source, position):
        return bracket_step(source, position)
    raise FaultError(
        "JSONPath here has names, indexes, slices, wildcards and descent only, "
        f"no filters, unions or expressions as at {shorten(source[position:])!r}"
    )


def _path_or_query(source: str, steps: list[Step | Select]) -> Path | Query:
    names = _leading_names(steps)
    prefix = Path(source, names[0].key, names[1:]) if names else None
    if prefix and len(names) == len(steps):
        return prefix
    rest = steps[len(names) :]
    return Query(prefix, tuple(_child(step) if isinstance(step, Step) else step for step in rest))


def _leading_names(steps: list[Step | Select]) -> tuple[Step, ...]:
    names: list[Step] = []
    for step in steps:
        if not isinstance(step, Step):
            break
        names.append(step)
    return tuple(names)


def _child(step: Step) -> Select:
    def select(value: Json) -> Iterator[Json]:
        below = down(value, (step,))
        if below is not MISSING:
            yield below

    return select


def _bound(text: str | None) -> int | None:
    return int(text) if text else None


def _slice(start: int | None, stop: int | None, step: int | None) -> Select:
    if step == 0:
        raise FaultError("a slice with step 0 has no end")
    part = slice(start, stop, step)

    def select(value: Json) -> Iterator[Json]:
        if type(value) is list:
            yield from value[part]

    return select


def _children(value: Json) -> Iterator[Json]:
    if type(value) is dict:
        yield from value.values()
    elif type(value) is list:
        yield from value


def _descend(value: Json) -> Iterator[Json]:
    """The value and all below it, parents first."""
    stack: list[Any] = [value]
    while stack:
        item = stack.pop()
        yield item
        if type(item) is dict:
            stack.extend(reversed(item.values()))
        elif type(item) is list:
            stack.extend(reversed(item))
