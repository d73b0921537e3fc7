"""Compensations that did not succeed, and what people say of them."""

from typing import Literal

from pydantic import BaseModel, Field

from openrun.server.access import Scope
from openrun.server.paging import LINK, Page, PageQuery
from openrun.server.route import Answer, Call, Route
from openrun.server.run_rows import run_of
from openrun.server.run_views import CompensationView, compensation_view
from openrun.server.windows import windowed

_TEXT = 2_000


class SettleBody(BaseModel, extra="forbid"):
    """What becomes of a step that could not be undone."""

    scope: str = Field(
        default="/",
        max_length=_TEXT,
        title="Scope",
        description='Where the step ran; "/" is the run itself.',
        examples=["/"],
    )
    note: str | None = Field(
        default=None,
        max_length=_TEXT,
        title="Note",
        description="What was done, or why nothing.",
        examples=["refunded by hand"],
    )


async def list_compensations(call: Call) -> Answer:
    records = call.space.records
    return await windowed(call, lambda most: records.compensations(None, most), compensation_view)


async def resolve(call: Call) -> Answer:
    return await _settle(call, "resolved")


async def ignore(call: Call) -> Answer:
    return await _settle(call, "ignored")


async def _settle(call: Call, resolution: Literal["resolved", "ignored"]) -> Answer:
    run = await run_of(call)
    body: SettleBody = call.body
    row = await call.space.ledger.settle(
        run.run_id,
        call.path["step_id"],
        body.scope,
        resolution=resolution,
        note=body.note,
        by=call.principal.name,
    )
    return Answer(body=compensation_view(row))


_TAG = "compensations"

ROUTES = (
    Route(
        method="GET",
        path="/v1/compensations",
        operation="compensations.list",
        summary="What could not be undone and waits for a person, newest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_compensations,
        query=PageQuery,
        answer=Page[CompensationView],
        answer_headers=LINK,
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/compensations/{{run_id}}/{{step_id}}/{name}",
            operation=f"compensations.{name}",
            summary=summary,
            description="A compensation that waits for nobody is 404.",
            tag=_TAG,
            scope=Scope.RUNS_CONTROL,
            handler=handler,
            body=SettleBody,
            body_required=False,
            answer=CompensationView,
            problems=(404, 410),
        )
        for name, handler, summary in (
            ("resolve", resolve, "Say that a step was undone by hand"),
            ("ignore", ignore, "Say that a step does not have to be undone"),
        )
    ),
)
