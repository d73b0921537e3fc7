"""Events that were handled long ago are forgotten, and those that waited in vain for others."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from openrun.store.base import StoreError
from openrun.triggers.base import KEEP_SECONDS

_log = logging.getLogger("openrun.events")

_AT_ONCE = 10_000
_PAUSE = 3_600.0


class Forgetful(Protocol):
    """A store that can forget events."""

    async def forget_bus_events(self, before: int, limit: int = ...) -> int: ...


class Forgetting:
    """A listener that forgets once an hour; `keep` is for how long after its end an event is known, in seconds."""

    def __init__(self, store: Forgetful, now: Callable[[], int], keep: float = KEEP_SECONDS) -> None:
        """`now` is the wall clock, in ms since 1970."""
        self._store = store
        self._now = now
        self._keep_ms = int(keep * 1_000)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._forget_for_ever())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def hint(self) -> None:
        """What is new is not to be forgotten yet."""

    async def forget(self) -> int:
        """Forget all that may be; how much it was."""
        before = self._now() - self._keep_ms
        total = 0
        while removed := await self._store.forget_bus_events(before, _AT_ONCE):
            total += removed
        return total

    async def _forget_for_ever(self) -> None:
        while True:
            try:
                await self.forget()
            except StoreError as error:
                _log.warning("old events stay for now: %s", error)
            except Exception:  # noqa: BLE001
                _log.exception("old events stay for now")
            await asyncio.sleep(_PAUSE)
