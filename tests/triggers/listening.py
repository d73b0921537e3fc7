"""Flows that listen to events, as documents, and what became of events, for tests."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from openrun import Flow
from openrun.app import App
from openrun.bus.cloud_event import CloudEvent
from openrun.core.events import FlowStarted, decode_fact
from openrun.core.types import FINAL
from openrun.store.bus_events import BusEventRow
from openrun.store.rows import RunFilter, RunRow

PATIENCE = 30.0


def on_event(flow_id: str, event_type: str | None = None, *steps: dict[str, Any], **config: Any) -> Flow:
    """A flow that an event starts, and these steps one after another."""
    trigger = {**config, "event_type": event_type} if event_type is not None else config
    every = [{"id": "on", "type": "trigger_event", "config": trigger}, *steps]
    return chain(flow_id, every)


def by_hand(flow_id: str, *steps: dict[str, Any]) -> Flow:
    return chain(flow_id, [{"id": "begin", "type": "trigger_manual"}, *steps])


def chain(flow_id: str, steps: list[dict[str, Any]]) -> Flow:
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(steps)]
    return Flow.from_dict({"id": flow_id, "name": flow_id.title(), "steps": steps, "edges": edges})


def emits(event_type: str, step_id: str = "tell", **config: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "emit", "config": {"event_type": event_type, **config}}


def awaits(event: str, step_id: str = "await", **config: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "wait", "config": {"event": event, "timeout": "1h", **config}}


def an_event(event_id: str, event_type: str = "order.paid", data: Any = None, **more: Any) -> CloudEvent:
    return CloudEvent(**{"id": event_id, "source": "/shop", "type": event_type, "data": data, **more})


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition of the store, which has no signal for it."""
    async with asyncio.timeout(PATIENCE):
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def settled(app: App, *, dead: int = 0) -> list[BusEventRow]:
    """Wait until every event has been handled or given up, and no run goes on but those that wait."""

    async def holds() -> bool:
        rows = await app.events.list(limit=1_000)
        return all(row.handled_at is not None or row.dead_at is not None for row in rows)

    await until(holds)
    rows = await app.events.list(limit=1_000)
    assert sum(row.dead_at is not None for row in rows) == dead, [row.error for row in rows]
    return rows


async def ended(app: App, flow_id: str, count: int) -> list[RunRow]:
    """Wait until a flow has so many runs, all ended; oldest first."""

    async def holds() -> bool:
        rows = await app.records.runs(RunFilter(flow_id=flow_id, limit=1_000))
        assert len(rows) <= count, f"{len(rows)} runs of {flow_id}, more than {count}"
        return len(rows) == count and all(row.status in FINAL for row in rows)

    await until(holds)
    return (await runs(app, flow_id))[::-1]


async def runs(app: App, flow_id: str) -> list[RunRow]:
    return list(await app.records.runs(RunFilter(flow_id=flow_id, limit=1_000)))


async def begun(app: App, run: RunRow) -> FlowStarted:
    """How a run began."""
    (row,) = await app.store.events(run.run_id, limit=1)
    fact = decode_fact(row.body)
    assert isinstance(fact, FlowStarted)
    return fact
