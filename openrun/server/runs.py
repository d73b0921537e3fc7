"""Runs: starting them, finding them, and what belongs to one."""

import asyncio
from typing import Any

from pydantic import BaseModel, Field

from openrun.core.types import FINAL, RunStatus
from openrun.runtime.errors import UnknownFlow
from openrun.server.access import Scope
from openrun.server.flow_lookup import require_enabled
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.prefer import wait_seconds
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Route
from openrun.server.run_rows import end_of, run_of
from openrun.server.run_views import (
    RUN,
    ActivationView,
    CompensationView,
    EffectView,
    RunDetail,
    RunView,
    WaitView,
    activation_view,
    compensation_view,
    effect_view,
    run_detail,
    run_view,
    wait_view,
)
from openrun.server.windows import windowed
from openrun.steps.base import ID_PATTERN
from openrun.store.rows import EffectFilter, RunFilter, RunRow, WaitFilter

LONGEST_WAIT = 30.0
_MOST_WAITS = 100
_RUN_ID = r"^[0-9A-Za-z_-]{1,64}$"


class StartBody(BaseModel, extra="forbid"):
    """Which flow is to run, and with what."""

    flow: str = Field(pattern=ID_PATTERN, title="Flow", description="Its id.", examples=["orders"])
    trigger: str | None = Field(
        default=None,
        max_length=64,
        title="Trigger",
        description="The trigger that begins the run; may be left out where the flow has one.",
        examples=["manual"],
    )
    input: dict[str, Any] = Field(
        default_factory=dict,
        title="Input",
        description="What the trigger is given: its members are roots that templates read.",
        examples=[{"body": {"order": 7}}],
    )
    state: dict[str, Any] = Field(
        default_factory=dict,
        title="State",
        description="Values that the run begins with.",
        examples=[{"region": "eu"}],
    )


class Started(BaseModel):
    """A run that exists, whatever happens next."""

    run_id: str = Field(title="Run", description="Its id.", examples=[RUN])
    flow: str = Field(title="Flow", description="Id of its flow.", examples=["orders"])
    status: RunStatus = Field(title="Status", description="Where it stands.", examples=["running"])
    replayed: bool = Field(
        default=False,
        title="Replayed",
        description="It was started before, under the same Idempotency-Key.",
        examples=[False],
    )


class Finished(RunDetail):
    """A run that has ended before its start was answered."""

    replayed: bool = Field(
        title="Replayed",
        description="It was started before, under the same Idempotency-Key.",
        examples=[False],
    )


class RunsQuery(PageQuery):
    """Which runs are listed."""

    status: tuple[RunStatus, ...] = Field(
        default=(), title="Status", description="Only runs of this status; repeatable.", examples=[["failed"]]
    )
    flow: str | None = Field(
        default=None,
        pattern=ID_PATTERN,
        title="Flow",
        description="Only runs of this flow.",
        examples=["orders"],
    )
    parent: str | None = Field(
        default=None,
        pattern=_RUN_ID,
        title="Parent",
        description="Only runs that this run started.",
        examples=[RUN],
    )


async def start(call: Call) -> Answer:
    body: StartBody = call.body
    space = call.space
    await require_enabled(call, body.flow)
    try:
        run = await space.start(
            body.flow,
            body.trigger,
            input=body.input,
            state=body.state,
            key=call.own_key,
            trace=None if call.trace is None else (call.trace.traceparent, call.trace.tracestate),
        )
    except UnknownFlow:
        # What there is instead is not for everybody who may start one.
        raise Problem(404, f"the store has no flow {body.flow!r}") from None
    headers = {"Location": f"/v1/runs/{run.run_id}"}
    resource = f"run/{run.run_id}"
    preferred = call.request.headers.getall("Prefer", ())
    seconds = wait_seconds(preferred, LONGEST_WAIT)
    if seconds:
        row = await _ended(call, run.run_id, seconds)
        if row is not None and Scope.RUNS_READ in call.principal.scopes:
            headers["Preference-Applied"] = f"wait={seconds:g}"
            finished = Finished(**dict(await _detail(call, row)), replayed=run.replayed)
            return Answer(body=finished, headers=headers, resource=resource)
    elif seconds is not None:
        headers["Preference-Applied"] = "respond-async"
    row = await space.row(run.run_id)
    started = Started(run_id=row.run_id, flow=row.flow_id, status=row.status, replayed=run.replayed)
    return Answer(body=started, status=202, headers=headers, resource=resource)


async def _ended(call: Call, run_id: str, seconds: float) -> RunRow | None:
    """The run once it has ended, if that is soon enough, and before the server stops."""
    ending = asyncio.ensure_future(call.space.ended(run_id))
    stopping = asyncio.ensure_future(call.house.stopped.wait())
    try:
        await asyncio.wait((ending, stopping), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return ending.result() if ending.done() else None
    finally:
        for each in (ending, stopping):
            each.cancel()
        await asyncio.wait((ending, stopping))


async def list_runs(call: Call) -> Answer:
    query: RunsQuery = call.query
    wanted = RunFilter(
        status=query.status,
        flow_id=query.flow,
        parent_run_id=query.parent,
        before=position(call, str),
        limit=query.room,
    )
    return paged(call, await call.space.records.runs(wanted), run_view, _by_id)


async def get(call: Call) -> Answer:
    return Answer(body=await _detail(call, await run_of(call)))


async def _detail(call: Call, row: RunRow) -> RunDetail:
    records = call.space.records
    is_over = row.status in FINAL
    waits = [] if is_over else await records.waits(WaitFilter(run_id=row.run_id, limit=_MOST_WAITS))
    return run_detail(row, await end_of(call, row), waits)


async def steps(call: Call) -> Answer:
    run = await run_of(call)
    after = position(call, int) or 0
    rows = await call.space.records.activations(run.run_id, after=after, limit=call.query.room)
    return paged(call, rows, activation_view, lambda row: row.seq)


async def children(call: Call) -> Answer:
    run = await run_of(call)
    wanted = RunFilter(parent_run_id=run.run_id, before=position(call, str), limit=call.query.room)
    return paged(call, await call.space.records.runs(wanted), run_view, _by_id)


async def waits(call: Call) -> Answer:
    run = await run_of(call)
    after = position(call, tuple[int, str])
    wanted = WaitFilter(open=None, run_id=run.run_id, after=after, limit=call.query.room)
    rows = await call.space.records.waits(wanted)
    return paged(call, rows, wait_view, lambda row: [row.created_at, row.wait_id])


async def effects(call: Call) -> Answer:
    run = await run_of(call)
    records = call.space.records
    return await windowed(
        call, lambda most: records.effects(EffectFilter(run_id=run.run_id, limit=most)), effect_view
    )


async def compensations(call: Call) -> Answer:
    run = await run_of(call)
    records = call.space.records
    return await windowed(call, lambda most: records.compensations(run.run_id, most), compensation_view)


def _by_id(row: RunRow) -> str:
    return row.run_id


_LOCATION = {"Location": "Where the run is.", "Preference-Applied": "What of `Prefer` was done."}
_TAG = "runs"

ROUTES = (
    Route(
        method="POST",
        path="/v1/runs",
        operation="runs.start",
        summary="Start a run",
        description=(
            "Once this is answered, the run exists after any crash. With an `Idempotency-Key` the same key and input are "
            "the same run for 24 hours. With `Prefer: wait=N` (30 s at most) a run that ends in time is answered with "
            "200 and all that it came to; else it is 202 at once."
        ),
        tag=_TAG,
        scope=Scope.RUNS_START,
        handler=start,
        body=StartBody,
        answer=Started,
        status=202,
        answers={200: "It has ended, and `Prefer: wait` was given: the run, as runs.get shows it."},
        headers={
            "Prefer": "`wait=N` waits up to N seconds for the end of the run; `respond-async` does not."
        },
        answer_headers=_LOCATION,
        problems=(404, 409, 422, 429),
    ),
    Route(
        method="GET",
        path="/v1/runs",
        operation="runs.list",
        summary="List runs, newest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_runs,
        query=RunsQuery,
        answer=Page[RunView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/runs/{run_id}",
        operation="runs.get",
        summary="Where a run stands",
        description="With what it put out, or what it waits for.",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get,
        answer=RunDetail,
        problems=(404, 410),
    ),
    *(
        Route(
            method="GET",
            path=f"/v1/runs/{{run_id}}/{name}",
            operation=f"runs.{name}",
            summary=summary,
            description=description,
            tag=_TAG,
            scope=Scope.RUNS_READ,
            handler=handler,
            query=PageQuery,
            answer=Page[view],  # type: ignore[valid-type]
            answer_headers=LINK,
            problems=(404, 410),
        )
        for name, handler, view, summary, description in (
            ("steps", steps, ActivationView, "Where its steps stand", "By the last event about each."),
            ("children", children, RunView, "The runs that it started", "Newest first."),
            ("waits", waits, WaitView, "What it waits for, or has waited for", "Oldest first."),
            (
                "effects",
                effects,
                EffectView,
                "Its calls to the outside",
                "In the order in which they were begun.",
            ),
            (
                "compensations",
                compensations,
                CompensationView,
                "What was undone of it",
                "In the order of its events.",
            ),
        )
    ),
)
