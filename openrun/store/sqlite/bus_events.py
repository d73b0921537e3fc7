"""Events between flows."""

import sqlite3
from collections.abc import Sequence

from openrun.store.bus_events import BusEventFilter, BusEventRow, GatheredRow
from openrun.store.sqlite.connection import as_json, ask, look_up, tell, writing
from openrun.store.sqlite.text import clean, clean_or_none, cleaned

_BEYOND = 1 << 62


def publish(connection: sqlite3.Connection, rows: Sequence[BusEventRow]) -> list[int]:
    names = [(each.namespace, clean(each.source), clean(each.event_id)) for each in rows]
    given = [
        (*name, clean(each.type), clean(each.body), each.received_at, each.due_at, each.attempts)
        for name, each in zip(names, rows, strict=True)
    ]
    with writing(connection):
        last = ask(connection, "last_bus_event", int)
        tell(connection, "add_bus_events", rows=as_json(given))
        numbers = ask(connection, "bus_event_numbers", list[int], rows=as_json(names))
    fresh: list[int] = []
    for number in numbers:
        fresh.append(0 if number <= last or number in fresh else number)
    return fresh


def bus_events(connection: sqlite3.Connection, wanted: BusEventFilter) -> list[BusEventRow]:
    """Found where the fewest have to be looked at."""
    queries = {
        "bus_events_dead": wanted.dead is True,
        "bus_events_of_type": wanted.type is not None,
        "bus_events_of_namespace": wanted.namespace is not None,
        "bus_events": True,
    }
    return ask(
        connection,
        next(name for name, fits in queries.items() if fits),
        list[BusEventRow],
        namespace=wanted.namespace,
        type=clean_or_none(wanted.type),
        dead=wanted.dead,
        before=_BEYOND if wanted.before is None else wanted.before,
        limit=wanted.limit,
    )


def bus_event(connection: sqlite3.Connection, number: int) -> BusEventRow | None:
    return look_up(connection, "bus_event", BusEventRow, number=number)


def revive(connection: sqlite3.Connection, number: int, now: int) -> bool:
    with writing(connection):
        return tell(connection, "revive_bus_event", number=number, now=now) > 0


def take(connection: sqlite3.Connection, now: int, most: int, until: int) -> list[BusEventRow]:
    with writing(connection):
        numbers = ask(connection, "due_bus_events", list[int], now=now, most=most)
        if not numbers:
            return []
        rows = as_json(numbers)
        tell(connection, "take_bus_events", rows=rows, until=until)
        return ask(connection, "taken_bus_events", list[BusEventRow], rows=rows)


def handled(connection: sqlite3.Connection, numbers: Sequence[int], now: int) -> None:
    with writing(connection):
        tell(connection, "bus_events_handled", rows=as_json(numbers), now=now)


def failed(connection: sqlite3.Connection, rows: Sequence[BusEventRow]) -> None:
    given = [
        (each.number, each.due_at, each.dead_at, clean_or_none(each.error), each.attempts) for each in rows
    ]
    with writing(connection):
        tell(connection, "bus_events_failed", rows=as_json(given))


def next_bus_event(connection: sqlite3.Connection) -> int | None:
    return look_up(connection, "next_bus_event", int)


def forget(connection: sqlite3.Connection, before: int, limit: int) -> int:
    with writing(connection):
        gone = tell(connection, "forget_bus_events", before=before, limit=limit)
        return gone + tell(connection, "forget_gathered", before=before, limit=max(0, limit - gone))


def gather(connection: sqlite3.Connection, row: GatheredRow) -> list[GatheredRow]:
    with writing(connection):
        tell(connection, "gather", **cleaned(row))
        return ask(
            connection,
            "gathered",
            list[GatheredRow],
            namespace=row.namespace,
            flow_id=row.flow_id,
            trigger=clean(row.trigger),
            key=clean(row.key),
            at=row.at,
        )


def ungather(connection: sqlite3.Connection, rows: Sequence[GatheredRow]) -> None:
    names = ("namespace", "flow_id", "trigger", "key", "part", "source", "event_id")
    kept = [cleaned(each) for each in rows]
    with writing(connection):
        tell(connection, "ungather", rows=as_json([[each[name] for name in names] for each in kept]))
