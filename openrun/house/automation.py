"""What starts runs and tells of them: schedules that are late, tickets that belong to nothing, and what was given up."""

import msgspec

from openrun.store.base import Store
from openrun.store.bus_events import BusEventFilter
from openrun.store.outbox import NotificationFilter

_MOST = 100
_LATE_MS = 60_000


class Automation(msgspec.Struct, frozen=True, kw_only=True):
    """Of what may be many, the first hundred."""

    late_schedules: tuple[str, ...]
    """"flow/trigger" of those that have been due for more than a minute, the longest first."""
    stray_tickets: tuple[str, ...]
    """Runs whose ticket contradicts where they stand: there should be none."""
    dead_events: tuple[int, ...]
    """Numbers of events that were given up."""
    dead_notifications: tuple[str, ...]
    disabled_subscriptions: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What needs somebody, in words."""
        late = (
            f"schedule {self.late_schedules[0]!r} has been due for a minute, and nobody fires it"
            if self.late_schedules
            else ""
        )
        stray = (
            f"the ticket of run {run_id} (flow_control) belongs to nothing" for run_id in self.stray_tickets
        )
        return (*((late,) if late else ()), *stray)


async def look_at_automation(store: Store, now: int) -> Automation:
    """Look at all namespaces."""
    late = await store.due_schedules(now - _LATE_MS, _MOST)
    dead = await store.bus_events(BusEventFilter(dead=True, limit=_MOST))
    undelivered = await store.notifications(NotificationFilter(dead=True, limit=_MOST))
    subscriptions = await store.subscriptions()
    return Automation(
        late_schedules=tuple(f"{row.flow_id}/{row.trigger}" for row in late),
        stray_tickets=tuple(await store.stray_tickets(_MOST)),
        dead_events=tuple(row.number for row in dead),
        dead_notifications=tuple(row.notification_id for row in undelivered),
        disabled_subscriptions=tuple(
            row.subscription_id for row in subscriptions if row.disabled_at is not None
        ),
    )
