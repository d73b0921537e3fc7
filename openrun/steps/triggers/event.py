"""A run per event of a kind."""

import re
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.triggers.payload import check_keys, text

EVENT_KEYS = ("event", "event_type", "event_data", "event_timestamp")
TYPE_LENGTH = 200

_PART = re.compile(r"\*|[A-Za-z0-9_:/-]+", re.ASCII)


def _event_type(pattern: str) -> str:
    if len(pattern) > TYPE_LENGTH:
        raise ValueError(f"an event type has at most {TYPE_LENGTH} characters")
    for part in pattern.split("."):
        if _PART.fullmatch(part) is None:
            raise ValueError(
                f"event type {pattern!r}: {part!r} is neither '*' nor a word; write 'user.created' or 'user.*'"
            )
    return pattern


class TriggerEventConfig(StepConfig):
    static_fields: ClassVar[frozenset[str]] = frozenset({"event_type", "description"})

    event_type: Annotated[str, AfterValidator(_event_type)] = Field(
        description="Type of the events that start a run: words with dots, `*` for any one word.",
        examples=["user.created", "user.*"],
    )
    description: str | None = Field(
        default=None, description="What the trigger is for, for people.", examples=["Greets new users"]
    )


class TriggerEvent(Step):
    """Starts a run for each event of a type."""

    type: str = Field(default=StepType.TRIGGER_EVENT, exclude=True, repr=False)
    config: TriggerEventConfig = Field(description="Which events it takes.")

    is_trigger: ClassVar[bool] = True
    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    def payload(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """`event`, `event_type`, `event_data` and `event_timestamp`; raises PermanentError for others.

        What is missing is read from the event (a CloudEvent), and a missing event is made of the others.
        """
        check_keys(given, EVENT_KEYS)
        event = given.get("event")
        inside = event if isinstance(event, dict) else {}
        kind = text(given, "event_type") or text(inside, "type") or self._only_type()
        data = given.get("event_data", inside.get("data"))
        time = text(given, "event_timestamp") or text(inside, "time")
        whole = {"type": kind, "data": data, "time": time} if event is None else event
        return {"event": whole, "event_type": kind, "event_data": data, "event_timestamp": time}

    async def run(
        self, state: StateContainer, config: TriggerEventConfig, context: StepContext
    ) -> StepRunResult:
        """An event without a time happened now."""
        del config
        state.apply(context.input)
        if context.input["event_timestamp"] is None:
            state.set("event_timestamp", context.clock())
        return StepRunResult.success(self.id)

    def _only_type(self) -> str | None:
        return None if "*" in self.config.event_type else self.config.event_type

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Event",
            description="Starts a run for each event of a type.",
            category="trigger",
            examples=({"event_type": "user.created"}, {"event_type": "user.*"}),
        )
