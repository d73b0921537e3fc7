"""Another flow as a step."""

from typing import Any, ClassVar

from pydantic import Field

from openrun.core.results import ItemsWake, StepRunResult, WaitForChildren
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import ID_PATTERN, Step, StepConfig, StepInfo


class StepSubflowConfig(StepConfig):
    static_fields: ClassVar[frozenset[str]] = frozenset({"flow", "trigger"})

    flow: str = Field(pattern=ID_PATTERN, description="Id of the flow to run.", examples=["ship-order"])
    input: Any = Field(
        default=None,
        description="The `body` of the other flow's trigger.",
        examples=[{"order": "<<order>>"}],
    )
    trigger: str | None = Field(
        default=None,
        pattern=ID_PATTERN,
        description="Trigger of that flow; its only one when left out.",
        examples=["start"],
    )


class StepSubflow(Step):
    """Runs another flow and goes on with its output."""

    type: str = Field(default=StepType.SUBFLOW, exclude=True, repr=False)
    config: StepSubflowConfig = Field(description="Which flow, and what it is given.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepSubflowConfig) -> WaitForChildren:
        del state
        return WaitForChildren(
            flow=config.flow, inputs=[{"body": config.input}], trigger=config.trigger, concurrency=1
        )

    async def resume(
        self, state: StateContainer, config: StepSubflowConfig, wake: ItemsWake
    ) -> StepRunResult:
        """The output is that of the other run."""
        del state
        if not wake.failures:
            return StepRunResult.success(self.id, wake.results[0])
        error = wake.failures[0].error
        return StepRunResult.failure(
            self.id,
            f"flow {config.flow!r} failed: {error.message}",
            code="SUBFLOW_FAILED",
            details={"error": error.to_json()},
        )

    def flow_refs(self) -> tuple[str, ...]:
        return (self.config.flow,)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Subflow",
            description="Runs another flow and goes on with its output.",
            category="flow",
            examples=({"flow": "ship-order", "input": {"order": "<<order>>"}},),
        )
