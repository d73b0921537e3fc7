"""Ways to ask the database: one query over a free connection."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from openrun.store.postgres.link import Connection, Pool
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows

T = TypeVar("T", bound=msgspec.Struct)

_CONNECTIONS = 4


class Asking:
    """Commits go over one connection, all else over a few others."""

    def __init__(self, url: str) -> None:
        self._writer = Pool(url, 1)
        self._others = Pool(url, _CONNECTIONS)

    async def _rows(self, name: str, given: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(sql(name), given)).fetchall()

        return await self._others.call(work)

    async def _planned(self, name: str, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """No plan is kept: each makes the most of what is not asked for."""

        async def work(connection: Connection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(sql(name), given, prepare=False)).fetchall()

        return await self._others.call(work)

    async def _one(self, kind: type[T], name: str, given: Mapping[str, Any]) -> T | None:
        return next(iter(as_rows(kind, await self._rows(name, given))), None)

    async def _number(self, name: str) -> int:
        number: int = (await self._rows(name))[0][0]
        return number

    async def _instant(self, name: str) -> int | None:
        instant: int | None = (await self._rows(name))[0][0]
        return instant

    async def _do(self, name: str, given: Mapping[str, Any] | None = None) -> int:
        async def work(connection: Connection) -> int:
            return (await connection.execute(sql(name), given)).rowcount

        return await self._others.call(work)
