"""Events over HTTP: publishing CloudEvents, looking at them, and handing out again those that were given up."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import BaseModel, Field, RootModel

from openrun.bus.attributes import MOST_FAULTS, EventFault
from openrun.bus.cloud_event import SPEC_VERSION, CloudEvent, InvalidEvent
from openrun.bus.cloud_message import BATCH, JSON, STRUCTURED, NoEvent, read_request
from openrun.core.errors import JsonError
from openrun.core.strict_json import decode
from openrun.core.types import Json
from openrun.runtime.errors import UnknownEvent
from openrun.server.access import Scope
from openrun.server.instants import instant, instant_or_none
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Route
from openrun.steps.execution.emit import CORRELATION
from openrun.store.bus_events import BusEventRow

SOURCE = "/api"
"""Of an event that says nothing of where it comes from."""
BINARY = "ce-specversion"
"""The header of an event whose attributes are headers (binary mode)."""

_TAG = "events"
_BELONGS = "correlation"
_INSTANT = "2026-11-21T11:30:46.123000Z"
_LARGEST = 2**63 - 1
_EVENT = {
    "specversion": "1.0",
    "id": "o-7",
    "source": "/shop",
    "type": "order.paid",
    "data": {"order_id": 7},
}


class EventSent(BaseModel, extra="allow"):
    """A CloudEvent (1.0); what else is in it are its extensions. Sent as `application/json` it needs a type alone."""

    type: str = Field(
        title="Type", description="What happened: words with dots.", examples=["order.paid"], min_length=1
    )
    data: Any = Field(default=None, title="Data", description="Any JSON.", examples=[{"order_id": 7}])
    id: str | None = Field(
        default=None,
        title="Id",
        description="Names it once within its source: sent again, it is no second event.",
        examples=["o-7"],
    )
    source: str | None = Field(
        default=None, title="Source", description="Where it comes from, a URI reference.", examples=["/shop"]
    )
    subject: str | None = Field(
        default=None, title="Subject", description="What it is about.", examples=["orders/7"]
    )
    correlationid: str | None = Field(
        default=None,
        title="Correlation",
        description="What it belongs to, for runs that wait for it; sent as `application/json`, `correlation` will do.",
        examples=["o-7"],
    )
    specversion: Literal["1.0"] | None = Field(
        default=None, title="Version", description="Of CloudEvents.", examples=["1.0"]
    )


class EventsSent(RootModel[EventSent | list[EventSent]]):
    """One event, or a list of them."""


class EventAccepted(BaseModel):
    """An event that is in the store."""

    id: str = Field(title="Id", description="Its id within its source.", examples=["o-7"])
    source: str = Field(title="Source", description="Where it comes from.", examples=["/shop"])
    known: bool = Field(
        title="Known", description="It had come before, and this changes nothing.", examples=[False]
    )


class BusEventQuery(PageQuery):
    """Which events to list."""

    type: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        title="Type",
        description="Only those of this very type.",
        examples=["order.paid"],
    )
    dead: bool | None = Field(
        default=None, title="Dead", description="Only those that were given up, or none.", examples=[True]
    )


class BusEventView(BaseModel):
    """An event, and what became of it."""

    number: int = Field(title="Number", description="Grows as events come.", examples=[7])
    id: str = Field(title="Id", description="Its id within its source.", examples=["o-7"])
    source: str = Field(title="Source", description="Where it comes from.", examples=["/shop"])
    type: str = Field(title="Type", description="What happened.", examples=["order.paid"])
    state: Literal["waiting", "handled", "dead"] = Field(
        title="State",
        description="It is still to be handed out, was handed to all that it is for, or was given up.",
        examples=["handled"],
    )
    received_at: datetime = Field(title="Received at", description="When it came.", examples=[_INSTANT])
    handled_at: datetime | None = Field(
        title="Handled at", description="When all had it that it is for.", examples=[_INSTANT]
    )
    dead_at: datetime | None = Field(
        title="Dead at", description="When it was given up.", examples=[_INSTANT]
    )
    due_at: datetime | None = Field(
        title="Due at", description="When it is handed out (again).", examples=[_INSTANT]
    )
    attempts: int = Field(title="Attempts", description="How often it was handed out.", examples=[1])
    error: str | None = Field(
        title="Error",
        description="Why it could not be handed to somebody.",
        examples=["trigger ship/paid: MissingCode: …"],
    )


class BusEventDetail(BusEventView):
    """An event with all that it says."""

    event: dict[str, Any] = Field(title="Event", description="The CloudEvent.", examples=[_EVENT])


async def publish(call: Call) -> Answer:
    events = _traced(call, _read(call))
    try:
        fresh = await call.space.events.accept(events, masked=call.house.app.around.masked)
    except InvalidEvent as invalid:
        raise _invalid(invalid) from None
    accepted = [
        EventAccepted(id=each.id, source=each.source, known=not new)
        for each, new in zip(events, fresh, strict=True)
    ]
    named = f"event/{events[0].id}" if len(events) == 1 else f"events/{len(events)}"
    return Answer(body=accepted, status=202, resource=named)


async def list_events(call: Call) -> Answer:
    rows = await call.space.events.list(
        event_type=call.query.type,
        dead=call.query.dead,
        before=position(call, int),
        limit=call.query.room,
    )
    return paged(call, rows, lambda row: BusEventView(**_members(row)), lambda row: row.number)


async def get_event(call: Call) -> Answer:
    return Answer(body=_detail(await call.space.events.get(_number(call))))


async def replay_event(call: Call) -> Answer:
    row = await call.space.events.replay(_number(call))
    return Answer(body=_detail(row), status=202, resource=f"event/{row.number}")


# -- reading --------------------------------------------------------------------------------------


def _read(call: Call) -> Sequence[CloudEvent]:
    request, raw = call.request, call.body
    content_type = request.headers.get("Content-Type", "")
    try:
        return read_request(content_type, _headers(request), raw)
    except NoEvent as none:
        if request.content_type != JSON:
            raise Problem(415, str(none)) from None
    except InvalidEvent as invalid:
        raise _invalid(invalid) from None
    return _plain(call, raw)


def _headers(request: web.BaseRequest) -> Mapping[str, str]:
    for name in request.headers:
        if name.lower().startswith("ce-") and len(request.headers.getall(name)) > 1:
            raise Problem(400, f"{name} is there more than once")
    return dict(request.headers)


def _plain(call: Call, raw: bytes) -> Sequence[CloudEvent]:
    """Events as anyone may write them: an object, or a list of them, that needs a type alone."""
    try:
        given = decode(raw)
    except JsonError as error:
        raise Problem(400, f"the body is no JSON: {error}") from None
    if given == []:
        raise Problem(422, "this call takes an event", errors=[("", "it is an empty list")])
    several = isinstance(given, list)
    found: list[CloudEvent] = []
    faults: list[EventFault] = []
    for at, each in enumerate(given if several else [given]):
        try:
            found.append(CloudEvent.from_plain(_completed(call, each, at)))
        except InvalidEvent as invalid:
            faults += [replace(fault, index=at if several else None) for fault in invalid.faults]
            if len(faults) >= MOST_FAULTS:
                break
    if faults:
        raise _invalid(InvalidEvent(faults))
    return found


def _completed(call: Call, given: Json, at: int) -> Json:
    if not isinstance(given, dict):
        return given
    made = {"specversion": SPEC_VERSION, "source": SOURCE, "id": _new_id(call, at)}
    told = {name: value for name, value in given.items() if value is not None}
    if _BELONGS in told and "specversion" not in told:
        # As the step and the command call it; a CloudEvent that says it is one keeps its own extension of that name.
        told.setdefault(CORRELATION, told.pop(_BELONGS))
    return {**made, **told}


def _new_id(call: Call, at: int) -> str:
    """The same for the same call, where the call has a key."""
    if call.own_key is None:
        return call.house.app.around.new_run_id()
    return hashlib.sha256(f"{call.own_key}\n{at}".encode()).hexdigest()[:32]


def _traced(call: Call, events: Sequence[CloudEvent]) -> list[CloudEvent]:
    """Events that say nothing of a trace belong to that of the call."""
    trace = call.trace
    if trace is None:
        return list(events)
    named = {"traceparent": trace.traceparent, "tracestate": trace.tracestate}
    ours = {name: value for name, value in named.items() if value is not None}
    return [
        each if "traceparent" in each.extensions else replace(each, extensions={**each.extensions, **ours})
        for each in events
    ]


def _invalid(invalid: InvalidEvent) -> Problem:
    return Problem(422, "this is no CloudEvent, or not one that is taken here", errors=list(_errors(invalid)))


def _errors(invalid: InvalidEvent) -> Iterator[tuple[str, str]]:
    for fault in invalid.faults:
        whole = "" if fault.index is None else f"/{fault.index}"
        yield (fault.pointer, str(fault)) if fault.attribute else (whole, f"it {fault.message}")


def _number(call: Call) -> int:
    given = call.path["number"]
    if not given.isascii() or not given.isdigit() or not 0 < int(given[:20]) <= _LARGEST:
        raise UnknownEvent(f"there is no event {given!r}: events have numbers")
    return int(given)


# -- showing --------------------------------------------------------------------------------------


def _state(row: BusEventRow) -> str:
    if row.dead_at is not None:
        return "dead"
    return "waiting" if row.handled_at is None else "handled"


def _members(row: BusEventRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "id": row.event_id,
        "source": row.source,
        "type": row.type,
        "state": _state(row),
        "received_at": instant(row.received_at),
        "handled_at": instant_or_none(row.handled_at),
        "dead_at": instant_or_none(row.dead_at),
        "due_at": instant_or_none(row.due_at),
        "attempts": row.attempts,
        "error": row.error,
    }


def _detail(row: BusEventRow) -> BusEventDetail:
    return BusEventDetail(**_members(row), event=decode(row.body))


ROUTES = (
    Route(
        method="POST",
        path="/v1/events",
        operation="events.publish",
        summary="Publish events",
        description=(
            "CloudEvents 1.0 in any of its modes: one as `application/cloudevents+json`, several as "
            "`application/cloudevents-batch+json`, or its data as the body and its attributes as `ce-*` headers. As "
            "`application/json`, an event needs a `type` alone. They are in the store once this is answered, all of "
            "them or none; (source, id) names an event, and one that is known changes nothing."
        ),
        tag=_TAG,
        scope=Scope.RUNS_START,
        handler=publish,
        body=EventsSent,
        body_types=(JSON, STRUCTURED, BATCH),
        raw_with=BINARY,
        answer=list[EventAccepted],
        status=202,
        headers={BINARY: "`1.0`, where the attributes of the event are headers; the body is its data then."},
        problems=(413, 415, 422),
    ),
    Route(
        method="GET",
        path="/v1/events",
        operation="events.list",
        summary="List events, newest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_events,
        query=BusEventQuery,
        answer=Page[BusEventView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/events/{number}",
        operation="events.get",
        summary="Get an event and all that it says",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get_event,
        answer=BusEventDetail,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/events/{number}/replay",
        operation="events.replay",
        summary="Hand out an event again that was given up",
        description="Whoever got it before gets it no second time.",
        tag=_TAG,
        scope=Scope.RUNS_CONTROL,
        handler=replay_event,
        answer=BusEventDetail,
        status=202,
        problems=(404, 409),
    ),
)
