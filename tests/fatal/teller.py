"""A process that delivers notifications and does nothing else, until SIGTERM or until it dies."""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection

from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.runtime.clock import SystemClock
from openrun.runtime.notifier import Notifier, NotifierOptions
from openrun.runtime.outgoing import Outgoing
from openrun.store.opening import open_store
from openrun.store.outbox import NotificationRow

from .process import DIED, POLL, Orders

LEASE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TellerOrders:
    """Where it may deliver to."""

    receiver: str
    dies: bool = False
    """The process is gone once a receiver has taken something, before that is written down."""


def tell(orders: Orders, ear: Connection, its: TellerOrders) -> None:
    """Deliver; say so first."""
    asyncio.run(_tell(orders, ear, its))


async def _tell(orders: Orders, ear: Connection, its: TellerOrders) -> None:
    store = open_store(orders.store)
    await store.open()
    if its.dies:

        async def settle(rows: Sequence[NotificationRow]) -> None:
            os._exit(DIED)

        store.settle_notifications = settle  # type: ignore[method-assign]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    clock = SystemClock()
    async with HttpClient(allow=AllowList.parse([its.receiver])) as http:
        outgoing = Outgoing(http=http, clock=clock, secrets={}, timeout=LEASE / 2)
        notifier = Notifier(store, outgoing, clock, NotifierOptions(poll=POLL, lease=LEASE))
        await notifier.start()
        ear.send("here")
        await stop.wait()
        await notifier.stop()
    await store.close()
    ear.send(0)
