"""What starts runs by itself, holds them back or tells of them, over SQLite: each method is one function on one thread."""

from collections.abc import Sequence

from openrun.store.bus_events import BusEventFilter, BusEventRow, GatheredRow
from openrun.store.outbox import NotificationFilter, NotificationRow, SubscriptionRow
from openrun.store.rows import DEFAULT_NAMESPACE
from openrun.store.sqlite import bus_events, outbox, tickets, timetable
from openrun.store.sqlite.clock import Clocks
from openrun.store.sqlite.lane import Lane
from openrun.store.tickets import LaneFilter, LaneRow
from openrun.store.timetable import Move, ScheduleFilter, ScheduleRow, TickFilter, TickRow


class EmbeddedAutomation:
    """Schedules, events, tickets and notifications of an embedded store."""

    def __init__(self, *, writer: Lane, reader: Lane, clocks: Clocks) -> None:
        self._writer = writer
        self._reader = reader
        self._clocks = clocks

    # -- schedules --------------------------------------------------------------------------------

    async def schedules(self, wanted: ScheduleFilter) -> list[ScheduleRow]:
        return await self._reader.run(lambda its: timetable.schedules(its, wanted))

    async def schedule(
        self, flow_id: str, trigger: str, *, namespace: str = DEFAULT_NAMESPACE
    ) -> ScheduleRow | None:
        return await self._reader.run(lambda its: timetable.schedule(its, namespace, flow_id, trigger))

    async def pause_schedule(
        self,
        flow_id: str,
        trigger: str,
        *,
        at: int | None,
        by: str | None = None,
        namespace: str = DEFAULT_NAMESPACE,
    ) -> bool:
        wanted = timetable.Pause(
            namespace=namespace, flow_id=flow_id, trigger=trigger, at=at, by=None if at is None else by
        )
        return await self._writer.run(lambda its: timetable.pause(its, wanted, self._clocks.now()))

    async def ticks(self, wanted: TickFilter) -> list[TickRow]:
        return await self._reader.run(lambda its: timetable.ticks(its, wanted))

    async def due_schedules(self, now: int, limit: int = 100) -> list[ScheduleRow]:
        return await self._reader.run(lambda its: timetable.due_schedules(its, now, limit))

    async def next_schedule(self) -> int | None:
        return await self._reader.run(timetable.next_schedule)

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        return await self._writer.run(lambda its: timetable.move(its, moves, self._clocks))

    async def forget_ticks(self, before: int, limit: int = 10_000) -> int:
        return await self._writer.run(lambda its: timetable.forget(its, before, limit))

    # -- events -----------------------------------------------------------------------------------

    async def publish(self, rows: Sequence[BusEventRow]) -> list[int]:
        return await self._writer.run(lambda its: bus_events.publish(its, rows))

    async def bus_events(self, wanted: BusEventFilter) -> list[BusEventRow]:
        return await self._reader.run(lambda its: bus_events.bus_events(its, wanted))

    async def bus_event(self, number: int) -> BusEventRow | None:
        return await self._reader.run(lambda its: bus_events.bus_event(its, number))

    async def revive_bus_event(self, number: int, now: int) -> bool:
        return await self._writer.run(lambda its: bus_events.revive(its, number, now))

    async def take_bus_events(self, now: int, most: int, lease_ms: int) -> list[BusEventRow]:
        return await self._writer.run(lambda its: bus_events.take(its, now, most, now + lease_ms))

    async def bus_events_handled(self, numbers: Sequence[int], now: int) -> None:
        await self._writer.run(lambda its: bus_events.handled(its, numbers, now))

    async def bus_events_failed(self, rows: Sequence[BusEventRow]) -> None:
        await self._writer.run(lambda its: bus_events.failed(its, rows))

    async def next_bus_event(self) -> int | None:
        return await self._reader.run(bus_events.next_bus_event)

    async def forget_bus_events(self, before: int, limit: int = 10_000) -> int:
        return await self._writer.run(lambda its: bus_events.forget(its, before, limit))

    async def gather(self, row: GatheredRow) -> list[GatheredRow]:
        return await self._writer.run(lambda its: bus_events.gather(its, row))

    async def ungather(self, rows: Sequence[GatheredRow]) -> None:
        await self._writer.run(lambda its: bus_events.ungather(its, rows))

    # -- tickets ----------------------------------------------------------------------------------

    async def lanes(self, wanted: LaneFilter) -> list[LaneRow]:
        return await self._reader.run(lambda its: tickets.lanes(its, wanted))

    async def next_admission(self) -> int | None:
        return await self._reader.run(tickets.next_admission)

    async def stray_tickets(self, limit: int = 100) -> list[str]:
        return await self._reader.run(lambda its: tickets.stray(its, limit))

    # -- notifications ----------------------------------------------------------------------------

    async def add_subscription(self, row: SubscriptionRow) -> None:
        await self._writer.run(lambda its: outbox.add(its, row))

    async def subscriptions(self, namespace: str | None = None) -> list[SubscriptionRow]:
        return await self._reader.run(lambda its: outbox.subscriptions(its, namespace))

    async def subscription(self, subscription_id: str) -> SubscriptionRow | None:
        return await self._reader.run(lambda its: outbox.subscription(its, subscription_id))

    async def remove_subscription(self, subscription_id: str) -> bool:
        return await self._writer.run(lambda its: outbox.remove(its, subscription_id))

    async def disable_subscription(
        self, subscription_id: str, *, at: int | None, reason: str | None = None
    ) -> bool:
        return await self._writer.run(lambda its: outbox.disable(its, subscription_id, at, reason))

    async def notifications(self, wanted: NotificationFilter) -> list[NotificationRow]:
        return await self._reader.run(lambda its: outbox.notifications(its, wanted))

    async def notification(self, notification_id: str) -> NotificationRow | None:
        return await self._reader.run(lambda its: outbox.notification(its, notification_id))

    async def revive_notification(self, notification_id: str, now: int) -> bool:
        return await self._writer.run(lambda its: outbox.revive(its, notification_id, now))

    async def take_notifications(
        self, now: int, most: int, each: int, lease_ms: int, *, without: Sequence[str] = ()
    ) -> list[NotificationRow]:
        wanted = outbox.Wanted(now=now, most=most, each=each, until=now + lease_ms, without=tuple(without))
        return await self._writer.run(lambda its: outbox.take(its, wanted))

    async def settle_notifications(self, rows: Sequence[NotificationRow]) -> None:
        await self._writer.run(lambda its: outbox.settle(its, rows))

    async def next_notification(self) -> int | None:
        return await self._reader.run(outbox.next_notification)

    async def forget_notifications(self, before: int, limit: int = 10_000) -> int:
        return await self._writer.run(lambda its: outbox.forget(its, before, limit))
