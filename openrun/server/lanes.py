"""Lanes over HTTP: how full the limits of flows are, by the values of their keys."""

from datetime import datetime

from pydantic import BaseModel, Field

from openrun.core.types import Json
from openrun.server.access import Scope
from openrun.server.instants import instant_or_none
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Route
from openrun.store.tickets import AtLimit, LaneFilter, LaneRow, LaneRules

_MS = 1_000


class LanesQuery(PageQuery):
    """Which lanes to list."""

    flow: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]{1,64}$",
        title="Flow",
        description="Only those of this flow, by id.",
        examples=["imports"],
    )


class RateView(BaseModel):
    """How many runs may start in a while."""

    limit: int = Field(title="Limit", description="Most starts in any period.", examples=[10])
    period_seconds: float = Field(
        title="Period", description="How long a period is, in seconds.", examples=[60]
    )
    cancels: bool = Field(
        title="Cancels", description="Runs over the rate are cancelled; else they wait.", examples=[False]
    )


class DebounceView(BaseModel):
    """How long a lane has to be quiet before its newest run starts, for all before it."""

    quiet_seconds: float = Field(title="Quiet", description="How long it has to be quiet.", examples=[5])
    at_most_seconds: float | None = Field(
        title="At most", description="How long after the first of them it starts anyway.", examples=[60]
    )


class LaneView(BaseModel):
    """One flow and one value of its key, with runs that go on or wait."""

    flow: str = Field(title="Flow", description="Id of the flow.", examples=["imports"])
    key: str = Field(
        title="Key", description="Value of the key; empty for a flow without one.", examples=["tenant-7"]
    )
    running: int = Field(
        title="Running", description="Runs that have a slot; they have it to their end.", examples=[2]
    )
    queued: int = Field(title="Queued", description="Runs that wait for a slot.", examples=[14])
    waiting_since: datetime | None = Field(
        title="Waiting since",
        description="When the first of those that wait came; null when none does.",
        examples=["2026-11-21T11:30:46.123000Z"],
    )
    concurrency: int | None = Field(
        title="Concurrency", description="Most runs at once in this lane; null bounds nothing.", examples=[2]
    )
    total: int | None = Field(
        title="Total",
        description="Most runs at once in all lanes of the flow; null bounds nothing.",
        examples=[20],
    )
    at_limit: AtLimit = Field(
        title="At limit", description="What happens to runs when the lane is full.", examples=["queue"]
    )
    rate: RateView | None = Field(
        title="Rate", description="How many may start in a while; null bounds nothing."
    )
    debounce: DebounceView | None = Field(
        title="Debounce", description="Whether the newest run stands for those before it; null for no."
    )


async def list_lanes(call: Call) -> Answer:
    wanted = LaneFilter(
        namespace=call.space.namespace,
        flow_id=call.query.flow,
        after=_after(call),
        limit=call.query.room,
    )
    return paged(call, await call.space.records.lanes(wanted), lane_view, _place)


def lane_view(row: LaneRow) -> LaneView:
    """A lane as the API tells it."""
    rules = row.rules
    return LaneView(
        flow=row.flow_id,
        key=row.key,
        running=row.running,
        queued=row.queued,
        waiting_since=instant_or_none(row.oldest),
        concurrency=rules.limit,
        total=rules.total,
        at_limit=rules.at_limit,
        rate=_rate(rules),
        debounce=_debounce(rules),
    )


def _rate(rules: LaneRules) -> RateView | None:
    if rules.rate is None:
        return None
    return RateView(limit=rules.rate, period_seconds=rules.period_ms / _MS, cancels=rules.cancel_over_rate)


def _debounce(rules: LaneRules) -> DebounceView | None:
    if not rules.quiet_ms:
        return None
    most = rules.quiet_max_ms
    return DebounceView(
        quiet_seconds=rules.quiet_ms / _MS, at_most_seconds=None if most is None else most / _MS
    )


def _place(row: LaneRow) -> list[Json]:
    # A key may be any text, and a position is printable.
    return [row.flow_id, row.key.encode().hex()]


def _after(call: Call) -> tuple[str, str, str] | None:
    before = position(call, tuple[str, str])
    if before is None:
        return None
    flow_id, key = before
    try:
        return call.space.namespace, flow_id, bytes.fromhex(key).decode()
    except ValueError:
        raise Problem(400, "`cursor` is not one that this list has given") from None


ROUTES = (
    Route(
        method="GET",
        path="/v1/lanes",
        operation="lanes.list",
        summary="List lanes with runs that go on or wait",
        description=(
            "A flow with `flow_control` has a lane for each value of its key. Lanes come by flow and key; one that "
            "nothing runs or waits in is not there."
        ),
        tag="lanes",
        scope=Scope.RUNS_READ,
        handler=list_lanes,
        query=LanesQuery,
        answer=Page[LaneView],
        answer_headers=LINK,
    ),
)
