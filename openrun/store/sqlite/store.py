"""The store in a SQLite file."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from openrun.store.base import Renewer
from openrun.store.sqlite.alive import Alive
from openrun.store.sqlite.backup import back_up
from openrun.store.sqlite.clock import Clocks, since_boot, wall
from openrun.store.sqlite.connection import connect, make_file
from openrun.store.sqlite.embedded import EmbeddedStore
from openrun.store.sqlite.faults import unavailable
from openrun.store.sqlite.lane import Lane
from openrun.store.sqlite.renewer import SqliteRenewer


class SqliteStore(EmbeddedStore):
    """Durable, and shared by all processes of this machine that open the same file."""

    def __init__(
        self,
        path: Path | str,
        *,
        now: Callable[[], int] | None = None,
        boot: Callable[[], int] | None = None,
        synchronous: Literal["OFF", "NORMAL", "FULL", "EXTRA"] = "FULL",
    ) -> None:
        self._path = Path(path).resolve()
        self._synchronous = synchronous
        clocks = Clocks(now=now or wall, boot=boot or since_boot)
        super().__init__(
            writer=Lane("sqlite-writer", self._connect_writer, self._path),
            reader=Lane("sqlite-reader", self._connect, self._path),
            clocks=clocks,
            alive=Alive(self._path.with_name(f"{self._path.name}.workers"), clocks.boot),
        )

    def renewer(self) -> Renewer:
        # No need for the disk: after a power cut every lease has expired.
        return SqliteRenewer(lambda: connect(self._path, "NORMAL"), self._path, self._places, self._clocks)

    async def backup(self, target: Path) -> None:
        lane = Lane("sqlite-backup", self._connect, target)
        try:
            await lane.open()
            await lane.run(lambda its: back_up(its, target))
        finally:
            await lane.disconnect()
            lane.close()

    def _connect_writer(self) -> sqlite3.Connection:
        try:
            make_file(self._path)
        except OSError as error:
            raise unavailable(error, f"{str(self._path)!r} cannot be made") from error
        return self._connect()

    def _connect(self) -> sqlite3.Connection:
        return connect(self._path, self._synchronous)
