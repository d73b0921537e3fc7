"""Events that fail by the hundred, and those of others beside them."""

import asyncio
from dataclasses import replace

from openrun.store.base import Store
from openrun.store.bus_events import BusEventRow

from .audience import Audience, published
from .conftest import QUICK, a_bus


class Failing(Audience):
    """Whatever is bad fails twice, and then hangs for as long as the test wants it to."""

    def __init__(self) -> None:
        super().__init__()
        self.hangs, self.go_on = asyncio.Event(), asyncio.Event()

    async def hear(self, row: BusEventRow) -> None:
        await super().hear(row)
        if row.event_id.startswith("bad"):
            if row.attempts > 2:
                self.hangs.set()
                await self.go_on.wait()
            raise ValueError("it cannot be started")


async def test_many_events_that_fail_again_leave_room_for_those_of_others(store: Store) -> None:
    audience = Failing()
    bus = a_bus(None, store, audience, replace(QUICK, at_once=8))
    await bus.start()
    try:
        await bus.publish(published(*(f"bad{number}" for number in range(40)), namespace="evil"))
        async with asyncio.timeout(20):
            await audience.hangs.wait()
        for number in range(5):
            await bus.publish(published(f"good{number}"))
            await audience.until_heard(f"good{number}")
    finally:
        audience.go_on.set()
        await bus.stop()
