"""How a run is shown while it runs: in place on a terminal, as lines, as NDJSON, or not at all."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import IO, Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from openrun.cli.board import Board, Mark, Row
from openrun.cli.screen import Screen
from openrun.cli.text import clean, safe_json, ticking, took
from openrun.cli.wording import in_words
from openrun.core.events import FlowCompleted, FlowStarted, Shown, StepEvent, encode_event
from openrun.runtime.secrets import Redactor

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_FRAME_SECONDS = 0.08
_NAME_WIDTH = 28
_SUBJECT_WIDTH = 48
_ROWS = 40
_MARKS = {
    Mark.RETRYING: ("↻", "yellow"),
    Mark.WAITING: ("◷", "blue"),
    Mark.FAILED: ("✗", "red"),
    Mark.CANCELLED: ("■", "yellow"),
    Mark.UNDOING: ("↶", "magenta"),
    Mark.UNDONE: ("↶", "yellow"),
    Mark.DONE: ("✓", "green"),
    Mark.SKIPPED: ("·", "dim"),
}


class View(Protocol):
    """Shows the events of one run. `show` may raise OSError when nobody reads any more."""

    def show(self, event: Shown) -> None: ...

    async def animate(self) -> None:
        """Goes on until it is cancelled."""

    def close(self) -> None: ...


class _Still:
    """A view in which nothing moves between events."""

    async def animate(self) -> None:
        await asyncio.Event().wait()

    def close(self) -> None:
        return


class NoView(_Still):
    def show(self, event: Shown) -> None:
        del event


class JsonView(_Still):
    """Every event as a line of JSON."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def show(self, event: Shown) -> None:
        self._out.write(safe_json(encode_event(event).decode()) + "\n")
        self._out.flush()


class LineView(_Still):
    """One line per event worth reading: `+0.012s  fetch  started`."""

    def __init__(self, out: IO[str], names: Iterable[str], *, tells_end: bool = False) -> None:
        self._out = out
        self._tells_end = tells_end
        self._width = max((len(name) for name in names if len(name) <= _NAME_WIDTH), default=0)
        self._start: datetime | None = None

    def begin(self, start: datetime) -> None:
        """Tell times since this instant; else they are told since the run's start, once that is shown."""
        self._start = start

    def show(self, event: Shown) -> None:
        if isinstance(event, FlowStarted):
            self.begin(event.timestamp)
        words = in_words(event)
        if self._tells_end and isinstance(event, FlowCompleted):
            words = event.status.value
        if words is None:
            return
        since = (event.timestamp - self._start).total_seconds() if self._start else 0.0
        subject = _subject(event)
        self._width = max(self._width, min(len(subject), _SUBJECT_WIDTH))
        self._out.write(f"{f'{since:+.3f}s':>9}  {subject:<{self._width}}  {words}\n")
        self._out.flush()


class LiveView:
    """A table of the steps that redraws itself; what is printed meanwhile appears above it."""

    def __init__(self, screen: Screen, name: str) -> None:
        self._screen = screen
        self._name = clean(name, 60)
        self._board = Board()
        self._live = Live(
            console=screen, auto_refresh=False, get_renderable=self.render, vertical_overflow="crop"
        )

    def show(self, event: Shown) -> None:
        self._board.apply(event)

    async def animate(self) -> None:
        self._live.start()
        while True:
            self._live.refresh()
            await asyncio.sleep(_FRAME_SECONDS)

    def close(self) -> None:
        """Leave the last picture on the terminal."""
        self._live.start()
        self._live.refresh()
        self._live.stop()

    def render(self) -> RenderableType:
        """The picture of this moment; never taller than the terminal."""
        board, now = self._board, datetime.now(UTC)
        most = max(3, min(_ROWS, self._screen.height - 5))
        picked = board.pick(most)
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(width=1)
        table.add_column(no_wrap=True, max_width=_NAME_WIDTH)
        table.add_column(justify="right", no_wrap=True, min_width=6)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for row in picked:
            table.add_row(*self._cells(row, now))
        parts: list[RenderableType] = [self._head(now), table]
        hidden = len(board.rows) - len(picked)
        if hidden:
            parts.append(Text(f"   … and {hidden:,} more steps", "dim"))
        if board.ended is None:
            # The cursor rests on a line of its own: an echoed ^C must not wrap a full line and shift the picture.
            parts.append(Text(""))
        return Group(*parts)

    def _head(self, now: datetime) -> Text:
        board = self._board
        text = Text.assemble((self._name, "bold"), ("  " + clean(board.run_id), "dim"), no_wrap=True)
        text.append(f"  {ticking(board.elapsed(now))}")
        if board.cancel_reason is not None and board.ended is None:
            text.append("  cancelling; Ctrl-C again stops at once", "yellow")
        return text

    def _cells(self, row: Row, now: datetime) -> tuple[Text, Text, Text, Text]:
        mark = row.mark
        sign, style = _MARKS.get(mark) or (_spinner(now), "cyan")
        time = row.time(now)
        quiet = "dim" if mark is Mark.SKIPPED else ""
        words = "red" if mark in (Mark.FAILED, Mark.RETRYING) and row.runs <= 1 else "dim"
        return (
            Text(sign, style),
            Text(clean(row.step_id), quiet or ("bold" if mark.is_under_way else "")),
            _duration(time, is_under_way=mark.is_under_way),
            Text(row.words(now), words),
        )


class MaskedView:
    """Another view, shown events in which secrets are masked, those included that a server sends back."""

    def __init__(self, view: View, redactor: Redactor) -> None:
        self._view = view
        self._redactor = redactor

    def show(self, event: Shown) -> None:
        self._view.show(self._redactor.masked(event))

    async def animate(self) -> None:
        await self._view.animate()

    def close(self) -> None:
        self._view.close()


def view_for(screen: Screen, name: str, step_ids: Iterable[str], *, as_json: bool) -> View:
    """The view that fits where the output goes."""
    if as_json:
        return JsonView(screen.file)
    if screen.is_live:
        return LiveView(screen, name)
    return LineView(screen.file, step_ids)


def _duration(time: timedelta | None, *, is_under_way: bool) -> Text:
    if time is None:
        return Text("")
    return Text(ticking(time)) if is_under_way else Text(took(time), "dim")


def _spinner(now: datetime) -> str:
    return _FRAMES[int(now.timestamp() / _FRAME_SECONDS) % len(_FRAMES)]


def _subject(event: Shown) -> str:
    if not isinstance(event, StepEvent):
        return "run"
    return clean(event.step_id if event.scope == "/" else f"{event.step_id} {event.scope}")
