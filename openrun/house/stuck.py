"""Runs that need somebody: they are in review or on hold, nobody claims them, or nothing has happened for long."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from openrun.core.types import RunStatus
from openrun.house.roll import UNENDED
from openrun.runtime.queued import is_queued
from openrun.store.base import Records
from openrun.store.rows import RunFilter, RunRow

_PAGE = 500
_OVERDUE_MS = 60_000
_SILENT_MS = 600_000
"""Twice as long as a step runs at most, unless its flow says more."""
_AT_REST = frozenset({RunStatus.WAITING, RunStatus.PAUSED})


class Why(StrEnum):
    """Why a run needs somebody."""

    NEEDS_REVIEW = "needs_review"
    HELD = "held"
    OVERDUE = "overdue"
    """It has been due for a minute, or what it waits for has expired, and nobody claims it."""
    SILENT = "silent"
    """It runs, or should, and nothing has happened for ten minutes."""
    RESTING = "resting"
    """It waits or is paused, and nothing has happened for longer than was asked for."""


class Stuck(msgspec.Struct, frozen=True, kw_only=True):
    """A run that needs somebody, since when, and in words why."""

    row: RunRow
    why: Why
    since: int
    detail: str


async def stuck(records: Records, resting_ms: int, before: str | None, limit: int) -> list[Stuck]:
    """The newest so many, before this run; all runs that have not ended are looked at."""
    now = await records.now()
    found: list[Stuck] = []
    while len(found) < limit:
        page = await records.runs(RunFilter(status=UNENDED, before=before, limit=_PAGE))
        found += _of(page, now, resting_ms)
        if len(page) < _PAGE:
            break
        before = page[-1].run_id
    return found[:limit]


def _of(rows: list[RunRow], now: int, resting_ms: int) -> Iterator[Stuck]:
    for row in rows:
        reason = needs_somebody(row, now, resting_ms)
        if reason is not None:
            yield reason


def needs_somebody(row: RunRow, now: int, resting_ms: int) -> Stuck | None:
    """Why a run that has not ended needs somebody, at this time of the store's; None when it does not."""
    idle = now - row.updated_at
    since: dict[str, Any] = {"row": row, "since": row.updated_at}
    if is_queued(row):
        return None
    if row.hold is not None:
        return Stuck(**since, why=Why.HELD, detail=row.hold)
    if row.status is RunStatus.NEEDS_REVIEW:
        return Stuck(**since, why=Why.NEEDS_REVIEW, detail="a person has to say what became of its work")
    if row.worker is None and row.due_at is not None and now - row.due_at >= _OVERDUE_MS:
        return Stuck(row=row, since=row.due_at, why=Why.OVERDUE, detail="it is due, and no worker claims it")
    if row.status in _AT_REST:
        if idle < resting_ms:
            return None
        return Stuck(**since, why=Why.RESTING, detail=f"it is {row.status.value}, and nothing has happened")
    if idle < _SILENT_MS:
        return None
    return Stuck(**since, why=Why.SILENT, detail=f"it is {row.status.value}, and nothing has happened")
