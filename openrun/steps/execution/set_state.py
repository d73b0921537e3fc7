"""Writing to the state."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from openrun.core.errors import PermanentError
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer, check_key
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import Step, StepConfig, StepInfo


def state_key(key: str) -> str:
    """The key. Raises ValueError for one that the state cannot have."""
    try:
        check_key(key)
    except PermanentError as error:
        raise ValueError(str(error)) from None
    return key


def _state_keys(values: dict[str, Any]) -> dict[str, Any]:
    for key in values:
        state_key(key)
    return values


class StepSetStateConfig(StepConfig):
    """Either `key` and `value`, or `values`."""

    key: Annotated[str, AfterValidator(state_key)] | None = Field(
        default=None, description="Top-level key of the state to write.", examples=["result"]
    )
    value: Any = Field(
        default=None, description="What to write; JSON data.", examples=["{{response.body}}", {"total": 3}]
    )
    values: Annotated[dict[str, Any], AfterValidator(_state_keys)] | None = Field(
        default=None,
        description="Several keys at once, in place of key and value.",
        examples=[{"name": "{{body.name}}", "seen": True}],
    )


class StepSetState(Step):
    """Writes values to the state."""

    type: str = Field(default=StepType.SET_STATE, exclude=True, repr=False)
    config: StepSetStateConfig = Field(description="What to write, and where.")

    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepSetStateConfig) -> StepRunResult:
        """The output is what was written."""
        if config.values is not None:
            state.apply(config.values)
            return StepRunResult.success(self.id, config.values)
        state.set(config.key or "", config.value)
        return StepRunResult.success(self.id, config.value)

    def faults(self) -> list[tuple[str, str]]:
        # Not a validator of the model, for that would have every templated value validated at every run.
        config = self.config
        if (config.key is None) == (config.values is None):
            return [("/config", "give exactly one of `key` and `values`")]
        if config.values is not None and config.value is not None:
            return [("/config/value", "`values` has the values; leave `value` out")]
        return []

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Set state",
            description="Writes values to the state.",
            category="data",
            examples=(
                {"key": "greeting", "value": "Hello, {{user.name}}!"},
                {"values": {"name": "{{body.name}}", "seen": True}},
            ),
        )
