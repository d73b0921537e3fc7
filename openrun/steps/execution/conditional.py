"""Two ways on, by comparing two values."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from openrun.core.errors import PermanentError
from openrun.core.interpolation import has_template
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.execution import comparison
from openrun.steps.execution.pattern import compiled

Operator = Literal[
    "equals",
    "not_equals",
    "contains",
    "not_contains",
    "greater_than",
    "less_than",
    "greater_or_equal",
    "less_or_equal",
    "in",
    "not_in",
    "exists",
    "matches",
]

_TESTS: Mapping[Operator, Callable[[Json, Json], bool]] = {
    "equals": comparison.equals,
    "not_equals": comparison.not_equals,
    "contains": comparison.contains,
    "not_contains": comparison.not_contains,
    "greater_than": comparison.greater_than,
    "less_than": comparison.less_than,
    "greater_or_equal": comparison.greater_or_equal,
    "less_or_equal": comparison.less_or_equal,
    "in": comparison.is_in,
    "not_in": comparison.not_in,
    "exists": comparison.exists,
    "matches": comparison.matches,
}


class StepConditionalConfig(StepConfig):
    """A template that is the whole string keeps its value's type; one inside text is text.

    So `"{{count}}"` may be 1 and equal 1, while `"{{count}} "` is never a number.
    """

    static_fields: ClassVar[frozenset[str]] = frozenset({"operator"})

    left: Any = Field(
        description="The value to look at; null when it is a lone {{path}} that is missing.",
        examples=["{{user.role}}"],
    )
    operator: Operator = Field(
        default="equals",
        description="How to compare: numbers with numbers, text with text; 1 is neither '1' nor true.",
        examples=["equals", "greater_than", "matches"],
    )
    right: Any = Field(
        default=None,
        description="What to compare with; a pattern (RE2) for matches, nothing for exists.",
        examples=["admin", 18, "^[A-Z]{2}-[0-9]+$"],
    )


class StepConditional(Step):
    """Goes on by `true` or by `false`."""

    type: str = Field(default=StepType.CONDITIONAL, exclude=True, repr=False)
    ports: Any = Field(default=("true", "false"), exclude=True, repr=False)
    config: StepConditionalConfig = Field(description="What is compared.")

    inline: ClassVar[bool] = True
    one_port: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepConditionalConfig) -> StepRunResult:
        del state
        holds = _TESTS[config.operator](config.left, config.right)
        return StepRunResult.success(self.id, holds, port="true" if holds else "false")

    def faults(self) -> list[tuple[str, str]]:
        operator, right = self.config.operator, self.config.right
        if operator == "exists" and right is not None:
            return [("/config/right", "`exists` takes no `right`; for the opposite use the port `false`")]
        if operator != "matches" or has_template(right):
            return []
        if not isinstance(right, str):
            return [("/config/right", "`matches` takes a pattern, which is text")]
        try:
            compiled(right)
        except PermanentError as error:
            return [("/config/right", str(error))]
        return []

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Conditional",
            description="Goes on by `true` or by `false`.",
            category="logic",
            examples=(
                {"left": "{{user.role}}", "operator": "equals", "right": "admin"},
                {"left": "<<body.email?>>", "operator": "exists"},
            ),
        )
