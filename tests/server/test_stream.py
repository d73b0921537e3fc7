"""A run's events as a stream: none missed, none twice, whoever is cut off, slow, late or gone."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from openrun import Flow, StepContext
from openrun.app import App
from openrun.core.events import FlowCompleted
from openrun.server.config import ServerConfig
from openrun.server.run_events import ROUTES as EVENTS
from openrun.server.runs import ROUTES as RUNS
from openrun.steps.function import step
from openrun.steps.triggers.manual import TriggerManual
from tests.server.event_source import EventSource, ServerEvent
from tests.server.site import Site, site

ROUTES = (*RUNS, *EVENTS)


class Gate:
    """Lets steps of a test go on, one at a time."""

    def __init__(self) -> None:
        self.permits = asyncio.Semaphore(0)


GATE = Gate()
"""Steps are known by their module, and have no other way to a test."""


@step
async def tick(context: StepContext, note: str = "tick") -> str:
    context.emit({"note": note})
    await GATE.permits.acquire()
    return note


def ticking(count: int, note: str = "tick") -> Flow:
    flow = Flow(name="Ticking")
    before: Any = TriggerManual(id="begin")
    for number in range(count):
        after = tick(id=f"t{number}", note=f"{note} {number}")
        flow.add_edge(before, after)
        before = after
    return flow


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    GATE.permits = asyncio.Semaphore(0)
    async with site(config=ServerConfig(port=0, heartbeat=0.05, stall=0.3), routes=ROUTES) as made:
        made.app.catalog.add("tick", tick)
        yield made


def path_of(run_id: str, more: str = "") -> str:
    return f"/v1/runs/{run_id}/events{more}"


def ids(events: list[ServerEvent]) -> list[int]:
    return [int(event.id) for event in events if event.id is not None]


async def seqs(app: App, run_id: str) -> list[int]:
    return [fact.seq for fact in await app.facts(run_id)]


async def test_a_client_that_is_cut_off_twenty_times_misses_nothing_and_hears_nothing_twice(place: Site) -> None:
    chance = random.Random(4)
    run = await place.app.start(ticking(60, "ü" * 40))
    source = EventSource(place, path_of(run.run_id), cuts=(chance.randrange(1, 1_200) for _ in range(20)))
    seen: list[ServerEvent] = []
    async with asyncio.timeout(30):
        async for event in source.events():
            seen.append(event)
            if event.type == "StepStarted":
                GATE.permits.release()
    assert source.connections == 22
    assert ids(seen) == await seqs(place.app, run.run_id)
    assert [event.data for event in seen if event.id] == [
        row.body for row in await place.app.store.events(run.run_id)
    ]
