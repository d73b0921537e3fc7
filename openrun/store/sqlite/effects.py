"""Calls to the world outside, and the undoing of steps."""

import sqlite3

from openrun.store.narrowing import effects_query
from openrun.store.rows import CompensationRow, EffectFilter, EffectRow
from openrun.store.sqlite.connection import BEYOND, as_json, ask, tell, writing
from openrun.store.sqlite.text import clean_or_none


def effects(connection: sqlite3.Connection, wanted: EffectFilter) -> list[EffectRow]:
    return ask(
        connection,
        effects_query(wanted),
        list[EffectRow],
        run_id=wanted.run_id,
        namespace=wanted.namespace,
        statuses=as_json(wanted.status) if wanted.status else None,
        limit=wanted.limit,
    )


def find(connection: sqlite3.Connection, prefix: str, limit: int, namespace: str | None) -> list[EffectRow]:
    given = {"first": prefix, "beyond": prefix + BEYOND, "limit": limit, "namespace": namespace}
    return ask(connection, "find_effects", list[EffectRow], **given)


def compensations(
    connection: sqlite3.Connection, run_id: str | None, limit: int, namespace: str | None
) -> list[CompensationRow]:
    name = "compensations_failed" if run_id is None else "compensations_of_run"
    given = {"run_id": run_id, "limit": limit, "namespace": namespace}
    return ask(connection, name, list[CompensationRow], **given)


def settle_compensation(connection: sqlite3.Connection, row: CompensationRow) -> bool:
    with writing(connection):
        settled = tell(
            connection,
            "settle_compensation",
            run_id=row.run_id,
            step_id=row.step_id,
            scope=row.scope,
            resolution=row.resolution,
            note=clean_or_none(row.note),
            by=clean_or_none(row.by),
        )
    return settled > 0
