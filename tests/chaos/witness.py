"""The process that is never killed: receives calls, remembers every event it has seen, and meddles with runs."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from openrun.app import App, RunEnded
from openrun.core.types import FINAL, RunStatus
from openrun.store.base import Store, StoreUnavailable
from openrun.store.rows import RunFilter, RunRow
from tests.chaos.board import Board, Cell, Phase
from tests.chaos.flows import flows
from tests.chaos.receiver import Receiver

_LOOK = 0.05
_PAUSED = 0.4
_OPEN = tuple(status for status in RunStatus if status not in FINAL)
_HALTED = (RunStatus.PAUSED, RunStatus.NEEDS_REVIEW)
_NEWEST = 300
_EVENTS, _CLAIMS = "events", "claims"


def watch(store: str, room: Path, board: Board, seed: int) -> None:
    """The life of the witness."""
    asyncio.run(_watch(store, room, board, seed))


async def _watch(store: str, room: Path, board: Board, seed: int) -> None:
    runner, port = await Receiver(room / "calls", seed).start()
    dice = Random(seed)  # noqa: S311
    async with App(store, work=False, flows=flows(port)) as app:
        board[Cell.PORT] = port
        eye, hand = Eye(app.store, room, board), Hand(app, dice)
        while board.phase is not Phase.LEAVE:
            with contextlib.suppress(StoreUnavailable):
                rows = await eye.look()
                await hand.meddle(rows, settling=board.phase is not Phase.CHAOS)
            await asyncio.sleep(_LOOK)
    await runner.cleanup()


class Eye:
    """Writes down the hash of every event, as it was when it was first seen, and every change of hands."""

    def __init__(self, store: Store, room: Path, board: Board) -> None:
        self._store = store
        self._events = (room / _EVENTS).open("a", buffering=1)
        self._claims = (room / _CLAIMS).open("a", buffering=1)
        self._board = board
        self._last: dict[str, int] = {}
        self._holders: dict[str, tuple[int, str | None]] = {}

    async def look(self) -> Sequence[RunRow]:
        """See what is new; returns the runs that are open."""
        rows = await self._store.runs(RunFilter(status=_OPEN, limit=10_000))
        for row in [*rows, *await self._store.runs(RunFilter(limit=_NEWEST))]:
            self._look_at_holder(row)
            if self._last.get(row.run_id, 0) < row.seq:
                await self._see(row.run_id)
        self._board[Cell.OPEN] = len(rows)
        self._board[Cell.RUNS] = len(self._last)
        self._board[Cell.LOOKS] += 1
        return rows

    def _look_at_holder(self, row: RunRow) -> None:
        fence, holder = self._holders.get(row.run_id, (-1, None))
        self._holders[row.run_id] = row.fence, row.worker
        if row.fence != fence:
            self._claims.write(f"{row.run_id} {row.seq} {row.fence}\n")
            if holder is not None and row.worker not in (holder, None):
                self._board[Cell.ROBBED] = int(holder.split("-")[-2])

    async def _see(self, run_id: str) -> None:
        for event in await self._store.events(run_id, after=self._last.get(run_id, 0)):
            self._events.write(f"{run_id} {event.seq} {event.hash}\n")
            self._board[Cell.STEPS] += '"type":"StepCompleted"' in event.body
            self._last[run_id] = event.seq


def seen(room: Path) -> Iterator[tuple[str, int, str]]:
    """Run, seq and hash of the events that were seen."""
    for line in (room / _EVENTS).read_text().splitlines():
        run_id, seq, digest = line.split()
        yield run_id, int(seq), digest


def claims(room: Path) -> Iterator[tuple[str, int, int]]:
    """Runs that were seen under a new fence: run, the last event's seq at that moment, and the fence."""
    for line in (room / _CLAIMS).read_text().splitlines():
        run_id, seq, fence = line.split()
        yield run_id, int(seq), int(fence)


class Hand:
    """Cancels and pauses runs, and lets go on what is paused, or held for somebody to look at it."""

    def __init__(self, app: App, dice: Random) -> None:
        self._app = app
        self._dice = dice
        self._since: dict[str, float] = {}

    async def meddle(self, rows: Sequence[RunRow], *, settling: bool) -> None:
        with contextlib.suppress(RunEnded):
            await self._let_go_on([row for row in rows if row.status in _HALTED])
        if rows and not settling:
            row = self._dice.choice(rows)
            with contextlib.suppress(RunEnded):
                await self._disturb(row)

    async def _disturb(self, row: RunRow) -> None:
        luck = self._dice.random()
        if luck < 0.03:
            await self._app.cancel(row.run_id, hard=luck < 0.005)
        elif luck < 0.18:
            await self._app.pause(row.run_id)
        elif luck < 0.25:
            await self._app.resume(row.run_id)

    async def _let_go_on(self, halted: Sequence[RunRow]) -> None:
        now = asyncio.get_running_loop().time()
        self._since = {row.run_id: self._since.get(row.run_id, now) for row in halted}
        for row in halted:
            if now - self._since[row.run_id] >= _PAUSED:
                self._since[row.run_id] = now
                await self._app.resume(row.run_id)
