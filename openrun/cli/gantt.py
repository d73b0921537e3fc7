"""The course of a run as bars: a row for each activation, from its start to its end."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.table import Table
from rich.text import Text

from openrun.cli.screen import Screen
from openrun.cli.text import clean, count, took
from openrun.core.events import Fact, FlowCompleted
from openrun.core.timeline import Track, tracks

_WIDTH = 48
_ROWS = 200
_STYLES = {
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "review": ("?", "red"),
    "running": ("…", "cyan"),
}
_UNDER_WAY = ("…", "blue")
_RUN, _WAIT = "█", "░"


class Scale:
    """A stretch of time on a line of so many characters."""

    def __init__(self, begin: datetime, end: datetime) -> None:
        self._begin = begin
        self._span = max(end - begin, timedelta(microseconds=1))

    def cell(self, instant: datetime) -> int:
        return max(0, min(_WIDTH - 1, int((instant - self._begin) / self._span * _WIDTH)))


def show_gantt(out: Screen, facts: Sequence[Fact]) -> None:
    """Print the bars; of many rows the first two hundred."""
    course = tracks(facts)
    # Clocks of two workers may differ: the last event need not have the latest instant.
    begin, end = min(fact.timestamp for fact in facts), max(fact.timestamp for fact in facts)
    scale = Scale(begin, end)
    table = Table.grid(padding=(0, 1))
    table.add_column(width=1)
    table.add_column(no_wrap=True, max_width=40, overflow="ellipsis")
    table.add_column(no_wrap=True, width=_WIDTH)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True)
    for track in course[:_ROWS]:
        sign, style = _STYLES.get(track.status, _UNDER_WAY)
        place = clean(track.step_id) + ("" if track.scope == "/" else f" in {clean(track.scope)}")
        spent = (track.ended_at or end) - (track.started_at or track.ended_at or end)
        table.add_row(
            Text(sign, style), Text(place, "bold"), _bar(track, scale, end, style), took(spent), _words(track)
        )
    last = facts[-1]
    status = last.status.value if isinstance(last, FlowCompleted) else "goes on"
    out.print(Text(f"{clean(facts[0].run_id)} of {clean(facts[0].flow_id)}: {status}, {took(end - begin)}"))
    out.print(table)
    if len(course) > _ROWS:
        out.print(Text(f"… and {count(len(course) - _ROWS, 'more activation')}; --json prints all", "dim"))
    out.print(Text(f"{_RUN} runs  {_WAIT} waits", "dim"))


def _bar(track: Track, scale: Scale, end: datetime, style: str) -> Text:
    begin = track.started_at or track.first
    first, last = scale.cell(begin), scale.cell(track.ended_at or end)
    cells = [" "] * _WIDTH
    cells[first : last + 1] = _RUN * (last + 1 - first)
    for wait in track.waits:
        since, until = scale.cell(wait.since), scale.cell(wait.until or track.ended_at or end)
        # A wait shares its first and last cell with what ran before and after, unless it fills them.
        for at in range(since + (since == first < until), until + (wait.until is None)):
            cells[at] = _WAIT
    return Text("".join(cells).rstrip(), style)


def _words(track: Track) -> Text:
    parts = [track.status]
    if len(track.attempts) > 1:
        parts.append(count(len(track.attempts), "attempt"))
    return Text(", ".join(parts), "dim")
