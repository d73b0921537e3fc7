"""Buses over stores: alone and with Redis, SQLite and Postgres."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Protocol

import pytest

from openrun.bus.base import Bus, BusOptions
from openrun.bus.opening import open_bus
from openrun.store.base import Store
from openrun.store.opening import open_store

from .audience import Audience

_numbers = count()
QUICK = BusOptions(lease=1.0, poll=0.05, grace=2.0, back_off=(0.01,))
"""Nobody waits for long."""


def wall() -> int:
    return time.time_ns() // 1_000_000


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh store is."""
    if request.param == "sqlite":
        return str(tmp_path / "openrun.db")
    if find_spec("psycopg") is None:
        pytest.skip("NOT TESTED AGAINST POSTGRES: its driver is not installed")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def store(place: str) -> AsyncIterator[Store]:
    store = open_store(place)
    await store.open()
    yield store
    await store.close()


@pytest.fixture(params=["store", "redis"])
def bus_url(request: pytest.FixtureRequest) -> str | None:
    """Names a bus that nobody else uses."""
    return None if request.param == "store" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """A stream that nobody else uses."""
    return f"{redis_server_url}?stream=openrun:tests:{wall()}:{next(_numbers)}"


class MakeBus(Protocol):
    async def __call__(
        self,
        audience: Audience,
        *,
        options: BusOptions = ...,
        store: Store | None = ...,
        url: str | None = ...,
    ) -> Bus: ...


@pytest.fixture
async def started(store: Store, bus_url: str | None) -> AsyncIterator[MakeBus]:
    """Starts a bus, as one process has it; all are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(
            audience: Audience,
            *,
            options: BusOptions = QUICK,
            store: Store = store,
            url: str | None = bus_url,
        ) -> Bus:
            bus = a_bus(url, store, audience, options)
            await bus.start()
            stack.push_async_callback(bus.stop)
            return bus

        yield start  # type: ignore[misc]


def a_bus(url: str | None, store: Store, audience: Audience, options: BusOptions = QUICK) -> Bus:
    return open_bus(url, store, audience.hear, now=wall, options=options)
