"""Who listens to a bus in the tests, and what is published to it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from openrun.bus.base import Published
from openrun.bus.cloud_event import CloudEvent
from openrun.store.base import Store
from openrun.store.bus_events import BusEventFilter, BusEventRow

PATIENCE = 30.0
_LOOK = 0.01


class Audience:
    """Counts what it hears, and does with it what the test says."""

    def __init__(self) -> None:
        self.heard: list[BusEventRow] = []
        self.acts: Callable[[BusEventRow], None] = lambda _row: None
        self.waits: asyncio.Event | None = None
        """What it waits for before it is done with an event, or with that of this id alone."""
        self.waits_for = ""
        self._changed = asyncio.Condition()

    @property
    def counts(self) -> Counter[str]:
        """How often each event was heard, by its id."""
        return Counter(row.event_id for row in self.heard)

    async def hear(self, row: BusEventRow) -> None:
        self.heard.append(row)
        async with self._changed:
            self._changed.notify_all()
        if self.waits is not None and self.waits_for in ("", row.event_id):
            await self.waits.wait()
        self.acts(row)

    async def until(self, true: Callable[[], bool]) -> None:
        """Wait until this is so, at the latest once something more is heard."""
        async with asyncio.timeout(PATIENCE), self._changed:
            await self._changed.wait_for(true)

    async def until_heard(self, *ids: str) -> None:
        await self.until(lambda: set(ids) <= self.counts.keys())


def event(name: str = "1", **given: object) -> CloudEvent:
    return CloudEvent.from_plain(
        {"specversion": "1.0", "id": name, "source": "/tests", "type": "org.example.told", **given}
    )


def published(*names: str, namespace: str = "default", **given: object) -> Sequence[Published]:
    return [Published(namespace=namespace, event=event(name, **given)) for name in names]


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again, until it is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if await true():
                return
            await asyncio.sleep(_LOOK)


async def row_of(store: Store, name: str) -> BusEventRow:
    """The row of the event with this id."""
    return next(row for row in await store.bus_events(BusEventFilter(limit=1_000)) if row.event_id == name)


async def until_handled(store: Store, *names: str) -> None:
    """Wait until the store knows that they were."""

    async def handled() -> bool:
        rows = await store.bus_events(BusEventFilter(limit=1_000))
        return set(names) <= {row.event_id for row in rows if row.handled_at is not None}

    await until(handled)


async def until_dead(store: Store, name: str) -> BusEventRow:
    async def dead() -> bool:
        return (await row_of(store, name)).dead_at is not None

    await until(dead)
    return await row_of(store, name)
