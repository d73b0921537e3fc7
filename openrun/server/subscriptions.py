"""Subscriptions over HTTP: who is told of what runs do."""

from datetime import datetime

from pydantic import BaseModel, Field

from openrun.runtime.notifications import ALL_OF_RUNS, PING, TYPES
from openrun.runtime.outgoing import EVENTS
from openrun.server.access import Scope
from openrun.server.instants import instant, instant_or_none
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.route import Answer, Call, Route
from openrun.store.outbox import SubscriptionRow

TAG = "notifications"
SUBSCRIPTION = "0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"
_PLAIN = r"^[^\x00-\x1f\x7f-\x9f]+$"
_INSTANT = "2026-11-21T11:30:46.123000Z"
_TYPES = f"What it is told: {', '.join(f'`{each}`' for each in TYPES)}; `{ALL_OF_RUNS}` is all that begin with `run.`."


class SubscriptionBody(BaseModel, extra="forbid"):
    """A subscription to be made."""

    url: str = Field(
        min_length=1,
        max_length=2_000,
        pattern=_PLAIN,
        title="URL",
        description=f"Where to, http or https; `{EVENTS}` is the event bus of the namespace.",
        examples=["https://alerts.example.com/openrun"],
    )
    types: list[str] = Field(
        min_length=1, max_length=20, title="Types", description=_TYPES, examples=[["run.failed"]]
    )
    flow: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]{1,64}$",
        title="Flow",
        description="Only runs of this flow, by id; those of all, when left out.",
        examples=["orders"],
    )
    secret: str | None = Field(
        default=None,
        max_length=1_000,
        pattern=_PLAIN,
        title="Secret",
        description=(
            "Name of the secret that signs, never the secret itself; several, with commas between, while one is "
            "replaced. Without one nothing is signed."
        ),
        examples=["alerts_signing"],
    )
    description: str | None = Field(
        default=None,
        max_length=500,
        pattern=_PLAIN,
        title="Description",
        description="What it is for.",
        examples=["The on-call channel"],
    )


class DisableBody(BaseModel, extra="forbid"):
    """That it is to be told nothing for now."""

    reason: str | None = Field(
        default=None,
        max_length=500,
        pattern=_PLAIN,
        title="Reason",
        description="Why.",
        examples=["moving to a new host"],
    )


class SubscriptionView(BaseModel):
    """Who is told of what runs do."""

    subscription_id: str = Field(title="Id", description="Its name.", examples=[SUBSCRIPTION])
    url: str = Field(title="URL", description="Where to.", examples=["https://alerts.example.com/openrun"])
    types: list[str] = Field(title="Types", description="What it is told.", examples=[["run.failed"]])
    flow: str | None = Field(title="Flow", description="Only runs of this flow.", examples=["orders"])
    secret: str | None = Field(
        title="Secret", description="Names of the secrets that sign.", examples=["alerts_signing"]
    )
    description: str | None = Field(
        title="Description", description="What it is for.", examples=["The on-call channel"]
    )
    created_at: datetime = Field(title="Created at", description="When it was made.", examples=[_INSTANT])
    disabled_at: datetime | None = Field(
        title="Disabled at", description="Since when it is told nothing.", examples=[_INSTANT]
    )
    disabled_reason: str | None = Field(
        title="Disabled reason", description="Why.", examples=["the receiver answered 410"]
    )


class TestedView(BaseModel):
    """How a test went."""

    delivered: bool = Field(title="Delivered", description="Whether the receiver took it.", examples=[True])
    status: int | None = Field(title="Status", description="What it answered.", examples=[204])
    error: str | None = Field(title="Error", description="What went wrong.", examples=[None])


async def list_subscriptions(call: Call) -> Answer:
    after = position(call, tuple[int, str])
    rows = [
        row for row in await call.space.notifications.subscriptions() if after is None or _place(row) > after
    ]
    return paged(call, rows, view, lambda row: list(_place(row)))


async def get_subscription(call: Call) -> Answer:
    return Answer(body=view(await call.space.notifications.get(call.path["subscription_id"])))


async def create_subscription(call: Call) -> Answer:
    body: SubscriptionBody = call.body
    row = await call.space.notifications.subscribe(
        body.url, body.types, flow_id=body.flow, secret=body.secret, description=body.description
    )
    return Answer(
        body=view(row),
        status=201,
        headers={"Location": f"/v1/subscriptions/{row.subscription_id}"},
        resource=_resource(row.subscription_id),
    )


async def remove_subscription(call: Call) -> Answer:
    name = call.path["subscription_id"]
    await call.space.notifications.remove(name)
    return Answer(status=204, resource=_resource(name))


async def disable_subscription(call: Call) -> Answer:
    name = call.path["subscription_id"]
    reason = None if call.body is None else call.body.reason
    row = await call.space.notifications.disable(name, reason or f"by {call.principal.name}")
    return Answer(body=view(row), resource=_resource(name))


async def enable_subscription(call: Call) -> Answer:
    name = call.path["subscription_id"]
    return Answer(body=view(await call.space.notifications.enable(name)), resource=_resource(name))


async def test_subscription(call: Call) -> Answer:
    name = call.path["subscription_id"]
    how = await call.space.notifications.test(name)
    told = TestedView(delivered=how.error is None, status=how.status, error=how.error)
    return Answer(body=told, resource=_resource(name))


def _resource(name: str) -> str:
    return f"subscription/{name}"


def _place(row: SubscriptionRow) -> tuple[int, str]:
    return row.created_at, row.subscription_id


def view(row: SubscriptionRow) -> SubscriptionView:
    """A subscription as the API shows it."""
    return SubscriptionView(
        subscription_id=row.subscription_id,
        url=row.url,
        types=list(row.types),
        flow=row.flow_id,
        secret=row.secret,
        description=row.description,
        created_at=instant(row.created_at),
        disabled_at=instant_or_none(row.disabled_at),
        disabled_reason=row.disabled_reason,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/subscriptions",
        operation="subscriptions.list",
        summary="List subscriptions, oldest first",
        tag=TAG,
        scope=Scope.FLOWS_READ,
        handler=list_subscriptions,
        query=PageQuery,
        answer=Page[SubscriptionView],
        answer_headers=LINK,
    ),
    Route(
        method="POST",
        path="/v1/subscriptions",
        operation="subscriptions.create",
        summary="Have an address told of what runs do",
        description=(
            "From now on, at least once each, signed as Standard Webhooks if a secret is named. An address that cannot "
            "be requested, a private one that the operator does not list, and a secret that is not there are 422."
        ),
        tag=TAG,
        scope=Scope.FLOWS_WRITE,
        handler=create_subscription,
        body=SubscriptionBody,
        answer=SubscriptionView,
        status=201,
        answer_headers={"Location": "Where the subscription is."},
        problems=(422,),
    ),
    Route(
        method="GET",
        path="/v1/subscriptions/{subscription_id}",
        operation="subscriptions.get",
        summary="Get a subscription",
        tag=TAG,
        scope=Scope.FLOWS_READ,
        handler=get_subscription,
        answer=SubscriptionView,
        problems=(404,),
    ),
    Route(
        method="DELETE",
        path="/v1/subscriptions/{subscription_id}",
        operation="subscriptions.remove",
        summary="Remove a subscription with its notifications",
        tag=TAG,
        scope=Scope.FLOWS_WRITE,
        handler=remove_subscription,
        status=204,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/subscriptions/{subscription_id}/disable",
        operation="subscriptions.disable",
        summary="Tell it nothing for now",
        description="What waits for it waits on.",
        tag=TAG,
        scope=Scope.FLOWS_WRITE,
        handler=disable_subscription,
        body=DisableBody,
        body_required=False,
        answer=SubscriptionView,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/subscriptions/{subscription_id}/enable",
        operation="subscriptions.enable",
        summary="Tell it again",
        description="What waited for it goes first.",
        tag=TAG,
        scope=Scope.FLOWS_WRITE,
        handler=enable_subscription,
        answer=SubscriptionView,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/subscriptions/{subscription_id}/test",
        operation="subscriptions.test",
        summary="Send it a test",
        description=f"A `{PING}`, once and at once; the answer says how that went, and nothing is kept of it.",
        tag=TAG,
        scope=Scope.FLOWS_WRITE,
        handler=test_subscription,
        answer=TestedView,
        problems=(404,),
    ),
)
