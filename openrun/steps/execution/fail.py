"""Failing on purpose."""

from typing import Any, ClassVar

from pydantic import Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import Step, StepConfig, StepInfo


class StepFailConfig(StepConfig):
    message: str = Field(
        min_length=1, description="What went wrong, for people.", examples=["order {{order.id}} has no items"]
    )
    code: str = Field(
        default="FLOW_FAILED",
        pattern=r"^[A-Z][A-Z0-9_]*$",
        max_length=64,
        description="What went wrong, for programs.",
        examples=["EMPTY_ORDER"],
    )
    details: dict[str, Any] | None = Field(
        default=None, description="More of it, for programs.", examples=[{"order": "<<order.id>>"}]
    )


class StepFail(Step):
    """Fails with an error of the author's; no retry helps."""

    type: str = Field(default=StepType.FAIL, exclude=True, repr=False)
    config: StepFailConfig = Field(description="The error.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepFailConfig) -> StepRunResult:
        del state
        return StepRunResult.failure(self.id, config.message, code=config.code, details=config.details)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Fail",
            description="Fails with an error of the author's; no retry helps.",
            category="flow",
            examples=({"message": "order {{order.id}} has no items", "code": "EMPTY_ORDER"},),
        )
