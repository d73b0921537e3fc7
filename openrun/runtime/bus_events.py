"""The events of a namespace: publishing them, looking at them, letting those be handed out again that were given up."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from openrun.bus.attributes import REQUIRED, EventFault
from openrun.bus.base import Bus, Published
from openrun.bus.cloud_event import CloudEvent, InvalidEvent
from openrun.runtime.errors import EventNotDead, UnknownEvent
from openrun.steps.triggers.event_types import ENGINE_TYPES, is_of_engine
from openrun.store.bus_events import BusEventFilter, BusEventRecords, BusEventRow
from openrun.store.projection import in_ms

Masked = Callable[[Any], Any]


class Events:
    """The events of one namespace, or those of a whole store and published in one."""

    def __init__(
        self,
        records: BusEventRecords,
        namespace: str,
        bus: Bus,
        now: Callable[[], datetime],
    ) -> None:
        self._records = records
        self._namespace = namespace
        self._bus = bus
        self._now = now

    async def publish(self, events: Sequence[CloudEvent]) -> list[bool]:
        """Keep events for whoever listens, durably when this returns; False for each that is known already."""
        published = [Published(namespace=self._namespace, event=each) for each in events]
        return await self._bus.publish(published) if published else []

    async def accept(self, events: Sequence[CloudEvent], *, masked: Masked | None = None) -> list[bool]:
        """Publish events from outside; `masked` takes the values of secrets out of them.

        Raises `InvalidEvent` for types that only the engine publishes, and for a secret in what names an event.
        """
        several = len(events) > 1
        faults = [
            EventFault(
                attribute="type",
                message=f"begins with {ENGINE_TYPES!r}, as only the engine's own do: choose another",
                index=at if several else None,
            )
            for at, each in enumerate(events)
            if is_of_engine(each.type)
        ]
        if faults:
            raise InvalidEvent(faults)
        if masked is not None:
            events = [_clean(each, masked, at if several else None) for at, each in enumerate(events)]
        return await self.publish(events)

    async def list(
        self,
        *,
        event_type: str | None = None,
        dead: bool | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[BusEventRow]:
        """The newest first; `dead` are those that were given up, `before` is the number to go on behind."""
        wanted = BusEventFilter(type=event_type, dead=dead, before=before, limit=limit)
        return await self._records.bus_events(wanted)

    async def get(self, number: int) -> BusEventRow:
        """The event of this number. Raises `UnknownEvent`."""
        row = await self._records.bus_event(number)
        if row is None:
            raise UnknownEvent(f"the store has no event {number}; `openrun bus` lists them")
        return row

    async def replay(self, number: int) -> BusEventRow:
        """Let an event that was given up be handed out again. Raises `UnknownEvent`, `EventNotDead`.

        Whoever got it before gets it no second time.
        """
        await self.get(number)
        if not await self._records.revive_bus_event(number, in_ms(self._now())):
            raise EventNotDead(f"event {number} was not given up; only one that was can be handed out again")
        self._bus.hint()
        return await self.get(number)


def _clean(event: CloudEvent, masked: Masked, index: int | None) -> CloudEvent:
    given = event.plain()
    clean = masked(given)
    for name in REQUIRED:
        # Masked, two events would have one name.
        if clean.get(name) != given[name]:
            message = "holds the value of a secret, and would be kept with it: choose another"
            raise InvalidEvent([EventFault(attribute=name, message=message, index=index)])
    return event if clean == given else CloudEvent.from_plain(clean)
