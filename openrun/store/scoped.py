"""One namespace of a store: what belongs to others is as if it were not there, whoever asks for it and how.

This is the wall between tenants. Each method asks the store for its own namespace alone, or looks first whether
the run it is about is its own; a run stays in its namespace for ever.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.base import Records
from openrun.store.bus_events import BusEventFilter, BusEventRow
from openrun.store.outbox import NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.rows import (
    DEFAULT_NAMESPACE,
    ActivationRow,
    CompensationRow,
    DeadLetter,
    DeliveryFilter,
    DeliveryRow,
    EffectFilter,
    EffectRow,
    EventRow,
    FlowRow,
    HeadRow,
    InboxRow,
    Message,
    Posted,
    ProgressRow,
    RunFilter,
    RunRow,
    Tombstone,
    VersionRow,
    WaitFilter,
    WaitRow,
)
from openrun.store.tickets import LaneFilter, LaneRow
from openrun.store.timetable import ScheduleFilter, ScheduleRow, TickFilter, TickRow

Belonging = TypeVar(
    "Belonging",
    RunRow,
    Tombstone,
    DeadLetter,
    DeliveryRow,
    BusEventRow,
    SubscriptionRow,
    NotificationRow,
)


class ScopedStore(Records):
    """What a store has of one namespace. A namespace that a caller names is passed over for its own."""

    def __init__(self, store: Records, namespace: str) -> None:
        self.namespace = namespace
        self._store = store

    async def now(self) -> int:
        return await self._store.now()

    # -- flows ------------------------------------------------------------------------------------

    async def keep_version(
        self, row: VersionRow, *, expected: str | None = None, schedules: Sequence[ScheduleRow] = ()
    ) -> bool:
        row = replace(row, namespace=self.namespace)
        own = [replace(each, namespace=self.namespace, flow_id=row.flow_id) for each in schedules]
        return await self._store.keep_version(row, expected=expected, schedules=own)

    async def version(
        self,
        flow_id: str,
        version: str | None = None,
        *,
        namespace: str = DEFAULT_NAMESPACE,  # noqa: ARG002
    ) -> VersionRow | None:
        return await self._store.version(flow_id, version, namespace=self.namespace)

    async def versions(
        self,
        flow_id: str,
        *,
        namespace: str = DEFAULT_NAMESPACE,  # noqa: ARG002
    ) -> list[VersionRow]:
        return await self._store.versions(flow_id, namespace=self.namespace)

    async def flow(
        self,
        flow_id: str,
        *,
        namespace: str = DEFAULT_NAMESPACE,  # noqa: ARG002
    ) -> FlowRow | None:
        return await self._store.flow(flow_id, namespace=self.namespace)

    async def flows(self, namespace: str | None = None) -> list[FlowRow]:  # noqa: ARG002
        return await self._store.flows(self.namespace)

    async def enable(
        self,
        flow_id: str,
        *,
        enabled: bool,
        namespace: str = DEFAULT_NAMESPACE,  # noqa: ARG002
    ) -> bool:
        return await self._store.enable(flow_id, enabled=enabled, namespace=self.namespace)

    # -- saying something to runs -----------------------------------------------------------------

    async def post(self, messages: Sequence[Message]) -> list[Posted]:
        own = await self._own([each.run_id for each in messages])
        mine = [each for each in messages if each.run_id in own]
        answers = iter(await self._store.post(mine) if mine else [])
        return [next(answers) if each.run_id in own else Posted(status=None) for each in messages]

    async def settle_compensation(self, row: CompensationRow) -> bool:
        return await self._owns(row.run_id) and await self._store.settle_compensation(row)

    async def discard(self, run_id: str) -> bool:
        return await self.dead_letter(run_id) is not None and await self._store.discard(run_id)

    # -- runs -------------------------------------------------------------------------------------

    async def run(self, run_id: str) -> RunRow | None:
        return self._mine(await self._store.run(run_id))

    async def find(
        self,
        prefix: str,
        limit: int = 2,
        *,
        namespace: str | None = None,  # noqa: ARG002
    ) -> list[str]:
        return await self._store.find(prefix, limit, namespace=self.namespace)

    async def runs(self, wanted: RunFilter) -> list[RunRow]:
        return await self._store.runs(replace(wanted, namespace=self.namespace))

    async def counts(self, namespace: str | None = None) -> Mapping[RunStatus, int]:  # noqa: ARG002
        return await self._store.counts(self.namespace)

    async def heads(
        self,
        run_ids: Sequence[str],
        *,
        namespace: str | None = None,  # noqa: ARG002
    ) -> list[HeadRow]:
        return await self._store.heads(run_ids, namespace=self.namespace)

    async def events(self, run_id: str, after: int = 0, limit: int | None = None) -> list[EventRow]:
        return await self._store.events(run_id, after, limit) if await self._owns(run_id) else []

    async def activations(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ActivationRow]:
        if not await self._owns(run_id):
            return []
        return await self._store.activations(run_id, after=after, limit=limit)

    async def progress(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ProgressRow]:
        if not await self._owns(run_id):
            return []
        return await self._store.progress(run_id, after=after, limit=limit)

    async def waiting_messages(self, run_ids: Sequence[str]) -> list[InboxRow]:
        own = await self._own(run_ids)
        return await self._store.waiting_messages(sorted(own)) if own else []

    async def tombstone(self, run_id: str) -> Tombstone | None:
        return self._mine(await self._store.tombstone(run_id))

    # -- waits, effects, compensations, dead letters, deliveries ----------------------------------

    async def waits(self, wanted: WaitFilter) -> list[WaitRow]:
        return await self._store.waits(replace(wanted, namespace=self.namespace))

    async def find_waits(
        self,
        prefix: str,
        limit: int = 2,
        *,
        namespace: str | None = None,  # noqa: ARG002
    ) -> list[WaitRow]:
        return await self._store.find_waits(prefix, limit, namespace=self.namespace)

    async def effects(self, wanted: EffectFilter) -> list[EffectRow]:
        return await self._store.effects(replace(wanted, namespace=self.namespace))

    async def find_effects(
        self,
        prefix: str,
        limit: int = 2,
        *,
        namespace: str | None = None,  # noqa: ARG002
    ) -> list[EffectRow]:
        return await self._store.find_effects(prefix, limit, namespace=self.namespace)

    async def compensations(
        self,
        run_id: str | None = None,
        limit: int = 100,
        *,
        namespace: str | None = None,  # noqa: ARG002
    ) -> list[CompensationRow]:
        return await self._store.compensations(run_id, limit, namespace=self.namespace)

    async def dead_letters(
        self,
        limit: int = 100,
        *,
        namespace: str | None = None,  # noqa: ARG002
    ) -> list[DeadLetter]:
        return await self._store.dead_letters(limit, namespace=self.namespace)

    async def dead_letter(self, run_id: str) -> DeadLetter | None:
        return self._mine(await self._store.dead_letter(run_id))

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        return await self._store.deliveries(replace(wanted, namespace=self.namespace))

    async def delivery(self, run_id: str) -> DeliveryRow | None:
        return self._mine(await self._store.delivery(run_id))

    # -- schedules --------------------------------------------------------------------------------

    async def schedules(self, wanted: ScheduleFilter) -> list[ScheduleRow]:
        return await self._store.schedules(replace(wanted, namespace=self.namespace))

    async def schedule(
        self,
        flow_id: str,
        trigger: str,
        *,
        namespace: str = DEFAULT_NAMESPACE,  # noqa: ARG002
    ) -> ScheduleRow | None:
        return await self._store.schedule(flow_id, trigger, namespace=self.namespace)

    async def pause_schedule(
        self,
        flow_id: str,
        trigger: str,
        *,
        at: int | None,
        by: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,  # noqa: ARG002
    ) -> bool:
        return await self._store.pause_schedule(flow_id, trigger, at=at, by=by, namespace=self.namespace)

    async def ticks(self, wanted: TickFilter) -> list[TickRow]:
        return await self._store.ticks(replace(wanted, namespace=self.namespace))

    # -- events between flows, lanes --------------------------------------------------------------

    async def publish(self, rows: Sequence[BusEventRow]) -> list[int]:
        return await self._store.publish([replace(each, namespace=self.namespace) for each in rows])

    async def bus_events(self, wanted: BusEventFilter) -> list[BusEventRow]:
        return await self._store.bus_events(replace(wanted, namespace=self.namespace))

    async def bus_event(self, number: int) -> BusEventRow | None:
        return self._mine(await self._store.bus_event(number))

    async def revive_bus_event(self, number: int, now: int) -> bool:
        return await self.bus_event(number) is not None and await self._store.revive_bus_event(number, now)

    async def lanes(self, wanted: LaneFilter) -> list[LaneRow]:
        return await self._store.lanes(replace(wanted, namespace=self.namespace))

    # -- subscriptions, notifications -------------------------------------------------------------

    async def add_subscription(self, row: SubscriptionRow) -> None:
        await self._store.add_subscription(replace(row, namespace=self.namespace))

    async def subscriptions(self, namespace: str | None = None) -> list[SubscriptionRow]:  # noqa: ARG002
        return await self._store.subscriptions(self.namespace)

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        return self._mine(await self._store.subscription(subscription_id))

    async def remove_subscription(self, subscription_id: str) -> bool:
        if await self.subscription(subscription_id) is None:
            return False
        return await self._store.remove_subscription(subscription_id)

    async def disable_subscription(
        self, subscription_id: str, *, at: int | None, reason: str | None = None
    ) -> bool:
        if await self.subscription(subscription_id) is None:
            return False
        return await self._store.disable_subscription(subscription_id, at=at, reason=reason)

    async def notifications(self, wanted: NotificationFilter) -> list[NotificationRow]:
        return await self._store.notifications(replace(wanted, namespace=self.namespace))

    async def notification(self, notification_id: str) -> NotificationRow | None:
        return self._mine(await self._store.notification(notification_id))

    async def revive_notification(self, notification_id: str, now: int) -> bool:
        if await self.notification(notification_id) is None:
            return False
        return await self._store.revive_notification(notification_id, now)

    # -- the wall ---------------------------------------------------------------------------------

    def _mine(self, row: Belonging | None) -> Belonging | None:
        return row if row is not None and row.namespace == self.namespace else None

    async def _own(self, run_ids: Sequence[str]) -> set[str]:
        """Those that are of this namespace."""
        asked = list(dict.fromkeys(run_ids))
        return {each.run_id for each in await self._store.heads(asked, namespace=self.namespace)}

    async def _owns(self, run_id: str) -> bool:
        return await self.run(run_id) is not None
