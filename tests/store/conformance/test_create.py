"""Runs come to be: at once and whole, and once only under one key."""

import asyncio

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import Committed, Duplicate, Release, RunRow
from tests.store.given import (
    NOW,
    Told,
    accepted,
    claimed,
    commit,
    enlisted,
    everything,
    key,
    lets_expire,
    message,
    refused,
    takes,
)


async def test_a_birth_with_a_worker_is_held_by_it(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    begins = told.begins(
        flow_id="orders",
        version="v7",
        trigger="hook",
        depth=2,
        parent="r0",
        status=RunStatus.RUNNING,
        at=NOW + 5,
    )
    await accepted(store, begins)
    assert await store.run("r1") == RunRow(
        run_id="r1",
        flow_id="orders",
        version="v7",
        status=RunStatus.RUNNING,
        trigger="hook",
        parent_run_id="r0",
        replay_of=None,
        depth=2,
        created_at=NOW,
        updated_at=NOW + 5,
        ended_at=None,
        error=None,
        seq=1,
        bytes=len(begins.events[0].body),
        hash=told.head,
        worker="w1",
        fence=1,
        due_at=None,
        crashes=0,
        hold=None,
    )
    assert await store.events("r1") == list(begins.events)


async def test_a_birth_without_a_worker_is_due_at_once(store: Store) -> None:
    await enlisted(store, "w1")
    before = await store.now()
    await accepted(store, Told("r1", worker=None, fence=0).begins(status=RunStatus.PENDING))
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.fence, row.status) == (None, 0, RunStatus.PENDING)
    assert row.due_at is not None
    assert before <= row.due_at <= await store.now()
    (claim,) = await claimed(store, "w1")
    assert (claim.run_id, claim.fence) == ("r1", 1)


async def test_a_birth_may_say_when_it_is_due(store: Store) -> None:
    await enlisted(store, "w1")
    later = await store.now() + 3_600_000
    await accepted(store, Told("r1").begins(release=Release(due_at=later, hold="not yet")))
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.due_at, row.hold) == (None, later, "not yet")
    assert await claimed(store, "w1") == []


async def test_a_run_may_begin_and_end_in_one_slice(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(count=3, status=RunStatus.SUCCEEDED))
    row = await store.run("r1")
    assert row is not None
    assert (row.status, row.worker, row.due_at, row.seq, row.ended_at) == ("succeeded", None, None, 3, NOW)
    assert await claimed(store, "w1") == []
    assert "ended" in await refused(store, told.goes_on())


async def test_a_repeated_birth_is_committed_again_and_changes_nothing(store: Store) -> None:
    await enlisted(store, "w1")
    begins = Told("r1").begins(dedupe=key("once"))
    await accepted(store, begins)
    before = await everything(store, "r1")
    assert await store.commit([begins, begins]) == [Committed(), Committed()]
    assert await everything(store, "r1") == before


async def test_a_birth_is_committed_again_although_the_run_went_on_and_somebody_else_holds_it(
    store: Store,
) -> None:
    await enlisted(store, "w1", "w2")
    told = Told("r1")
    begins = told.begins(dedupe=key("once"))
    await accepted(store, begins, told.waits(due_at=0))
    await takes(store, "w2", "r1")
    assert await commit(store, begins) == Committed()


async def test_a_birth_of_which_only_the_beginning_is_on_disk_is_not_taken_for_written(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins(count=1))
    await refused(store, Told("r1").begins(count=2))
    assert len(await store.events("r1")) == 1


async def test_another_run_under_the_same_id_is_refused(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins())
    before = await everything(store, "r1")
    await refused(store, Told("r1").begins(note="another"))
    assert await everything(store, "r1") == before


async def test_a_worker_without_a_lease_bears_no_run(store: Store) -> None:
    await refused(store, Told("r1", worker="nobody").begins())
    await enlisted(store, "w1")
    await lets_expire(store, "w1")
    await refused(store, Told("r2").begins())
    assert await store.find("r") == []


async def test_the_first_start_under_a_key_wins(store: Store) -> None:
    await enlisted(store, "w1")
    first = Told("r1").begins(dedupe=key("once", "p1"))
    same = Told("r2").begins(dedupe=key("once", "p1"))
    other = Told("r3").begins(dedupe=key("once", "p2"))
    await accepted(store, first)
    assert await store.commit([same, other]) == [
        Duplicate(run_id="r1", same_payload=True),
        Duplicate(run_id="r1", same_payload=False),
    ]
    assert await store.find("r", limit=5) == ["r1"]


async def test_of_two_starts_in_one_commit_the_first_wins(store: Store) -> None:
    await enlisted(store, "w1")
    slices = [Told(f"r{number}").begins(dedupe=key("once", f"p{number}")) for number in (1, 2)]
    verdicts = await store.commit(slices)
    assert verdicts == [Committed(), Duplicate(run_id="r1", same_payload=False)]
    assert await store.find("r", limit=5) == ["r1"]


async def test_a_start_that_is_refused_leaves_its_key_to_others(store: Store) -> None:
    await enlisted(store, "w1")
    gone = Told("r1", worker="gone").begins(dedupe=key("once"))
    comes = Told("r2").begins(dedupe=key("once"))
    refusal, comes_through = await store.commit([gone, comes])
    assert not isinstance(refusal, Committed | Duplicate)
    assert comes_through == Committed()


async def test_a_key_may_be_used_again_once_it_has_expired(store: Store) -> None:
    await enlisted(store, "w1")
    past = await store.now() - 1
    await accepted(store, Told("r1").begins(dedupe=key("once", expires_at=past)))
    await accepted(store, Told("r2").begins(dedupe=key("once")))
    assert await commit(store, Told("r3").begins(dedupe=key("once"))) == Duplicate(
        run_id="r2", same_payload=True
    )


async def test_keys_may_have_any_letters(store: Store) -> None:
    await enlisted(store, "w1")
    names = ["a", "A", "ä", "a ", "a\0", "a\0b", "'; --", '"', "\\u0000", "😀", "k" * 5_000]
    slices = [Told(f"r{place:02}").begins(dedupe=key(name)) for place, name in enumerate(names)]
    await accepted(store, *slices)
    again = [Told(f"s{place:02}").begins(dedupe=key(name)) for place, name in enumerate(names)]
    expected = [Duplicate(run_id=f"r{place:02}", same_payload=True) for place in range(len(names))]
    assert await store.commit(again) == expected


async def test_a_duplicate_leaves_nothing_of_its_slice(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins(dedupe=key("once")), Told("r9").begins())
    told = Told("r2")
    begins = told.begins(
        dedupe=key("once"),
        children=(Told("r3", worker=None, fence=0).begins(parent="r2"),),
        messages=(message("r9", "m1"),),
        activations=(told.at("a"),),
    )
    assert isinstance(await commit(store, begins), Duplicate)
    assert await store.find("r", limit=9) == ["r1", "r9"]
    assert await store.waiting_messages(["r9"]) == []
    assert await store.events("r2") == []
    assert await store.activations("r2") == []


async def test_fifty_who_start_at_once_under_one_key_start_one_run(store: Store, twin: Store) -> None:
    stores = [store, twin] * 25
    starts = [Told(f"r{n:02}", worker=None, fence=0).begins(dedupe=key("once")) for n in range(50)]
    verdicts = await asyncio.gather(
        *(commit(each, start) for each, start in zip(stores, starts, strict=True))
    )
    (winner,) = await store.find("r", limit=99)
    assert [each for each in verdicts if isinstance(each, Committed)] == [Committed()]
    assert verdicts.count(Duplicate(run_id=winner, same_payload=True)) == 49


@pytest.mark.parametrize("worker", ["w1", None])
async def test_many_runs_are_born_in_one_commit(store: Store, worker: str | None) -> None:
    await enlisted(store, "w1")
    births = [Told(f"r{number:03}", worker=worker).begins(count=5) for number in range(200)]
    await accepted(store, *births)
    kept = await store.journals([each.run_id for each in births])
    assert kept == {each.run_id: list(each.events) for each in births}
