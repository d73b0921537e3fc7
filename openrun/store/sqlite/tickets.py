"""Tickets of runs that wait for their turn: how they come, how they go, and how full lanes are."""

import sqlite3
from collections.abc import Iterable, Sequence

from openrun.store.admission import PRIORITY_MS
from openrun.store.rows import Birth
from openrun.store.sqlite.connection import BEYOND, as_json, ask, look_up, tell
from openrun.store.sqlite.judge import Accepted
from openrun.store.sqlite.text import clean
from openrun.store.tickets import LaneFilter, LaneRow, Ticket


def queue(connection: sqlite3.Connection, accepted: Iterable[Accepted], now: int) -> None:
    """Put new runs with tickets into their lanes, within a transaction."""
    born = [(each.part.run_id, each.part.birth) for each in accepted if each.part.birth and not each.ended]
    queued = [(run_id, birth, birth.ticket) for run_id, birth in born if birth.ticket]
    if not queued:
        return
    tickets = [(run_id, its.lane, its.pool, its.priority * PRIORITY_MS) for run_id, _, its in queued]
    tell(connection, "add_tickets", rows=as_json(tickets), now=now)
    tell(connection, "put_pools", rows=as_json([(its.pool, its.rules.total) for _, _, its in queued]))
    lanes = as_json([_lane(birth, its) for _, birth, its in queued])
    tell(connection, "put_lanes", rows=lanes, now=now)


def release(connection: sqlite3.Connection, run_ids: Sequence[str], now: int) -> None:
    """Take the tickets of runs that are over, within a transaction; their lanes are looked at anew."""
    found = ask(connection, "tickets_of_runs", list[tuple[str, str]], rows=as_json(run_ids))
    if found:
        tell(connection, "remove_tickets", rows=as_json([run_id for run_id, _ in found]))
        tell(connection, "free_lanes", rows=as_json(sorted({lane for _, lane in found})), now=now)


def lanes(connection: sqlite3.Connection, wanted: LaneFilter) -> list[LaneRow]:
    first, last = between(wanted.namespace, wanted.flow_id, wanted.after)
    place = dict(zip(("namespace", "flow_id", "key"), first, strict=True))
    # A key may be empty, so that of the place before the first is told apart by the lane.
    place["lane"] = BEYOND if first == wanted.after else ""
    place |= dict(zip(("last_namespace", "last_flow_id", "last_key"), last, strict=True))
    return ask(connection, "lanes", list[LaneRow], flow=wanted.flow_id, limit=wanted.limit, **place)


def next_admission(connection: sqlite3.Connection) -> int | None:
    return look_up(connection, "next_admission", int)


def stray(connection: sqlite3.Connection, limit: int) -> list[str]:
    return ask(connection, "stray_tickets", list[str], limit=limit)


Place = tuple[str, str, str]


def between(namespace: str | None, flow_id: str | None, after: Place | None) -> tuple[Place, Place]:
    """What lies between these two, both left out, is all that may be listed."""
    if namespace is None:
        return after or ("", "", ""), (BEYOND, "", "")
    if flow_id is None:
        return max(after or ("", "", ""), (namespace, "", "")), (namespace, BEYOND, "")
    return max(after or ("", "", ""), (namespace, flow_id, "")), (namespace, flow_id, BEYOND)


def _lane(birth: Birth, ticket: Ticket) -> tuple[str, ...]:
    return (
        ticket.lane,
        ticket.pool,
        birth.namespace,
        birth.flow_id,
        clean(ticket.key),
        as_json(ticket.rules),
    )
