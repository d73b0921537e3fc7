"""What slices say of the world outside: waits, effects, progress, compensations; most say nothing of it.

One statement cannot write the same row twice, so of several rows about the same thing one is made.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from openrun.store.postgres.text import kept, kept_or_none, place
from openrun.store.rows import CompensationRow, EffectRow, ProgressRow, WaitRow
from openrun.store.upserts import compensation_over, effect_over

WAIT = (
    "wait_id", "run_id", "step_id", "scope", "kind", "name", "topic", "correlation", "subject", "title", "ask",
    "created_at", "expires_at", "closed_at", "outcome",
)  # fmt: skip
EFFECT = (
    "key", "run_id", "step_id", "scope", "name", "ordinal", "effect", "status", "attempt", "seq", "args_hash", "value",
    "error", "by", "started_at", "ended_at",
)  # fmt: skip
PROGRESS = ("run_id", "step_id", "scope", "attempt", "at", "data")
COMPENSATION = (
    "run_id", "place", "step_id", "scope", "status", "seq", "error", "started_at", "ended_at",
)  # fmt: skip
Written = tuple[str, Sequence[str], Iterable[tuple[Any, ...]]]
"""A statement, the names of its columns, and its rows."""


class Outside:
    """Collects rows in the order in which they come."""

    def __init__(self) -> None:
        self._waits: dict[tuple[str, str], WaitRow] = {}
        self._effects: dict[tuple[str, str], EffectRow] = {}
        self._progress: list[ProgressRow] = []
        self._compensations: dict[tuple[str, str, str], CompensationRow] = {}

    def take(
        self,
        *,
        waits: Iterable[WaitRow] = (),
        effects: Iterable[EffectRow] = (),
        progress: Iterable[ProgressRow] = (),
        compensations: Iterable[CompensationRow] = (),
    ) -> None:
        """Rows that go over those taken before."""
        self._waits.update(((each.wait_id, each.run_id), each) for each in waits)
        self._progress += progress
        for effect in effects:
            key = (effect.key, effect.run_id)
            self._effects[key] = effect_over(self._effects.get(key), effect)
        for each in compensations:
            where = (each.run_id, each.step_id, each.scope)
            self._compensations[where] = compensation_over(self._compensations.get(where), each)

    def written(self) -> Iterator[Written]:
        """What is to be written."""
        if self._waits:
            yield "upsert_waits", WAIT, map(_wait, self._waits.values())
        if self._effects:
            yield "upsert_effects", EFFECT, map(_effect, self._effects.values())
        if self._progress:
            yield "insert_progress", PROGRESS, map(_progress, self._progress)
        if self._compensations:
            yield "upsert_compensations", COMPENSATION, map(_compensation, self._compensations.values())


def _wait(row: WaitRow) -> tuple[Any, ...]:
    subject = None if row.correlation is None else place(row.name, row.correlation)
    return (
        row.wait_id, row.run_id, kept(row.step_id), kept(row.scope), row.kind, kept(row.name), place(row.name),
        kept_or_none(row.correlation), subject, kept_or_none(row.title), kept(row.ask), row.created_at,
        row.expires_at, row.closed_at, row.outcome,
    )  # fmt: skip


def _effect(row: EffectRow) -> tuple[Any, ...]:
    return (
        row.key, row.run_id, kept(row.step_id), kept(row.scope), kept(row.name), row.ordinal, row.effect,
        row.status, row.attempt, row.seq, row.args_hash, kept_or_none(row.value), kept_or_none(row.error),
        kept_or_none(row.by), row.started_at, row.ended_at,
    )  # fmt: skip


def _progress(row: ProgressRow) -> tuple[Any, ...]:
    return (row.run_id, kept(row.step_id), kept(row.scope), row.attempt, row.at, kept(row.data))


def _compensation(row: CompensationRow) -> tuple[Any, ...]:
    return (
        row.run_id, place(row.step_id, row.scope), kept(row.step_id), kept(row.scope), row.status, row.seq,
        kept_or_none(row.error), row.started_at, row.ended_at,
    )  # fmt: skip
