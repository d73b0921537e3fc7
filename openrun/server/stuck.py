"""The runs that need somebody."""

from datetime import datetime

from pydantic import Field

from openrun.house.stuck import Stuck, Why, stuck
from openrun.server.access import Scope
from openrun.server.instants import instant
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.route import Answer, Call, Route
from openrun.server.run_views import RunView, run_fields

_YEAR = 366 * 86_400


class StuckQuery(PageQuery):
    """How long a run may rest."""

    seconds: int = Field(
        default=7 * 86_400,
        ge=0,
        le=_YEAR,
        title="Seconds",
        description="Runs that have waited or been paused for longer are listed, too; a week when left out.",
        examples=[86_400],
    )


class StuckView(RunView):
    """A run that needs somebody."""

    why: Why = Field(
        title="Why",
        description=(
            "needs_review, held (no worker takes it), overdue (nobody claims it, or what it waits for has expired), "
            "silent (it should run, and nothing has happened for ten minutes) or resting."
        ),
        examples=["needs_review"],
    )
    since: datetime = Field(title="Since", description="Since when.", examples=["2026-01-31T09:00:00.250Z"])
    detail: str = Field(
        title="Detail", description="In words.", examples=["it is due, and no worker claims it"]
    )


async def list_stuck(call: Call) -> Answer:
    query: StuckQuery = call.query
    found = await stuck(call.space.records, query.seconds * 1_000, position(call, str), query.room)
    return paged(call, found, _view, lambda each: each.row.run_id)


def _view(each: Stuck) -> StuckView:
    return StuckView(**run_fields(each.row), why=each.why, since=instant(each.since), detail=each.detail)


ROUTES = (
    Route(
        method="GET",
        path="/v1/stuck",
        operation="runs.stuck",
        summary="Runs that need somebody, newest first",
        description="Looks at every run that has not ended.",
        tag="runs",
        scope=Scope.RUNS_READ,
        handler=list_stuck,
        query=StuckQuery,
        answer=Page[StuckView],
        answer_headers=LINK,
    ),
)
