"""Runs as lists and inspections show them."""

import sqlite3
from collections.abc import Mapping

from openrun.core.types import RunStatus
from openrun.store.rows import RunFilter, RunRow
from openrun.store.sqlite.changes import is_damaged
from openrun.store.sqlite.connection import BEYOND, as_json, ask, look_up, tell, writing


def run(connection: sqlite3.Connection, run_id: str) -> RunRow | None:
    return look_up(connection, "run", RunRow, run_id=run_id)


def held_by(connection: sqlite3.Connection, worker: str) -> list[RunRow]:
    return ask(connection, "held_by", list[RunRow], worker=worker)


def find(connection: sqlite3.Connection, prefix: str, limit: int) -> list[str]:
    return ask(connection, "find", list[str], first=prefix, beyond=prefix + BEYOND, limit=limit)


def runs(connection: sqlite3.Connection, wanted: RunFilter) -> list[RunRow]:
    return ask(
        connection,
        _narrowest(wanted),
        list[RunRow],
        before=wanted.before or BEYOND,
        limit=wanted.limit,
        statuses=as_json(wanted.status) if wanted.status else None,
        flow_id=wanted.flow_id,
        parent_run_id=wanted.parent_run_id,
        held=wanted.held,
    )


def _narrowest(wanted: RunFilter) -> str:
    """The query whose index leaves the fewest runs to look at."""
    queries = {
        "runs_of_parent": wanted.parent_run_id is not None,
        "runs_on_hold": wanted.held is True,
        "runs_of_status": bool(wanted.status),
        "runs_of_flow": wanted.flow_id is not None,
        "runs": True,
    }
    return next(name for name, fits in queries.items() if fits)


def counts(connection: sqlite3.Connection) -> Mapping[RunStatus, int]:
    return ask(connection, "counts", dict[RunStatus, int])


def orphans(connection: sqlite3.Connection, limit: int) -> list[str]:
    return ask(connection, "orphans", list[str], limit=limit)


def next_due(connection: sqlite3.Connection) -> int | None:
    return look_up(connection, "next_due", int)


def hold(connection: sqlite3.Connection, run_id: str, reason: str, due_at: int | None) -> None:
    due_at = None if is_damaged(reason) else due_at
    with writing(connection):
        tell(connection, "put_on_hold", run_id=run_id, reason=reason, due_at=due_at)
