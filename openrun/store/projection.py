"""Rows derived from a run's events: where its activations stand. The same while it runs and when it is read again."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from openrun.core.errors import ErrorObject
from openrun.core.events import (
    Fact,
    ReviewRequested,
    ReviewResolved,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import WaitUntil
from openrun.core.types import StepRunStatus
from openrun.store.rows import ActivationRow

_ERROR_LENGTH = 500


def in_ms(instant: datetime) -> int:
    """An instant as the stores keep it."""
    return round(instant.timestamp() * 1000)


def error_text(error: ErrorObject | None) -> str | None:
    """An error as lists show it."""
    return None if error is None else f"{error.code}: {error.message}"[:_ERROR_LENGTH]


def activation_rows(facts: Iterable[Fact]) -> tuple[ActivationRow, ...]:
    """The rows that these facts change, each as it is after the last of them."""
    rows: dict[tuple[str, str], ActivationRow] = {}
    for fact in facts:
        row = _row(fact)
        if row is not None:
            key = (row.step_id, row.scope)
            rows[key] = _after(rows.get(key), row)
    return tuple(rows.values())


def _after(known: ActivationRow | None, row: ActivationRow) -> ActivationRow:
    if known is None:
        return row
    attempt = known.attempt if row.attempt is None else row.attempt
    started_at = known.started_at if row.started_at is None else row.started_at
    return replace(row, attempt=attempt, started_at=started_at)


def _row(fact: Fact) -> ActivationRow | None:
    match fact:
        case StepStarted():
            return _of(fact, "running", fact.attempt, started_at=in_ms(fact.timestamp))
        case StepCompleted():
            return _completed(fact)
        case StepScheduled():
            due = in_ms(fact.not_before)
            return _of(fact, "scheduled", fact.attempt - 1, due_at=due, error=error_text(fact.error))
        case StepWaiting():
            due_at = in_ms(fact.wait.until) if isinstance(fact.wait, WaitUntil) else None
            return _of(fact, "waiting", fact.attempt, due_at=due_at)
        case StepCancelled():
            return _of(fact, "cancelled", None, ended_at=in_ms(fact.timestamp))
        case TimerFired(step_id=str()) | ReviewResolved():
            return _of(fact, "running", None)
        case ReviewRequested(step_id=str()):
            return _of(fact, "review", None)
        case _:
            return None


def _completed(fact: StepCompleted) -> ActivationRow:
    ended_at = in_ms(fact.timestamp)
    if fact.result.status is StepRunStatus.ERROR:
        error = error_text(fact.result.failed_with())
        return _of(fact, "failed", fact.attempt, ended_at=ended_at, error=error)
    return _of(fact, "succeeded", fact.attempt, ended_at=ended_at)


def _of(
    fact: StepEvent | TimerFired | ReviewRequested,
    status: str,
    attempt: int | None,
    *,
    started_at: int | None = None,
    due_at: int | None = None,
    ended_at: int | None = None,
    error: str | None = None,
) -> ActivationRow:
    assert fact.step_id is not None
    return ActivationRow(
        run_id=fact.run_id,
        step_id=fact.step_id,
        scope=fact.scope,
        status=status,
        attempt=attempt,
        seq=fact.seq,
        started_at=started_at,
        due_at=due_at,
        ended_at=ended_at,
        error=error,
    )
