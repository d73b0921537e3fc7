"""What a process does that hears events: it starts runs for them, and watches that its loop goes on."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path

from openrun import Flow
from openrun.app import App
from openrun.runtime.worker import WorkerOptions
from openrun.store.bus_events import BusEventRow
from openrun.triggers.dispatcher import Dispatcher

from .process import DIED, POLL, Orders

DEADLY = "deadly"
"""The id of an event that ends whatever process handles it."""
_TICK = 0.005
_WORTH = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a process has to say at its end."""

    heard: int
    """Deliveries."""
    stalled_ms: float
    """The longest that its loop stood still, as far as that was its own doing."""


def flow() -> Flow:
    steps = [
        {"id": "on", "type": "trigger_event", "config": {"event_type": "test.told"}},
        {"id": "keep", "type": "set_state", "config": {"key": "told", "value": "<<event.id>>"}},
    ]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(steps)]
    return Flow.from_dict({"id": "on-events", "name": "On events", "steps": steps, "edges": edges})


def an_app(orders: Orders, bus: str | None, *, work: bool) -> App:
    options = WorkerOptions(lease=orders.lease, poll=POLL, grace=orders.grace)
    return App(orders.store, flows=[flow()], work=work, options=options, bus=bus)


def hear(orders: Orders, ear: Connection, bus: str | None) -> None:
    """Hear events until SIGTERM, or one that is deadly; tell when it begins, and a report at the end."""
    ear.send(asyncio.run(_hear(orders, ear, bus)))


async def _hear(orders: Orders, ear: Connection, bus: str | None) -> Report:
    heard = 0
    known = Dispatcher.handle

    async def handle(self: Dispatcher, row: BusEventRow) -> None:
        nonlocal heard
        if row.event_id == DEADLY:
            os._exit(DIED)
        heard += 1
        await known(self, row)

    Dispatcher.handle = handle  # type: ignore[method-assign]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    stalled: list[float] = [0.0]
    async with an_app(orders, bus, work=True), _watched(stalled):
        ear.send("here")
        await stop.wait()
    return Report(heard=heard, stalled_ms=stalled[0] * 1_000)


@asynccontextmanager
async def _watched(stalled: list[float]) -> AsyncIterator[None]:
    async def watch() -> None:
        last, waited = time.monotonic(), _waited_for_a_core()
        while True:
            await asyncio.sleep(_TICK)
            now = time.monotonic()
            if now - last > _WORTH:
                stalled[0] = max(stalled[0], now - last - _TICK - (_waited_for_a_core() - waited))
            last, waited = now, _waited_for_a_core()

    watching = asyncio.ensure_future(watch())
    try:
        yield
    finally:
        watching.cancel()


def _waited_for_a_core() -> float:
    """Seconds for which threads of this process would have run, had others left them a core; 0 where nobody counts."""
    total = 0
    for each in Path("/proc/self/task").glob("*/schedstat"):
        with suppress(OSError, IndexError):
            total += int(each.read_text().split()[1])
    return total / 1e9
