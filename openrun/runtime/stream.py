"""The events of one run, for whoever watches it while it runs."""

import asyncio
from collections import deque

from openrun.core.events import Shown


class EventStream:
    """A queue fed by the run's driver. Not reading on leaves the run alone."""

    __slots__ = ("_closed", "_error", "_waiter", "events")

    def __init__(self) -> None:
        self.events: deque[Shown] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._error: BaseException | None = None

    def push(self, event: Shown) -> None:
        self.events.append(event)
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def close(self, error: BaseException | None = None) -> None:
        """Nothing follows; `error` is raised to the reader after the last event."""
        self._closed = True
        self._error = error
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def next(self) -> Shown | None:
        """The next event, or None after the last."""
        while not self.events:
            if self._closed:
                if self._error is not None:
                    raise self._error
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self.events.popleft()
