"""Workers that admit, commit and post at the same time: no limit is exceeded, nobody waits for ever, none for another."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.opening import open_store
from openrun.store.postgres.admit import ADMITTING
from openrun.store.rows import Committed, Message, Slice
from openrun.store.tickets import AtLimit, LaneFilter, LaneRules, Ticket
from tests.store.given import Told, accepted, claimed, enlisted, until

Beside = psycopg.AsyncConnection[TupleRow]
LIMIT, TOTAL, LANES, WORKERS = 2, 5, 6, 6


@pytest.fixture
async def stores(postgres_url: str) -> AsyncIterator[list[Store]]:
    """The same database, as two processes have it."""
    opened = [open_store(postgres_url) for _ in range(2)]
    for each in opened:
        await each.open()
    yield opened
    for each in opened:
        await each.close()


@pytest.fixture
async def beside(postgres_url: str) -> AsyncIterator[Beside]:
    """A connection of somebody else."""
    async with await psycopg.AsyncConnection.connect(postgres_url) as connection:
        yield connection


def born(run_id: str, lane: str = "a", **rules: Any) -> Slice:
    ticket = Ticket(lane=lane, pool="p", key=lane, rules=LaneRules(**rules))
    return Told(run_id, worker=None, fence=0).begins(ticket=ticket)


def cancel(run_id: str) -> Message:
    return Message(run_id=run_id, kind="cancel", key="by hand", body={})


class Crowd:
    """Workers at one database, who know of each other's runs what no store tells them."""

    def __init__(self, stores: list[Store]) -> None:
        self.stores = stores
        self.lanes: dict[str, str] = {}
        self.running: Counter[str] = Counter()
        self.cancelled: set[str] = set()
        self.left: set[str] = set()

    async def bears(self, count: int, **rules: Any) -> None:
        for number in range(count):
            self.lanes[f"r{number:03}"] = f"lane{number % LANES}"
        self.left = {*self.lanes}
        births = [born(run_id, lane, **rules) for run_id, lane in self.lanes.items()]
        random.Random(7).shuffle(births)  # noqa: S311
        groups = [births[place::8] for place in range(8)]
        await asyncio.gather(
            *(accepted(self.stores[place % 2], *group) for place, group in enumerate(groups))
        )

    async def works(self, worker: str) -> None:
        """Claims, and ends what it got, until there is nothing left to do for anybody."""
        chance, store = random.Random(worker), self.stores[int(worker[1:]) % 2]  # noqa: S311
        while self.left:
            mine = [Told.of(each, worker) for each in await claimed(store, worker, 4)]
            slotted = [each for each in mine if each.run_id not in self.cancelled]
            self.running.update(self.lanes[each.run_id] for each in slotted)
            assert max(self.running.values(), default=0) <= LIMIT
            assert self.running.total() <= TOTAL
            told = [Message(run_id=each, kind="signal", key=worker) for each in self._some(chance)]
            ends = [each.ends(RunStatus.SUCCEEDED, messages=tuple(told)) for each in mine]
            self.running.subtract(self.lanes[each.run_id] for each in slotted)
            assert all(isinstance(each, Committed) for each in await store.commit(ends))
            self.left.difference_update(each.run_id for each in mine)

    async def cancels(self, run_ids: list[str]) -> None:
        """Queued ones, each in a moment at which others admit, end and tell."""
        for run_id in run_ids:
            self.cancelled.add(run_id)
            await self.stores[0].post([cancel(run_id)])

    def _some(self, chance: random.Random) -> list[str]:
        return chance.sample(sorted(self.left), min(3, len(self.left)))


async def nothing_is_left(store: Store) -> None:
    assert await store.stray_tickets() == []
    assert await store.orphans() == []
    assert await store.lanes(LaneFilter()) == []
    assert await store.next_admission() is None


async def test_no_limit_is_exceeded_and_nothing_is_forgotten_while_all_do_everything_at_once(
    stores: list[Store],
) -> None:
    crowd = Crowd(stores)
    workers = [f"w{number}" for number in range(WORKERS)]
    await enlisted(stores[0], *workers)
    await crowd.bears(240, limit=LIMIT, total=TOTAL)
    away = [f"r{number:03}" for number in range(100, 240, 9)]
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(crowd.cancels(away))
        for each in workers:
            tasks.create_task(crowd.works(each))
    await nothing_is_left(stores[1])


async def test_a_lane_that_somebody_is_busy_with_is_left_for_later(
    stores: list[Store], beside: Beside
) -> None:
    store = stores[0]
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a", limit=1), born("r2", "b", limit=1))
    async with beside.transaction():
        await beside.execute("SELECT FROM lanes WHERE lane = 'a' FOR UPDATE")
        assert [each.run_id for each in await claimed(store, "w1")] == ["r2"]
        assert await store.next_admission() is not None
    assert [each.run_id for each in await claimed(store, "w1")] == ["r1"]


async def test_a_run_that_somebody_is_busy_with_is_admitted_later(
    stores: list[Store], beside: Beside
) -> None:
    store = stores[0]
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=2), born("r2", limit=2))
    async with beside.transaction():
        await beside.execute("SELECT FROM runs WHERE run_id = 'r1' FOR UPDATE")
        assert [each.run_id for each in await claimed(store, "w1")] == ["r2"]
        (lane,) = await store.lanes(LaneFilter())
        assert (lane.running, lane.queued) == (1, 1)
    assert [each.run_id for each in await claimed(store, "w1")] == ["r1"]
    assert await store.stray_tickets() == []


async def test_a_running_one_that_somebody_is_busy_with_is_asked_for_its_place_later(
    stores: list[Store], beside: Beside
) -> None:
    store, preempts = stores[0], AtLimit.CANCEL_RUNNING
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1, at_limit=preempts))
    assert len(await claimed(store, "w1")) == 1
    await accepted(store, born("r2", limit=1, at_limit=preempts))
    async with beside.transaction():
        await beside.execute("SELECT FROM runs WHERE run_id = 'r1' FOR UPDATE")
        assert await claimed(store, "w1") == []
        assert await store.waiting_messages(["r1"]) == []
    assert await claimed(store, "w1") == []
    assert [each.kind for each in await store.waiting_messages(["r1"])] == ["cancel"]


async def test_a_lane_that_waits_for_room_is_found_though_somebody_was_busy_with_it(
    stores: list[Store], beside: Beside
) -> None:
    store = stores[0]
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a", total=1))
    (first,) = await claimed(store, "w1")
    await accepted(store, born("r2", "b", total=1))
    assert await claimed(store, "w1") == []
    async with beside.transaction():
        await beside.execute("SELECT FROM lanes WHERE lane = 'b' FOR UPDATE")
        await accepted(store, Told.of(first, "w1").ends())
        assert await claimed(store, "w1") == []
        # Whoever was busy may have died: somebody must look again all the same.
        assert await store.next_admission() is not None
    assert [each.run_id for each in await claimed(store, "w1")] == ["r2"]


async def test_who_finds_somebody_else_admitting_claims_what_is_due(
    stores: list[Store], beside: Beside
) -> None:
    store = stores[0]
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1), Told("r2", worker=None, fence=0).begins())
    async with beside.transaction():
        await beside.execute("SELECT pg_advisory_xact_lock(%s)", [ADMITTING])
        assert [each.run_id for each in await claimed(store, "w1")] == ["r2"]
    assert [each.run_id for each in await claimed(store, "w1")] == ["r1"]


async def test_others_are_told_of_room_and_of_runs_that_were_admitted_for_them(postgres_url: str) -> None:
    store = open_store(postgres_url)
    await store.open()
    async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as listening:
        heard = 0

        async def hints() -> int:
            nonlocal heard
            async for _ in listening.notifies(timeout=0.01):
                heard += 1
            return heard

        await listening.execute("LISTEN openrun")
        await enlisted(store, "w1")
        await accepted(store, *(born(f"r{number}", limit=2) for number in range(3)))
        assert await until(hints) == 1
        (first,) = await claimed(store, "w1", 1)
        # One of the two that were admitted is left.
        heard = 0
        assert await until(hints) == 1
        heard = 0
        await accepted(store, Told.of(first, "w1").ends())
        assert await until(hints) == 1
    await store.close()
