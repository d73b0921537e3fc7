"""Approvals: what runs ask people, and what people answer. Who answers is always who holds the key."""

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, Field

from openrun.core.asks import AskKind
from openrun.runtime.errors import UnknownWait
from openrun.runtime.waits import Told
from openrun.server.access import Scope
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, Nothing, Route
from openrun.server.run_views import RUN, WaitView, wait_view
from openrun.store.rows import WaitFilter, WaitRow

_TEXT = 2_000
_OF_PEOPLE = (AskKind.APPROVAL, AskKind.INPUT)


class ApprovalStatus(StrEnum):
    """Whether it is still to be answered."""

    OPEN = "open"
    CLOSED = "closed"


class ApprovalsQuery(PageQuery):
    """Which approvals are listed."""

    kind: tuple[AskKind, ...] = Field(
        default=_OF_PEOPLE,
        title="Kind",
        description="What runs wait for: approval and input when left out; repeatable.",
        examples=[["approval"]],
    )
    status: ApprovalStatus = Field(
        default=ApprovalStatus.OPEN, title="Status", description="open or closed.", examples=["open"]
    )


class ApproveBody(BaseModel, extra="forbid"):
    """That it is approved, as it is or edited."""

    value: Any = Field(
        default=None,
        title="Value",
        description="In place of what was asked about; null leaves it as it is.",
        examples=[{"total": 35}],
    )


class RejectBody(BaseModel, extra="forbid"):
    """That it is rejected."""

    reason: str | None = Field(
        default=None, max_length=_TEXT, title="Reason", description="Why.", examples=["over the limit"]
    )


class AnswerBody(BaseModel, extra="forbid"):
    """What is answered."""

    value: Any = Field(
        title="Value", description="Any JSON that fits the form, if there is one.", examples=["blue"]
    )


class ToldView(BaseModel):
    """The answer is on disk, and the run will hear it."""

    run_id: str = Field(title="Run", description="Who asked.", examples=[RUN])
    wait_id: str = Field(
        title="Wait", description="What was asked.", examples=["4f0c9f6d2b1e4c7a8d3e5b6a7c8d9e0f"]
    )
    replayed: bool = Field(
        title="Replayed", description="The same was said before: this is no act.", examples=[False]
    )


async def list_approvals(call: Call) -> Answer:
    query: ApprovalsQuery = call.query
    wanted = WaitFilter(
        open=query.status is ApprovalStatus.OPEN,
        kind=tuple(sorted(each.value for each in query.kind)),
        after=position(call, tuple[int, str]),
        limit=query.room,
    )
    rows = await call.space.records.waits(wanted)
    return paged(call, rows, wait_view, lambda row: [row.created_at, row.wait_id])


async def get(call: Call) -> Answer:
    return Answer(body=wait_view(await _wait(call)))


async def approve(call: Call) -> Answer:
    row = await _wait(call)
    told = await call.space.waits.approve(
        row.wait_id, call.body.value, by=call.principal.name, roles=_roles(call)
    )
    return _told(row, told)


async def reject(call: Call) -> Answer:
    row = await _wait(call)
    told = await call.space.waits.reject(
        row.wait_id, call.body.reason, by=call.principal.name, roles=_roles(call)
    )
    return _told(row, told)


async def answer(call: Call) -> Answer:
    row = await _wait(call)
    if row.kind not in _OF_PEOPLE and Scope.RUNS_CONTROL not in call.principal.scopes:
        raise Problem(
            403, f"this waits for a {row.kind}: telling a run of one needs {Scope.RUNS_CONTROL.value!r}"
        )
    told = await call.space.waits.answer(
        row.wait_id, call.body.value, by=call.principal.name, roles=_roles(call)
    )
    return _told(row, told)


async def _wait(call: Call) -> WaitRow:
    """The wait of exactly this id: the beginning of one is not enough to act on."""
    wait_id = call.path["wait_id"]
    found = await call.space.records.find_waits(wait_id) if wait_id.isalnum() else []
    for row in found:
        if row.wait_id == wait_id:
            return row
    raise UnknownWait(f"nothing waits under the id {wait_id[:64]!r}; GET /v1/approvals lists what is open")


def _roles(call: Call) -> tuple[str, ...]:
    return (call.principal.role.value,)


def _told(row: WaitRow, told: Told) -> Answer:
    return Answer(
        body=ToldView(run_id=row.run_id, wait_id=row.wait_id, replayed=told.repeated),
        status=202,
        resource=f"wait/{row.wait_id}",
    )


_TAG = "approvals"

ROUTES = (
    Route(
        method="GET",
        path="/v1/approvals",
        operation="approvals.list",
        summary="What runs wait to be told, oldest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_approvals,
        query=ApprovalsQuery,
        answer=Page[WaitView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/approvals/{wait_id}",
        operation="approvals.get",
        summary="One thing that a run waits to be told",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get,
        query=Nothing,
        answer=WaitView,
        problems=(404,),
    ),
    *(
        Route(
            method="POST",
            path=f"/v1/approvals/{{wait_id}}/{name}",
            operation=f"approvals.{name}",
            summary=summary,
            description=(
                "The answer is given in the name of the key, with its role: whoever else is asked for gets 403. The "
                "same answer again is no act; another one, or one that comes too late, is 409; a value that does not "
                "fit the form is 422."
            ),
            tag=_TAG,
            scope=Scope.APPROVALS_ANSWER,
            handler=handler,
            body=body,
            body_required=required,
            answer=ToldView,
            status=202,
            problems=(404, 409, 422),
        )
        for name, handler, body, required, summary in (
            ("approve", approve, ApproveBody, False, "Approve, as it is or with an edited value"),
            ("reject", reject, RejectBody, False, "Reject an approval, or refuse to answer"),
            ("answer", answer, AnswerBody, True, "Answer what a run asks"),
        )
    ),
)
