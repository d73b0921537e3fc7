"""Telling other flows, and whoever else listens, that something happened."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, StringConstraints, model_validator

from openrun.bus.cloud_event import HOPS, CloudEvent, InvalidEvent
from openrun.core.errors import PermanentError
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.triggers.event_types import OwnEventType

MOST_HOPS = 8
"""Events in a row, each emitted by a run that the one before had started."""
CORRELATION = "correlationid"
CAUSATION = "causationid"
TRACE = ("traceparent", "tracestate")
OURS = frozenset({CORRELATION, CAUSATION, HOPS, *TRACE})

ExtensionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,20}$")]


class StepEmitConfig(StepConfig):
    event_type: OwnEventType = Field(
        description="Type of the event: words with dots; `dev.openrun.` is the engine's own.",
        examples=["order.paid"],
    )
    data: Any = Field(
        default=None,
        description="What happened, as JSON; the whole event has at most 64 KiB.",
        examples=[{"order_id": "<<order.id>>"}],
    )
    subject: str | None = Field(
        default=None, min_length=1, description="What it is about.", examples=["orders/{{order.id}}"]
    )
    correlation: str | None = Field(
        default=None,
        min_length=1,
        description="What it belongs to, for steps that wait for it; that of the event which started the run, when left out.",
        examples=["<<order.id>>"],
    )
    source: str | None = Field(
        default=None,
        min_length=1,
        description="Where it comes from, a URI reference; `/flows/` and the flow's id when left out.",
        examples=["/shops/berlin"],
    )
    extensions: dict[ExtensionName, str | int | bool] = Field(
        default_factory=dict,
        description="Further attributes of the CloudEvent.",
        examples=[{"partitionkey": "<<order.customer>>"}],
    )

    @model_validator(mode="after")
    def _not_ours(self) -> Self:
        given: Any = self.extensions
        # All of it may be a template yet.
        ours = sorted(OURS & given.keys()) if isinstance(given, dict) else []
        if ours:
            raise ValueError(f"extension {ours[0]!r} is set by the engine; leave it out")
        return self


class StepEmit(Step):
    """Publishes an event, for flows with a trigger for it and steps that wait for it."""

    type: str = Field(default=StepType.EMIT, exclude=True, repr=False)
    config: StepEmitConfig = Field(description="What happened.")

    default_effect: ClassVar[EffectClass] = EffectClass.IDEMPOTENT

    async def run(self, state: StateContainer, config: StepEmitConfig, context: StepContext) -> StepRunResult:
        """The output is the event (a CloudEvent) as JSON; it is in the store when the step ends.

        Its id is that of the activation: however often the step is repeated, there is one event.
        """
        del state
        hops = context.hops + 1
        if hops > MOST_HOPS:
            raise PermanentError(
                f"{MOST_HOPS} events in a row led to this run, and {config.event_type!r} would be one more: the flows "
                "that start each other go round in a circle; break it with a filter on a trigger",
                code="EVENT_HOPS",
                details={"hops": context.hops},
            )
        event = self._event(config, context, hops)
        await context.publish(event)
        return StepRunResult.success(self.id, event.plain())

    def _event(self, config: StepEmitConfig, context: StepContext, hops: int) -> CloudEvent:
        cause = _cause(context.input)
        correlation = config.correlation or cause.get(CORRELATION)
        named = {CORRELATION: correlation, CAUSATION: cause.get("id")}
        given = {name: str(value) for name, value in named.items() if value is not None}
        try:
            return CloudEvent(
                id=context.activation_id,
                source=config.source or f"/flows/{context.flow_id}",
                type=config.event_type,
                data=config.data,
                subject=config.subject,
                time=context.clock().isoformat().replace("+00:00", "Z"),
                extensions={**config.extensions, **given, **context.trace_headers(), HOPS: hops},
            )
        except InvalidEvent as error:
            raise PermanentError(f"the event cannot be published: {error}", code="EVENT_INVALID") from None

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Emit",
            description="Publishes an event, for flows with a trigger for it and steps that wait for it.",
            category="flow",
            examples=(
                {"event_type": "order.paid", "data": {"order_id": "<<order.id>>"}},
                {"event_type": "user.created", "subject": "<<user.id>>", "correlation": "<<user.id>>"},
            ),
        )


def _cause(given: Mapping[str, Json]) -> Mapping[str, Json]:
    """The event that started the run, if one did."""
    event = given.get("event")
    return event if isinstance(event, dict) else {}
