"""A run's events: pages of them as JSON, or a stream of them."""

from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from openrun.core.types import FINAL
from openrun.server.access import Scope
from openrun.server.route import Call, Route
from openrun.server.run_rows import run_of
from openrun.server.stream import EVENT_STREAM, last_event, stream_run, wants_stream
from openrun.store.rows import EventRow

_LARGEST = 4 * 2**20
_AT_ONCE = 50
_LAST_SEQ = 10**15


class EventsQuery(BaseModel, extra="forbid"):
    """Which events are told."""

    after: int = Field(
        default=0,
        ge=0,
        lt=_LAST_SEQ,
        title="After",
        description="Only events after this seq; `Last-Event-ID` goes before it.",
        examples=[0],
    )
    limit: int = Field(
        default=200,
        ge=1,
        le=1_000,
        title="Limit",
        description="Most events of a page; a page ends earlier after 4 MiB. Of no meaning for a stream.",
        examples=[200],
    )
    skipped: bool = Field(
        default=False,
        title="Skipped",
        description="A stream tells of steps that were skipped, too: `StepSkipped`, without an `id`.",
        examples=[False],
    )


class EventsPage(BaseModel):
    """Some of a run's events, in order; docs/durability.md and the event schema say what is in each."""

    items: list[dict[str, Any]] = Field(
        title="Items", description="The events: `type`, `seq`, `timestamp` and more."
    )
    next: int | None = Field(
        title="Next",
        description="The `after` of the next page; null when there is no more yet.",
        examples=[200],
    )
    over: bool = Field(
        title="Over", description="The run has ended, and this is the end of it.", examples=[True]
    )


async def events(call: Call) -> web.StreamResponse:
    query: EventsQuery = call.query
    row = await run_of(call)
    if wants_stream(call.request):
        after = last_event(call.request, query.after)
        return await stream_run(call, row, after, skipped=query.skipped)
    rows = await _rows(call, row.run_id, query)
    last = rows[-1].seq if rows else query.after
    more = bool(rows) and last < row.seq
    bodies = ",".join(each.body for each in rows)
    ends = "true" if row.status in FINAL and not more else "false"
    text = f'{{"items":[{bodies}],"next":{last if more else "null"},"over":{ends}}}'
    headers = {"Cache-Control": "no-store"}
    if more:
        there = call.request.rel_url.update_query(after=str(last))
        headers["Link"] = f'<{there.raw_path_qs}>; rel="next"'
    return web.Response(body=text.encode(), content_type="application/json", headers=headers)


async def _rows(call: Call, run_id: str, query: EventsQuery) -> list[EventRow]:
    """As many as are wanted, unless they grow too large; one at least."""
    found: list[EventRow] = []
    size, after = 0, query.after
    while len(found) < query.limit and size < _LARGEST:
        wanted = min(_AT_ONCE, query.limit - len(found))
        page = await call.space.records.events(run_id, after, wanted)
        for row in page:
            if found and size + len(row.body) > _LARGEST:
                return found
            found.append(row)
            size += len(row.body)
        if len(page) < wanted:
            break
        after = page[-1].seq
    return found


ROUTES = (
    Route(
        method="GET",
        path="/v1/runs/{run_id}/events",
        operation="runs.events",
        summary="What happened in a run",
        description=(
            "A page as JSON; with `Accept: text/event-stream` a stream of server-sent events that goes on until the run "
            "has ended: `id` is the seq, `event` the type, `data` the event as one line of JSON. A stream that breaks "
            "off goes on after `Last-Event-ID` (or `after`) without a gap or a repetition; past the end of a run it is "
            "204. What steps report comes as `event: StepProgress` without an `id`: whoever comes back is not told "
            "again what was reported meanwhile. A reader that takes nothing for long gets `event: resync`, and is to "
            "come back from its last event."
        ),
        tag="runs",
        scope=Scope.RUNS_READ,
        handler=events,
        query=EventsQuery,
        answer=EventsPage,
        answer_types=("application/json", EVENT_STREAM),
        answers={204: "The stream of a run that has ended has nothing more to tell."},
        headers={"Last-Event-ID": "The `id` of the last event that a reader of the stream has."},
        answer_headers={"Link": 'Where the next page is, `<…>; rel="next"`; not there on the last one.'},
        problems=(404, 410),
    ),
)
