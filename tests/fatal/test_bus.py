"""Whatever ends, restarts, forgets or falls silent: an event that was accepted starts its one run.

OPENRUN_TEST_BLACK_HOLE is how many seconds Redis is silent in one of the tests (30 is the bar; 3 keep the suite short). With
10 or more the loops of those who hear are held to the bar, too: they stand still for 100 ms at most.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from openrun.app import App
from openrun.bus.cloud_event import CloudEvent
from openrun.core.events import FlowStarted, decode_fact
from openrun.core.types import RunStatus
from openrun.store.base import StoreUnavailable
from openrun.store.bus_events import BusEventRow
from openrun.store.rows import RunFilter
from tests.servers.redis import RedisServer

from . import bus_process
from .black_hole import a_way_to
from .bus_process import DEADLY, Report
from .fleet import Fleet, Member, a_fleet, until
from .process import DIED, Orders

SILENCE = float(os.environ.get("OPENRUN_TEST_BLACK_HOLE", "3"))
STALL_MS = 100.0
SOON = 5.0
FAULTS = 3
BETWEEN = 0.3
LEASE = 1.0
STREAM = "openrun:events"


class Crowd:
    """Publishes events to processes that hear them, and knows which were accepted."""

    def __init__(self, fleet: Fleet, mouth: App, bus: str | None) -> None:
        self._fleet = fleet
        self._mouth = mouth
        self._bus = bus
        self.accepted: set[str] = set()
        self.enough = asyncio.Event()

    async def hears(self) -> Member:
        member = self._fleet.member(bus_process.hear, {"lease": LEASE}, self._bus)
        await member.heard()
        return member

    async def publish(self, *names: str) -> None:
        """Publish until it is accepted, though the store may be away."""
        events = [CloudEvent(id=name, source="/tests", type="test.told") for name in names]
        while True:
            try:
                await self._mouth.events.publish(events)
            except StoreUnavailable:
                continue
            self.accepted.update(names)
            return

    async def publish_on(self) -> None:
        """Publish a few at a time, until it is enough."""
        number = 0
        while not self.enough.is_set():
            await self.publish(*(f"{number}-{each}" for each in range(5)))
            number += 1
            await asyncio.sleep(0.02)

    async def amid(self, fault: Callable[[int], Awaitable[None]], times: int = FAULTS) -> None:
        """Have a fault so often while events are published."""
        publishing = asyncio.ensure_future(self.publish_on())
        for number in range(times):
            await asyncio.sleep(BETWEEN)
            await fault(number)
        self.enough.set()
        await publishing

    async def runs(self) -> Counter[str]:
        """The events for which there are runs."""
        rows = await self._mouth.store.runs(RunFilter(limit=100_000))
        journals = await self._mouth.store.journals([row.run_id for row in rows])
        firsts = [decode_fact(rows[0].body) for rows in journals.values()]
        return Counter(each.input["event"]["id"] for each in firsts if isinstance(each, FlowStarted))

    async def handled(self, name: str) -> None:
        """Wait until this event, one of the latest, has been handled."""

        async def there() -> bool:
            latest = await self._mouth.events.list(limit=1_000)
            return any(each.event_id == name and each.handled_at is not None for each in latest)

        await until(there)

    async def dead(self) -> list[BusEventRow]:
        return await self._mouth.events.list(dead=True)

    async def one_run_each(self) -> None:
        """Wait until every event that was accepted has its run, and every run has ended; each event has one."""

        async def ended() -> bool:
            counts = await self._mouth.store.counts()
            return counts.get(RunStatus.SUCCEEDED, 0) >= len(self.accepted)

        await until(ended)
        assert await self.runs() == dict.fromkeys(self.accepted, 1)
        await self._fleet.check()


@asynccontextmanager
async def a_crowd(store: str, bus: str | None) -> AsyncIterator[Crowd]:
    async with (
        a_fleet(store) as fleet,
        bus_process.an_app(Orders(store=store, receiver="", lease=LEASE), bus, work=False) as mouth,
    ):
        yield Crowd(fleet, mouth, bus)


async def retired(*members: Member) -> list[Report]:
    reports: list[Report] = []
    for member in members:
        member.signal(signal.SIGTERM)
        told = await member.heard()
        assert isinstance(told, Report)
        assert await member.ended() == 0
        reports.append(told)
    if SILENCE >= 10.0:
        assert max(each.stalled_ms for each in reports) <= STALL_MS, reports
    return reports


class Strangers:
    """Those who send messages through Redis, and keep nothing themselves."""

    def __init__(self, crowd: Crowd, url: str) -> None:
        self._crowd = crowd
        self._url = url
        self._number = 0

    async def are_heard_soon(self) -> None:
        """What they say comes through, a few seconds after the server is back."""
        self._number += 1
        name = f"stranger {self._number}"
        event = CloudEvent(id=name, source="/strangers", type="test.told")
        async with Redis.from_url(self._url) as redis:
            await redis.xadd(STREAM, {"event": event.to_json()})
        self._crowd.accepted.add(name)

        async with asyncio.timeout(SOON):
            await self._crowd.handled(name)


async def test_a_redis_that_is_killed_again_and_again_costs_no_event(
    fresh: Callable[[], str], redis_of_its_own: RedisServer
) -> None:
    server = redis_of_its_own
    async with a_crowd(fresh(), server.url) as crowd:
        members = [await crowd.hears(), await crowd.hears()]
        strangers = Strangers(crowd, server.url)

        async def restart(_number: int) -> None:
            await asyncio.to_thread(server.kill)
            await asyncio.sleep(BETWEEN)
            await asyncio.to_thread(server.start)
            await strangers.are_heard_soon()

        await crowd.amid(restart)
        await crowd.one_run_each()
        await retired(*members)


async def test_a_redis_that_forgets_everything_costs_no_event(
    tmp_path: Path, redis_of_its_own: RedisServer
) -> None:
    server = redis_of_its_own
    async with a_crowd(str(tmp_path / "openrun.db"), server.url) as crowd:
        members = [await crowd.hears(), await crowd.hears()]
        strangers = Strangers(crowd, server.url)

        async def flush(_number: int) -> None:
            await asyncio.to_thread(server.flush)
            await strangers.are_heard_soon()

        await crowd.amid(flush)
        await crowd.one_run_each()
        await retired(*members)


async def test_a_redis_that_falls_silent_costs_no_event_and_keeps_nobody_waiting(
    tmp_path: Path, redis_of_its_own: RedisServer
) -> None:
    server = redis_of_its_own
    async with a_way_to(server.port) as way:
        through = server.url.replace(str(server.port), str(way.port))
        async with a_crowd(str(tmp_path / "openrun.db"), through) as crowd:
            members = [await crowd.hears(), await crowd.hears()]
            strangers = Strangers(crowd, server.url)

            async def fall_silent(_number: int) -> None:
                way.open()
                await asyncio.sleep(SILENCE)
                # Whoever has been accepted meanwhile is heard all the same, through the store.
                await crowd.publish("in the silence")
                await crowd.handled("in the silence")
                way.close()
                await strangers.are_heard_soon()

            await crowd.amid(fall_silent, times=1)
            await crowd.one_run_each()
            await retired(*members)


@pytest.mark.parametrize("carried", ["store", "redis"])
async def test_processes_that_are_killed_cost_no_event_and_start_no_run_twice(
    fresh: Callable[[], str], redis_of_its_own: RedisServer, carried: str
) -> None:
    bus = redis_of_its_own.url if carried == "redis" else None
    async with a_crowd(fresh(), bus) as crowd:
        members = [await crowd.hears(), await crowd.hears()]

        async def kill(number: int) -> None:
            await members[number % 2].kill()
            members[number % 2] = await crowd.hears()

        await crowd.amid(kill)
        await crowd.one_run_each()
        await retired(*members)


async def test_processes_of_one_group_share_the_events(
    fresh: Callable[[], str], redis_of_its_own: RedisServer
) -> None:
    async with a_crowd(fresh(), redis_of_its_own.url) as crowd:
        members = [await crowd.hears(), await crowd.hears()]
        for number in range(40):
            await crowd.publish(*(f"{number}-{each}" for each in range(10)))
        await crowd.one_run_each()
        reports = await retired(*members)
        assert sum(each.heard for each in reports) == len(crowd.accepted)
        assert all(each.heard > len(crowd.accepted) / 10 for each in reports)


@pytest.mark.parametrize("carried", ["store", "redis"])
async def test_an_event_that_ends_whoever_handles_it_is_given_up_and_the_others_go_on(
    fresh: Callable[[], str], redis_of_its_own: RedisServer, carried: str
) -> None:
    bus = redis_of_its_own.url if carried == "redis" else None
    async with a_crowd(fresh(), bus) as crowd:
        member = await crowd.hears()
        await crowd.publish(
            *(f"before {each}" for each in range(50)), DEADLY, *(f"after {each}" for each in range(50))
        )
        crowd.accepted.discard(DEADLY)
        deaths = 0

        async def given_up() -> bool:
            nonlocal member, deaths
            if not member.alive:
                assert await member.ended() == DIED
                deaths += 1
                member = await crowd.hears()
            return bool(await crowd.dead())

        await until(given_up)
        await crowd.one_run_each()
        assert deaths == 5
        (dead,) = await crowd.dead()
        assert (dead.event_id, dead.error) == (DEADLY, "the process that handled it ended before it was done")
        if bus is not None:
            async with Redis.from_url(bus) as redis:
                ((_, letter),) = await redis.xrange(f"{STREAM}:dead")
            assert letter[b"event"] == dead.body.encode()
        await crowd.publish("more")
        await crowd.one_run_each()
        await retired(member)
