"""What the store can tell of all runs at once, whoever holds them, by a few bounded queries."""

from collections.abc import Mapping
from dataclasses import dataclass

from openrun.core.types import RunStatus
from openrun.runtime.queued import is_queued
from openrun.store.base import Store
from openrun.store.bus_events import BusEventFilter
from openrun.store.outbox import NotificationFilter
from openrun.store.rows import RunFilter

MOST_UNOWNED = 100
MOST_ON_HOLD = 1_000
MOST_DEAD = 1_000

_PARKED = (RunStatus.WAITING, RunStatus.PAUSED, RunStatus.NEEDS_REVIEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """How things stand, as of one look."""

    counts: Mapping[RunStatus, int]
    oldest_seconds: float
    """For how long the run that is due longest has been due; 0 when none is."""
    unowned: int
    """At most `MOST_UNOWNED`."""
    on_hold: int
    """Runs that do not go on for a named reason, at most `MOST_ON_HOLD`."""
    dead_events: int
    """Events that were given up, at most `MOST_DEAD`."""
    dead_notifications: int
    """At most `MOST_DEAD`."""
    disabled_subscriptions: int
    workers: int
    """Those whose lease is good."""
    expired: frozenset[str]
    """Workers whose lease has run out."""

    @property
    def parked(self) -> int:
        """Runs that wait for a time, a person or another run."""
        return sum(self.counts.get(status, 0) for status in _PARKED)

    @property
    def stuck(self) -> int:
        """Runs that do not go on until somebody looks at them."""
        return self.counts.get(RunStatus.NEEDS_REVIEW, 0) + self.on_hold


async def take_survey(store: Store) -> Survey:
    """Look at the store. Raises `StoreUnavailable`."""
    counts = await store.counts()
    due, now = await store.next_due(), await store.now()
    unowned = await store.orphans(MOST_UNOWNED)
    held = await store.runs(RunFilter(held=True, limit=MOST_ON_HOLD))
    dead_events = await store.bus_events(BusEventFilter(dead=True, limit=MOST_DEAD))
    dead_notifications = await store.notifications(NotificationFilter(dead=True, limit=MOST_DEAD))
    subscriptions = await store.subscriptions()
    workers = await store.workers()
    return Survey(
        counts=counts,
        oldest_seconds=0.0 if due is None else max(0, now - due) / 1_000,
        unowned=len(unowned),
        on_hold=sum(row.status is not RunStatus.NEEDS_REVIEW and not is_queued(row) for row in held),
        dead_events=len(dead_events),
        dead_notifications=len(dead_notifications),
        disabled_subscriptions=sum(row.disabled_at is not None for row in subscriptions),
        workers=sum(row.lease_ms > 0 for row in workers),
        expired=frozenset(row.worker for row in workers if row.lease_ms <= 0),
    )
