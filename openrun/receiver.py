"""What an event starts and tells in one namespace, with patience: nobody is waiting for an answer."""

import asyncio

from openrun.runtime.errors import Overloaded
from openrun.runtime.waits import Waits
from openrun.space import DurableRun, Space
from openrun.triggers.base import RunRequest


class Receiver:
    """Starts runs for events, and tells runs of them."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.waits: Waits = space.waits

    async def deliver(self, request: RunRequest) -> DurableRun:
        """Start a run, as soon as there is room for it. Raises as `Space.deliver` does."""
        while True:
            try:
                return await self._space.deliver(request)
            except Overloaded as busy:
                await asyncio.sleep(busy.retry_after)
