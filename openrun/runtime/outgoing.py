"""One attempt at one notification: signed and posted, or published on the event bus."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from openrun.bus.cloud_event import HOPS, CloudEvent, InvalidEvent
from openrun.core.errors import OpenRunError, StepError
from openrun.net.http import HttpClient, HttpRequest
from openrun.net.standard_webhooks import signed_headers
from openrun.runtime.clock import Clock
from openrun.runtime.redelivery import Attempted, judged
from openrun.runtime.surroundings import secrets_of
from openrun.steps.execution.emit import MOST_HOPS
from openrun.store.base import StoreUnavailable
from openrun.store.outbox import NotificationRow, SubscriptionRow

EVENTS = "openrun:events"
"""The address that stands for the event bus of the namespace."""
TIMEOUT = 20.0

Publish = Callable[[str, CloudEvent], Awaitable[object]]
"""Puts an event on the bus of a namespace; when it returns, the event is kept."""


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """What is posted."""

    type: str
    timestamp: datetime
    """When it happened."""
    data: msgspec.Raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """Makes attempts. `secrets` are those of all namespaces; `masked` takes their values out of what is told."""

    http: HttpClient
    clock: Clock
    secrets: Mapping[str, str]
    masked: Callable[[Any], Any] | None = None
    publish: Publish | None = None
    """None where there is no event bus."""
    timeout: float = TIMEOUT
    """Seconds that an attempt may take."""

    async def attempt(self, row: NotificationRow, subscription: SubscriptionRow) -> Attempted:
        """Try once; whatever goes wrong is in the answer."""
        try:
            how = await (self._publish(row) if subscription.url == EVENTS else self._post(row, subscription))
        except StepError as error:
            how = Attempted(error=error.error.message)
        except (OpenRunError, ValueError) as error:
            how = Attempted(error=str(error))
        if how.error is None or self.masked is None:
            return how
        return Attempted(
            status=how.status,
            error=self.masked(how.error),
            retry_after=how.retry_after,
            final=how.final,
        )

    async def _post(self, row: NotificationRow, subscription: SubscriptionRow) -> Attempted:
        body = body_of(row)
        now = self.clock.now()
        headers = signed_headers(
            webhook_id(row),
            int(now.timestamp()),
            body,
            self._secrets(subscription),
        )
        response = await self.http.send(
            HttpRequest(
                method="POST",
                url=subscription.url,
                timeout=self.timeout,
                headers={"Content-Type": "application/json", **headers},
                body=body,
                follow_redirects=False,
                wants_body=False,
            )
        )
        return judged(response.status, response.headers, now)

    def _secrets(self, subscription: SubscriptionRow) -> Sequence[str]:
        known = secrets_of(self.secrets, subscription.namespace)
        found: list[str] = []
        for name in secret_names(subscription.secret):
            value = known.get(name)
            if not value:
                raise ValueError(
                    f"secret {name!r}, which it is to be signed with, has no value in namespace "
                    f"{subscription.namespace!r}: give it one, or subscribe with another"
                )
            found.append(value)
        return found

    async def _publish(self, row: NotificationRow) -> Attempted:
        if self.publish is None:
            return Attempted(error="there is no event bus here to publish it on")
        try:
            event = event_of(row)
        except InvalidEvent as error:
            return Attempted(error=f"it makes no event: {error}", final=True)
        if event.hops > MOST_HOPS:
            reason = f"not published: {MOST_HOPS} events stand between its run and what came from outside"
            return Attempted(error=reason, final=True)
        try:
            await self.publish(row.namespace, event)
        except StoreUnavailable:
            return Attempted(error="the store that keeps events could not be reached")
        return Attempted()


def webhook_id(row: NotificationRow) -> str:
    """The name that the receiver knows it by, the same at each attempt."""
    return row.notification_id.replace(".", "-")


def secret_names(secret: str | None) -> tuple[str, ...]:
    """The names in a subscription: several, with commas between, while a secret is replaced."""
    names = (each.strip() for each in (secret or "").split(","))
    return tuple(each for each in names if each)


def body_of(row: NotificationRow) -> bytes:
    """What is posted of a notification."""
    at = datetime.fromtimestamp(row.at / 1_000, UTC)
    return msgspec.json.encode(Payload(type=row.type, timestamp=at, data=msgspec.Raw(row.data.encode())))


def event_of(row: NotificationRow) -> CloudEvent:
    """The event of a notification; one hop further from outside than its run. Raises `InvalidEvent`."""
    data = msgspec.json.decode(row.data)
    at = datetime.fromtimestamp(row.at / 1_000, UTC)
    return CloudEvent(
        id=f"{row.run_id}-{row.seq}",
        source=f"/flows/{row.flow_id}",
        type=event_type(row.type),
        subject=row.run_id,
        time=at.isoformat().replace("+00:00", "Z"),
        datacontenttype="application/json",
        data=data,
        extensions={HOPS: data.get("hops", 0) + 1},
    )


def event_type(notice: str) -> str:
    """The type of the event of a notice: "run.failed" is "dev.openrun.run.failed.v1"."""
    return f"dev.openrun.{notice}.v1"
