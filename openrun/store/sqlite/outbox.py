"""Subscriptions, and the notifications that are made for them."""

import sqlite3
from collections.abc import Sequence

import msgspec

from openrun.store.base import StoreError
from openrun.store.outbox import NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.sqlite.connection import BEYOND, as_json, ask, look_up, tell, writing
from openrun.store.sqlite.text import clean, clean_or_none, cleaned

_BEYOND = 1 << 62


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody takes who delivers: it is due again at `until`."""

    now: int
    most: int
    each: int
    until: int
    without: tuple[str, ...]


def add(connection: sqlite3.Connection, row: SubscriptionRow) -> None:
    given = cleaned(row) | {"types": as_json([clean(each) for each in row.types])}
    with writing(connection):
        if tell(connection, "add_subscription", **given):
            return
        known = subscription(connection, row.subscription_id)
    # One that was added by a call whose outcome was not known is there already.
    if known != row:
        raise StoreError(f"there is a subscription {row.subscription_id!r} already: give this one another id")


def subscriptions(connection: sqlite3.Connection, namespace: str | None) -> list[SubscriptionRow]:
    name = "subscriptions" if namespace is None else "subscriptions_of_namespace"
    return ask(connection, name, list[SubscriptionRow], namespace=namespace)


def subscription(connection: sqlite3.Connection, subscription_id: str) -> SubscriptionRow | None:
    return look_up(connection, "subscription", SubscriptionRow, subscription_id=clean(subscription_id))


def remove(connection: sqlite3.Connection, subscription_id: str) -> bool:
    with writing(connection):
        tell(connection, "remove_notifications", subscription_id=clean(subscription_id))
        return tell(connection, "remove_subscription", subscription_id=clean(subscription_id)) > 0


def disable(connection: sqlite3.Connection, subscription_id: str, at: int | None, reason: str | None) -> bool:
    told = {"at": at, "reason": clean_or_none(reason)}
    with writing(connection):
        return tell(connection, "disable_subscription", subscription_id=clean(subscription_id), **told) > 0


def notifications(connection: sqlite3.Connection, wanted: NotificationFilter) -> list[NotificationRow]:
    """Found where the fewest have to be looked at."""
    queries = {
        "notifications_of_run": wanted.run_id is not None,
        "notifications_dead": wanted.dead is True,
        "notifications_of_subscription": wanted.subscription_id is not None,
        "notifications_of_namespace": wanted.namespace is not None,
        "notifications": True,
    }
    at, before = wanted.before or (_BEYOND, BEYOND)
    return ask(
        connection,
        next(name for name, fits in queries.items() if fits),
        list[NotificationRow],
        namespace=wanted.namespace,
        subscription_id=clean_or_none(wanted.subscription_id),
        run_id=wanted.run_id,
        dead=wanted.dead,
        delivered=wanted.delivered,
        at=at,
        before=before,
        limit=wanted.limit,
    )


def notification(connection: sqlite3.Connection, notification_id: str) -> NotificationRow | None:
    return look_up(connection, "notification", NotificationRow, notification_id=clean(notification_id))


def revive(connection: sqlite3.Connection, notification_id: str, now: int) -> bool:
    with writing(connection):
        return tell(connection, "revive_notification", notification_id=clean(notification_id), now=now) > 0


def take(connection: sqlite3.Connection, wanted: Wanted) -> list[NotificationRow]:
    without = as_json([clean(each) for each in wanted.without])
    with writing(connection):
        found = ask(
            connection,
            "due_notifications",
            list[str],
            now=wanted.now,
            most=wanted.most,
            each=wanted.each,
            without=without,
        )
        if not found:
            return []
        rows = as_json(found)
        tell(connection, "take_notifications", rows=rows, until=wanted.until)
        return ask(connection, "taken_notifications", list[NotificationRow], rows=rows)


def settle(connection: sqlite3.Connection, rows: Sequence[NotificationRow]) -> None:
    given = [
        (
            each.notification_id,
            each.due_at,
            each.delivered_at,
            each.dead_at,
            each.last_status,
            clean_or_none(each.error),
        )
        for each in rows
    ]
    with writing(connection):
        tell(connection, "settle_notifications", rows=as_json(given))


def next_notification(connection: sqlite3.Connection) -> int | None:
    return look_up(connection, "next_notification", int)


def forget(connection: sqlite3.Connection, before: int, limit: int) -> int:
    with writing(connection):
        return tell(connection, "forget_notifications", before=before, limit=limit)
