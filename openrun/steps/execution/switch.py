"""Many ways on, by a value."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.execution.comparison import equals

Cases = list[str] | dict[str, Any]

_NAME_LENGTH = 100
_CONSTANTS = {True: "true", False: "false", None: "null"}


def _checked(cases: Cases) -> Cases:
    names = list(cases)
    for name in names:
        if not 1 <= len(name) <= _NAME_LENGTH:
            raise ValueError(f"case {name[:20]!r} must have 1 to {_NAME_LENGTH} characters")
        if name in (DEFAULT_PORT, ERROR_PORT):
            raise ValueError(f"case {name!r} is the name of a port that every switch has; choose another")
        if names.count(name) > 1:
            raise ValueError(f"case {name!r} is given twice")
    return cases


class StepSwitchConfig(StepConfig):
    static_fields: ClassVar[frozenset[str]] = frozenset({"cases"})

    value: Any = Field(description="The value that decides.", examples=["{{status}}"])
    cases: Annotated[Cases, AfterValidator(_checked)] = Field(
        min_length=1,
        max_length=200,
        description="Texts of the value, each an output port; or ports and the JSON value of each.",
        examples=[["pending", "approved"], {"few": 1, "many": 2}],
    )


class StepSwitch(Step):
    """Goes on by the port of the first case that its value equals, or by `default`."""

    type: str = Field(default=StepType.SWITCH, exclude=True, repr=False)
    config: StepSwitchConfig = Field(description="The value and its cases.")

    inline: ClassVar[bool] = True
    one_port: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        # The step is frozen once it is made; this is still making it.
        self.__dict__["ports"] = (*self.config.cases, DEFAULT_PORT)

    async def run(self, state: StateContainer, config: StepSwitchConfig) -> StepRunResult:
        """The output is the port. In a list of cases, true is "true", null is "null" and 1 is "1"."""
        del state
        port = _port(config.value, config.cases)
        return StepRunResult.success(self.id, port, port=port)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Switch",
            description="Goes on by the port of the first case that its value equals, or by `default`.",
            category="logic",
            examples=(
                {"value": "{{status}}", "cases": ["pending", "approved", "rejected"]},
                {"value": "<<answer>>", "cases": {"yes": True, "no": False}},
            ),
        )


def _port(value: Json, cases: Cases) -> str:
    if type(cases) is dict:
        return next((name for name, literal in cases.items() if equals(value, literal)), DEFAULT_PORT)
    text = _text(value)
    return text if text is not None and text in cases else DEFAULT_PORT


def _text(value: Json) -> str | None:
    """A scalar as templates print it; a list or an object is no case."""
    if type(value) is str:
        return value
    if type(value) is bool or value is None:
        return _CONSTANTS[value]
    return None if type(value) is list or type(value) is dict else str(value)
