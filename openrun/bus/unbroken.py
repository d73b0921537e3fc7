"""Something that is fetched for us, and that must not be broken off midway: what is on its way would be nobody's."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Unbroken(Generic[T]):
    """Fetches one thing at a time. Whoever awaits it may be cancelled; the fetching is not."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None

    async def fetch(self, thing: Coroutine[Any, Any, T]) -> T:
        self._task = asyncio.get_running_loop().create_task(thing)
        try:
            fetched = await asyncio.shield(self._task)
        except asyncio.CancelledError:
            raise
        except BaseException:
            self._task = None
            raise
        self._task = None
        return fetched

    async def rest(self) -> T | None:
        """What was on its way when somebody was cancelled; raises what fetching raises."""
        task, self._task = self._task, None
        return None if task is None else await task
