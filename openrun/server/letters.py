"""Dead letters over HTTP: runs that failed and that nobody has dealt with yet."""

from datetime import datetime

from pydantic import BaseModel, Field

from openrun.runtime.errors import UnknownRun
from openrun.server.access import Scope
from openrun.server.deliveries import started
from openrun.server.flow_lookup import require_enabled
from openrun.server.instants import instant
from openrun.server.paging import LINK, Page, PageQuery, paged, position
from openrun.server.route import Answer, Call, Route
from openrun.server.run_views import RUN
from openrun.server.runs import Started
from openrun.store.rows import DeadLetter

_TAG = "dead letters"
_LOCATION = {"Location": "Where the new run is."}


class DeadLetterView(BaseModel):
    """A run without a parent that failed, until a replay of it succeeds or somebody discards it."""

    run_id: str = Field(title="Run", description="The run that failed.", examples=[RUN])
    flow: str = Field(title="Flow", description="Id of the flow.", examples=["orders"])
    error: str | None = Field(
        title="Error",
        description="What it failed with, in short.",
        examples=["HTTP_STATUS: 503 from the shop"],
    )
    failed_at: datetime = Field(
        title="Failed at", description="When it failed.", examples=["2026-11-21T11:30:46.123000Z"]
    )
    replays: int = Field(title="Replays", description="How often it was run again.", examples=[1])
    last_replay: str | None = Field(
        title="Last replay", description="The newest run that repeats it.", examples=[RUN]
    )


async def list_letters(call: Call) -> Answer:
    before = position(call, tuple[int, str])
    most = call.query.room
    while True:
        rows = await call.space.records.dead_letters(most, namespace=call.space.namespace)
        rest = [row for row in rows if before is None or _place(row) < before]
        if len(rest) >= call.query.room or len(rows) < most:
            return paged(call, rest, _view, lambda row: list(_place(row)))
        # Stores list them from the newest one on alone.
        most *= 4


async def get_letter(call: Call) -> Answer:
    return Answer(body=_view(await _letter(call)))


async def replay_letter(call: Call) -> Answer:
    letter = await _letter(call)
    await require_enabled(call, letter.flow_id)
    return await started(call, await call.space.replay_dead(letter.run_id, key=call.own_key))


async def discard_letter(call: Call) -> Answer:
    letter = await _letter(call)
    await call.space.records.discard(letter.run_id)
    return Answer(status=204)


async def _letter(call: Call) -> DeadLetter:
    run_id = call.path["run_id"]
    found = await call.space.records.dead_letter(run_id)
    if found is None:
        raise UnknownRun(f"run {run_id!r} is no dead letter: it did not fail, or was dealt with")
    return found


def _place(row: DeadLetter) -> tuple[int, str]:
    return row.failed_at, row.run_id


def _view(row: DeadLetter) -> DeadLetterView:
    return DeadLetterView(
        run_id=row.run_id,
        flow=row.flow_id,
        error=row.error,
        failed_at=instant(row.failed_at),
        replays=row.replays,
        last_replay=row.last_replay,
    )


ROUTES = (
    Route(
        method="GET",
        path="/v1/dead-letters",
        operation="dead_letters.list",
        summary="List dead letters, newest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_letters,
        query=PageQuery,
        answer=Page[DeadLetterView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/dead-letters/{run_id}",
        operation="dead_letters.get",
        summary="Get a dead letter",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get_letter,
        answer=DeadLetterView,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/dead-letters/{run_id}/replay",
        operation="dead_letters.replay",
        summary="Run a dead letter again",
        description=(
            "From its beginning, with the flow version and the input that it had; when that succeeds, it is no dead "
            "letter any more. To keep what did succeed, retry the run instead."
        ),
        tag=_TAG,
        scope=Scope.RUNS_CONTROL,
        handler=replay_letter,
        answer=Started,
        status=202,
        answer_headers=_LOCATION,
        problems=(404, 409, 422, 429),
    ),
    Route(
        method="DELETE",
        path="/v1/dead-letters/{run_id}",
        operation="dead_letters.discard",
        summary="Put a dead letter aside",
        description="The run itself stays as it is.",
        tag=_TAG,
        scope=Scope.RUNS_CONTROL,
        handler=discard_letter,
        status=204,
        problems=(404,),
    ),
)
