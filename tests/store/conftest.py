"""The stores that the conformance suite is for."""

from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

import pytest

from openrun.store.base import Store
from openrun.store.memory import MemoryStore
from openrun.store.opening import open_store
from openrun.store.sqlite import SqliteStore

Opened = TypeVar("Opened", bound=Store)
KINDS = ("memory", "sqlite", "postgres")


@pytest.fixture(params=KINDS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes a store, each time over the same database; in memory it is always the same one."""
    if request.param == "memory":
        only = MemoryStore()
        return lambda: only
    if request.param == "sqlite":
        return lambda: SqliteStore(tmp_path / "openrun.db")
    if find_spec("psycopg") is None:
        pytest.skip("NOT TESTED AGAINST POSTGRES: its driver is not installed")
    url = request.getfixturevalue("postgres_url")
    return lambda: open_store(url)


@pytest.fixture
async def store(opened: Callable[[], Store]) -> AsyncIterator[Store]:
    async for each in _while_open(opened()):
        yield each


@pytest.fixture
async def twin(store: Store, opened: Callable[[], Store]) -> AsyncIterator[Store]:
    """The same database, as another process has it."""
    async for each in _while_open(opened()):
        yield each


async def _while_open(store: Opened) -> AsyncIterator[Opened]:
    await store.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the fixture `sqlite` has its file."""
    return tmp_path / "openrun.db"


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[SqliteStore]:
    async for each in _while_open(SqliteStore(path)):
        yield each
