"""Steering runs: cancel, pause, resume, signal, resolve. Who does it is always who holds the key."""

from typing import Any

from pydantic import BaseModel, Field

from openrun.core.types import RunStatus
from openrun.server.access import Scope
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Nothing, Route
from openrun.server.run_rows import activations_of, run_of
from openrun.server.run_views import RUN

_TEXT = 2_000
_NAME = 200
_SCOPE_WORDS = 'Where the step ran: "/" is the run itself, "/each[2]" the third item of the foreach `each`.'


class CancelBody(BaseModel, extra="forbid"):
    """How a run is to stop."""

    reason: str = Field(
        default="cancelled", max_length=_TEXT, title="Reason", description="Why.", examples=["ordered twice"]
    )
    hard: bool = Field(
        default=False,
        title="Hard",
        description="Wait for nothing: neither steps marked always, nor reviews, nor compensations.",
        examples=[False],
    )
    compensate: bool = Field(
        default=False, title="Compensate", description="Undo what it did, too.", examples=[True]
    )


class PauseBody(BaseModel, extra="forbid"):
    """Why a run is to wait."""

    reason: str = Field(
        default="paused",
        max_length=_TEXT,
        title="Reason",
        description="Why.",
        examples=["the shop is closed"],
    )


class SignalBody(BaseModel, extra="forbid"):
    """What a run is told."""

    name: str = Field(
        min_length=1, max_length=_NAME, title="Name", description="Of the signal.", examples=["payment"]
    )
    value: Any = Field(
        default=None, title="Value", description="What comes with it: any JSON.", examples=[{"paid": 40}]
    )
    key: str | None = Field(
        default=None,
        max_length=_NAME,
        pattern=r"^[^\x00-\x1f\x7f]+$",
        title="Key",
        description="The same key with the same content is no second signal; the `Idempotency-Key` when left out.",
        examples=["payment-7"],
    )


class ResolveBody(BaseModel, extra="forbid"):
    """What became of a step's work of which nobody knows."""

    step: str = Field(
        min_length=1, max_length=_NAME, title="Step", description="Its id.", examples=["charge"]
    )
    scope: str = Field(default="/", max_length=_TEXT, title="Scope", description=_SCOPE_WORDS, examples=["/"])
    committed: bool = Field(
        title="Committed", description="It took place; if not, the step runs again.", examples=[True]
    )
    output: Any = Field(
        default=None,
        title="Output",
        description="What the step put out, if it took place.",
        examples=[{"id": "ch_1"}],
    )
    port: str | None = Field(
        default=None, max_length=_NAME, title="Port", description="The port it left by.", examples=["success"]
    )


class Told(BaseModel):
    """What was asked of a run is on disk, and it will hear it."""

    run_id: str = Field(title="Run", description="Its id.", examples=[RUN])
    status: RunStatus = Field(title="Status", description="Where it stood then.", examples=["running"])
    replayed: bool = Field(
        default=False,
        title="Replayed",
        description="It was told the same before: this is no act.",
        examples=[False],
    )


async def cancel(call: Call) -> Answer:
    run, body = await run_of(call), call.body
    await call.space.cancel(run.run_id, body.reason, hard=body.hard, compensate=body.compensate)
    return _told(run.run_id, run.status)


async def pause(call: Call) -> Answer:
    run = await run_of(call)
    await call.space.pause(run.run_id, call.body.reason)
    return _told(run.run_id, run.status)


async def resume(call: Call) -> Answer:
    run = await run_of(call)
    await call.space.resume(run.run_id)
    return _told(run.run_id, run.status)


async def signal(call: Call) -> Answer:
    run, body = await run_of(call), call.body
    told = await call.space.waits.signal(
        run.run_id, body.name, body.value, by=call.principal.name, key=body.key or call.own_key
    )
    return _told(run.run_id, run.status, replayed=told.repeated)


async def resolve(call: Call) -> Answer:
    run, body = await run_of(call), call.body
    await _check_review(call, run.run_id, body.step, body.scope)
    await call.space.resolve(
        run.run_id,
        body.step,
        body.scope,
        committed=body.committed,
        output=body.output,
        port=body.port,
        by=call.principal.name,
    )
    return _told(run.run_id, run.status)


async def _check_review(call: Call, run_id: str, step: str, scope: str) -> None:
    async for row in activations_of(call, run_id):
        if (row.step_id, row.scope) == (step, scope):
            if row.status == "review":
                return
            raise Problem(
                409, f"step {step!r} in {scope!r} is {row.status}; only one in review can be resolved"
            )
    raise Problem(404, f"run {run_id} has not started a step {step!r} in {scope!r}")


def _told(run_id: str, status: RunStatus, *, replayed: bool = False) -> Answer:
    return Answer(body=Told(run_id=run_id, status=status, replayed=replayed), status=202)


ROUTES = tuple(
    Route(
        method="POST",
        path=f"/v1/runs/{{run_id}}/{name}",
        operation=f"runs.{name}",
        summary=summary,
        description=description,
        tag="runs",
        scope=Scope.RUNS_CONTROL,
        handler=handler,
        body=body,
        body_required=required,
        answer=Told,
        status=202,
        problems=(404, 409, 410),
    )
    for name, handler, body, required, summary, description in (
        (
            "cancel",
            cancel,
            CancelBody,
            False,
            "Stop a run",
            "Steps that run are stopped; those marked always still run.",
        ),
        (
            "pause",
            pause,
            PauseBody,
            False,
            "Let nothing more start in a run",
            "Steps that run go on to their end.",
        ),
        (
            "resume",
            resume,
            Nothing,
            False,
            "Let a paused or held run go on",
            "After a pause, or a review of the run.",
        ),
        (
            "signal",
            signal,
            SignalBody,
            True,
            "Tell a run something",
            "Whoever in it waits longest for that name hears it.",
        ),
        (
            "resolve",
            resolve,
            ResolveBody,
            True,
            "Say what became of a step in review",
            "The run goes on with that.",
        ),
    )
)
