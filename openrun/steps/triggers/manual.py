"""A run that a person or a program starts by hand."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.triggers.payload import request_payload


class TriggerManualConfig(StepConfig):
    static_fields: ClassVar[frozenset[str]] = frozenset({"description"})

    description: str | None = Field(
        default=None, description="What starting the flow does, for people.", examples=["Send the report now"]
    )


class TriggerManual(Step):
    """Starts a run by hand: from Python, the command line or the API."""

    type: str = Field(default=StepType.TRIGGER_MANUAL, exclude=True, repr=False)
    config: TriggerManualConfig = Field(
        default_factory=TriggerManualConfig, description="What is said about it."
    )

    is_trigger: ClassVar[bool] = True
    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    def payload(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """`body`, `query`, `path`, `headers` and `method`; raises PermanentError for any other key."""
        return request_payload(given, method=None)

    async def run(
        self, state: StateContainer, config: TriggerManualConfig, context: StepContext
    ) -> StepRunResult:
        del config
        state.apply(context.input)
        return StepRunResult.success(self.id)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Manual",
            description="Starts a run by hand: from Python, the command line or the API.",
            category="trigger",
            examples=({}, {"description": "Send the report now"}),
        )
