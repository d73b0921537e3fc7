"""Durable engines over every kind of store."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from openrun.app import App
from openrun.store.base import Store
from openrun.store.sqlite import SqliteStore
from tests.house.given import FLOWS
from tests.store.conftest import opened

__all__ = ["opened"]


@pytest.fixture
async def app(opened: Callable[[], Store]) -> AsyncIterator[App]:
    async with App(opened(), flows=FLOWS) as engine:
        yield engine


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the fixture `on_disk` has its file."""
    return tmp_path / "openrun.db"


@pytest.fixture
async def on_disk(path: Path) -> AsyncIterator[App]:
    async with App(SqliteStore(path), flows=FLOWS) as engine:
        yield engine
