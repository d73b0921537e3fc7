"""A run per event of a kind, or per set of events that belong together."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from openrun.core.errors import TemplateError
from openrun.core.interpolation import compile_value
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.spelling import Duration, kept_as
from openrun.steps.triggers.event_types import ANY_WORD, EventPattern, covers
from openrun.steps.triggers.payload import check_keys, listed, text

EVENT_ROOTS = ("event", "event_type", "event_data", "event_timestamp")
"""What a filter and a correlation may read of an event."""
EVENT_KEYS = (*EVENT_ROOTS, "events")
FILTER_LENGTH = 1_000
WITHIN = 7 * 86_400.0

_TYPE = "Type of the events: words with dots, `*` for any one word, `**` at the end for all the rest."
_TYPES = ["user.created", "user.*", "order.**"]
_FILTER = (
    "Condition on the event (`event`, `event_type`, `event_data`): one template that comes to true or false."
)
_FILTERS = ["{{ event_data.total > 100 }}"]
_ABOUT = "<<event_data.order_id>>"


class EventWanted(BaseModel):
    """One of several events that belong together."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event_type: EventPattern = Field(description=_TYPE, examples=_TYPES)
    filter: str | None = Field(default=None, max_length=FILTER_LENGTH, description=_FILTER, examples=_FILTERS)


class TriggerEventConfig(StepConfig):
    """Either `event_type` for a run per event, or `all_of` for a run once all of several have come."""

    static_fields: ClassVar[frozenset[str]] = frozenset(
        {"event_type", "filter", "all_of", "within", "correlation", "description"}
    )

    event_type: EventPattern | None = Field(default=None, description=_TYPE, examples=_TYPES)
    filter: str | None = Field(default=None, max_length=FILTER_LENGTH, description=_FILTER, examples=_FILTERS)
    all_of: Annotated[tuple[EventWanted | dict[str, Any], ...], kept_as(tuple[EventWanted, ...])] | None = (
        Field(
            default=None,
            min_length=2,
            max_length=10,
            description="In place of `event_type`: one run once an event of each has come `within` the time.",
            examples=[[{"event_type": "order.paid"}, {"event_type": "order.packed"}]],
        )
    )
    within: Duration | None = Field(
        default=None,
        gt=0,
        le=WITHIN,
        description="With `all_of`: from the first of the events to the last of them at most; up to 7 days.",
        examples=["1h"],
    )
    correlation: str | None = Field(
        default=None,
        min_length=1,
        max_length=FILTER_LENGTH,
        description="With `all_of`: what the events have in common; any go together, when left out.",
        examples=[_ABOUT],
    )
    description: str | None = Field(
        default=None, description="What the trigger is for, for people.", examples=["Greets new users"]
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.event_type is None) == (self.all_of is None):
            raise ValueError("give exactly one of `event_type` and `all_of`")
        if self.all_of is None and (self.within is not None or self.correlation is not None):
            raise ValueError("`within` and `correlation` go with `all_of`")
        if self.all_of is not None and self.filter is not None:
            raise ValueError("with `all_of`, each of the events has a `filter` of its own")
        if self.all_of is not None and self.within is None:
            raise ValueError("`all_of` takes `within`: how long to wait for the rest, such as '1h'")
        return self

    def wanted(self) -> tuple[EventWanted, ...]:
        """The events that it looks for: all of `all_of`, or the one."""
        if self.event_type is not None:
            return (EventWanted(event_type=self.event_type, filter=self.filter),)
        return tuple(each for each in self.all_of or () if isinstance(each, EventWanted))


class TriggerEvent(Step):
    """Starts a run for each event of a type, or once several events have come."""

    type: str = Field(default=StepType.TRIGGER_EVENT, exclude=True, repr=False)
    config: TriggerEventConfig = Field(description="Which events it takes.")

    is_trigger: ClassVar[bool] = True
    inline: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    def faults(self) -> list[tuple[str, str]]:
        return [*self._template_faults(), *self._shadowed()]

    def conditions(self) -> list[str]:
        config = self.config
        given = (*(each.filter for each in config.wanted()), config.correlation)
        return [each for each in given if each is not None]

    def _template_faults(self) -> Iterator[tuple[str, str]]:
        config = self.config
        places = (
            [("/config/filter", config.filter)]
            if config.all_of is None
            else [(f"/config/all_of/{at}/filter", each.filter) for at, each in enumerate(config.wanted())]
        )
        for place, given in (*places, ("/config/correlation", config.correlation)):
            example = _ABOUT if place == "/config/correlation" else _FILTERS[0]
            fault = None if given is None else _fault(given, example)
            if fault is not None:
                yield place, fault

    def _shadowed(self) -> Iterator[tuple[str, str]]:
        """An event that fits several counts as the first of them, so that the later ones may wait for ever."""
        wanted = self.config.wanted()
        for at, each in enumerate(wanted):
            for before, other in enumerate(wanted[:at]):
                if other.filter in (None, each.filter) and covers(other.event_type, each.event_type):
                    message = (
                        f"no event comes to this one: number {before + 1} ({other.event_type!r}) takes all of its type; "
                        "put the narrower one first"
                    )
                    yield f"/config/all_of/{at}", message
                    break

    def payload(self, given: Mapping[str, Json]) -> dict[str, Json]:
        """`event`, `event_type`, `event_data` and `event_timestamp`; with `all_of` `events` too, in its order.

        What is missing is read from the event (a CloudEvent), and a missing event is made of the others, or is the
        last of the events. Raises PermanentError for other keys.
        """
        check_keys(given, EVENT_ROOTS if self.config.all_of is None else EVENT_KEYS)
        events = listed(given, "events")
        event = given.get("event", events[-1] if events else None)
        inside = event if isinstance(event, dict) else {}
        kind = text(given, "event_type") or text(inside, "type") or self._only_type()
        data = given.get("event_data", inside.get("data"))
        time = text(given, "event_timestamp") or text(inside, "time")
        whole = {"type": kind, "data": data, "time": time} if event is None else event
        found = {"event": whole, "event_type": kind, "event_data": data, "event_timestamp": time}
        return found if self.config.all_of is None else {**found, "events": events}

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
        kind = self.config.event_type
        return None if kind is None or ANY_WORD in kind else kind

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Event",
            description="Starts a run for each event of a type, or once several events have come.",
            category="trigger",
            examples=(
                {"event_type": "user.created"},
                {"event_type": "order.*", "filter": _FILTERS[0]},
                {
                    "all_of": [{"event_type": "order.paid"}, {"event_type": "order.packed"}],
                    "within": "1d",
                    "correlation": _ABOUT,
                },
            ),
        )


def _fault(source: str, example: str) -> str | None:
    """What is wrong with a template over an event; `example` is one that is right."""
    try:
        compiled = compile_value(source, limits=DEFAULT_LIMITS)
    except TemplateError as error:
        return str(error)
    others = sorted(compiled.roots - set(EVENT_ROOTS))
    if others:
        return f"`{others[0]}` is not known here; a template over an event reads {', '.join(EVENT_ROOTS)}"
    if not compiled.roots:
        return f"it reads nothing of the event; write a template such as {example!r}"
    return None
