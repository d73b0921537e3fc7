"""Leases live by a clock that nobody can set, runs by the clock on the wall."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from openrun.store.memory import MemoryStore
from openrun.store.rows import Release
from openrun.store.sqlite import SqliteStore
from openrun.store.sqlite.embedded import EmbeddedStore
from tests.store.given import (
    LEASE_SECONDS,
    NOW,
    Clock,
    Told,
    accepted,
    beside,
    claimed,
    enlisted,
    refused,
    renewed,
    takes,
)

Timed = tuple[EmbeddedStore, Clock, Clock]


@pytest.fixture(params=[True, False], ids=["file", "memory"])
async def told_time(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Timed]:
    now, boot = Clock(NOW), Clock(1_000_000)
    store = SqliteStore(path, now=now, boot=boot) if request.param else MemoryStore(now=now, boot=boot)
    await store.open()
    await enlisted(store, "w1", "w2")
    yield store, now, boot
    await store.close()


async def test_a_jump_of_the_wall_clock_ends_no_lease(told_time: Timed) -> None:
    store, now, _ = told_time
    told = Told("r1")
    await accepted(store, told.begins())
    for jump in (86_400_000, -86_400_000):
        now.at = NOW + jump
        assert await claimed(store, "w2") == []
        await accepted(store, told.goes_on())
    assert {each.lease_ms for each in await store.workers()} == {LEASE_SECONDS * 1_000}


async def test_a_lease_ends_with_its_last_millisecond(told_time: Timed) -> None:
    store, _, boot = told_time
    told = Told("r1")
    await accepted(store, told.begins())
    await renewed(store, "w2", LEASE_SECONDS * 2)
    boot.at += int(LEASE_SECONDS * 1_000) - 1
    await accepted(store, told.goes_on())
    assert await claimed(store, "w2") == []
    boot.at += 1
    await refused(store, told.copy().goes_on())
    assert [each.crashes for each in await claimed(store, "w2")] == [1]


async def test_a_run_is_due_with_its_first_millisecond(told_time: Timed) -> None:
    store, now, _ = told_time
    told = Told("r1")
    await accepted(store, told.begins(), told.waits(due_at=NOW + 1_000))
    now.at = NOW + 999
    assert await claimed(store, "w1") == []
    assert await store.waiting_alone() == 0
    now.at = NOW + 1_000
    await takes(store, "w1", "r1")


async def test_what_is_due_longest_goes_first_lost_or_not(
    told_time: Timed,
) -> None:
    store, now, boot = told_time
    await renewed(store, "w2", LEASE_SECONDS * 100)
    await accepted(store, Told("lost").begins())
    boot.at += int(LEASE_SECONDS * 1_000) + 500
    now.at = NOW + 1_000
    for place, at in enumerate((NOW + 400, NOW + 600)):
        await accepted(store, Told(f"r{place}", worker="w2").begins(release=Release(due_at=at)))
    assert [each.run_id for each in await claimed(store, "w2")] == ["r0", "lost", "r1"]


async def test_leases_end_when_the_machine_starts_again(path: Path, sqlite: SqliteStore) -> None:
    await enlisted(sqlite, "w1")
    told = Told("r1")
    await accepted(sqlite, told.begins())
    with beside(path) as connection:
        connection.execute("UPDATE workers SET boot_id = 'another'")
    assert all(each.lease_ms < 0 for each in await sqlite.workers())
    await refused(sqlite, told.goes_on())
    await enlisted(sqlite, "w2")
    (claim,) = await claimed(sqlite, "w2")
    assert (claim.run_id, claim.crashes) == ("r1", 1)
    assert await renewed(sqlite, "w1", 60) == -float("inf")
