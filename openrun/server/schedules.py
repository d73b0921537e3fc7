"""Schedules over HTTP: when they fire next, what became of their ticks, pausing, and catching up by hand."""

from typing import Final

from pydantic import ValidationError

from openrun.core.strict_json import pointer_token
from openrun.server.access import Scope
from openrun.server.flow_lookup import require_enabled
from openrun.server.instants import instant
from openrun.server.paging import LINK, Page, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Nothing, Route
from openrun.server.schedule_views import (
    BackfillBody,
    BackfillView,
    FiresView,
    PreviewBody,
    PreviewQuery,
    ScheduleDetail,
    SchedulesQuery,
    ScheduleView,
    TicksQuery,
    TickView,
    backfill_view,
    fires_view,
    schedule_detail,
    schedule_view,
    tick_view,
)
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.store.timetable import ScheduleRow
from openrun.triggers.moves import config_of
from openrun.triggers.schedules import preview_of

_TAG = "schedules"
_ONE: Final = "/v1/schedules/{flow_id}/{trigger}"
_EXPRESSION = ("cron", "interval", "timezone")


async def list_schedules(call: Call) -> Answer:
    query: SchedulesQuery = call.query
    before = position(call, tuple[str, str])
    rows = await call.space.schedules.list(
        flow_id=query.flow,
        paused=query.paused,
        after=None if before is None else (call.space.namespace, *before),
        limit=query.room,
    )
    now = await call.space.records.now()
    return paged(call, rows, lambda row: schedule_view(row, now), lambda row: [row.flow_id, row.trigger])


async def get_schedule(call: Call) -> Answer:
    return Answer(body=await _detail(call))


async def preview(call: Call) -> Answer:
    query: PreviewQuery = call.query
    row = await _schedule(call)
    fires = await call.space.schedules.preview(row.flow_id, row.trigger, query.count, query.after)
    return Answer(body=fires_view(config_of(row.spec), fires))


async def zone_change(call: Call) -> Answer:
    row = await _schedule(call)
    fires = await call.space.schedules.zone_change(row.flow_id, row.trigger)
    return Answer(body=fires_view(config_of(row.spec), fires or ()))


async def list_ticks(call: Call) -> Answer:
    query: TicksQuery = call.query
    rows = await call.space.schedules.ticks(
        call.path["flow_id"],
        call.path["trigger"],
        outcome=query.outcome,
        before=position(call, int),
        limit=query.room,
    )
    return paged(call, rows, tick_view, lambda row: row.tick)


async def pause(call: Call) -> Answer:
    await call.space.schedules.pause(call.path["flow_id"], call.path["trigger"], by=call.principal.name)
    return await _changed(call)


async def resume(call: Call) -> Answer:
    await call.space.schedules.resume(call.path["flow_id"], call.path["trigger"])
    return await _changed(call)


async def backfill(call: Call) -> Answer:
    body: BackfillBody = call.body
    if body.until <= body.since:
        raise Problem(
            422, "`until` is not later than `since`", errors=[("/until", "has to be later than `since`")]
        )
    row = await _schedule(call)
    if not body.dry_run:
        await require_enabled(call, row.flow_id)
    done = await call.space.schedules.backfill(
        row.flow_id, row.trigger, body.since, body.until, dry_run=body.dry_run
    )
    return Answer(body=backfill_view(done, dry_run=body.dry_run), resource=_resource(row))


async def preview_expression(call: Call) -> Answer:
    body: PreviewBody = call.body
    config = _config(body)
    after = body.after or instant(await call.space.records.now())
    return Answer(body=fires_view(config, preview_of(config, body.count, after)))


async def _schedule(call: Call) -> ScheduleRow:
    return await call.space.schedules.get(call.path["flow_id"], call.path["trigger"])


async def _detail(call: Call) -> ScheduleDetail:
    row = await _schedule(call)
    fires = await call.space.schedules.preview(row.flow_id, row.trigger)
    return schedule_detail(row, await call.space.records.now(), fires)


async def _changed(call: Call) -> Answer:
    detail = await _detail(call)
    return Answer(body=detail, resource=f"schedule/{detail.flow}/{detail.trigger}")


def _resource(row: ScheduleRow) -> str:
    return f"schedule/{row.flow_id}/{row.trigger}"


def _config(body: PreviewBody) -> TriggerScheduleConfig:
    """The config that it is about. Raises `Problem` (422) with a pointer to each fault."""
    given = body.model_dump(include=set(_EXPRESSION), exclude_none=True)
    try:
        return TriggerScheduleConfig.model_validate(given)
    except ValidationError as invalid:
        found = invalid.errors(include_url=False, include_context=False, include_input=False)
        faults = [
            ("".join(map(pointer_token, map(str, each["loc"][:1]))), _words(each["msg"])) for each in found
        ]
        raise Problem(422, "this is no schedule", errors=faults) from None


def _words(message: str) -> str:
    return message.removeprefix("Value error, ")


ROUTES = (
    Route(
        method="GET",
        path="/v1/schedules",
        operation="schedules.list",
        summary="List schedules by flow and trigger",
        description="Those of the flows' current versions.",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_schedules,
        query=SchedulesQuery,
        answer=Page[ScheduleView],
        answer_headers=LINK,
    ),
    Route(
        method="POST",
        path="/v1/schedules/preview",
        operation="schedules.preview_expression",
        summary="When an expression fires",
        description=(
            "Of a schedule that need not be in any flow. What cannot be read, or never comes true, is 422. Nothing is kept."
        ),
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=preview_expression,
        body=PreviewBody,
        answer=FiresView,
        idempotent=False,
        problems=(422,),
    ),
    Route(
        method="GET",
        path=_ONE,
        operation="schedules.get",
        summary="Get a schedule and its next fires",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get_schedule,
        answer=ScheduleDetail,
        problems=(404,),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/preview",
        operation="schedules.preview",
        summary="When a schedule fires next",
        description="Were it neither paused nor disabled. Jitter comes on top.",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=preview,
        query=PreviewQuery,
        answer=FiresView,
        problems=(404,),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/zone-change",
        operation="schedules.zone_change",
        summary="What the next change of its zone does to a schedule",
        description="The fires just before the change and after it; none, where the zone has no change within a year.",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=zone_change,
        answer=FiresView,
        problems=(404,),
    ),
    Route(
        method="GET",
        path=f"{_ONE}/ticks",
        operation="schedules.ticks",
        summary="What became of the ticks of a schedule, newest first",
        description="A tick is an instant at which it was to fire; it is here once it is decided.",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_ticks,
        query=TicksQuery,
        answer=Page[TickView],
        answer_headers=LINK,
        problems=(404,),
    ),
    *(
        Route(
            method="POST",
            path=f"{_ONE}/{name}",
            operation=f"schedules.{name}",
            summary=summary,
            description=description,
            tag=_TAG,
            scope=Scope.RUNS_CONTROL,
            handler=handler,
            body=Nothing,
            body_required=False,
            answer=ScheduleDetail,
            problems=(404,),
        )
        for name, handler, summary, description in (
            (
                "pause",
                pause,
                "Let a schedule start nothing",
                "Its ticks go by, and are noted as paused. What it has started goes on. A paused one stays as it is.",
            ),
            (
                "resume",
                resume,
                "Let a paused schedule go on",
                "From now on; what it let go by stays undone. One that is not paused stays as it is.",
            ),
        )
    ),
    Route(
        method="POST",
        path=f"{_ONE}/backfill",
        operation="schedules.backfill",
        summary="Fire ticks of the past",
        description=(
            "Each tick from `since` on and before `until` that has not fired starts a run, whatever became of it before; those "
            "that have fired are skipped, so that the same call again is no act. At most 1,000 in one call, none that is "
            "still to come, and all at once: neither overlap nor jitter has a say."
        ),
        tag=_TAG,
        scope=Scope.RUNS_CONTROL,
        handler=backfill,
        body=BackfillBody,
        answer=BackfillView,
        problems=(404, 409, 422),
    ),
)
