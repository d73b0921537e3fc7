"""Making a value of others."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.execution.set_state import state_key


class StepTransformConfig(StepConfig):
    value: Any = Field(
        description="A template, or an object or list of templates.",
        examples=[{"name": "{{user.first}} {{user.last}}", "id": "<<user.id>>"}],
    )
    key: Annotated[str, AfterValidator(state_key)] | None = Field(
        default=None, description="State key to write the value to as well.", examples=["customer"]
    )


class StepTransform(Step):
    """Makes a value of others; its output."""

    type: str = Field(default=StepType.TRANSFORM, exclude=True, repr=False)
    config: StepTransformConfig = Field(description="What to make.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepTransformConfig) -> StepRunResult:
        if config.key is not None:
            state.set(config.key, config.value)
        return StepRunResult.success(self.id, config.value)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Transform",
            description="Makes a value of others; its output.",
            category="data",
            examples=(
                {"value": "{{items | map(attribute='price') | sum}}", "key": "total"},
                {"value": {"name": "{{user.first}} {{user.last}}", "id": "<<user.id>>"}},
            ),
        )
