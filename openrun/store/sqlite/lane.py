"""A thread with a connection that only it touches: work on it is synchronous and never broken off midway."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from openrun.store.base import StoreUnavailable
from openrun.store.sqlite.faults import in_our_words

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Lane:
    """Does one piece of work after another.

    Whoever awaits a piece and is cancelled leaves it running: half a transaction there never is.
    """

    def __init__(
        self, name: str, connect: Callable[[], sqlite3.Connection], path: Path | None = None
    ) -> None:
        self._connect = connect
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"openrun-{name}")

    async def open(self) -> None:
        await self._finished(self._open)

    async def run(self, work: Work[T]) -> T:
        return await self._finished(partial(self._do, work))

    def submit(self, work: Work[T]) -> Future[T]:
        """Have the work done; for callers that are not on the event loop."""
        return self._submit(partial(self._do, work))

    async def disconnect(self) -> None:
        """Finish what was asked for, then close the connection."""
        with suppress(StoreUnavailable):
            await self._finished(self._disconnect)

    def close(self) -> None:
        """Let go of the thread, for good."""
        self._thread.shutdown()

    async def _finished(self, call: Callable[[], T]) -> T:
        """Tells the event loop in one step; a chain of futures would take four turns of a loop that is busy."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def settle(result: T) -> None:
            if not outcome.done():
                outcome.set_result(result)

        def fail(error: BaseException) -> None:
            if not outcome.done():
                outcome.set_exception(error)

        def work() -> None:
            try:
                tell = partial(settle, call())
            except BaseException as error:  # noqa: BLE001
                tell = partial(fail, error)
            # A loop that is closed has nobody who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(tell)

        self._submit(work)
        return await outcome

    def _submit(self, call: Callable[[], T]) -> Future[T]:
        try:
            return self._thread.submit(call)
        except RuntimeError as error:
            raise StoreUnavailable("the store is closed") from error

    def _open(self) -> None:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except sqlite3.Error as error:
                raise in_our_words(error, self._path) from error

    def _do(self, work: Work[T]) -> T:
        if self._connection is None:
            raise StoreUnavailable("the store is not open")
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            raise in_our_words(error, self._path) from error

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
