"""Rows derived from a run's events: where its activations stand, what it waits for, what it did and undid.

They are the same while the run goes on and when it is read again, however its events are cut into slices.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from openrun.core.asks import AskChange
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Fact,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepInterrupted,
    StepProgress,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import WaitForAnswers, WaitUntil
from openrun.core.types import EffectClass, StepRunStatus
from openrun.core.undoing import CompensationStatus
from openrun.store.rows import ActivationRow, CompensationRow, EffectRow, ProgressRow, WaitRow
from openrun.store.upserts import activation_over, compensation_over, effect_over

_ERROR_LENGTH = 500


def in_ms(instant: datetime) -> int:
    """An instant as the stores keep it."""
    return round(instant.timestamp() * 1000)


def in_ms_or_none(instant: datetime | None) -> int | None:
    return None if instant is None else in_ms(instant)


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
            rows[key] = activation_over(rows.get(key), row)
    return tuple(rows.values())


def wait_rows(run_id: str, changes: Iterable[AskChange]) -> tuple[WaitRow, ...]:
    """The rows of asks that were opened or closed, each as it is after the last change."""
    return tuple({each.ask.id: _wait(run_id, each) for each in changes}.values())


def effect_rows(facts: Iterable[Fact]) -> tuple[EffectRow, ...]:
    """The rows that these facts change; values that a run drew are no effects."""
    rows: dict[str, EffectRow] = {}
    for fact in facts:
        if isinstance(fact, EffectRecorded) and fact.effect is not EffectClass.PURE:
            rows[fact.key] = effect_over(rows.get(fact.key), _effect(fact))
    return tuple(rows.values())


def compensation_rows(facts: Iterable[Fact]) -> tuple[CompensationRow, ...]:
    """The rows that these facts change, each as it is after the last of them."""
    rows: dict[tuple[str, str], CompensationRow] = {}
    for fact in facts:
        if isinstance(fact, CompensationStarted | CompensationCompleted):
            key = (fact.step_id, fact.scope)
            rows[key] = compensation_over(rows.get(key), _compensation(fact))
    return tuple(rows.values())


def _wait(run_id: str, change: AskChange) -> WaitRow:
    ask = change.ask
    return WaitRow(
        wait_id=ask.id,
        run_id=run_id,
        step_id=change.step_id,
        scope=change.scope,
        kind=ask.kind.value,
        name=ask.name,
        correlation=ask.correlation,
        title=ask.title,
        ask=_json(ask),
        created_at=in_ms(change.opened_at),
        expires_at=in_ms_or_none(ask.until),
        closed_at=in_ms_or_none(change.closed_at),
        outcome=change.outcome,
    )


def progress_row(shown: StepProgress) -> ProgressRow:
    """What a step reported, as it is kept."""
    return ProgressRow(
        run_id=shown.run_id,
        step_id=shown.step_id,
        scope=shown.scope,
        attempt=shown.attempt,
        at=in_ms(shown.timestamp),
        data=_json(shown.data),
    )


def _effect(fact: EffectRecorded) -> EffectRow:
    at = in_ms(fact.timestamp)
    started = fact.status is EffectStatus.STARTED
    return EffectRow(
        key=fact.key,
        run_id=fact.run_id,
        step_id=fact.step_id,
        scope=fact.scope,
        name=fact.name,
        ordinal=fact.ordinal,
        effect=fact.effect.value,
        status=fact.status.value,
        attempt=fact.attempt,
        seq=fact.seq,
        args_hash=fact.args_hash,
        value=None if fact.value is None else _json(fact.value),
        error=error_text(fact.error),
        by=fact.by,
        started_at=at if started else None,
        ended_at=None if started else at,
    )


def _compensation(fact: CompensationStarted | CompensationCompleted) -> CompensationRow:
    at = in_ms(fact.timestamp)
    begun = CompensationRow(
        run_id=fact.run_id,
        step_id=fact.step_id,
        scope=fact.scope,
        status=CompensationStatus.STARTED.value,
        seq=fact.seq,
        started_at=at,
    )
    if isinstance(fact, CompensationStarted):
        return begun
    error = error_text(fact.error)
    return replace(begun, status=fact.status.value, error=error, started_at=None, ended_at=at)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


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
            until = fact.wait.until if isinstance(fact.wait, WaitUntil | WaitForAnswers) else None
            return _of(fact, "waiting", fact.attempt, due_at=in_ms_or_none(until))
        case StepInterrupted():
            return _of(fact, "waiting", fact.attempt, due_at=in_ms_or_none(fact.until))
        case StepCancelled():
            return _of(fact, "cancelled", None, ended_at=in_ms(fact.timestamp))
        case TimerFired(step_id=str()) | SignalReceived(step_id=str()) | ReviewResolved():
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
    fact: StepEvent | TimerFired | SignalReceived | ReviewRequested,
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
