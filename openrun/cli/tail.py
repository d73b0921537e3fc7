"""The events of one run of a store, each once and in order, whether the worker here shows them or the store tells."""

import asyncio
from collections.abc import AsyncIterator, Callable

from openrun.core.events import Fact, FlowCompleted, Shown, StepProgress, StepSkipped, decode_fact
from openrun.core.types import FINAL
from openrun.store.base import Store, StoreUnavailable

_LOOK_SECONDS = 0.2


class Tail:
    """Follows a run to its end.

    `show` takes what a worker in this process shows; while `is_here` says that the run is held here, nothing is
    asked of the store, else it is looked into every 200 ms.
    """

    def __init__(self, store: Store, *, after: int = 0, is_here: Callable[[], bool] = lambda: False) -> None:
        self._store = store
        self._last = after
        self._is_here = is_here
        self._seen: asyncio.Queue[Shown] = asyncio.Queue()
        self.has_ended = False
        """The end of the run has been shown here, whether or not anybody has asked for it."""

    def show(self, event: Shown) -> None:
        self.has_ended = self.has_ended or isinstance(event, FlowCompleted)
        self._seen.put_nowait(event)

    async def events(self, run_id: str) -> AsyncIterator[Shown]:
        """The events until the run has ended."""
        while not await self._is_over(run_id):
            for event in await self._next(run_id):
                if self._is_news(event):
                    yield event
                if isinstance(event, FlowCompleted):
                    return

    async def recorded(self, run_id: str) -> list[Fact]:
        """What the store has after the last event seen."""
        return [decode_fact(row.body) for row in await self._store.events(run_id, self._last)]

    async def _is_over(self, run_id: str) -> bool:
        """Nothing will follow what has been seen: the run has ended before, or is gone."""
        if self._is_here() or not self._seen.empty():
            return False
        try:
            row = await self._store.run(run_id)
        except StoreUnavailable:
            # It is asked again soon; what is on disk stays there.
            return False
        return row is None or (row.status in FINAL and row.seq <= self._last)

    async def _next(self, run_id: str) -> list[Shown]:
        try:
            return [await asyncio.wait_for(self._seen.get(), _LOOK_SECONDS)]
        except TimeoutError:
            pass
        if self._is_here():
            return []
        try:
            return list(await self.recorded(run_id))
        except StoreUnavailable:
            return []

    def _is_news(self, event: Shown) -> bool:
        if isinstance(event, StepSkipped | StepProgress):
            return True
        if event.seq <= self._last:
            return False
        self._last = event.seq
        return True
