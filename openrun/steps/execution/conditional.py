"""Two ways on, by comparing two values."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from openrun.core.errors import PermanentError
from openrun.core.interpolation import has_template
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.execution import comparison
from openrun.steps.execution.pattern import compiled


class Operator(StrEnum):
    """How `left` is compared with `right`."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_OR_EQUAL = "less_or_equal"
    IN = "in"
    NOT_IN = "not_in"
    EXISTS = "exists"
    MATCHES = "matches"


_TESTS: Mapping[Operator, Callable[[Json, Json], bool]] = {
    Operator.EQUALS: comparison.equals,
    Operator.NOT_EQUALS: comparison.not_equals,
    Operator.CONTAINS: comparison.contains,
    Operator.NOT_CONTAINS: comparison.not_contains,
    Operator.GREATER_THAN: comparison.greater_than,
    Operator.LESS_THAN: comparison.less_than,
    Operator.GREATER_OR_EQUAL: comparison.greater_or_equal,
    Operator.LESS_OR_EQUAL: comparison.less_or_equal,
    Operator.IN: comparison.is_in,
    Operator.NOT_IN: comparison.not_in,
    Operator.EXISTS: comparison.exists,
    Operator.MATCHES: comparison.matches,
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
        default=Operator.EQUALS,
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
        if operator is Operator.EXISTS and right is not None:
            return [("/config/right", "`exists` takes no `right`; for the opposite use the port `false`")]
        if operator is not Operator.MATCHES or has_template(right):
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
