"""Keeping house: removing what is old, and making derived rows anew."""

import sqlite3
from collections.abc import Sequence

from openrun.core.types import FINAL
from openrun.store.rows import Derived, RunRow, Tombstone
from openrun.store.sqlite.connection import as_json, ask, look_up, tell, writing
from openrun.store.sqlite.draft import activation_row
from openrun.store.sqlite.outside import outside, write
from openrun.store.sqlite.text import clean_or_none
from openrun.store.sqlite.tickets import release

_DERIVED = ("remove_activations", "remove_waits", "remove_effects")
_BELONGINGS = (
    "remove_events",
    *_DERIVED,
    "remove_progress",
    "remove_compensations",
    "remove_deliveries",
    "remove_settled_notifications",
    "empty_inbox",
    "raise_dead",
    "remove_runs",
)


def ended_before(connection: sqlite3.Connection, instant: int, limit: int) -> list[RunRow]:
    return ask(connection, "ended_before", list[RunRow], instant=instant, limit=limit)


def remove(connection: sqlite3.Connection, run_ids: Sequence[str], now: int) -> list[Tombstone]:
    """The keys under which runs were started stay until they expire: they shall not start again before."""
    with writing(connection):
        asked = as_json(run_ids)
        tell(connection, "add_tombstones", rows=asked, now=now)
        tombstones = ask(connection, "removable", list[Tombstone], rows=asked)
        gone = as_json([each.run_id for each in tombstones])
        release(connection, [each.run_id for each in tombstones], now)
        for name in _BELONGINGS:
            tell(connection, name, rows=gone)
        tell(connection, "forget_keys", now=now)
    return tombstones


def tombstone(connection: sqlite3.Connection, run_id: str) -> Tombstone | None:
    return look_up(connection, "tombstone", Tombstone, run_id=run_id)


def rewrite(connection: sqlite3.Connection, derived: Derived, now: int) -> None:
    standing = derived.standing
    with writing(connection):
        known = tell(
            connection,
            "rewrite",
            run_id=derived.run_id,
            status=standing.status,
            updated_at=standing.updated_at,
            ended_at=standing.ended_at,
            error=clean_or_none(standing.error),
        )
        if known:
            _replace(connection, derived)
            if standing.status in FINAL:
                release(connection, [derived.run_id], now)


def _replace(connection: sqlite3.Connection, derived: Derived) -> None:
    """Compensations stay in their places, so that what a person said of them does."""
    run_id = derived.run_id
    for name in _DERIVED:
        tell(connection, name, rows=as_json([run_id]))
    rows = as_json([(run_id, [activation_row(each) for each in derived.activations])])
    tell(connection, "put_activations", rows=rows)
    places = as_json([(each.step_id, each.scope) for each in derived.compensations])
    tell(connection, "remove_other_compensations", run_id=run_id, rows=places)
    tell(connection, "forget_compensation_starts", run_id=run_id)
    those = outside(waits=derived.waits, effects=derived.effects, compensations=derived.compensations)
    write(connection, [those])
