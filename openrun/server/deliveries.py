"""Deliveries over HTTP: what webhooks brought, and running it again."""

import base64
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from openrun.core.events import FlowStarted, decode_fact
from openrun.runtime.errors import UnknownRun
from openrun.server.access import Scope
from openrun.server.flow_lookup import require_enabled
from openrun.server.hooks import PREFIX
from openrun.server.instants import instant
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.route import Answer, Call, Route
from openrun.server.run_views import RUN
from openrun.server.runs import Started
from openrun.space import DurableRun
from openrun.store.rows import DeliveryFilter, DeliveryRow

_TAG = "deliveries"
_LOCATION = {"Location": "Where the new run is."}


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    flow: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]{1,64}$",
        title="Flow",
        description="Only those of this flow, by id.",
        examples=["orders"],
    )


class DeliveryView(BaseModel):
    """A request from outside that started a run; it lasts as long as its run."""

    run_id: str = Field(
        title="Run", description="The run that it started, and its name here.", examples=[RUN]
    )
    flow: str = Field(title="Flow", description="Id of the flow.", examples=["orders"])
    trigger: str = Field(title="Trigger", description="Id of the webhook step.", examples=["hook"])
    received_at: datetime = Field(
        title="Received at", description="When it came.", examples=["2026-11-21T11:30:46.123000Z"]
    )
    method: str = Field(title="Method", description="Its HTTP method.", examples=["POST"])
    path: str = Field(title="Path", description="Its path, as it was requested.", examples=["/hooks/orders"])
    delivery_id: str | None = Field(
        title="Delivery id",
        description="The sender's name for it; a repetition under the same name starts no second run.",
        examples=["72d3162e-cc78-11e3-81ab-4c9367dc0958"],
    )
    content_digest: str = Field(
        title="Content digest",
        description="Of the raw body, as a `Content-Digest` header (RFC 9530) has it.",
        examples=["sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:"],
    )
    size: int = Field(title="Size", description="Bytes of the raw body.", examples=[512])
    remote: str | None = Field(
        title="Remote", description="The address that it came from.", examples=["192.0.2.7"]
    )
    replay_of: str | None = Field(
        title="Replay of",
        description="The run of the delivery that this one repeats by hand.",
        examples=[RUN],
    )


class DeliveryDetail(DeliveryView):
    """A delivery with what it said."""

    input: dict[str, Any] = Field(
        title="Input",
        description="What the run was given: body, query, path, headers and method; secrets are masked.",
        examples=[{"body": {"order": 7}, "query": {}, "path": {}, "headers": {}, "method": "POST"}],
    )


class ReplayBody(BaseModel, extra="forbid"):
    """How to run a delivery again."""

    version: Literal["latest", "same"] = Field(
        default="latest",
        title="Version",
        description="With the flow's current version, or with the one that it ran with.",
        examples=["latest"],
    )


async def list_deliveries(call: Call) -> Answer:
    wanted = DeliveryFilter(
        namespace=call.space.namespace,
        flow_id=call.query.flow,
        before=position(call, str),
        limit=call.query.room,
    )
    rows = await call.space.records.deliveries(wanted)
    return paged(call, rows, lambda row: DeliveryView(**_members(row)), lambda row: row.run_id)


async def get_delivery(call: Call) -> Answer:
    run_id = call.path["run_id"]
    row = await call.space.records.delivery(run_id)
    events = await call.space.records.events(run_id, limit=1)
    if row is None or not events:
        raise UnknownRun(f"no delivery started run {run_id!r}, or there is no such run")
    begun = decode_fact(events[0].body)
    assert isinstance(begun, FlowStarted), "every run begins so"
    return Answer(body=DeliveryDetail(**_members(row), input=dict(begun.input)))


async def replay_delivery(call: Call) -> Answer:
    latest = call.body.version == "latest"
    delivery = await call.space.records.delivery(call.path["run_id"])
    if delivery is not None:
        await require_enabled(call, delivery.flow_id)
    run = await call.space.replay_delivery(call.path["run_id"], latest=latest, key=call.own_key)
    return await started(call, run)


async def started(call: Call, run: DurableRun) -> Answer:
    """The answer that a run has begun."""
    row = await call.space.row(run.run_id)
    return Answer(
        body=Started(run_id=row.run_id, flow=row.flow_id, status=row.status, replayed=run.replayed),
        status=202,
        headers={"Location": f"/v1/runs/{row.run_id}"},
        resource=f"run/{row.run_id}",
    )


def _members(row: DeliveryRow) -> dict[str, Any]:
    digest = base64.b64encode(bytes.fromhex(row.digest)).decode()
    return {
        "run_id": row.run_id,
        "flow": row.flow_id,
        "trigger": row.trigger,
        "received_at": instant(row.received_at),
        "method": row.method,
        "path": PREFIX + row.path,
        "delivery_id": row.delivery_id,
        "content_digest": f"sha-256=:{digest}:",
        "size": row.size,
        "remote": row.remote,
        "replay_of": row.replay_of,
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/deliveries",
        operation="deliveries.list",
        summary="List deliveries, newest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_deliveries,
        query=DeliveryQuery,
        answer=Page[DeliveryView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/deliveries/{run_id}",
        operation="deliveries.get",
        summary="Get a delivery and what it said",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get_delivery,
        answer=DeliveryDetail,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/deliveries/{run_id}/replay",
        operation="deliveries.replay",
        summary="Run a delivery again",
        description=(
            "Starts a new run with what the delivery brought: with the flow's current version, to see whether it does "
            "better now, or with the same one."
        ),
        tag=_TAG,
        scope=Scope.RUNS_CONTROL,
        handler=replay_delivery,
        body=ReplayBody,
        body_required=False,
        answer=Started,
        status=202,
        answer_headers=_LOCATION,
        problems=(404, 409, 422, 429),
    ),
)
