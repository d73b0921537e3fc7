"""Events between flows: rows, and what a store does with them. Instants are UTC in ms since 1970.

The store is the truth also where Redis carries events: an event that was accepted is a row here, until it has been
handled or given up. (namespace, source, id) names an event once; repetitions are known for as long as the row stays.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class BusEventRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was published (CloudEvents 1.0)."""

    number: int = 0
    """Grows in the order in which events came; 0 when it is new."""
    namespace: str
    source: str
    event_id: str
    type: str
    body: str
    """The whole event as JSON (structured mode)."""
    received_at: int
    due_at: int | None
    """When it may be taken (again); None when it has been handled or given up."""
    attempts: int = 0
    """How often it was taken."""
    handled_at: int | None = None
    dead_at: int | None = None
    """Since when it is given up."""
    error: str | None = None


class BusEventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to list, newest first; `before` is the number that the page before ended with."""

    namespace: str | None = None
    type: str | None = None
    dead: bool | None = None
    before: int | None = None
    limit: int = 100


class GatheredRow(msgspec.Struct, frozen=True, kw_only=True):
    """An event that one trigger keeps until the others have come that belong to it."""

    namespace: str
    flow_id: str
    trigger: str
    key: str
    """What they have in common; "" where nothing is asked."""
    part: int
    """Which of the trigger's events it is, from 0."""
    source: str
    event_id: str
    at: int
    expires_at: int
    body: str


class BusEventRecords(Protocol):
    """Of all namespaces, or of one (`scoped.py`)."""

    async def publish(self, rows: Sequence[BusEventRow]) -> list[int]:
        """Keep new events in one durable transaction; for each its number, or 0 for one that is known already."""

    async def bus_events(self, wanted: BusEventFilter) -> list[BusEventRow]: ...

    async def bus_event(self, number: int) -> BusEventRow | None: ...

    async def revive_bus_event(self, number: int, now: int) -> bool:
        """Let one that was given up be taken again, its attempts 0; False when there is none."""


class BusEvents(BusEventRecords, Protocol):
    """What those who hand events out need, of all namespaces."""

    async def take_bus_events(self, now: int, most: int, lease_ms: int) -> list[BusEventRow]:
        """Take events that are due, longest due first: each is due again after `lease_ms`, `attempts` one more.

        The rows are as they are after that. No two takers get one event within the lease.
        """

    async def bus_events_handled(self, numbers: Sequence[int], now: int) -> None:
        """They are done with."""

    async def bus_events_failed(self, rows: Sequence[BusEventRow]) -> None:
        """Set `due_at`, `dead_at` and `error` of these, by number, unless they have been handled."""

    async def next_bus_event(self) -> int | None:
        """When the next event becomes due."""

    async def forget_bus_events(self, before: int, limit: int = 10_000) -> int:
        """Remove events that were handled before this instant, and gathered ones that expired before it; how many."""

    async def gather(self, row: GatheredRow) -> list[GatheredRow]:
        """Keep one (a known one is no act); the first of this trigger and key that have not expired by its `at`, in order.

        Of each part the first 20, so that a flood of one part is not read anew with each event.
        """

    async def ungather(self, rows: Sequence[GatheredRow]) -> None:
        """Remove these."""
