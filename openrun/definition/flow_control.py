"""Flow control of a flow: how many of its runs go on at once, how many start in a time, and who goes first."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from openrun.core.types import Json
from openrun.steps.spelling import Duration, kept_as, seconds_in
from openrun.store.tickets import AtLimit

AtLimitName = Literal["queue", "cancel_new", "cancel_running", "keep_newest"]
AnyAtLimit = Annotated[AtLimit | AtLimitName, kept_as(AtLimit)]
SingletonName = Literal["cancel_new", "cancel_running"]

MOST_PRIORITY = 100
_MOST_RUNS = 100_000
_MOST_STARTS = 10_000
_DAY = 86_400
_SHORTEST = 0.001
_TEMPLATE_LENGTH = 1_000
_TEMPLATE = r"<<[\s\S]*>>|\{\{[\s\S]*\}\}"

Priority = Annotated[
    int | Annotated[str, Field(max_length=_TEMPLATE_LENGTH)],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": MOST_PRIORITY},
                {"type": "string", "maxLength": _TEMPLATE_LENGTH, "pattern": _TEMPLATE},
            ]
        }
    ),
]


class RateLimit(BaseModel):
    """At most `limit` starts in any `period` (in seconds), by key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(
        ge=1, le=_MOST_STARTS, description="Most runs that start within the period.", examples=[100]
    )
    period: Duration = Field(
        ge=_SHORTEST,
        le=31 * _DAY,
        description="The length of time; it is counted back from every start, not from the full hour.",
        examples=["1m"],
    )
    over: Literal["queue", "cancel"] = Field(
        default="queue", description="Whether runs over the rate wait or are cancelled.", examples=["cancel"]
    )


class Debounce(BaseModel):
    """A run starts once its key has been quiet for `period` (in seconds), with the newest input."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    period: Duration = Field(
        ge=_SHORTEST,
        le=7 * _DAY,
        description="How long nothing new may have come; what comes meanwhile takes the place of what waits.",
        examples=["10s"],
    )
    at_most: Duration | None = Field(
        default=None,
        ge=_SHORTEST,
        le=7 * _DAY,
        description="Longest wait after the first of them, however much comes.",
        examples=["1m"],
    )


class FlowControl(BaseModel):
    """Bounds on the runs of a flow, each for one value of `key`; times are in seconds, or text such as "1m"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str | None = Field(
        default=None,
        max_length=_TEMPLATE_LENGTH,
        description="Template over what the trigger brought; the limits hold for each value of it on its own. "
        "Without one all runs of the flow share them.",
        examples=["<<body.tenant>>"],
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=_MOST_RUNS, description="Most runs at once of one key.", examples=[3]
    )
    total: int | None = Field(
        default=None,
        ge=1,
        le=_MOST_RUNS,
        description="Most runs at once of all keys, shared fairly between keys that wait.",
        examples=[10],
    )
    at_limit: AnyAtLimit = Field(
        default=AtLimit.QUEUE,
        description="What happens to a run that finds no place: it waits (queue), it is cancelled (cancel_new), it "
        "takes the place of one that runs (cancel_running), or of those that wait (keep_newest).",
        examples=["keep_newest"],
    )
    rate: RateLimit | None = Field(
        default=None,
        description="Most starts of one key in a length of time.",
        examples=[{"limit": 100, "period": "1m"}],
    )
    debounce: Debounce | None = Field(
        default=None,
        description="Let the newest of several starts of one key stand for all.",
        examples=[{"period": "10s", "at_most": "1m"}],
    )
    priority: Priority = Field(
        default=0,
        description=f"0 to {MOST_PRIORITY}, or a template that says so: who waits with a higher one goes first.",
        examples=[50, "<<body.priority ?? 0>>"],
    )
    singleton: SingletonName | None = Field(
        default=None,
        description="One run of a key at a time, in place of `concurrency` and `at_limit`: a new one is cancelled, or "
        "the one that runs.",
        examples=["cancel_new"],
    )

    def as_document(self) -> dict[str, Json]:
        """What is not a default, in the order of the fields."""
        return self.model_dump(mode="json", exclude_defaults=True)


def contradictions(control: FlowControl) -> Iterator[tuple[str, str]]:
    """What each field allows and all of them together do not: (JSON Pointer inside it, message)."""
    if control.singleton is not None:
        for name in ("concurrency", "total", "at_limit"):
            if name in control.model_fields_set:
                yield f"/{name}", f"`singleton` says this already; leave out `{name}`, or `singleton`"
    elif "at_limit" in control.model_fields_set and control.concurrency is None and control.total is None:
        yield "/at_limit", "there is no limit to be at; give `concurrency` or `total`, or leave this out"
    if isinstance(control.priority, int) and not 0 <= control.priority <= MOST_PRIORITY:
        yield "/priority", f"a priority is 0 to {MOST_PRIORITY}, not {control.priority}"
    wait = control.debounce
    if wait is not None and wait.at_most is not None and seconds_in(wait.at_most) < seconds_in(wait.period):
        yield "/debounce/at_most", "it would end before the `period` does; make it as long, or longer"
    if not control.as_document().keys() - {"key", "at_limit"}:
        yield (
            "",
            "it bounds nothing; give `concurrency`, `total`, `rate`, `debounce`, `singleton` or `priority`",
        )
