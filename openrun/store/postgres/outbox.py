"""Subscriptions, and what is told to those who have them."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import asdict

from openrun.store.base import StoreError
from openrun.store.outbox import NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.postgres.asking import Asking
from openrun.store.postgres.gather import columns
from openrun.store.postgres.link import Connection
from openrun.store.postgres.queries import sql
from openrun.store.postgres.reading import as_rows
from openrun.store.postgres.text import given, kept, kept_or_none

_SETTLED = ("notification_id", "due_at", "delivered_at", "dead_at", "last_status", "error")
_TYPES = SubscriptionRow.__struct_fields__.index("types")
_LAST = (None, "")


class PostgresOutbox(Asking):
    """See `openrun.store.outbox.Outbox` for what its methods promise."""

    async def add_subscription(self, row: SubscriptionRow) -> None:
        await self._others.call(partial(_add, row=row))

    async def subscriptions(self, namespace: str | None = None) -> list[SubscriptionRow]:
        return _subscriptions(await self._rows("subscriptions", {"namespace": namespace}))

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        found = await self._rows("subscription", {"subscription_id": subscription_id})
        return next(iter(_subscriptions(found)), None)

    async def remove_subscription(self, subscription_id: str) -> bool:
        return await self._others.call(partial(_remove, subscription_id=subscription_id))

    async def disable_subscription(
        self, subscription_id: str, *, at: int | None, reason: str | None = None
    ) -> bool:
        wanted = {"subscription_id": subscription_id, "at": at, "reason": kept_or_none(reason)}
        return await self._do("disable_subscription", wanted) > 0

    async def notifications(self, wanted: NotificationFilter) -> list[NotificationRow]:
        at, before = wanted.before or _LAST
        rows = await self._planned(_narrowest(wanted), {**asdict(wanted), "at": at, "before": before})
        return as_rows(NotificationRow, rows)

    async def notification(self, notification_id: str) -> NotificationRow | None:
        return await self._one(NotificationRow, "notification", {"notification_id": notification_id})

    async def revive_notification(self, notification_id: str, now: int) -> bool:
        return await self._do("revive_notification", {"notification_id": notification_id, "now": now}) > 0

    async def take_notifications(
        self, now: int, most: int, each: int, lease_ms: int, *, without: Sequence[str] = ()
    ) -> list[NotificationRow]:
        wanted = {"now": now, "most": most, "each": each, "lease_ms": lease_ms, "without": list(without)}
        if min(most, each) <= 0:
            return []
        return as_rows(NotificationRow, await self._rows("take_notifications", wanted))

    async def settle_notifications(self, rows: Sequence[NotificationRow]) -> None:
        settled = {each.notification_id: _settled(each) for each in rows}
        if settled:
            await self._do("settle_notifications", columns(_SETTLED, settled.values()))

    async def next_notification(self) -> int | None:
        return await self._instant("next_notification")

    async def forget_notifications(self, before: int, limit: int = 10_000) -> int:
        return await self._do("forget_notifications", {"before": before, "limit": limit})


async def _add(connection: Connection, *, row: SubscriptionRow) -> None:
    fields: dict[str, Any] = {
        name: kept(its) if isinstance(its, str) else its for name, its in asdict(row).items()
    }
    added = await connection.execute(
        sql("add_subscription"), {**fields, "types": [kept(each) for each in row.types]}
    )
    if added.rowcount:
        return
    known = await connection.execute(sql("subscription"), {"subscription_id": row.subscription_id})
    # One that was added by a call whose outcome was not known is there already.
    if _subscriptions(await known.fetchall()) != [row]:
        raise StoreError(f"there is a subscription {row.subscription_id!r} already: give this one another id")


async def _remove(connection: Connection, *, subscription_id: str) -> bool:
    wanted = {"subscription_id": subscription_id}
    async with connection.transaction():
        removed = await connection.execute(sql("remove_subscription"), wanted)
        # Only now, when nobody makes any more of them.
        await connection.execute(sql("remove_notifications"), wanted)
    return removed.rowcount > 0


def _narrowest(wanted: NotificationFilter) -> str:
    if wanted.run_id is not None:
        return "notifications_of_run"
    if wanted.subscription_id is not None:
        return "notifications_of_subscription"
    if wanted.dead:
        return "notifications_dead"
    return "notifications" if wanted.namespace is None else "notifications_of_namespace"


def _subscriptions(rows: Iterable[tuple[Any, ...]]) -> list[SubscriptionRow]:
    return as_rows(SubscriptionRow, (_with_types(list(row)) for row in rows))


def _with_types(row: list[Any]) -> tuple[Any, ...]:
    row[_TYPES] = [given(each) for each in row[_TYPES]]
    return tuple(row)


def _settled(row: NotificationRow) -> tuple[Any, ...]:
    return (
        row.notification_id, row.due_at, row.delivered_at, row.dead_at, row.last_status, kept_or_none(row.error),
    )  # fmt: skip
