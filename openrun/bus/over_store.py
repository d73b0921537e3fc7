"""The bus where there is nothing but the store: it looks there for events that are due."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from openrun.bus.base import BusOptions, Handle, Now, Published, row_of
from openrun.bus.deliveries import Deliveries, Settled
from openrun.bus.unbroken import Unbroken
from openrun.store.base import Store, StoreError, StoreUnavailable
from openrun.store.bus_events import BusEventRow

_log = logging.getLogger("openrun.bus")
_LONGEST_PAUSE = 2.0


def _nobody(_row: object) -> None:
    """Nobody else is told."""


class StoreBus:
    """Hands out the events of one store; any number of processes may do so at once."""

    def __init__(
        self,
        store: Store,
        handle: Handle,
        *,
        now: Now,
        options: BusOptions | None = None,
        settled: Settled = _nobody,
    ) -> None:
        self._store = store
        self._now = now
        self._options = options or BusOptions()
        self.deliveries = Deliveries(store, handle, now, self._options, settled)
        self._hinted = asyncio.Event()
        self._feeding: asyncio.Task[None] | None = None
        self._taking: Unbroken[list[BusEventRow]] = Unbroken()

    @property
    def trouble(self) -> str | None:
        """There is nothing but the store."""
        return None

    async def publish(self, events: Sequence[Published]) -> list[bool]:
        now = self._now()
        numbers = await self._store.publish([row_of(each, now=now, due_at=now) for each in events])
        self.hint()
        return [number > 0 for number in numbers]

    async def start(self) -> None:
        self.deliveries.start()
        self._feeding = asyncio.get_running_loop().create_task(self._feed())

    async def stop(self) -> None:
        if self._feeding is not None:
            self._feeding.cancel()
            await asyncio.wait([self._feeding])
            self._feeding = None
        with suppress(StoreError):
            self.deliveries.give(await self._taking.rest() or ())
        await self.deliveries.stop()

    def hint(self) -> None:
        self._hinted.set()

    async def _feed(self) -> None:
        pause = self._options.poll
        while True:
            try:
                if not await self._take():
                    await self._until_due()
                pause = self._options.poll
            except StoreError as error:
                if not isinstance(error, StoreUnavailable):
                    _log.warning("the store gives no events: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Exception:  # noqa: BLE001
                _log.exception("the bus goes on after a fault")
                await asyncio.sleep(pause)

    async def _take(self) -> bool:
        """Take what is due and fits; say whether there may be more."""
        room = await self.deliveries.until_room()
        self._hinted.clear()
        lease_ms = int(self._options.lease * 1_000)
        rows = await self._taking.fetch(self._store.take_bus_events(self._now(), room, lease_ms))
        self.deliveries.give(rows)
        return len(rows) == room

    async def _until_due(self) -> None:
        """Wait for a hint, or until the store has something that is due."""
        while not self._hinted.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.poll):
                    await self._hinted.wait()
            due = await self._store.next_bus_event()
            if due is not None and due <= self._now():
                return
