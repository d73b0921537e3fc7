"""Forks and retries: new runs that begin with what holds of an old one."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from openrun.core.fork import ForkPlan
from openrun.core.patch import difference
from openrun.core.replay import state_at
from openrun.core.types import Json
from openrun.runtime.forking import Forked
from openrun.server.access import Scope
from openrun.server.route import Answer, Call, Route
from openrun.server.run_rows import facts_of, run_of
from openrun.server.run_views import RUN

_TEXT = 2_000
_NAME = 200
_SCOPE_WORDS = 'Where the step ran: "/" is the run itself, "/each[2]" the third item of the foreach `each`.'
_COMMENT = "What the journal of the new run says."
_VERSION = 'Another version of the flow: "latest", or its hash (8 digits of it at least).'


class RetryBody(BaseModel, extra="forbid"):
    """How a run is tried again."""

    version: str | None = Field(
        default=None, max_length=_NAME, title="Version", description=_VERSION, examples=["latest"]
    )
    repeat_effects: bool = Field(
        default=False,
        title="Repeat effects",
        description="Do again what has been done outside; else that is refused with 409 and what it would be.",
        examples=[False],
    )
    comment: str | None = Field(
        default=None, max_length=_TEXT, title="Comment", description=_COMMENT, examples=["the shop is back"]
    )


class ForkBody(RetryBody):
    """Where a run is left for another way, and what is changed there."""

    step: str = Field(
        min_length=1,
        max_length=_NAME,
        title="Step",
        description="The first that runs again.",
        examples=["charge"],
    )
    scope: str = Field(default="/", max_length=_TEXT, title="Scope", description=_SCOPE_WORDS, examples=["/"])
    patch: list[dict[str, Any]] | None = Field(
        default=None,
        max_length=10_000,
        title="Patch",
        description="JSON Patch (RFC 6902) of the state as it was right before the step: all of it, or nothing.",
        examples=[[{"op": "replace", "path": "/total", "value": 35}]],
    )
    merge_patch: dict[str, Any] | None = Field(
        default=None,
        title="Merge patch",
        description="JSON Merge Patch (RFC 7396) of the same state, in place of `patch`.",
        examples=[{"total": 35}],
    )

    @model_validator(mode="after")
    def _one_patch(self) -> Self:
        if self.patch is not None and self.merge_patch is not None:
            raise ValueError("give `patch` or `merge_patch`, not both")
        return self


class ForkQuery(BaseModel, extra="forbid"):
    """Whether anything is made."""

    dry_run: bool = Field(
        default=False,
        title="Dry run",
        description="Only say what would be kept and what would run again.",
        examples=[True],
    )


class FateView(BaseModel):
    """What becomes of one step of the old run."""

    step_id: str = Field(title="Step", description="Its id.", examples=["charge"])
    scope: str = Field(title="Scope", description=_SCOPE_WORDS, examples=["/"])
    kept: bool = Field(title="Kept", description="Its output holds; else it runs again.", examples=[True])
    reason: str = Field(title="Reason", description="Why.", examples=["kept"])


class RepeatView(BaseModel):
    """Something done outside that would be done once more."""

    step_id: str = Field(title="Step", description="Whose it was.", examples=["charge"])
    scope: str = Field(title="Scope", description=_SCOPE_WORDS, examples=["/"])
    effect: str | None = Field(
        title="Effect", description="Its name; null for what the step does.", examples=["pay"]
    )
    key: str | None = Field(title="Key", description="Of the effect.", examples=["8c1f…"])
    status: str = Field(title="Status", description="committed, started or unknown.", examples=["committed"])


class PlanView(BaseModel):
    """How a fork begins."""

    origin: str = Field(title="Origin", description="The run that is forked.", examples=[RUN])
    version: str = Field(title="Version", description="Of the flow, for the new run.", examples=["9f2c4e…"])
    at: int = Field(title="At", description="The seq of the old run that it begins after.", examples=[7])
    steps: list[FateView] = Field(title="Steps", description="In the order in which they ran.")
    repeats: list[RepeatView] = Field(title="Repeats", description="What would be done again outside.")


class ForkedView(BaseModel):
    """A run that goes its own way from here on."""

    run_id: str | None = Field(title="Run", description="The new run; null for a dry run.", examples=[RUN])
    replayed: bool = Field(
        default=False,
        title="Replayed",
        description="It was made before, under the same key.",
        examples=[False],
    )
    plan: PlanView = Field(title="Plan", description="What is kept of the old run, and what runs again.")


async def retry(call: Call) -> Answer:
    run, body = await run_of(call), call.body
    if call.query.dry_run:
        return _planned(await call.space.plan_fork(run.run_id, version=body.version))
    return _forked(
        await call.space.retry(
            run.run_id,
            version=body.version,
            repeat_effects=body.repeat_effects,
            by=call.principal.name,
            comment=body.comment,
            key=call.own_key,
        )
    )


async def fork(call: Call) -> Answer:
    run, body = await run_of(call), call.body
    patch = await _patch(call, run.run_id, body)
    if call.query.dry_run:
        plan = await call.space.plan_fork(
            run.run_id, body.step, body.scope, patch=patch, version=body.version
        )
        return _planned(plan)
    return _forked(
        await call.space.fork(
            run.run_id,
            body.step,
            body.scope,
            patch=patch,
            version=body.version,
            repeat_effects=body.repeat_effects,
            by=call.principal.name,
            comment=body.comment,
            key=call.own_key,
        )
    )


async def _patch(call: Call, run_id: str, body: ForkBody) -> Sequence[Mapping[str, Any]]:
    """The changes as operations; those of a merge patch follow from the state that it is for."""
    if body.merge_patch is None:
        return body.patch or ()
    plan = await call.space.plan_fork(run_id, body.step, body.scope, version=body.version)
    before = state_at(await facts_of(call, run_id), plan.at)
    return difference(before, merged(before, body.merge_patch))


def merged(value: Json, patch: Json) -> Json:
    """What a merge patch (RFC 7396) makes of a value, which stays as it is."""
    if not isinstance(patch, dict):
        return patch
    result = dict(value) if isinstance(value, dict) else {}
    for key, each in patch.items():
        if each is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), each)
    return result


def _forked(made: Forked) -> Answer:
    return Answer(
        body=ForkedView(run_id=made.run_id, replayed=made.replayed, plan=_plan(made.plan)),
        status=202,
        headers={"Location": f"/v1/runs/{made.run_id}"},
    )


def _planned(plan: ForkPlan) -> Answer:
    return Answer(body=ForkedView(run_id=None, plan=_plan(plan)))


def _plan(plan: ForkPlan) -> PlanView:
    return PlanView(
        origin=plan.origin,
        version=plan.version,
        at=plan.at,
        steps=[
            FateView(step_id=each.step_id, scope=each.scope, kept=each.kept, reason=each.reason)
            for each in plan.steps
        ],
        repeats=[
            RepeatView(
                step_id=each.step_id, scope=each.scope, effect=each.effect, key=each.key, status=each.status
            )
            for each in plan.repeats
        ],
    )


_LOCATION = {"Location": "Where the new run is; not there for a dry run."}

ROUTES = (
    Route(
        method="POST",
        path="/v1/runs/{run_id}/retry",
        operation="runs.retry",
        summary="Try again what did not succeed",
        description=(
            "Makes a new run that keeps what succeeded. With `dry_run=true` nothing is made, and the answer is 200."
        ),
        tag="runs",
        scope=Scope.RUNS_CONTROL,
        handler=retry,
        query=ForkQuery,
        body=RetryBody,
        body_required=False,
        answer=ForkedView,
        status=202,
        answers={200: "A dry run: nothing was made."},
        answer_headers=_LOCATION,
        problems=(404, 409, 410, 422, 429),
    ),
    Route(
        method="POST",
        path="/v1/runs/{run_id}/fork",
        operation="runs.fork",
        summary="Leave a run's way at a step",
        description=(
            "Makes a new run that keeps what came before the step and still holds, with a changed state or another "
            "version. A `test` of the patch that fails is 409, a path that is not there 422. With `dry_run=true` "
            "nothing is made, and the answer is 200."
        ),
        tag="runs",
        scope=Scope.RUNS_CONTROL,
        handler=fork,
        query=ForkQuery,
        body=ForkBody,
        answer=ForkedView,
        status=202,
        answers={200: "A dry run: nothing was made."},
        answer_headers=_LOCATION,
        problems=(404, 409, 410, 422, 429),
    ),
)
