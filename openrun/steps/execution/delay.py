"""Waiting for a time."""

from datetime import datetime, timedelta
from typing import ClassVar, Self

from pydantic import Field, model_validator

from openrun.core.errors import PermanentError
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.results import StepRunResult, TimerWake, WaitUntil
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.spelling import Duration, Instant, seconds_in

LONGEST = DEFAULT_LIMITS.delay_max


class StepDelayConfig(StepConfig):
    """Either `seconds` or `until`."""

    seconds: Duration | None = Field(
        default=None, ge=0, le=LONGEST, description="How long to wait; up to 366 days.", examples=[5, "5m"]
    )
    until: Instant | None = Field(
        default=None,
        description="The instant to wait for, with a time zone; one in the past is no wait.",
        examples=["2030-01-31T09:00:00Z", "{{body.remind_at}}"],
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.seconds is None) == (self.until is None):
            raise ValueError("give exactly one of `seconds` and `until`")
        return self


class StepDelay(Step):
    """Waits for some time, or until an instant."""

    type: str = Field(default=StepType.DELAY, exclude=True, repr=False)
    config: StepDelayConfig = Field(description="How long to wait.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(
        self, state: StateContainer, config: StepDelayConfig, context: StepContext
    ) -> StepRunResult | WaitUntil:
        del state
        now = context.clock()
        until = _end(config, now)
        if until <= now:
            return StepRunResult.success(self.id)
        if until - now > timedelta(seconds=LONGEST):
            raise PermanentError(f"{until.isoformat()} is more than a year away", code="DELAY_TOO_LONG")
        return WaitUntil(until=until)

    async def resume(self, state: StateContainer, config: StepDelayConfig, wake: TimerWake) -> StepRunResult:
        del state, config, wake
        return StepRunResult.success(self.id)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Delay",
            description="Waits for some time, or until an instant.",
            category="time",
            examples=({"seconds": "5m"}, {"until": "2030-01-31T09:00:00Z"}),
        )


def _end(config: StepDelayConfig, now: datetime) -> datetime:
    if config.seconds is not None:
        return now + timedelta(seconds=seconds_in(config.seconds))
    until = config.until or now
    return datetime.fromisoformat(until) if isinstance(until, str) else until
