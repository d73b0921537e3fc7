"""Ending a run on purpose."""

from typing import Any, ClassVar

from pydantic import Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import Step, StepConfig, StepInfo


class StepAbortConfig(StepConfig):
    reason: str = Field(
        default="aborted",
        min_length=1,
        description="Why the run ends, for people.",
        examples=["order {{order.id}} was withdrawn"],
    )
    payload: Any = Field(
        default=None,
        description="What the run leaves behind, for programs; JSON data.",
        examples=[{"order": "<<order.id>>"}],
    )


class StepAbort(Step):
    """Ends the run `aborted`: nothing else starts, and what was done is undone."""

    type: str = Field(default=StepType.ABORT, exclude=True, repr=False)
    config: StepAbortConfig = Field(default_factory=StepAbortConfig, description="Why, and with what.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepAbortConfig) -> StepRunResult:
        del state
        return StepRunResult.abort(self.id, config.payload, reason=config.reason)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Abort",
            description="Ends the run `aborted`: nothing else starts, and what was done is undone.",
            category="flow",
            examples=(
                {"reason": "order {{order.id}} was withdrawn"},
                {"reason": "fraud", "payload": {"order": "<<order.id>>"}},
            ),
        )
