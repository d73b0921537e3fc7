"""Connections: made when they are needed, given up after any fault, and never waited for without end."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import TupleRow

from openrun.store.base import StoreError, StoreUnavailable
from openrun.store.postgres.faults import translated

T = TypeVar("T")
Connection = psycopg.AsyncConnection[TupleRow]

CALL_SECONDS = 40.0
"""The longest a call may take; the server's own limits below strike before that, where it still can."""

_DEFAULTS: dict[str, Any] = {
    "application_name": "openrun",
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}

# Every query here finds its rows by an index, also while the statistics of a young table say that it is empty: a plan
# that reads whole tables, made then and kept, would cost more with every run. A stopped worker must not hold its locks.
SESSION = b"""
SET statement_timeout = '30s';
SET lock_timeout = '10s';
SET idle_in_transaction_session_timeout = '15s';
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET jit = off;
SELECT set_config('synchronous_commit', 'on', false)
WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply');
"""


def settings(url: str) -> dict[str, Any]:
    """What to connect with: what the URL says, and patience with bounds where it says nothing."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # What libpq says about it may quote the password.
        raise StoreError("this is no URL of a Postgres database: postgresql://USER@HOST/DATABASE") from None
    return {**_DEFAULTS, **given, "client_encoding": "UTF8", "autocommit": True}


async def connect(url: str) -> Connection:
    """A connection of which each statement, or each explicit transaction, stands alone."""
    connection = await psycopg.AsyncConnection.connect(**settings(url))
    try:
        await connection.execute(SESSION)
    except BaseException:
        await connection.close()
        raise
    return connection


def sever(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    """End a connection under those who wait for it; they find it broken."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as end:
        end.shutdown(socket.SHUT_RDWR)


class Link:
    """One connection, for one caller at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    async def call(self, work: Callable[[Connection], Awaitable[T]], seconds: float = CALL_SECONDS) -> T:
        """Do work over the connection; after any fault, cancellation included, the next call makes a new one."""
        try:
            connection = await self._connected()
            with _no_longer_than(connection, seconds):
                return await work(connection)
        except BaseException as error:
            await self.drop()
            meant = translated(error)
            if meant is error:
                raise
            raise meant from error

    async def drop(self) -> None:
        """Give the connection up; the server undoes what was not committed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = await connect(self._url)
        return self._connection


@contextmanager
def _no_longer_than(connection: Connection, seconds: float) -> Iterator[None]:
    # Cancelling would ask the server to give up and wait for its answer, which a stalled server never sends.
    alarm = asyncio.get_running_loop().call_later(seconds, sever, connection)
    try:
        yield
    finally:
        alarm.cancel()


class Pool:
    """A few links; callers wait for a free one in turn."""

    def __init__(self, url: str, size: int) -> None:
        self._free: asyncio.LifoQueue[Link] = asyncio.LifoQueue()
        self._size = size
        self._closed = False
        for _ in range(size):
            self._free.put_nowait(Link(url))

    async def call(self, work: Callable[[Connection], Awaitable[T]], seconds: float = CALL_SECONDS) -> T:
        """Do work over one of the links."""
        link = await self._taken(seconds)
        try:
            return await link.call(work, seconds)
        except StoreUnavailable:
            await self._drop_free()
            # A refused connection takes no time at all: whoever tries again at once must not starve all others.
            await asyncio.sleep(0)
            raise
        finally:
            self._free.put_nowait(link)

    async def close(self) -> None:
        """Close all connections, each once the call that uses it is done."""
        self._closed = True
        links = [await self._free.get() for _ in range(self._size)]
        for link in links:
            await link.drop()
            self._free.put_nowait(link)

    async def _taken(self, seconds: float) -> Link:
        if self._closed:
            raise StoreError("the store is closed")
        try:
            async with asyncio.timeout(seconds):
                return await self._free.get()
        except TimeoutError:
            raise StoreUnavailable(f"no connection to Postgres became free within {seconds:g} s") from None

    async def _drop_free(self) -> None:
        """What broke one connection has probably broken all: those who come next need not find out one by one."""
        links = [self._free.get_nowait() for _ in range(self._free.qsize())]
        for link in links:
            await link.drop()
            self._free.put_nowait(link)
