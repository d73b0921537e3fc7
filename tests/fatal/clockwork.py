"""Processes that fire schedules by a clock that the test turns: a file with an instant in it, the store's for all."""

import asyncio
import signal
from multiprocessing.connection import Connection
from pathlib import Path

from openrun.store.base import Store

from .process import Death, Orders, an_app, mortal


class SharedClock:
    """What time it is, in ms since 1970 UTC, for all processes that look."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def set(self, at: int) -> None:
        """Make it so; nobody sees half of it."""
        new = self.path.with_suffix(".new")
        new.write_text(str(at))
        new.replace(self.path)

    @property
    def now(self) -> int:
        return int(self.path.read_text())

    def rule(self, store: Store) -> None:
        """Be the clock of a store from now on."""

        async def now() -> int:
            return self.now

        store.now = now  # type: ignore[method-assign]


def fire(orders: Orders, ear: Connection, clock: Path, death: Death | None) -> None:
    """Work, and fire schedules, until SIGTERM; `death` is told of moves in place of commits. Tells when it does."""
    asyncio.run(_fire(orders, ear, SharedClock(clock), death))


async def _fire(orders: Orders, ear: Connection, clock: SharedClock, death: Death | None) -> None:
    app = an_app(orders, work=True)
    clock.rule(app.store)
    if death is not None:
        app.store.move = mortal(app.store.move, death)  # type: ignore[method-assign, assignment]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with app:
        ear.send("here")
        await stop.wait()
    ear.send(app.journal.commits)
