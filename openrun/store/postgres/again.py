"""Doing a transaction again when somebody else was faster."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from openrun.store.postgres.faults import CONFLICTS
from openrun.store.postgres.link import Connection

T = TypeVar("T")

_TRIES = 5


async def until_alone(connection: Connection, work: Callable[[Connection], Awaitable[T]]) -> T:
    """What work comes to; after a conflict nothing was kept, and another try sees what the others wrote."""
    for attempt in range(1, _TRIES + 1):
        try:
            return await work(connection)
        except CONFLICTS:
            await connection.rollback()
            if attempt == _TRIES:
                raise
    raise AssertionError
