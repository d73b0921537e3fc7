"""Hints that there is something to do: sooner than by polling, and never instead of it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import psycopg

from openrun.store.postgres.link import connect

_AGAIN_SECONDS = 1.0


async def hints(url: str) -> AsyncGenerator[None, None]:
    """Yields after every hint, and whenever it has begun to listen anew, because hints may have been missed."""
    while True:
        try:
            async with await connect(url) as connection:
                await connection.execute(b"LISTEN openrun")
                yield
                async with aclosing(connection.notifies()) as notes:
                    async for _ in notes:
                        yield
        except (psycopg.Error, OSError):
            await asyncio.sleep(_AGAIN_SECONDS)
