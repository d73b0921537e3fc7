"""What goes to Redis, in the background: whoever publishes waits for the store alone."""

import asyncio
import zlib
from collections import deque
from contextlib import suppress

from openrun.bus.redis_link import Outgoing, RedisAway, RedisLink

_MOST_AT_ONCE = 200
_MOST_WAITING = 10_000
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.5
_LAST_WORDS_SECONDS = 1.0


class Pause:
    """Between one try and the next: longer each time, up to 1.5 s, and not the same for all consumers of a group."""

    def __init__(self, consumer: str) -> None:
        self._share = 0.5 + zlib.crc32(consumer.encode()) / 2**33
        """From a half to the whole."""
        self._seconds = _FIRST_PAUSE

    async def wait(self) -> None:
        await asyncio.sleep(self._seconds * self._share)
        self._seconds = min(2 * self._seconds, _LONGEST_PAUSE)

    def over(self) -> None:
        """It worked."""
        self._seconds = _FIRST_PAUSE


class RedisWriter:
    """Writes what it is given, in order, many in one trip.

    Once Redis is away, messages and acknowledgements that wait are dropped: the store hands those events out, and
    messages that were not acknowledged come again. Dead letters are kept.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._waiting: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.trouble: str | None = None
        """Why nothing can be written at the moment."""

    @property
    def full(self) -> bool:
        return len(self._waiting) >= _MOST_WAITING

    def write(self, *outgoing: Outgoing) -> None:
        self._waiting.extend(outgoing)
        self._wake.set()
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_for_ever())

    async def stop(self) -> None:
        """Write what waits, as long as Redis answers."""
        if self._task is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_SECONDS):
                while self._waiting and self.trouble is None:
                    self._idle.clear()
                    await self._idle.wait()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _write_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST_AT_ONCE))]
                try:
                    await self._link.write(batch)
                except RedisAway as away:
                    self._waiting.extendleft(reversed(batch))
                    await self._until_back(away)
            self._idle.set()

    async def _until_back(self, away: RedisAway) -> None:
        self.trouble = str(away)
        self._waiting = deque(each for each in self._waiting if each.letter is not None)
        self._idle.set()
        pause = Pause(self._link.consumer)
        while True:
            await pause.wait()
            with suppress(RedisAway):
                await self._link.ping()
                break
        self.trouble = None
