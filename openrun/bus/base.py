"""What carries events from those who publish them to those who listen.

An event that `publish` has accepted is a row of the store, whatever else carries it, and stays due there until it has been
handled or given up. So it is handled at least once: whoever handles it must take a second time for the first. No
order is promised.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from openrun.bus.cloud_event import CloudEvent
from openrun.store.bus_events import BusEventRow

Handle = Callable[[BusEventRow], Awaitable[None]]
"""Does what an event asks for: starts runs, tells waits. It raises when the event has to come again."""

Now = Callable[[], int]
"""The wall clock: UTC in ms since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """An event, and where it was published."""

    namespace: str
    event: CloudEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class BusOptions:
    """How events are handed out; times in seconds."""

    at_once: int = 200
    """Most events in the hands of one process."""
    deliveries: int = 5
    """After so many an event is given up."""
    lease: float = 30.0
    """How long the others leave an event to a process that took it and died."""
    poll: float = 0.5
    grace: float = 5.0
    """What is being handled gets when the bus stops."""
    back_off: tuple[float, ...] = (1.0, 5.0, 30.0, 120.0)
    """How long an event rests after its first delivery failed, its second, and so on; then the last of these."""


class Bus(Protocol):
    """Carries events; a listener beside the worker (`openrun.runtime.listener`).

    It hands out events from `start` to `stop`; it can publish before `start`, and `stop` may be called without it.
    """

    @property
    def trouble(self) -> str | None:
        """Why events come from the store alone, though something else is to bring them sooner."""

    async def publish(self, events: Sequence[Published]) -> list[bool]:
        """Accept events, all or none: they are on disk. For each whether it is new, and not a repetition.

        Raises `StoreUnavailable`.
        """

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Hand out nothing more, and hand back what cannot be handled within the grace."""

    def hint(self) -> None:
        """There may be something new in the store."""


def row_of(published: Published, *, now: int, due_at: int) -> BusEventRow:
    """A new event as it is kept."""
    event = published.event
    return BusEventRow(
        namespace=published.namespace,
        source=event.source,
        event_id=event.id,
        type=event.type,
        body=event.to_json(),
        received_at=now,
        due_at=due_at,
    )
