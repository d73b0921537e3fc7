"""A run per tick of a clock."""

import functools
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, model_validator

from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.near import did_you_mean, quoted
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.spelling import Duration
from openrun.steps.triggers.cron import normal_cron
from openrun.steps.triggers.payload import check_keys, text

Overlap = Literal["allow", "skip", "queue", "cancel_running"]
CatchUp = Literal["last", "all", "none"]
CATCH_UP_SECONDS = 86_400.0
SCHEDULE_KEYS = ("tick", "scheduled_time", "actual_time")


def _timezone(name: str) -> str:
    # Looked up among the known names: opening a zone by the name a document gives may import a module for it.
    known = _known_zones()
    if name not in known:
        # What is near to an abbreviation, such as CEST, is another one, of another continent.
        near = did_you_mean(name, known) if "/" in name or not name.isupper() else None
        hint = near or "write an IANA name such as 'Europe/Berlin'"
        raise ValueError(f"there is no time zone {quoted(name)}; {hint}")
    return name


@functools.cache
def _known_zones() -> frozenset[str]:
    return frozenset(available_timezones())


class TriggerScheduleConfig(StepConfig):
    """Either `cron` in a time zone, or an `interval`."""

    static_fields: ClassVar[frozenset[str]] = frozenset(
        {
            "cron", "timezone", "interval", "overlap", "catch_up", "catch_up_window", "jitter", "description",
        }
    )  # fmt: skip

    cron: Annotated[str, AfterValidator(normal_cron)] | None = Field(
        default=None,
        description="Five fields (minute, hour, day of month, month, day of week), or @hourly, @daily, ….",
        examples=["0 9 * * mon-fri", "@hourly"],
    )
    timezone: Annotated[str, AfterValidator(_timezone)] = Field(
        default="UTC",
        max_length=64,
        description="IANA time zone that cron is meant in.",
        examples=["Europe/Berlin"],
    )
    interval: Duration | None = Field(
        default=None,
        ge=1,
        le=DEFAULT_LIMITS.delay_max,
        description="Time from one run to the next, in place of cron.",
        examples=["15m"],
    )
    overlap: Overlap = Field(
        default="allow",
        description="What becomes of a tick while the run before is still going on.",
        examples=["skip"],
    )
    catch_up: CatchUp = Field(
        default="last",
        description="Which of the ticks that came while nobody was there fire late: the last, all, or none.",
        examples=["all"],
    )
    catch_up_window: Duration = Field(
        default=CATCH_UP_SECONDS,
        ge=1,
        le=DEFAULT_LIMITS.delay_max,
        description="How late a tick may fire; later than that, it is missed.",
        examples=["6h"],
    )
    jitter: Duration | None = Field(
        default=None,
        gt=0,
        le=CATCH_UP_SECONDS,
        description="Each tick is delayed by a part of this, always the same part for the same tick.",
        examples=["30s"],
    )
    description: str | None = Field(
        default=None, description="What the schedule is for, for people.", examples=["The morning report"]
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.cron is None) == (self.interval is None):
            raise ValueError("give exactly one of `cron` and `interval`")
        return self


class TriggerSchedule(Step):
    """Starts a run at the times of a cron expression, or at an interval."""

    type: str = Field(default=StepType.TRIGGER_SCHEDULE, exclude=True, repr=False)
    config: TriggerScheduleConfig = Field(description="When it fires.")

    is_trigger: ClassVar[bool] = True
    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    def payload(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """`tick`, `scheduled_time` and `actual_time`; raises PermanentError for any other key."""
        check_keys(given, SCHEDULE_KEYS)
        return {
            "tick": given.get("tick"),
            "scheduled_time": text(given, "scheduled_time"),
            "actual_time": text(given, "actual_time"),
        }

    async def run(
        self, state: StateContainer, config: TriggerScheduleConfig, context: StepContext
    ) -> StepRunResult:
        """A run that was started by hand is due now, and has no tick."""
        del config
        given = context.input
        actual = given["actual_time"] or context.clock()
        state.set("tick", given["tick"])
        state.set("scheduled_time", given["scheduled_time"] or actual)
        state.set("actual_time", actual)
        return StepRunResult.success(self.id)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Schedule",
            description="Starts a run at the times of a cron expression, or at an interval.",
            category="trigger",
            examples=({"cron": "0 9 * * mon-fri", "timezone": "Europe/Berlin"}, {"interval": "15m"}),
        )
