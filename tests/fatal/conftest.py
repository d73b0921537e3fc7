"""Stores that several processes share: a SQLite file, and a Postgres database."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.servers.postgres import create_database, drop_database

from .fleet import Fleet, a_fleet


@pytest.fixture(params=["sqlite", "postgres"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Names a store that is new, each time."""
    if request.param == "sqlite":
        numbers = count()
        yield lambda: str(tmp_path / f"{next(numbers)}.db")
        return
    server = request.getfixturevalue("postgres_server_url")
    made: list[str] = []

    def make() -> str:
        made.append(create_database(server))
        return made[-1]

    yield make
    for url in made:
        drop_database(server, url)


@pytest.fixture
async def fleet(fresh: Callable[[], str]) -> AsyncIterator[Fleet]:
    async with a_fleet(fresh()) as each:
        yield each
