"""The events of one run, for whoever watches it while it runs."""

import asyncio
from collections import deque
from typing import Self

from openrun.core.events import Shown


class EventStream:
    """An async iterator fed by the run's driver. Breaking off early leaves the run alone."""

    __slots__ = ("_closed", "_error", "_events", "_waiter")

    def __init__(self) -> None:
        self._events: deque[Shown] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: BaseException | None = None

    def push(self, event: Shown) -> None:
        self._events.append(event)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def close(self, error: BaseException | None = None) -> None:
        """Nothing follows; `error` is raised to the reader after the last event."""
        self._closed = True
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Shown:
        while not self._events:
            if self._closed:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._events.popleft()
