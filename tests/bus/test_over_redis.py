"""What is special about the bus over Redis: its messages, those of others, and that nothing depends on it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from openrun.bus.over_redis import RedisBus
from openrun.bus.redis_place import RedisPlace
from openrun.store.base import Store
from openrun.store.bus_events import BusEventFilter
from openrun.store.opening import open_store
from tests.servers.redis import RedisServer

from .audience import Audience, event, published, row_of, until, until_dead, until_handled
from .conftest import QUICK, wall

SAFETY = 0.5


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "openrun.db")


@pytest.fixture
def audience() -> Audience:
    return Audience()


class Site:
    """A Redis, and buses that use one stream of it."""

    def __init__(self, url: str, stack: AsyncExitStack) -> None:
        self.place = replace(RedisPlace.parse(url), safety=SAFETY, idle=0.3)
        self.redis = Redis.from_url(self.place.url)
        self._stack = stack

    async def bus(self, store: Store, audience: Audience, *, name: str = "here", **place: Any) -> RedisBus:
        bus = RedisBus(
            store,
            audience.hear,
            now=wall,
            place=replace(self.place, **place),
            consumer=name,
            options=QUICK,
        )
        await bus.start()
        self._stack.push_async_callback(bus.stop)
        return bus

    async def tell(self, **fields: str | bytes) -> str:
        """A message of somebody else's; its id."""
        entry: bytes = await self.redis.xadd(self.place.stream, dict(fields.items()))
        return entry.decode()

    async def letters(self, most: int = 1) -> list[dict[str, str]]:
        """So many dead letters, once they are there."""

        async def enough() -> bool:
            return int(await self.redis.xlen(self.place.dead_stream)) >= most

        await until(enough)
        entries = await self.redis.xrange(self.place.dead_stream)
        return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in entries]

    async def until_all_acknowledged(self) -> None:
        async def acknowledged() -> bool:
            pending = await self.redis.xpending(self.place.stream, self.place.group)
            return int(pending["pending"]) == 0

        await until(acknowledged)


@asynccontextmanager
async def at(url: str) -> AsyncIterator[Site]:
    async with AsyncExitStack() as stack:
        site = Site(url, stack)
        stack.push_async_callback(site.redis.aclose)
        yield site


@pytest.fixture
async def site(redis_url: str) -> AsyncIterator[Site]:
    async with at(redis_url) as site:
        yield site


class TestMessages:
    async def test_a_message_has_the_event_its_namespace_and_the_number_of_its_row(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        bus = await site.bus(store, audience)
        await bus.publish(published("1", namespace="acme", data=[1]))
        await audience.until_heard("1")
        ((_, fields),) = await site.redis.xrange(site.place.stream)
        number = (await row_of(store, "1")).number
        assert fields == {
            b"number": str(number).encode(),
            b"namespace": b"acme",
            b"event": event("1", data=[1]).to_json().encode(),
        }

    async def test_messages_are_acknowledged_once_the_store_knows_what_became_of_them(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        audience.waits = asyncio.Event()
        bus = await site.bus(store, audience)
        await bus.publish(published("1", "2"))
        await audience.until_heard("1", "2")
        assert (await site.redis.xpending(site.place.stream, site.place.group))["pending"] == 2
        audience.waits.set()
        await site.until_all_acknowledged()
        await until_handled(store, "1", "2")

    async def test_whoever_stops_leaves_the_group(self, site: Site, store: Store, audience: Audience) -> None:
        bus = await site.bus(store, audience)
        await bus.publish(published("1"))
        await until_handled(store, "1")
        await bus.stop()
        assert await site.redis.xinfo_consumers(site.place.stream, site.place.group) == []

    async def test_the_stream_does_not_grow_for_ever(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        bus = await site.bus(store, audience, kept=100)
        for part in range(20):
            await bus.publish(published(*(f"{part}-{number}" for number in range(100))))
        await audience.until(lambda: len(audience.heard) == 2_000)
        assert await site.redis.xlen(site.place.stream) < 1_000


class TestOthersMessages:
    async def test_an_event_of_somebody_else_is_kept_handled_and_acknowledged(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        await site.bus(store, audience)
        await site.tell(event=event("1", data={"total": 40}).to_json())
        await until_handled(store, "1")
        await site.until_all_acknowledged()
        assert (await row_of(store, "1")).namespace == "default"
        assert audience.heard[0].body == event("1", data={"total": 40}).to_json()

    async def test_one_that_is_sent_twice_is_one(self, site: Site, store: Store, audience: Audience) -> None:
        bus = await site.bus(store, audience)
        for _ in range(3):
            await site.tell(event=event("1").to_json(), namespace="acme")
        await bus.publish(published("1", namespace="acme"))
        await until_handled(store, "1")
        await site.until_all_acknowledged()
        assert audience.counts == {"1": 1}

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"event": "no JSON"}, "cannot be read"),
            ({"event": '{"specversion":"1.0","id":"1"}'}, "'source' is missing"),
            ({"text": "hello"}, "cannot be read"),
            ({"event": "[]", "number": "1"}, "no JSON object"),
            ({"event": "{}", "number": "9" * 40}, "'id' is missing"),
        ],
    )
    async def test_what_is_no_event_becomes_a_dead_letter_at_once_and_says_why(
        self, site: Site, store: Store, audience: Audience, fields: dict[str, str], reason: str
    ) -> None:
        await site.bus(store, audience)
        entry = await site.tell(**fields)
        (letter,) = await site.letters()
        assert reason in letter.pop("reason")
        assert letter == {**fields, "id": entry}
        await site.tell(event=event("good").to_json())
        await until_handled(store, "good")
        await site.until_all_acknowledged()
        assert audience.counts == {"good": 1}

    async def test_a_number_of_another_database_is_not_taken_for_one_of_ours(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        bus = await site.bus(store, audience)
        await bus.publish(published("ours"))
        await until_handled(store, "ours")
        ours = await row_of(store, "ours")
        await site.tell(event=event("theirs").to_json(), number=str(ours.number))
        await until_handled(store, "theirs")
        assert audience.counts == {"ours": 1, "theirs": 1}

    async def test_a_message_that_somebody_read_and_lost_is_taken_over(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        place = site.place
        await site.redis.xgroup_create(place.stream, place.group, id="0", mkstream=True)
        await site.tell(event=event("1").to_json())
        assert await site.redis.xreadgroup(place.group, "somebody", {place.stream: ">"})
        await site.bus(store, audience)
        await until_handled(store, "1")
        await site.until_all_acknowledged()

    async def test_a_message_whose_readers_all_ended_becomes_a_dead_letter_unread(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        place = site.place
        await site.redis.xgroup_create(place.stream, place.group, id="0", mkstream=True)
        entry = await site.tell(event=event("1").to_json())
        await site.redis.xreadgroup(place.group, "somebody", {place.stream: ">"})
        for _ in range(5):
            await site.redis.xclaim(place.stream, place.group, "somebody", 0, [entry])
        await site.bus(store, audience)
        (letter,) = await site.letters()
        assert "given up after 5 deliveries" in letter["reason"]
        await site.until_all_acknowledged()
        assert audience.heard == []


class TestGivingUp:
    async def test_an_event_that_is_given_up_is_a_dead_letter_and_a_dead_row(
        self, site: Site, store: Store, audience: Audience
    ) -> None:
        def fail(_row: object) -> None:
            raise ValueError("never")

        audience.acts = fail
        bus = await site.bus(store, audience)
        await bus.publish(published("1", namespace="acme"))
        dead = await until_dead(store, "1")
        (letter,) = await site.letters()
        assert letter == {
            "number": str(dead.number),
            "namespace": "acme",
            "event": dead.body,
            "reason": "ValueError: never",
        }


class TestGroups:
    async def test_each_group_with_a_database_of_its_own_gets_every_event(
        self, site: Site, store: Store, audience: Audience, tmp_path: Path
    ) -> None:
        elsewhere, others = open_store(str(tmp_path / "others.db")), Audience()
        await elsewhere.open()
        ours = await site.bus(store, audience, group="ours")
        theirs = await site.bus(elsewhere, others, group="theirs")
        names = [str(number) for number in range(100)]
        await ours.publish(published(*names[:50]))
        await theirs.publish(published(*names[50:]))
        await site.tell(event=event("somebody's").to_json())
        for each in (store, elsewhere):
            await until_handled(each, *names, "somebody's")
        assert audience.counts == others.counts == dict.fromkeys([*names, "somebody's"], 1)
        await theirs.stop()
        await elsewhere.close()

    async def test_two_databases_in_one_group_lose_nothing(
        self, site: Site, store: Store, audience: Audience, tmp_path: Path
    ) -> None:
        elsewhere, others = open_store(str(tmp_path / "others.db")), Audience()
        await elsewhere.open()
        ours = await site.bus(store, audience, name="ours")
        theirs = await site.bus(elsewhere, others, name="theirs")
        mine, its = [f"ours {number}" for number in range(50)], [f"theirs {number}" for number in range(50)]
        await ours.publish(published(*mine))
        await theirs.publish(published(*its))
        await until_handled(store, *mine)
        await until_handled(elsewhere, *its)
        await theirs.stop()
        await elsewhere.close()


class TestWithoutRedis:
    async def test_events_flow_while_redis_is_away_and_come_by_it_once_it_is_back(
        self, redis_of_its_own: RedisServer, store: Store, audience: Audience
    ) -> None:
        redis_of_its_own.kill()
        async with at(redis_of_its_own.url) as site:
            bus = await site.bus(store, audience)
            for name in map(str, range(20)):
                await bus.publish(published(name))
            await until_handled(store, *map(str, range(20)))
            assert await _soon(lambda: bus.trouble is not None)
            await asyncio.to_thread(redis_of_its_own.start)
            assert await _soon(lambda: bus.trouble is None)
            await bus.publish(published("back"))
            await until_handled(store, "back")
            assert b"back" in (await site.redis.xrange(site.place.stream))[-1][1][b"event"]

    async def test_what_redis_forgets_comes_from_the_store(
        self, redis_of_its_own: RedisServer, store: Store, audience: Audience
    ) -> None:
        async with at(redis_of_its_own.url) as site:
            bus = await site.bus(store, audience)
            names = [str(number) for number in range(600)]
            for first in range(0, 600, 20):
                await bus.publish(published(*names[first : first + 20]))
                if first % 100 == 0:
                    redis_of_its_own.flush()
            await until_handled(store, *names)
            assert await _soon(lambda: bus.trouble is None)
            await bus.publish(published("more"))
            await until_handled(store, "more")

    async def test_nobody_who_publishes_waits_for_a_redis_that_is_silent(
        self, redis_of_its_own: RedisServer, store: Store, audience: Audience
    ) -> None:
        async with at(redis_of_its_own.url) as site:
            bus = await site.bus(store, audience)
            await bus.publish(published("before"))
            await until_handled(store, "before")
            redis_of_its_own.freeze()
            async with asyncio.timeout(1.0):
                assert await bus.publish(published("1")) == [True]
            await until_handled(store, "1")
            redis_of_its_own.thaw()
            assert await _soon(lambda: bus.trouble is None)
            await bus.publish(published("after"))
            await until_handled(store, "after")

    async def test_a_restarted_redis_loses_nothing_that_was_published(
        self, redis_of_its_own: RedisServer, store: Store, audience: Audience
    ) -> None:
        async with at(redis_of_its_own.url) as site:
            bus = await site.bus(store, audience)
            names = []
            for restart in range(4):
                for number in range(50):
                    names.append(f"{restart}-{number}")
                    await bus.publish(published(names[-1]))
                await asyncio.to_thread(redis_of_its_own.restart)
            await until_handled(store, *names)
            assert len(await store.bus_events(BusEventFilter(limit=1_000))) == len(names)
            assert audience.counts.keys() == set(names)


async def _soon(true: Any) -> bool:
    async def ask() -> bool:
        return bool(true())

    await until(ask)
    return True
