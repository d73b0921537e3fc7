"""Runs as lists and inspections show them."""

import sqlite3
from collections.abc import Mapping, Sequence

from openrun.core.types import RunStatus
from openrun.store.rows import HeadRow, RunFilter, RunRow
from openrun.store.sqlite.changes import is_damaged
from openrun.store.sqlite.connection import BEYOND, as_json, ask, look_up, tell, writing

_BY_NAMESPACE = ("runs_of_status", "runs_of_flow")
"""What is found in an index of one namespace after another."""


def run(connection: sqlite3.Connection, run_id: str) -> RunRow | None:
    return look_up(connection, "run", RunRow, run_id=run_id)


def held_by(connection: sqlite3.Connection, worker: str) -> list[RunRow]:
    return ask(connection, "held_by", list[RunRow], worker=worker)


def find(connection: sqlite3.Connection, prefix: str, limit: int, namespace: str | None) -> list[str]:
    name = "find" if namespace is None else "find_in_namespace"
    given = {"first": prefix, "beyond": prefix + BEYOND, "limit": limit, "namespace": namespace}
    return ask(connection, name, list[str], **given)


def heads(connection: sqlite3.Connection, run_ids: Sequence[str], namespace: str | None) -> list[HeadRow]:
    rows = as_json(run_ids)
    return ask(connection, "heads_of_runs", list[HeadRow], rows=rows, namespace=namespace)


def namespaces(connection: sqlite3.Connection, wanted: str | None) -> list[str]:
    """Those whose runs are to be looked at: the one that is wanted, or all that have runs."""
    return ask(connection, "namespaces", list[str]) if wanted is None else [wanted]


def runs(connection: sqlite3.Connection, wanted: RunFilter) -> list[RunRow]:
    name = _narrowest(wanted)
    those = namespaces(connection, wanted.namespace) if name in _BY_NAMESPACE else []
    return ask(
        connection,
        name,
        list[RunRow],
        namespaces=as_json(those),
        namespace=wanted.namespace,
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
        "runs_of_namespace": wanted.namespace is not None,
        "runs": True,
    }
    return next(name for name, fits in queries.items() if fits)


def counts(connection: sqlite3.Connection, namespace: str | None) -> Mapping[RunStatus, int]:
    name = "counts" if namespace is None else "counts_of_namespace"
    return ask(connection, name, dict[RunStatus, int], namespace=namespace)


def orphans(connection: sqlite3.Connection, limit: int) -> list[str]:
    return ask(connection, "orphans", list[str], limit=limit)


def next_due(connection: sqlite3.Connection) -> int | None:
    return look_up(connection, "next_due", int)


def hold(connection: sqlite3.Connection, run_id: str, reason: str, due_at: int | None) -> None:
    due_at = None if is_damaged(reason) else due_at
    with writing(connection):
        tell(connection, "put_on_hold", run_id=run_id, reason=reason, due_at=due_at)
