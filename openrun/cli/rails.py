"""A flow as rails of text, read from top to bottom as a history of versions is: a lane for each edge under way.

Above a step the lanes that lead to it meet; below it a lane leaves for each step it leads to. Lanes keep their
column while they are open.
"""

from collections.abc import Iterable, Iterator
from itertools import takewhile

from openrun.cli.sketch import Node, Sketch, Stroke
from openrun.cli.text import clean

_MOST_LANES = 24
_NAME_WIDTH = 32
_SOURCES = 8


class Rails:
    """The open lanes, from left to right: where each leads, or None for a free column."""

    def __init__(self) -> None:
        self._lanes: list[int | None] = []

    def arrive(self, node: int) -> tuple[int, str | None]:
        """The node's column, and the row in which its lanes meet, if several do."""
        columns = [column for column, target in enumerate(self._lanes) if target == node]
        if not columns:
            columns = [self._free(0)]
        column, others = columns[0], columns[1:]
        row = self._joint(column, others, "┴", "╯") if others else None
        for other in others:
            self._lanes[other] = None
        self._lanes[column] = node
        return column, row

    def beside(self, column: int, sign: str) -> str:
        """The row of a node."""
        return self._row({column: sign})

    def leave(self, column: int, targets: list[int]) -> str | None:
        """Open a lane for each target; the row in which they part, if several do."""
        self._lanes[column] = targets[0] if targets else None
        others = []
        for target in targets[1:]:
            at = self._free(column + 1)
            self._lanes[at] = target
            others.append(at)
        row = self._joint(column, others, "┬", "╮") if others else None
        while self._lanes and self._lanes[-1] is None:
            self._lanes.pop()
        return row

    def _free(self, start: int) -> int:
        for column in range(start, len(self._lanes)):
            if self._lanes[column] is None:
                return column
        self._lanes += [None] * (max(start - len(self._lanes), 0) + 1)
        return len(self._lanes) - 1

    def _joint(self, column: int, others: list[int], middle: str, last: str) -> str:
        signs = {column: "├", **dict.fromkeys(others, middle), max(others): last}
        return self._row(signs, (column, max(others)))

    def _row(self, signs: dict[int, str], across: tuple[int, int] = (0, 0)) -> str:
        start, end = across
        cells = []
        for column, target in enumerate(self._lanes):
            is_crossed = start < column < end
            sign = signs.get(column) or (
                ("┼" if is_crossed else "│") if target is not None else "─" if is_crossed else " "
            )
            cells.append(sign + ("─" if start <= column < end else " "))
        return "".join(cells).rstrip()


def draw(sketch: Sketch) -> Iterator[str]:
    """The lines of the drawing, bodies of foreach steps below it."""
    rows = _narrow_rows(sketch) or [(_sign(sketch.nodes[at]), sketch.nodes[at]) for at in sketch.order]
    rails = max(len(rail) for rail, _node in rows)
    names = _width(node.step_id for node in sketch.nodes)
    kinds = _width(node.kind for node in sketch.nodes)
    for rail, node in rows:
        if node is None:
            yield rail
        else:
            words = f"{clean(node.step_id):<{names}}  {clean(node.kind):<{kinds}}  {_says(sketch, node)}"
            yield f"{rail:<{rails}}  {words}".rstrip()
    for node in sketch.nodes:
        if node.body is not None:
            yield ""
            yield f"each item of {clean(node.step_id)}:"
            yield from ("  " + line for line in draw(node.body))


def _narrow_rows(sketch: Sketch) -> list[tuple[str, Node | None]]:
    """The rows with their rails, or none at all where they would be too wide to read."""
    if any(len(sketch.leaving(at)) > _MOST_LANES for at in sketch.order):
        return []
    rows = list(takewhile(lambda row: len(row[0]) <= 2 * _MOST_LANES, _rows(sketch)))
    return rows if sum(node is not None for _rail, node in rows) == len(sketch.order) else []


def _rows(sketch: Sketch) -> Iterator[tuple[str, Node | None]]:
    """The rail of every line, and the node that stands on it."""
    rails = Rails()
    for at in sketch.order:
        column, meeting = rails.arrive(at)
        if meeting:
            yield meeting, None
        yield rails.beside(column, _sign(sketch.nodes[at])), sketch.nodes[at]
        targets = dict.fromkeys(k.target for k in sketch.leaving(at) if not k.again)
        parting = rails.leave(column, list(targets))
        if parting:
            yield parting, None


def _sign(node: Node) -> str:
    return "●" if node.is_trigger else "◇" if node.is_branch else "○"


def _width(texts: Iterable[str]) -> int:
    return min(_NAME_WIDTH, max((len(clean(text)) for text in texts), default=0))


def _says(sketch: Sketch, node: Node) -> str:
    """Where it is reached from, if that is not plain from the rails; where it goes back to; its notes."""
    arriving = sketch.arriving(node.at)
    parts = []
    if len(arriving) > 1 or any(sketch.names_port(each) for each in arriving):
        more = f", … {len(arriving) - _SOURCES} more" if len(arriving) > _SOURCES else ""
        parts.append("← " + ", ".join(_end(sketch, each) for each in arriving[:_SOURCES]) + more)
    for each in sketch.leaving(node.at):
        if each.again:
            port = f"{clean(each.port, 40)} " if sketch.names_port(each) else ""
            parts.append(f"{port}↺ {clean(sketch.nodes[each.target].step_id)}")
    if node.notes:
        parts.append(f"[{clean(', '.join(node.notes))}]")
    return "  ".join(parts)


def _end(sketch: Sketch, stroke: Stroke) -> str:
    source = clean(sketch.nodes[stroke.source].step_id)
    return f"{source}.{clean(stroke.port, 40)}" if sketch.names_port(stroke) else source
