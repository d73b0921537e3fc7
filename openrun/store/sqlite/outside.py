"""What slices say of the world outside, as rows for the statements that write it.

These are waits, effects, progress and compensations: most slices have none of them, and pay for none.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from openrun.store.rows import CompensationRow, EffectRow, ProgressRow, WaitRow
from openrun.store.sqlite.connection import tell
from openrun.store.sqlite.text import clean, clean_or_none

_encode = msgspec.json.Encoder().encode
Row = tuple[str | int | None, ...]
Outside = Mapping[str, Sequence[bytes]]
"""By statement; each row is JSON already."""


def outside(
    *,
    waits: Iterable[WaitRow] = (),
    effects: Iterable[EffectRow] = (),
    progress: Iterable[ProgressRow] = (),
    compensations: Iterable[CompensationRow] = (),
) -> Outside:
    return {
        "put_waits": [_encode(_wait(each)) for each in waits],
        "put_effects": [_encode(_effect(each)) for each in effects],
        "add_progress": [_encode(_progress(each)) for each in progress],
        "put_compensations": [_encode(_compensation(each)) for each in compensations],
    }


def write(connection: sqlite3.Connection, those: Sequence[Outside]) -> None:
    """Within a transaction; of several rows about the same, the later ones go over those before."""
    for name in those[0] if those else ():
        rows = [row for each in those for row in each[name]]
        if rows:
            tell(connection, name, rows=(b"[" + b",".join(rows) + b"]").decode())


def _wait(row: WaitRow) -> Row:
    return (
        row.wait_id,
        row.run_id,
        row.step_id,
        row.scope,
        row.kind,
        clean(row.name),
        clean_or_none(row.correlation),
        clean_or_none(row.title),
        clean(row.ask),
        row.created_at,
        row.expires_at,
        row.closed_at,
        row.outcome,
    )


def _effect(row: EffectRow) -> Row:
    return (
        row.key,
        row.run_id,
        row.step_id,
        row.scope,
        clean(row.name),
        row.ordinal,
        row.effect,
        row.status,
        row.attempt,
        row.seq,
        row.args_hash,
        clean_or_none(row.value),
        clean_or_none(row.error),
        clean_or_none(row.by),
        row.started_at,
        row.ended_at,
    )


def _progress(row: ProgressRow) -> Row:
    return (row.run_id, row.step_id, row.scope, row.attempt, row.at, clean(row.data))


def _compensation(row: CompensationRow) -> Row:
    error = clean_or_none(row.error)
    return (
        row.run_id,
        row.step_id,
        row.scope,
        row.status,
        row.seq,
        error,
        row.started_at,
        row.ended_at,
    )
