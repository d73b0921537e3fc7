"""Notifications over HTTP: what subscribers were told, and telling them again."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from openrun.core.strict_json import decode
from openrun.server.access import Scope
from openrun.server.instants import instant, instant_or_none
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.route import Answer, Call, Route
from openrun.server.run_views import RUN
from openrun.server.subscriptions import SUBSCRIPTION, TAG
from openrun.store.outbox import NotificationFilter, NotificationRow

_ID = r"^[A-Za-z0-9_-]{1,200}$"
_INSTANT = "2026-11-21T11:30:46.123000Z"


class NotificationState(StrEnum):
    """Where a notification stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"


_WANTED: dict[NotificationState | None, dict[str, Any]] = {
    None: {},
    NotificationState.WAITING: {"dead": False, "delivered": False},
    NotificationState.DELIVERED: {"delivered": True},
    NotificationState.DEAD: {"dead": True},
}


class NotificationsQuery(PageQuery):
    """Which notifications to list."""

    subscription: str | None = Field(
        default=None,
        pattern=_ID,
        title="Subscription",
        description="Only those to this one, by id.",
        examples=[SUBSCRIPTION],
    )
    run: str | None = Field(
        default=None, pattern=_ID, title="Run", description="Only those of this run, by id.", examples=[RUN]
    )
    state: NotificationState | None = Field(
        default=None,
        title="State",
        description="waiting (for its next attempt), delivered, or dead (given up).",
        examples=["dead"],
    )


class NotificationView(BaseModel):
    """One thing that one subscriber is told."""

    notification_id: str = Field(
        title="Id", description="The receiver sees it as `webhook-id`.", examples=[f"{RUN}-7-{SUBSCRIPTION}"]
    )
    subscription_id: str = Field(title="Subscription", description="Who is told.", examples=[SUBSCRIPTION])
    run_id: str = Field(title="Run", description="Of which run.", examples=[RUN])
    flow: str = Field(title="Flow", description="Id of its flow.", examples=["orders"])
    seq: int = Field(title="Seq", description="The event of the run that it tells of.", examples=[7])
    type: str = Field(title="Type", description="What it tells.", examples=["run.failed"])
    at: datetime = Field(title="At", description="When that happened.", examples=[_INSTANT])
    state: NotificationState = Field(
        title="State", description="waiting, delivered or dead.", examples=["delivered"]
    )
    attempts: int = Field(title="Attempts", description="How often it was sent.", examples=[1])
    due_at: datetime | None = Field(
        title="Due at", description="When it is sent (again).", examples=[_INSTANT]
    )
    delivered_at: datetime | None = Field(
        title="Delivered at", description="When the receiver took it.", examples=[_INSTANT]
    )
    dead_at: datetime | None = Field(
        title="Dead at", description="When it was given up.", examples=[_INSTANT]
    )
    last_status: int | None = Field(
        title="Last status", description="What the receiver answered last.", examples=[204]
    )
    error: str | None = Field(title="Error", description="Why the last attempt failed.", examples=[None])


class NotificationDetail(NotificationView):
    """A notification with what it says."""

    data: dict[str, Any] = Field(
        title="Data",
        description="The `data` of what is posted.",
        examples=[{"run_id": RUN, "flow_id": "orders", "status": "failed"}],
    )


async def list_notifications(call: Call) -> Answer:
    query: NotificationsQuery = call.query
    wanted = NotificationFilter(
        subscription_id=query.subscription,
        run_id=query.run,
        before=position(call, tuple[int, str]),
        limit=query.room,
        **_WANTED[query.state],
    )
    rows = await call.space.notifications.deliveries(wanted)
    return paged(
        call, rows, lambda row: NotificationView(**_members(row)), lambda row: [row.at, row.notification_id]
    )


async def get_notification(call: Call) -> Answer:
    row = await call.space.notifications.delivery(call.path["notification_id"])
    return Answer(body=NotificationDetail(**_members(row), data=decode(row.data)))


async def replay_notification(call: Call) -> Answer:
    row = await call.space.notifications.replay(call.path["notification_id"])
    return Answer(
        body=NotificationView(**_members(row)), status=202, resource=f"notification/{row.notification_id}"
    )


def state_of(row: NotificationRow) -> NotificationState:
    """Where it stands."""
    if row.dead_at is not None:
        return NotificationState.DEAD
    return NotificationState.DELIVERED if row.delivered_at is not None else NotificationState.WAITING


def _members(row: NotificationRow) -> dict[str, Any]:
    return {
        "notification_id": row.notification_id,
        "subscription_id": row.subscription_id,
        "run_id": row.run_id,
        "flow": row.flow_id,
        "seq": row.seq,
        "type": row.type,
        "at": instant(row.at),
        "state": state_of(row),
        "attempts": row.attempts,
        "due_at": instant_or_none(row.due_at),
        "delivered_at": instant_or_none(row.delivered_at),
        "dead_at": instant_or_none(row.dead_at),
        "last_status": row.last_status,
        "error": row.error,
    }


ROUTES = (
    Route(
        method="GET",
        path="/v1/notifications",
        operation="notifications.list",
        summary="List notifications, newest first",
        description="Those delivered in the last seven days, those that wait, and those that were given up.",
        tag=TAG,
        scope=Scope.RUNS_READ,
        handler=list_notifications,
        query=NotificationsQuery,
        answer=Page[NotificationView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/notifications/{notification_id}",
        operation="notifications.get",
        summary="Get a notification and what it says",
        tag=TAG,
        scope=Scope.RUNS_READ,
        handler=get_notification,
        answer=NotificationDetail,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/notifications/{notification_id}/replay",
        operation="notifications.replay",
        summary="Deliver a notification again",
        description="Under the same id, delivered or given up, with all attempts before it; one that still waits is left as it is.",
        tag=TAG,
        scope=Scope.RUNS_CONTROL,
        handler=replay_notification,
        answer=NotificationView,
        status=202,
        problems=(404,),
    ),
)
