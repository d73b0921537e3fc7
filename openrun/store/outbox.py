"""Outgoing notifications: rows, and what a store does with them. Instants are UTC in ms since 1970.

A notice rides in the slice whose events it tells of. In that transaction the store makes one notification of it for
each subscription that wants it; from then on it is delivered at least once under one id, or given up, for all to see.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a run and that others may want to be told."""

    type: str
    """"run.started", "run.succeeded", …"""
    seq: int
    """Of the event it tells of."""
    at: int
    data: str
    """JSON."""


class SubscriptionRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants to be told what."""

    subscription_id: str
    namespace: str
    url: str
    """Where to; "openrun:events" is the event bus of the namespace."""
    types: tuple[str, ...]
    """Of notices; "run.*" is all that begin with "run."."""
    flow_id: str | None = None
    """Of this flow alone."""
    secret: str | None = None
    """Name of the secret that notifications are signed with."""
    description: str | None = None
    created_at: int
    disabled_at: int | None = None
    disabled_reason: str | None = None


class NotificationRow(msgspec.Struct, frozen=True, kw_only=True):
    """One notice to one subscriber."""

    notification_id: str
    """"{run_id}-{seq}-{subscription_id}"."""
    subscription_id: str
    namespace: str
    run_id: str
    flow_id: str
    seq: int
    type: str
    at: int
    data: str
    attempts: int = 0
    due_at: int | None
    """When it is to be tried (again); None when it is over."""
    delivered_at: int | None = None
    dead_at: int | None = None
    """Since when it is given up."""
    last_status: int | None = None
    """HTTP status of the last attempt."""
    error: str | None = None


class NotificationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which notifications to list, newest first (by `at`, then id); `before` is where the page before ended."""

    namespace: str | None = None
    subscription_id: str | None = None
    run_id: str | None = None
    dead: bool | None = None
    delivered: bool | None = None
    before: tuple[int, str] | None = None
    limit: int = 100


class OutboxRecords(Protocol):
    """Of all namespaces, or of one (`scoped.py`)."""

    async def add_subscription(self, row: SubscriptionRow) -> None: ...

    async def subscriptions(self, namespace: str | None = None) -> list[SubscriptionRow]:
        """By creation."""

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None: ...

    async def remove_subscription(self, subscription_id: str) -> bool:
        """Remove it with its notifications; False when there is none."""

    async def disable_subscription(
        self, subscription_id: str, *, at: int | None, reason: str | None = None
    ) -> bool:
        """Let it be told nothing more, or with `at=None` again; False when there is none. What waits goes on waiting."""

    async def notifications(self, wanted: NotificationFilter) -> list[NotificationRow]: ...

    async def notification(self, notification_id: str) -> NotificationRow | None: ...

    async def revive_notification(self, notification_id: str, now: int) -> bool:
        """Let one that is over be tried again, its attempts 0; False when there is none."""


class Outbox(OutboxRecords, Protocol):
    """What those who deliver need, of all namespaces."""

    async def take_notifications(
        self, now: int, most: int, each: int, lease_ms: int, *, without: Sequence[str] = ()
    ) -> list[NotificationRow]:
        """Take what is due, at most `each` per subscription: due again after `lease_ms`, `attempts` one more.

        Those of disabled subscriptions, and of those in `without`, are left where they are. The rows are as they are
        after that.
        """

    async def settle_notifications(self, rows: Sequence[NotificationRow]) -> None:
        """Write what became of attempts: `due_at`, `delivered_at`, `dead_at`, `last_status` and `error`, by id."""

    async def next_notification(self) -> int | None:
        """When the next notification is to be tried."""

    async def forget_notifications(self, before: int, limit: int = 10_000) -> int:
        """Remove those that were delivered before this instant; how many."""
