"""Schedules and their ticks."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from openrun.store.base import StoreError
from openrun.store.rows import Committed, Duplicate, Slice, VersionRow
from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.commit import commit_within
from openrun.store.sqlite.connection import as_json, ask, look_up, tell, writing
from openrun.store.sqlite.draft import drafted
from openrun.store.sqlite.inbox import deliver
from openrun.store.sqlite.text import clean, clean_or_none, cleaned
from openrun.store.sqlite.tickets import between
from openrun.store.timetable import Move, ScheduleFilter, ScheduleRow, TickFilter, TickRow

_FIRST, _BEYOND = -(1 << 62), 1 << 62
Row = tuple[Any, ...]


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule is to be paused at this instant, or (None) to go on."""

    namespace: str
    flow_id: str
    trigger: str
    at: int | None
    by: str | None


def keep_schedules(connection: sqlite3.Connection, row: VersionRow, schedules: Sequence[ScheduleRow]) -> None:
    """Make these the schedules of a flow, within a transaction."""
    triggers = as_json([clean(each.trigger) for each in schedules])
    place = {"namespace": row.namespace, "flow_id": row.flow_id}
    others = ask(connection, "other_schedules", list[str], rows=triggers, **place)
    if others:
        tell(connection, "remove_schedules", rows=as_json(others), **place)
        tell(connection, "remove_ticks", rows=as_json(others), **place)
    if schedules:
        tell(connection, "put_schedules", rows=as_json([_schedule(each, row) for each in schedules]))


def schedules(connection: sqlite3.Connection, wanted: ScheduleFilter) -> list[ScheduleRow]:
    first, last = between(wanted.namespace, wanted.flow_id, wanted.after)
    place = dict(zip(("namespace", "flow_id", "trigger"), first, strict=True))
    place |= dict(zip(("last_namespace", "last_flow_id", "last_trigger"), last, strict=True))
    name = "schedules_paused" if wanted.paused else "schedules"
    asked = {"flow": wanted.flow_id, "paused": wanted.paused, "limit": wanted.limit}
    return ask(connection, name, list[ScheduleRow], **asked, **place)


def schedule(
    connection: sqlite3.Connection, namespace: str, flow_id: str, trigger: str
) -> ScheduleRow | None:
    place = {"namespace": namespace, "flow_id": flow_id, "trigger": clean(trigger)}
    return look_up(connection, "schedule", ScheduleRow, **place)


def pause(connection: sqlite3.Connection, wanted: Pause, now: int) -> bool:
    with writing(connection):
        if tell(connection, "pause_schedule", now=now, **cleaned(wanted)):
            return True
        return schedule(connection, wanted.namespace, wanted.flow_id, wanted.trigger) is not None


def ticks(connection: sqlite3.Connection, wanted: TickFilter) -> list[TickRow]:
    return ask(
        connection,
        "ticks_of_outcome" if wanted.outcome else "ticks",
        list[TickRow],
        namespace=wanted.namespace,
        flow_id=wanted.flow_id,
        trigger=clean(wanted.trigger),
        outcomes=as_json(sorted(set(wanted.outcome))),
        since=_FIRST if wanted.since is None else wanted.since,
        before=_BEYOND if wanted.before is None else wanted.before,
        limit=wanted.limit,
    )


def due_schedules(connection: sqlite3.Connection, now: int, limit: int) -> list[ScheduleRow]:
    return ask(connection, "due_schedules", list[ScheduleRow], now=now, limit=limit)


def next_schedule(connection: sqlite3.Connection) -> int | None:
    return look_up(connection, "next_schedule", int)


def move(connection: sqlite3.Connection, moves: Sequence[Move], clocks: Clocks) -> list[bool]:
    with writing(connection):
        now = clocks.now()
        kept = [_take_place(connection, each) for each in moves]
        accepted = [each for each, its in zip(moves, kept, strict=True) if its]
        births = [birth for each in accepted for birth in _births(connection, each)]
        known = _bear(connection, births, clocks, now)
        rows = [_tick(tick, known) for each in accepted for tick in each.ticks]
        if rows:
            tell(connection, "put_ticks", rows=as_json(rows))
        messages = [message for each in accepted for message in each.messages]
        if messages:
            deliver(connection, messages, now)
    return kept


def forget(connection: sqlite3.Connection, before: int, limit: int) -> int:
    with writing(connection):
        return tell(connection, "forget_ticks", before=before, limit=limit)


def _take_place(connection: sqlite3.Connection, its: Move) -> bool:
    changed = tell(
        connection,
        "move_schedule",
        namespace=its.namespace,
        flow_id=its.flow_id,
        trigger=clean(its.trigger),
        revision=its.revision,
        cursor=its.cursor,
        due_at=its.due_at,
    )
    return changed > 0


def _births(connection: sqlite3.Connection, its: Move) -> list[Slice]:
    """The runs that its ticks start, those left out whose tick has fired before."""
    if not its.births:
        return []
    fired = ask(
        connection,
        "fired_ticks",
        list[tuple[int, str | None]],
        namespace=its.namespace,
        flow_id=its.flow_id,
        trigger=clean(its.trigger),
        rows=as_json([each.tick for each in its.ticks]),
    )
    before = {tick for tick, _ in fired}
    idle = {each.run_id for each in its.ticks if each.tick in before}
    return [each for each in its.births if each.run_id not in idle]


def _bear(
    connection: sqlite3.Connection, births: Sequence[Slice], clocks: Clocks, now: int
) -> Mapping[str, str]:
    """Runs that had been started before under the same key, by the id of the one that was to be."""
    if not births:
        return {}
    known = {}
    for birth, verdict in zip(births, commit_within(connection, drafted(births), clocks, now), strict=True):
        if isinstance(verdict, Duplicate):
            known[birth.run_id] = verdict.run_id
        elif not isinstance(verdict, Committed):
            raise StoreError(f"a schedule cannot start run {birth.run_id!r}: {verdict.reason}")
    return known


def _schedule(its: ScheduleRow, row: VersionRow) -> Row:
    named = replace(its, namespace=row.namespace, flow_id=row.flow_id)
    return (
        named.namespace,
        named.flow_id,
        clean(named.trigger),
        named.version,
        clean(named.spec),
        named.cursor,
        named.due_at,
        named.revision,
        named.created_at,
        named.paused_at,
        clean_or_none(named.paused_by),
    )


def _tick(its: TickRow, known: Mapping[str, str]) -> Row:
    return (
        its.namespace,
        its.flow_id,
        clean(its.trigger),
        its.tick,
        its.outcome,
        None if its.run_id is None else known.get(its.run_id, its.run_id),
        its.decided_at,
        clean_or_none(its.reason),
        its.backfilled,
    )
