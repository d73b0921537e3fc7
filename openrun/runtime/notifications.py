"""The notifications of one namespace: who is told what of its runs, and what became of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from urllib.parse import unquote

import msgspec

from openrun.core.errors import OpenRunError, PermanentError
from openrun.core.near import did_you_mean
from openrun.net.target import Targets
from openrun.runtime.ids import NewRunId
from openrun.runtime.notices import NoticeType
from openrun.runtime.outgoing import EVENTS, Outgoing, secret_names
from openrun.runtime.redelivery import Attempted
from openrun.runtime.surroundings import secrets_of
from openrun.store.outbox import NotificationFilter, NotificationRow, OutboxRecords, SubscriptionRow
from openrun.store.projection import in_ms

PING = "test.ping"
ALL_OF_RUNS = "run.*"
TYPES = (ALL_OF_RUNS, *(each.value for each in NoticeType))
"""What a subscription may name."""
MOST_SECRETS = 4
VALUE = "whsec_"
"""What the value of a secret that signs begins with."""
MOST_SUBSCRIPTIONS = 100
"""Of a namespace: each commit writes as many notifications as there are subscriptions that want to be told."""


MaybeText = TypeVar("MaybeText", str, str | None)


class UnknownSubscription(OpenRunError, LookupError):
    """There is no such subscription."""


class UnknownNotification(OpenRunError, LookupError):
    """There is no such notification."""


class InvalidSubscription(PermanentError):
    """A subscription that cannot be."""

    code = "INVALID_SUBSCRIPTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """What the namespaces of a process share to tell others."""

    outgoing: Outgoing
    targets: Targets
    new_id: NewRunId
    hint: Callable[[], None]
    """There may be something to deliver."""


class Notifications:
    """Who is told what. Raises `UnknownSubscription` and `UnknownNotification` for ids that are none."""

    def __init__(self, records: OutboxRecords, namespace: str, outlet: Outlet) -> None:
        self._records = records
        self._namespace = namespace
        self._outlet = outlet

    # -- subscriptions ----------------------------------------------------------------------------

    async def subscribe(
        self,
        url: str,
        types: Sequence[str],
        *,
        flow_id: str | None = None,
        secret: str | None = None,
        description: str | None = None,
        check_secret: bool = True,
    ) -> SubscriptionRow:
        """Have this address told of runs from now on, all of the namespace's or those of one flow.

        `url` is http or https, or "openrun:events": the event bus of the namespace. `secret` names what is signed
        with: a secret of the namespace, or several with commas between; what is sent without is not signed. With
        `check_secret=False` it need not be known here. Raises `InvalidSubscription`, and `PermanentError` with
        INVALID_URL or ADDRESS_REFUSED.
        """
        _check_types(types)
        names = secret_names(secret)
        if url == EVENTS:
            if names:
                raise InvalidSubscription(f"what goes to {EVENTS!r} is not signed: leave the secret out")
        else:
            await self._check_url(url)
        self._check_secret(names, known=check_secret)
        if len(await self.subscriptions()) >= MOST_SUBSCRIPTIONS:
            raise InvalidSubscription(
                f"namespace {self._namespace!r} has {MOST_SUBSCRIPTIONS} subscriptions, the most there may be: remove one"
            )
        row = SubscriptionRow(
            subscription_id=self._outlet.new_id(),
            namespace=self._namespace,
            url=url,
            types=tuple(dict.fromkeys(types)),
            flow_id=flow_id,
            secret=",".join(names) or None,
            description=self._masked(description),
            created_at=in_ms(self._now()),
        )
        await self._records.add_subscription(row)
        return row

    async def subscriptions(self) -> list[SubscriptionRow]:
        """By creation."""
        return await self._records.subscriptions(self._namespace)

    async def get(self, subscription_id: str) -> SubscriptionRow:
        row = await self._records.subscription(subscription_id)
        if row is None:
            raise UnknownSubscription(f"there is no subscription {subscription_id[:64]!r}")
        return row

    async def remove(self, subscription_id: str) -> None:
        """Tell it nothing more, and forget what it was told."""
        await self.get(subscription_id)
        await self._records.remove_subscription(subscription_id)

    async def disable(self, subscription_id: str, reason: str | None = None) -> SubscriptionRow:
        """Tell it nothing more until it is enabled; what waits for it waits on."""
        await self.get(subscription_id)
        await self._records.disable_subscription(
            subscription_id, at=in_ms(self._now()), reason=self._masked(reason)
        )
        return await self.get(subscription_id)

    async def enable(self, subscription_id: str) -> SubscriptionRow:
        """Tell it again, what waited first."""
        await self.get(subscription_id)
        await self._records.disable_subscription(subscription_id, at=None)
        self._outlet.hint()
        return await self.get(subscription_id)

    async def test(self, subscription_id: str) -> Attempted:
        """Send it a `test.ping`, once and at once; how that went. Nothing is kept of it."""
        row = await self.get(subscription_id)
        name = f"test-{self._outlet.new_id()}"
        ping = NotificationRow(
            notification_id=name,
            subscription_id=row.subscription_id,
            namespace=row.namespace,
            run_id=name,
            flow_id=row.flow_id or "test",
            seq=1,
            type=PING,
            at=in_ms(self._now()),
            data=msgspec.json.encode({"subscription_id": row.subscription_id}).decode(),
            due_at=None,
        )
        return await self._outlet.outgoing.attempt(ping, row)

    # -- notifications ----------------------------------------------------------------------------

    async def deliveries(self, wanted: NotificationFilter) -> list[NotificationRow]:
        """Notifications of the namespace, newest first."""
        return await self._records.notifications(msgspec.structs.replace(wanted, namespace=self._namespace))

    async def delivery(self, notification_id: str) -> NotificationRow:
        row = await self._records.notification(notification_id)
        if row is None:
            raise UnknownNotification(f"there is no notification {notification_id[:200]!r}")
        return row

    async def replay(self, notification_id: str) -> NotificationRow:
        """Deliver one that is over again, under the same id and with all attempts before it; one that waits, waits on."""
        await self.delivery(notification_id)
        await self._records.revive_notification(notification_id, in_ms(self._now()))
        self._outlet.hint()
        return await self.delivery(notification_id)

    # -- checking ---------------------------------------------------------------------------------

    def _now(self) -> datetime:
        return self._outlet.outgoing.clock.now()

    def _masked(self, text: MaybeText) -> MaybeText:
        masked = self._outlet.outgoing.masked
        return text if masked is None or text is None else masked(text)

    async def _check_url(self, url: str) -> None:
        if self._masked(url) != url or self._masked(unquote(url)) != unquote(url):
            raise InvalidSubscription("the URL holds the value of a secret, and would be kept with it")
        await self._outlet.targets.check(url, place="subscription")

    def _check_secret(self, names: Sequence[str], *, known: bool) -> None:
        if len(names) > MOST_SECRETS:
            raise InvalidSubscription(f"at most {MOST_SECRETS} secrets sign at once: name those in use")
        if any(name.startswith(VALUE) for name in names):
            # It would be kept, and shown to whoever lists subscriptions.
            raise InvalidSubscription(
                f"a secret that signs is given by its name, and what begins with {VALUE!r} is a value: give that to the "
                "servers (--secret NAME=env:VARIABLE), and NAME here"
            )
        if not known:
            return
        there = secrets_of(self._outlet.outgoing.secrets, self._namespace)
        for name in names:
            if not there.get(name):
                hint = did_you_mean(name, list(there)) or "give the process a secret of that name"
                raise InvalidSubscription(
                    f"namespace {self._namespace!r} has no secret {self._masked(name)!r} to sign with; {hint}"
                )


def _check_types(types: Sequence[str]) -> None:
    if not types:
        raise InvalidSubscription(f"nothing is subscribed to: name types such as {ALL_OF_RUNS!r}")
    for each in types:
        if each not in TYPES:
            hint = did_you_mean(each, TYPES) or f"they are {', '.join(TYPES)}"
            raise InvalidSubscription(f"there are no notifications of the type {each!r}; {hint}")
