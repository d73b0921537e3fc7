"""What every bus promises, over every store."""

import asyncio
from dataclasses import replace

import pytest

from openrun.store.base import Store, StoreUnavailable
from openrun.store.bus_events import BusEventRow
from openrun.store.opening import open_store

from .audience import Audience, published, row_of, until, until_dead, until_handled
from .conftest import QUICK, MakeBus, a_bus, wall


@pytest.fixture
def audience() -> Audience:
    return Audience()


class TestPublishing:
    async def test_an_event_is_heard_once_and_marked_as_handled(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        bus = await started(audience)
        assert await bus.publish(published("1", data={"total": 40}, subject="order 7")) == [True]
        await until_handled(store, "1")
        (heard,) = audience.heard
        kept = await row_of(store, "1")
        assert (heard.number, heard.namespace, heard.source) == (kept.number, "default", "/tests")
        assert (
            heard.body
            == kept.body
            == published("1", data={"total": 40}, subject="order 7")[0].event.to_json()
        )
        assert (kept.due_at, kept.dead_at, kept.error) == (None, None, None)

    async def test_a_repetition_is_known_and_not_heard_again(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        bus = await started(audience)
        assert await bus.publish(published("1", "2", "1")) == [True, True, False]
        assert await bus.publish(published("2", "3")) == [False, True]
        await until_handled(store, "1", "2", "3")
        assert audience.counts == {"1": 1, "2": 1, "3": 1}

    async def test_one_name_in_two_namespaces_is_two_events(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        bus = await started(audience)
        assert await bus.publish([*published("1"), *published("1", namespace="acme")]) == [True, True]
        await audience.until(lambda: len(audience.heard) == 2)
        assert {row.namespace for row in audience.heard} == {"default", "acme"}

    async def test_nothing_is_no_event(self, started: MakeBus, audience: Audience) -> None:
        bus = await started(audience)
        assert await bus.publish([]) == []

    async def test_what_was_published_while_nobody_listened_is_heard_by_who_comes(
        self, started: MakeBus, store: Store, audience: Audience, bus_url: str | None
    ) -> None:
        mouth = a_bus(bus_url, store, Audience())
        assert await mouth.publish(published("1")) == [True]
        await mouth.stop()
        await started(audience)
        await until_handled(store, "1")
        assert audience.counts == {"1": 1}

    async def test_events_of_another_process_are_heard(
        self, started: MakeBus, store: Store, audience: Audience, bus_url: str | None
    ) -> None:
        await started(audience)
        mouth = a_bus(bus_url, store, Audience())
        await mouth.publish(published(*map(str, range(250))))
        await until_handled(store, *map(str, range(250)))
        assert set(audience.counts.values()) == {1}
        await mouth.stop()

    async def test_a_hint_tells_of_what_somebody_else_has_kept(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        bus = await started(audience, options=replace(QUICK, poll=3_600.0))
        row = BusEventRow(
            namespace="default", source="/s", event_id="1", type="t", body="{}", received_at=1, due_at=1
        )
        await store.publish([row])
        bus.hint()
        await audience.until_heard("1")


class TestFailing:
    async def test_what_failed_comes_again_after_a_pause(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        faults = [ValueError("no"), ValueError("not yet")]

        def fail(_row: BusEventRow) -> None:
            if faults:
                raise faults.pop()

        audience.acts = fail
        bus = await started(audience, options=replace(QUICK, back_off=(0.2,)))
        await bus.publish(published("1"))
        await audience.until_heard("1")
        await until_handled(store, "1")
        assert audience.counts == {"1": 3}
        assert [row.error for row in audience.heard][1] in ("ValueError: not yet", None)
        assert (await row_of(store, "1")).dead_at is None

    async def test_after_five_deliveries_an_event_is_given_up_and_others_go_on(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        def fail(row: BusEventRow) -> None:
            if row.event_id == "bad":
                raise ValueError("never")

        audience.acts = fail
        bus = await started(audience)
        await bus.publish(published("bad", "good"))
        dead = await until_dead(store, "bad")
        assert dead.error == "ValueError: never"
        assert dead.due_at is None
        await bus.publish(published("more"))
        await until_handled(store, "good", "more")
        assert audience.counts == {"bad": 5, "good": 1, "more": 1}

    async def test_what_was_given_up_is_heard_again_once_it_is_revived(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        def fail(_row: BusEventRow) -> None:
            raise ValueError("never")

        audience.acts = fail
        bus = await started(audience)
        await bus.publish(published("1"))
        dead = await until_dead(store, "1")
        audience.acts = lambda _row: None
        assert await store.revive_bus_event(dead.number, wall())
        await until_handled(store, "1")

    async def test_who_is_cancelled_from_within_has_failed(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        faults = [asyncio.CancelledError()]

        def fail(_row: BusEventRow) -> None:
            if faults:
                raise faults.pop()

        audience.acts = fail
        bus = await started(audience)
        await bus.publish(published("1"))
        await until_handled(store, "1")
        assert audience.counts == {"1": 2}

    async def test_a_store_that_is_away_costs_an_event_no_delivery(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        faults = [StoreUnavailable("away")] * 4

        def fail(_row: BusEventRow) -> None:
            if faults:
                raise faults.pop()

        audience.acts = fail
        bus = await started(audience, options=replace(QUICK, lease=30.0))
        await bus.publish(published("1"))
        await until_handled(store, "1")
        assert (await row_of(store, "1")).attempts <= 1
        assert audience.counts == {"1": 5}


class TestSharing:
    async def test_each_event_is_handled_by_one_of_several_processes(
        self, started: MakeBus, store: Store, audience: Audience, place: str
    ) -> None:
        other, elsewhere = Audience(), open_store(place)
        await elsewhere.open()
        first, second = await started(audience), await started(other, store=elsewhere)
        names = [str(number) for number in range(400)]
        for at in range(0, 400, 50):
            bus = first if at % 100 else second
            await bus.publish(published(*names[at : at + 50]))
        await until_handled(store, *names)
        assert audience.counts + other.counts == dict.fromkeys(names, 1)
        await first.stop()
        await second.stop()
        await elsewhere.close()

    async def test_nobody_else_is_handed_an_event_while_it_is_being_handled(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        audience.waits = asyncio.Event()
        bus = await started(audience, options=replace(QUICK, lease=0.5))
        other = Audience()
        await bus.publish(published("slow"))
        await audience.until_heard("slow")
        await started(other, options=replace(QUICK, lease=0.5))
        first = (await row_of(store, "slow")).due_at
        assert first is not None

        async def long_over() -> bool:
            due = (await row_of(store, "slow")).due_at
            return due is not None and due > first + 1_000

        await until(long_over)
        audience.waits.set()
        await until_handled(store, "slow")
        assert audience.counts + other.counts == {"slow": 1}

    async def test_a_slow_event_does_not_keep_others_waiting(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        audience.waits, audience.waits_for = asyncio.Event(), "slow"
        bus = await started(audience)
        await bus.publish(published("slow"))
        names = [str(number) for number in range(300)]
        await bus.publish(published(*names))
        await until_handled(store, *names)
        audience.waits.set()
        await until_handled(store, "slow")

    async def test_no_more_are_in_hand_at_once_than_was_said(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        audience.waits = asyncio.Event()
        bus = await started(audience, options=replace(QUICK, at_once=10))
        await bus.publish(published(*map(str, range(100))))
        await audience.until(lambda: len(audience.heard) >= 10)
        assert len(audience.heard) == 10
        audience.waits.set()
        await until_handled(store, *map(str, range(100)))


class TestStopping:
    async def test_what_is_under_way_ends_first(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        audience.waits = asyncio.Event()
        bus = await started(audience, options=replace(QUICK, grace=30.0))
        await bus.publish(published("1"))
        await audience.until_heard("1")
        stopping = asyncio.ensure_future(bus.stop())
        audience.waits.set()
        await stopping
        assert (await row_of(store, "1")).handled_at is not None

    async def test_what_does_not_end_within_the_grace_is_left_to_others_at_once(
        self, started: MakeBus, store: Store, audience: Audience
    ) -> None:
        audience.waits = asyncio.Event()
        bus = await started(audience, options=replace(QUICK, grace=0.0, lease=3_600.0))
        await bus.publish(published("1"))
        await audience.until_heard("1")
        await bus.stop()
        row = await row_of(store, "1")
        assert row.handled_at is None
        assert row.due_at is not None
        assert row.due_at <= wall()
        other = Audience()
        await started(other)
        await until_handled(store, "1")
        assert other.counts == {"1": 1}

    async def test_a_bus_that_was_never_started_can_be_stopped(
        self, store: Store, audience: Audience, bus_url: str | None
    ) -> None:
        await a_bus(bus_url, store, audience).stop()
