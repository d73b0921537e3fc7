"""Runs, and what belongs to them, as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from openrun.core.errors import ErrorObject
from openrun.core.events import Failure, FlowCompleted
from openrun.core.strict_json import decode
from openrun.core.types import RunStatus
from openrun.runtime.waits import asked
from openrun.server.instants import instant, instant_or_none
from openrun.store.rows import ActivationRow, CompensationRow, EffectRow, RunRow, WaitRow

RUN = "0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"
"""The id of a run, in examples."""
_INSTANT = "2026-01-31T09:00:00.250Z"
_SCOPE = 'Where the step ran: "/" is the run itself, "/each[2]" the third item of the foreach `each`.'


class RunView(BaseModel):
    """A run."""

    run_id: str = Field(title="Run", description="Ids grow with time.", examples=[RUN])
    flow: str = Field(title="Flow", description="Id of its flow.", examples=["orders"])
    version: str = Field(title="Version", description="Version of the flow: a hash.", examples=["9f2c4e…"])
    status: RunStatus = Field(
        title="Status",
        description="succeeded, failed, cancelled and aborted are final.",
        examples=["succeeded"],
    )
    trigger: str | None = Field(
        title="Trigger", description="The trigger that began it.", examples=["webhook"]
    )
    parent_run_id: str | None = Field(title="Parent", description="The run that started it.", examples=[RUN])
    replay_of: str | None = Field(
        title="Replay of", description="The dead run that it repeats.", examples=[RUN]
    )
    created_at: datetime = Field(title="Created at", description="When it was started.", examples=[_INSTANT])
    updated_at: datetime = Field(
        title="Updated at", description="When its last event was.", examples=[_INSTANT]
    )
    ended_at: datetime | None = Field(title="Ended at", description="When it ended.", examples=[_INSTANT])
    due_at: datetime | None = Field(
        title="Due at", description="When it goes on by itself, where that is known.", examples=[_INSTANT]
    )
    events: int = Field(
        title="Events", description="How many it has: the seq of the last one.", examples=[12]
    )
    error: str | None = Field(
        title="Error",
        description="What it failed with, in short.",
        examples=["HTTP_STATUS: 503 from the shop"],
    )
    hold: str | None = Field(
        title="Hold", description="Why no worker takes it, where one should not.", examples=["missing code"]
    )
    crashes: int = Field(
        title="Crashes", description="How often a worker has died on it since it last went on.", examples=[0]
    )


class ErrorView(BaseModel):
    """What a step failed with."""

    code: str = Field(title="Code", description="A stable word.", examples=["HTTP_STATUS"])
    message: str = Field(title="Message", description="In words.", examples=["503 from https://shop.example"])
    retryable: bool = Field(
        title="Retryable", description="Whether another attempt may help.", examples=[True]
    )
    retry_after: float | None = Field(
        title="Retry after", description="The least wait, in seconds.", examples=[5]
    )
    type: str | None = Field(title="Type", description="A URI of the kind of problem.", examples=[None])
    details: dict[str, Any] | None = Field(
        title="Details", description="More of it.", examples=[{"status": 503}]
    )


class FailureView(BaseModel):
    """A failure of a run: where, what, and whether the flow took care of it."""

    step_id: str = Field(title="Step", description="Empty for the run as a whole.", examples=["charge"])
    scope: str = Field(title="Scope", description=_SCOPE, examples=["/"])
    handled: bool = Field(title="Handled", description="The flow took care of it.", examples=[False])
    error: ErrorView = Field(title="Error", description="What it was.")


class WaitView(BaseModel):
    """Something that a run waits to be told from outside: an approval, an answer, a signal or an event."""

    wait_id: str = Field(title="Wait", description="Its id.", examples=["4f0c9f6d2b1e4c7a8d3e5b6a7c8d9e0f"])
    run_id: str = Field(title="Run", description="Who waits.", examples=[RUN])
    step_id: str = Field(title="Step", description="The step that waits.", examples=["manager"])
    scope: str = Field(title="Scope", description=_SCOPE, examples=["/"])
    kind: str = Field(title="Kind", description="approval, input, signal or event.", examples=["approval"])
    name: str = Field(
        title="Name", description="Of the signal or the event; the key of an input.", examples=[""]
    )
    correlation: str | None = Field(
        title="Correlation", description="What the event must be about.", examples=["order-7"]
    )
    title: str | None = Field(title="Title", description="What is asked.", examples=["Refund 40 €?"])
    payload: Any = Field(title="Payload", description="What it is asked about.", examples=[{"total": 40}])
    form: dict[str, Any] | None = Field(
        title="Form", description="JSON Schema that a value has to fit.", examples=[{"type": "object"}]
    )
    approvers: list[str] = Field(
        title="Approvers", description="Who may answer: nobody named is anyone.", examples=[["role:operator"]]
    )
    quorum: int = Field(title="Quorum", description="How many of them have to agree.", examples=[1])
    created_at: datetime = Field(title="Created at", description="Since when it waits.", examples=[_INSTANT])
    expires_at: datetime | None = Field(
        title="Expires at", description="When it is too late.", examples=[_INSTANT]
    )
    closed_at: datetime | None = Field(
        title="Closed at", description="When it was over.", examples=[_INSTANT]
    )
    outcome: str | None = Field(
        title="Outcome",
        description="answered, approved, rejected, received, expired, failed or cancelled; null while it is open.",
        examples=["approved"],
    )


class RunDetail(RunView):
    """A run with what it put out, or what it waits for."""

    output: Any = Field(
        title="Output", description="What it put out, once it has ended.", examples=[{"ok": True}]
    )
    failures: list[FailureView] = Field(title="Failures", description="Of a run that has ended, all.")
    waits: list[WaitView] = Field(title="Waits", description="What it waits to be told, the oldest 100.")


class ActivationView(BaseModel):
    """Where one step stands in one scope."""

    step_id: str = Field(title="Step", description="Its id.", examples=["charge"])
    scope: str = Field(title="Scope", description=_SCOPE, examples=["/"])
    status: str = Field(
        title="Status",
        description="running, waiting, scheduled (for another attempt), review, succeeded, failed or cancelled.",
        examples=["succeeded"],
    )
    attempt: int | None = Field(title="Attempt", description="The last one, from 1.", examples=[1])
    seq: int = Field(title="Seq", description="The last event about it.", examples=[7])
    started_at: datetime | None = Field(
        title="Started at", description="When it first ran.", examples=[_INSTANT]
    )
    due_at: datetime | None = Field(title="Due at", description="What it waits for.", examples=[_INSTANT])
    ended_at: datetime | None = Field(title="Ended at", description="When it was over.", examples=[_INSTANT])
    error: str | None = Field(title="Error", description="In short.", examples=["TIMEOUT: 300 s are over"])


class EffectView(BaseModel):
    """A call to the outside, as far as it is known."""

    key: str = Field(title="Key", description="The same on every attempt; 64 hex digits.", examples=["8c1f…"])
    run_id: str = Field(title="Run", description="Whose it is.", examples=[RUN])
    step_id: str = Field(title="Step", description="Who made it.", examples=["charge"])
    scope: str = Field(title="Scope", description=_SCOPE, examples=["/"])
    name: str = Field(title="Name", description="What it does.", examples=["pay"])
    effect: str = Field(
        title="Effect", description="idempotent, external or at_most_once.", examples=["external"]
    )
    status: str = Field(
        title="Status",
        description="started, committed, failed, unknown (whether it took place) or absent (it did not).",
        examples=["committed"],
    )
    attempt: int = Field(title="Attempt", description="Its tries.", examples=[1])
    error: str | None = Field(title="Error", description="In short.", examples=[None])
    by: str | None = Field(title="By", description="Who said so, when a person did.", examples=["ada"])
    started_at: datetime | None = Field(title="Started at", description="When it began.", examples=[_INSTANT])
    ended_at: datetime | None = Field(title="Ended at", description="When it was over.", examples=[_INSTANT])


class EffectDetail(EffectView):
    """A call to the outside with its result."""

    value: Any = Field(
        title="Value", description="What it came to, once committed.", examples=[{"id": "ch_1"}]
    )


class CompensationView(BaseModel):
    """The undoing of one step."""

    run_id: str = Field(title="Run", description="Whose it is.", examples=[RUN])
    step_id: str = Field(title="Step", description="What is undone.", examples=["charge"])
    scope: str = Field(title="Scope", description=_SCOPE, examples=["/"])
    status: str = Field(
        title="Status", description="started, completed, or how it did not succeed.", examples=["failed"]
    )
    error: str | None = Field(title="Error", description="In short.", examples=["HTTP_STATUS: 500"])
    started_at: datetime | None = Field(title="Started at", description="When it began.", examples=[_INSTANT])
    ended_at: datetime | None = Field(title="Ended at", description="When it was over.", examples=[_INSTANT])
    resolution: str | None = Field(
        title="Resolution", description="What a person said: resolved or ignored.", examples=["resolved"]
    )
    note: str | None = Field(title="Note", description="Why, or how.", examples=["refunded by hand"])
    by: str | None = Field(title="By", description="Who said so.", examples=["ada"])


def run_fields(row: RunRow) -> dict[str, Any]:
    """The members of a `RunView`."""
    return {
        "run_id": row.run_id,
        "flow": row.flow_id,
        "version": row.version,
        "status": row.status,
        "trigger": row.trigger,
        "parent_run_id": row.parent_run_id,
        "replay_of": row.replay_of,
        "created_at": instant(row.created_at),
        "updated_at": instant(row.updated_at),
        "ended_at": instant_or_none(row.ended_at),
        "due_at": instant_or_none(row.due_at),
        "events": row.seq,
        "error": row.error,
        "hold": row.hold,
        "crashes": row.crashes,
    }


def run_view(row: RunRow) -> RunView:
    return RunView(**run_fields(row))


def run_detail(row: RunRow, end: FlowCompleted | None, waits: list[WaitRow]) -> RunDetail:
    return RunDetail(
        **run_fields(row),
        output=None if end is None else end.output,
        failures=[] if end is None else [_failure(each) for each in end.failures],
        waits=[wait_view(each) for each in waits],
    )


def _failure(failure: Failure) -> FailureView:
    return FailureView(
        step_id=failure.step_id, scope=failure.scope, handled=failure.handled, error=_error(failure.error)
    )


def _error(error: ErrorObject) -> ErrorView:
    return ErrorView(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after=error.retry_after,
        type=error.type,
        details=error.details,
    )


def wait_view(row: WaitRow) -> WaitView:
    ask = asked(row)
    return WaitView(
        wait_id=row.wait_id,
        run_id=row.run_id,
        step_id=row.step_id,
        scope=row.scope,
        kind=row.kind,
        name=row.name,
        correlation=row.correlation,
        title=row.title,
        payload=ask.payload,
        form=ask.form,
        approvers=list(ask.approvers),
        quorum=ask.quorum,
        created_at=instant(row.created_at),
        expires_at=instant_or_none(row.expires_at),
        closed_at=instant_or_none(row.closed_at),
        outcome=row.outcome,
    )


def activation_view(row: ActivationRow) -> ActivationView:
    return ActivationView(
        step_id=row.step_id,
        scope=row.scope,
        status=row.status,
        attempt=row.attempt,
        seq=row.seq,
        started_at=instant_or_none(row.started_at),
        due_at=instant_or_none(row.due_at),
        ended_at=instant_or_none(row.ended_at),
        error=row.error,
    )


def effect_view(row: EffectRow) -> EffectView:
    return EffectView(**_effect(row))


def effect_detail(row: EffectRow) -> EffectDetail:
    return EffectDetail(**_effect(row), value=None if row.value is None else decode(row.value))


def _effect(row: EffectRow) -> dict[str, Any]:
    return {
        "key": row.key,
        "run_id": row.run_id,
        "step_id": row.step_id,
        "scope": row.scope,
        "name": row.name,
        "effect": row.effect,
        "status": row.status,
        "attempt": row.attempt,
        "error": row.error,
        "by": row.by,
        "started_at": instant_or_none(row.started_at),
        "ended_at": instant_or_none(row.ended_at),
    }


def compensation_view(row: CompensationRow) -> CompensationView:
    return CompensationView(
        run_id=row.run_id,
        step_id=row.step_id,
        scope=row.scope,
        status=row.status,
        error=row.error,
        started_at=instant_or_none(row.started_at),
        ended_at=instant_or_none(row.ended_at),
        resolution=row.resolution,
        note=row.note,
        by=row.by,
    )
