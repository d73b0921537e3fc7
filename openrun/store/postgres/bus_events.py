"""Events between flows. What is named by texts of any length is found by digests of them (see `text.py`)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from msgspec.structs import asdict

from openrun.store.bus_events import BusEventFilter, BusEventRow, GatheredRow
from openrun.store.postgres.again import until_alone
from openrun.store.postgres.asking import Asking
from openrun.store.postgres.gather import columns
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.text import kept, kept_or_none, place

_EVENT = (
    "namespace", "place", "source", "event_id", "type", "topic", "body", "received_at", "due_at", "attempts",
    "handled_at", "dead_at", "error",
)  # fmt: skip
_FAILED = ("number", "due_at", "attempts", "dead_at", "error")


class PostgresBusEvents(Asking):
    """See `openrun.store.bus_events.BusEvents` for what its methods promise."""

    async def publish(self, rows: Sequence[BusEventRow]) -> list[int]:
        if not rows:
            return []
        work = partial(_publish, rows=rows)
        return await self._others.call(partial(until_alone, work=work))

    async def bus_events(self, wanted: BusEventFilter) -> list[BusEventRow]:
        topic = None if wanted.type is None else place(wanted.type)
        given = {**asdict(wanted), "type": kept_or_none(wanted.type), "topic": topic}
        return as_rows(BusEventRow, await self._planned(_narrowest(wanted), given))

    async def bus_event(self, number: int) -> BusEventRow | None:
        return await self._one(BusEventRow, "bus_event", {"number": number})

    async def revive_bus_event(self, number: int, now: int) -> bool:
        return await self._do("revive_bus_event", {"number": number, "now": now}) > 0

    async def take_bus_events(self, now: int, most: int, lease_ms: int) -> list[BusEventRow]:
        given = {"now": now, "most": most, "lease_ms": lease_ms}
        return as_rows(BusEventRow, await self._rows("take_bus_events", given)) if most > 0 else []

    async def bus_events_handled(self, numbers: Sequence[int], now: int) -> None:
        if numbers:
            await self._do("bus_events_handled", {"numbers": list(numbers), "now": now})

    async def bus_events_failed(self, rows: Sequence[BusEventRow]) -> None:
        failed = {each.number: each for each in rows}
        if failed:
            await self._do("bus_events_failed", columns(_FAILED, map(_failed, failed.values())))

    async def next_bus_event(self) -> int | None:
        return await self._instant("next_bus_event")

    async def forget_bus_events(self, before: int, limit: int = 10_000) -> int:
        gone = await self._do("forget_bus_events", {"before": before, "limit": limit})
        return gone + await self._do("forget_gathered", {"before": before, "limit": max(0, limit - gone)})

    async def gather(self, row: GatheredRow) -> list[GatheredRow]:
        return await self._others.call(partial(_gather, row=row))

    async def ungather(self, rows: Sequence[GatheredRow]) -> None:
        if rows:
            marks = sorted({(_place(each), _mark(each)) for each in rows})
            await self._do("ungather", columns(("place", "mark"), marks))


async def _publish(connection: Connection, *, rows: Sequence[BusEventRow]) -> list[int]:
    kept_now = await connection.execute(sql("publish"), columns(_EVENT, map(_event, rows)))
    numbers: dict[bytes, int] = dict(await kept_now.fetchall())
    # Of those that are named twice here, the first one is the new one.
    return [numbers.pop(_name(each), 0) for each in rows]


async def _gather(connection: Connection, *, row: GatheredRow) -> list[GatheredRow]:
    where = _place(row)
    given: dict[str, Any] = {
        **{name: kept(its) if isinstance(its, str) else its for name, its in asdict(row).items()},
        "place": where,
        "mark": _mark(row),
        "lock": int.from_bytes(where[:8], signed=True),
    }
    async with connection.transaction(), connection.pipeline():
        await connection.execute(sql("lock_gathering"), given)
        await connection.execute(sql("keep_gathered"), given)
        found = await connection.execute(sql("gathered"), given)
        return as_rows(GatheredRow, await found.fetchall())


def _narrowest(wanted: BusEventFilter) -> str:
    if wanted.dead:
        return "bus_events_dead"
    if wanted.type is not None:
        return "bus_events_of_type"
    return "bus_events" if wanted.namespace is None else "bus_events_of_namespace"


def _name(row: BusEventRow) -> bytes:
    return place(row.namespace, row.source, row.event_id)


def _event(row: BusEventRow) -> tuple[Any, ...]:
    return (
        row.namespace, _name(row), kept(row.source), kept(row.event_id), kept(row.type), place(row.type),
        kept(row.body), row.received_at, row.due_at, row.attempts, row.handled_at, row.dead_at,
        kept_or_none(row.error),
    )  # fmt: skip


def _failed(row: BusEventRow) -> tuple[Any, ...]:
    return row.number, row.due_at, row.attempts, row.dead_at, kept_or_none(row.error)


def _place(row: GatheredRow) -> bytes:
    return place(row.namespace, row.flow_id, row.trigger, row.key)


def _mark(row: GatheredRow) -> bytes:
    return place(str(row.part), row.source, row.event_id)
