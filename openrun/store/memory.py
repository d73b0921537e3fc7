"""The store that keeps nothing: the SQLite store over a database in memory."""

from collections.abc import Callable

from openrun.store.sqlite.alive import Alive
from openrun.store.sqlite.clock import Clocks, since_boot, wall
from openrun.store.sqlite.connection import connect_to_memory
from openrun.store.sqlite.embedded import EmbeddedStore
from openrun.store.sqlite.lane import Lane


class MemoryStore(EmbeddedStore):
    """Lasts until it is closed; for tests, and for runs that need not survive."""

    def __init__(
        self, *, now: Callable[[], int] | None = None, boot: Callable[[], int] | None = None
    ) -> None:
        clocks = Clocks(now=now or wall, boot=boot or since_boot)
        lane = Lane("memory", connect_to_memory)
        super().__init__(writer=lane, reader=lane, clocks=clocks, alive=Alive(None, clocks.boot))
