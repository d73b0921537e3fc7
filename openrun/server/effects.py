"""Effects: calls to the outside, and what became of those of which nobody knows."""

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from openrun.core.effects import EffectStatus
from openrun.runtime.errors import UnknownEffect
from openrun.server.access import Scope
from openrun.server.paging import LINK, Page, PageQuery
from openrun.server.route import Answer, Call, Route
from openrun.server.run_views import RUN, EffectDetail, EffectView, effect_detail, effect_view
from openrun.server.windows import windowed
from openrun.store.rows import EffectFilter, EffectRow


class EffectsQuery(PageQuery):
    """Which effects are listed."""

    status: tuple[EffectStatus, ...] = Field(
        default=(),
        title="Status",
        description="Only effects of this status; repeatable.",
        examples=[["unknown"]],
    )


class ResolveEffectBody(BaseModel, extra="forbid"):
    """Whether an effect took place."""

    committed: bool = Field(
        title="Committed", description="It took place; if not, it may be done now.", examples=[True]
    )
    value: Any = Field(
        default=None,
        title="Value",
        description="What it came to, if it took place.",
        examples=[{"id": "ch_1"}],
    )

    @model_validator(mode="after")
    def _value_of_what_took_place(self) -> Self:
        if self.value is not None and not self.committed:
            raise ValueError("only an effect that took place has a `value`")
        return self


class ResolvedEffect(BaseModel):
    """What was said is on disk, and the run will hear it."""

    key: str = Field(title="Key", description="Of the effect.", examples=["8c1f…"])
    run_id: str = Field(title="Run", description="Whose it is.", examples=[RUN])


async def list_effects(call: Call) -> Answer:
    status = tuple(sorted(each.value for each in call.query.status))
    records = call.space.records
    return await windowed(
        call, lambda most: records.effects(EffectFilter(status=status, limit=most)), effect_view
    )


async def get(call: Call) -> Answer:
    return Answer(body=effect_detail(await _effect(call)))


async def resolve(call: Call) -> Answer:
    row = await _effect(call)
    body: ResolveEffectBody = call.body
    await call.space.ledger.resolve(
        row.key, committed=body.committed, value=body.value, by=call.principal.name
    )
    resolved = ResolvedEffect(key=row.key, run_id=row.run_id)
    return Answer(body=resolved, status=202, resource=f"effect/{row.key}")


async def _effect(call: Call) -> EffectRow:
    """The effect of exactly this key: the beginning of one is not enough to act on."""
    key = call.path["key"]
    found = await call.space.records.find_effects(key) if key.isalnum() else []
    for row in found:
        if row.key == key:
            return row
    raise UnknownEffect(f"there is no effect {key[:64]!r}; GET /v1/effects lists them")


_TAG = "effects"

ROUTES = (
    Route(
        method="GET",
        path="/v1/effects",
        operation="effects.list",
        summary="Calls to the outside, newest first",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=list_effects,
        query=EffectsQuery,
        answer=Page[EffectView],
        answer_headers=LINK,
    ),
    Route(
        method="GET",
        path="/v1/effects/{key}",
        operation="effects.get",
        summary="One call to the outside, with its result",
        tag=_TAG,
        scope=Scope.RUNS_READ,
        handler=get,
        answer=EffectDetail,
        problems=(404,),
    ),
    Route(
        method="POST",
        path="/v1/effects/{key}/resolve",
        operation="effects.resolve",
        summary="Say whether an effect took place",
        description="Its run goes on with that. An effect of which that is known is 409.",
        tag=_TAG,
        scope=Scope.RUNS_CONTROL,
        handler=resolve,
        body=ResolveEffectBody,
        answer=ResolvedEffect,
        status=202,
        problems=(404, 409),
    ),
)
