"""The answer of a run."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.spelling import OrTemplate

HeaderName = Annotated[str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}$")]
HeaderValue = Annotated[str, Field(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=8_000)]


class StepReplyConfig(StepConfig):
    status: OrTemplate[int] = Field(
        default=200, ge=200, le=599, description="HTTP status to answer with.", examples=[201]
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Headers of the answer.", examples=[{"X-Order": "{{order.id}}"}]
    )
    body: Any = Field(
        default=None,
        description="Body of the answer: text as it is, any other value as JSON.",
        examples=[{"ok": True}],
    )


class StepReply(Step):
    """Answers whoever started the run; its output is the run's."""

    type: str = Field(default=StepType.REPLY, exclude=True, repr=False)
    config: StepReplyConfig = Field(default_factory=StepReplyConfig, description="What to answer.")

    inline: ClassVar[bool] = True
    replies: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.IDEMPOTENT

    async def run(self, state: StateContainer, config: StepReplyConfig) -> StepRunResult:
        """The output, and the state's key `reply`, is {status, headers, body}."""
        answer = {"status": config.status, "headers": config.headers, "body": config.body}
        state.set("reply", answer)
        return StepRunResult.success(self.id, answer)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Reply",
            description="Answers whoever started the run; its output is the run's.",
            category="http",
            examples=({"body": {"id": "<<order.id>>"}}, {"status": 404, "body": "not found"}),
        )
