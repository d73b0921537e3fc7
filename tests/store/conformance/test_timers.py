"""Runs become due when their time has come, unless something holds them."""

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import Release
from tests.store.given import NOW, PATIENCE_SECONDS, Told, accepted, claimed, enlisted, refused, takes, until


async def released(store: Store, run_id: str, due_at: int | None, **release: object) -> Told:
    await enlisted(store, "w1")
    told = Told(run_id)
    await accepted(store, told.begins(), told.waits(due_at, **release))
    return told


async def test_a_run_is_due_when_its_time_has_come(store: Store) -> None:
    when = await store.now() + 300
    await released(store, "r1", when)
    assert await store.next_due() == when

    async def comes() -> bool:
        return bool(await claimed(store, "w1"))

    await until(comes, PATIENCE_SECONDS)
    assert await store.now() >= when
    assert await store.next_due() is None


async def test_the_next_due_is_the_first_of_those_that_nobody_holds(store: Store) -> None:
    assert await store.next_due() is None
    later = await store.now() + 3_600_000
    for place, offset in enumerate((7, 3, 5)):
        await released(store, f"r{place}", later + offset)
    assert await store.next_due() == later + 3
    await released(store, "r9", None)
    await accepted(store, Told("r8").begins())
    assert await store.next_due() == later + 3


async def test_what_is_due_already_is_the_next_due(store: Store) -> None:
    await released(store, "r1", NOW)
    assert await store.next_due() == NOW


async def test_a_run_without_a_time_is_not_due(store: Store) -> None:
    await released(store, "r1", None)
    assert await claimed(store, "w1") == []


async def test_a_release_may_name_a_reason(store: Store) -> None:
    await released(store, "r1", None, hold="needs review: poison")
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.due_at, row.hold) == (None, None, "needs review: poison")


async def test_a_run_that_nobody_holds_may_be_put_on_hold(store: Store) -> None:
    await released(store, "r1", NOW)
    later = await store.now() + 3_600_000
    await store.hold("r1", "missing code", due_at=later)
    row = await store.run("r1")
    assert row is not None
    assert (row.hold, row.due_at) == ("missing code", later)
    assert await claimed(store, "w1") == []
    await store.hold("r1", "again", due_at=NOW)
    await takes(store, "w1", "r1")


async def test_a_hold_without_a_time_lasts(store: Store) -> None:
    await released(store, "r1", NOW)
    await store.hold("r1", "missing code", due_at=None)
    assert await store.next_due() is None
    assert await claimed(store, "w1") == []


async def test_a_damaged_run_never_becomes_due(store: Store) -> None:
    await released(store, "r1", NOW)
    await store.hold("r1", "damaged: event 3 is not what was written", due_at=NOW)
    await released(store, "r2", NOW, hold="damaged")
    await accepted(store, Told("r3").begins(release=Release(due_at=NOW, hold="damaged")))
    assert await store.next_due() is None
    assert await claimed(store, "w1") == []
    for run_id in ("r1", "r2", "r3"):
        row = await store.run(run_id)
        assert row is not None
        assert row.hold is not None
        assert row.due_at is None


async def test_a_run_with_a_holder_cannot_be_put_on_hold(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    before = await store.run("r1")
    await store.hold("r1", "why not", due_at=NOW)
    assert await store.run("r1") == before
    await accepted(store, told.goes_on())


async def test_a_run_that_is_not_there_cannot_be_put_on_hold(store: Store) -> None:
    await store.hold("r1", "why not", due_at=NOW)
    assert await store.run("r1") is None


async def test_a_run_on_hold_cannot_be_written(store: Store) -> None:
    told = await released(store, "r1", NOW)
    await store.hold("r1", "missing code", due_at=None)
    await refused(store, told.goes_on())


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.RUNNING])
async def test_a_run_that_nobody_will_look_after_is_an_orphan(store: Store, status: RunStatus) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(), told.goes_on(status=status, release=Release(due_at=None)))
    assert await store.orphans() == ["r1"]
    await store.hold("r1", "looked at", due_at=None)
    assert await store.orphans() == []


@pytest.mark.parametrize("status", [RunStatus.WAITING, RunStatus.PAUSED, RunStatus.NEEDS_REVIEW])
async def test_a_run_that_waits_for_somebody_is_no_orphan(store: Store, status: RunStatus) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(), told.goes_on(status=status, release=Release(due_at=None)))
    assert await store.orphans() == []


async def test_a_run_that_is_held_due_or_over_is_no_orphan(store: Store) -> None:
    later = await store.now() + 3_600_000
    await enlisted(store, "w1")
    told = Told("over")
    due = Told("due")
    await accepted(
        store,
        Told("held").begins(),
        told.begins(),
        told.ends(),
        due.begins(),
        due.goes_on(release=Release(due_at=later)),
        Told("new", worker=None, fence=0).begins(status=RunStatus.PENDING),
    )
    assert await store.orphans() == []


async def test_orphans_are_told_up_to_a_limit(store: Store) -> None:
    await enlisted(store, "w1")
    tellers = [Told(f"r{number}") for number in range(5)]
    await accepted(store, *(each.begins() for each in tellers))
    await accepted(store, *(each.says(release=Release(due_at=None)) for each in tellers))
    assert len(await store.orphans(limit=3)) == 3
    assert sorted(await store.orphans()) == [each.run_id for each in tellers]
