"""Runs are claimed under leases: by one worker at a time, each time under a higher fence."""

import asyncio

import pytest

from openrun.store.base import Store, StoreError
from openrun.store.rows import Claim, Release, WorkerRow
from tests.store.given import (
    GIVEN_BACK,
    LEASE_SECONDS,
    NOW,
    Told,
    accepted,
    claimed,
    commit,
    crashes,
    enlisted,
    lets_expire,
    message,
    refused,
    renewed,
    takes,
    until,
)


async def due(store: Store, *run_ids: str, version: str = "v1") -> None:
    """Runs that are due, in this order."""
    for place, run_id in enumerate(run_ids):
        told = Told(run_id, worker=None, fence=0)
        await accepted(store, told.begins(version=version, release=Release(due_at=NOW + place)))


async def crashed(store: Store, run_id: str, times: int) -> None:
    """A run that has so often been claimed after a crash."""
    await due(store, run_id)
    for number in range(times + 1):
        worker = f"{run_id}-dies-{number}"
        await enlisted(store, worker)
        await crashes(store, await takes(store, worker, run_id, alone=number >= 2))


async def crash_count(store: Store, run_id: str) -> int:
    row = await store.run(run_id)
    assert row is not None
    return row.crashes


# -- leases ---------------------------------------------------------------------------------------


async def test_a_worker_has_a_lease_from_the_start(store: Store) -> None:
    await store.enlist("w1", LEASE_SECONDS, host="there", pid=77)
    (row,) = await store.workers()
    assert 0 < row.lease_ms <= LEASE_SECONDS * 1000
    assert row == WorkerRow(worker="w1", lease_ms=row.lease_ms, runs=0, host="there", pid=77)


async def test_the_store_knows_what_a_worker_holds(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await due(store, "r1", "r2", "r3")
    mine = await claimed(store, "w1", 2)
    await claimed(store, "w2", 2)
    rows = await store.held_by("w1")
    assert [(row.run_id, row.fence) for row in rows] == sorted((each.run_id, each.fence) for each in mine)
    assert await store.held_by("nobody") == []


async def test_workers_tell_how_many_runs_they_hold(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await due(store, "r1", "r2", "r3")
    await claimed(store, "w1", 2)
    await claimed(store, "w2", 2)
    assert {each.worker: each.runs for each in await store.workers()} == {"w1": 2, "w2": 1}


async def test_renewing_tells_what_was_left_and_begins_anew(store: Store) -> None:
    await enlisted(store, "w1")
    left = await renewed(store, "w1", 1_000)
    assert 0 < left <= LEASE_SECONDS
    assert LEASE_SECONDS < await renewed(store, "w1", 5) <= 1_000


async def test_one_renewer_renews_again_and_again(store: Store) -> None:
    await enlisted(store, "w1")

    def renew() -> list[float]:
        renewer = store.renewer()
        lefts = [renewer.renew("w1", seconds) for seconds in (100, 200, 300)]
        renewer.close()
        return lefts

    lefts = await asyncio.to_thread(renew)
    assert [round(each, -2) for each in lefts] == [600, 100, 200]


async def test_renewing_keeps_host_and_process(store: Store) -> None:
    await store.enlist("w1", LEASE_SECONDS, host="there", pid=77)
    await renewed(store, "w1", 60)
    (row,) = await store.workers()
    assert (row.host, row.pid) == ("there", 77)


async def test_a_lease_that_has_expired_is_told_and_renewed_too(store: Store) -> None:
    await enlisted(store, "w1")
    await lets_expire(store, "w1")
    assert await renewed(store, "w1", 60) <= 0
    assert await renewed(store, "w1", 60) > 0
    await accepted(store, Told("r1").begins())


async def test_what_was_claimed_meanwhile_stays_with_its_new_holder(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    told = Told("r1")
    await accepted(store, told.begins())
    await lets_expire(store, "w1")
    successor = await takes(store, "w2", "r1")
    assert await renewed(store, "w1", 60) <= 0
    await refused(store, told.goes_on())
    await accepted(store, successor.goes_on())
    assert await claimed(store, "w1") == []


async def test_a_worker_whose_lease_has_expired_is_known_again_after_others_have_claimed(
    store: Store,
) -> None:
    await enlisted(store, "w1", "w2")
    await lets_expire(store, "w1")
    assert await claimed(store, "w2") == []
    assert await renewed(store, "w1", 60) <= 0
    await accepted(store, Told("r1").begins())


@pytest.mark.parametrize("worker", ["w1", "nobody"])
async def test_a_worker_without_a_valid_lease_claims_nothing(store: Store, worker: str) -> None:
    await enlisted(store, "w1")
    await lets_expire(store, "w1")
    await due(store, "r1")
    with pytest.raises(StoreError):
        await claimed(store, worker)
    await enlisted(store, "w2")
    await takes(store, "w2", "r1")


async def test_whoever_retires_gives_back_all_it_holds_without_a_crash(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await accepted(store, Told("r1").begins(), Told("r2").begins(), Told("r3").begins())
    await store.retire("w1")
    assert [each.worker for each in await store.workers()] == ["w2"]
    claims = await claimed(store, "w2")
    assert {each.run_id: (each.fence, each.crashes) for each in claims} == dict.fromkeys(
        ("r1", "r2", "r3"), (2, 0)
    )
    with pytest.raises(StoreError):
        await claimed(store, "w1")


async def test_whoever_has_retired_cannot_write(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    await store.retire("w1")
    await refused(store, told.goes_on())
    await refused(store, Told("r2").begins())


async def test_retiring_leaves_what_has_ended_alone(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    told = Told("r1")
    await accepted(store, told.begins(), told.ends())
    await store.retire("w1")
    assert await claimed(store, "w2") == []


# -- claiming -------------------------------------------------------------------------------------


async def test_a_claim_tells_all_that_its_holder_needs(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    told = Told("c1")
    begins = told.begins(flow_id="orders", version="v3", parent="r1", depth=4)
    await accepted(store, begins, told.goes_on(2), gives_back := told.waits(due_at=0))
    (claim,) = await claimed(store, "w2")
    rows = await store.events("c1")
    assert rows[-1] == gives_back.events[-1]
    assert claim == Claim(
        run_id="c1",
        flow_id="orders",
        version="v3",
        fence=2,
        seq=4,
        hash=told.head,
        crashes=0,
        parent_run_id="r1",
        depth=4,
        bytes=sum(len(each.body) for each in rows),
    )


async def test_claiming_clears_why_and_when(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins(release=Release(due_at=0, hold="missing code")))
    await takes(store, "w1", "r1")
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.due_at, row.hold) == ("w1", None, None)


async def test_what_is_held_is_not_claimed(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await due(store, "r1")
    await takes(store, "w1", "r1")
    assert await claimed(store, "w1") == []
    assert await claimed(store, "w2") == []


async def test_no_more_is_claimed_than_was_asked_for_and_the_oldest_first(store: Store) -> None:
    await enlisted(store, "w1")
    await due(store, "c", "a", "d", "b")
    got = [await claimed(store, "w1", most) for most in (0, 1, 2, 9)]
    assert [[each.run_id for each in claims] for claims in got] == [[], ["c"], ["a", "d"], ["b"]]


async def test_what_is_due_for_long_goes_before_what_was_lost_just_now(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await accepted(store, Told("lost").begins())
    await due(store, "old")
    await lets_expire(store, "w1")
    assert [each.run_id for each in await claimed(store, "w2", 1)] == ["old"]
    assert [each.run_id for each in await claimed(store, "w2", 1)] == ["lost"]


async def test_what_was_lost_goes_before_what_became_due_later(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await accepted(store, Told("lost").begins())
    await lets_expire(store, "w1")
    lost_at = await store.now()

    async def time_goes_on() -> bool:
        return await store.now() > lost_at + 5

    await until(time_goes_on)
    await accepted(store, Told("new", worker=None, fence=0).begins())
    assert [each.run_id for each in await claimed(store, "w2", 1)] == ["lost"]


async def test_versions_that_a_worker_lacks_are_left_to_others(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await due(store, "r1", version="v1")
    await due(store, "r2", version="v2")
    await accepted(store, Told("r3").begins(version="v1"), Told("r4").begins(version="v3"))
    await lets_expire(store, "w1")
    claims = await store.claim("w2", 9, without=["v1", "v2"], alone=False)
    assert [each.run_id for each in claims] == ["r4"]
    assert {each.run_id for each in await claimed(store, "w2")} == {"r1", "r2", "r3"}


async def test_each_claim_has_a_higher_fence(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await due(store, "r1")
    for fence in range(1, 6):
        told = await takes(store, ("w1", "w2")[fence % 2], "r1")
        assert told.fence == fence
        await accepted(store, told.waits(due_at=0))
    assert [each.fence for each in await store.events("r1")] == [0, 1, 2, 3, 4, 5]


async def test_two_who_claim_at_once_get_different_runs(store: Store, twin: Store) -> None:
    workers = [f"w{number}" for number in range(8)]
    await enlisted(store, *workers)
    run_ids = [f"r{number:03}" for number in range(200)]
    births = [Told(each, worker=None, fence=0).begins() for each in run_ids]
    await accepted(store, *births)
    got: list[str] = []
    while len(got) < len(run_ids):
        stores = [(store, twin)[number % 2] for number in range(8)]
        batches = await asyncio.gather(
            *(claimed(each, worker, 7) for each, worker in zip(stores, workers, strict=True))
        )
        assert any(batches)
        got += [claim.run_id for claims in batches for claim in claims]
    assert sorted(got) == run_ids
    rows = [await store.run(each) for each in run_ids]
    assert {row.fence for row in rows if row} == {1}


async def test_a_lost_run_is_taken_over_by_one_only(store: Store, twin: Store) -> None:
    await enlisted(store, "w1", "w2", "w3")
    await accepted(store, Told("r1").begins())
    await lets_expire(store, "w1")
    claims = await asyncio.gather(claimed(store, "w2"), claimed(twin, "w3"))
    ((claim,),) = [each for each in claims if each]
    assert (claim.run_id, claim.fence, claim.crashes) == ("r1", 2, 1)


# -- crashes --------------------------------------------------------------------------------------


async def test_every_claim_after_an_expired_lease_counts_as_a_crash(store: Store) -> None:
    await crashed(store, "r1", 4)
    await enlisted(store, "w9")
    (claim,) = await claimed(store, "w9", alone=True)
    assert (claim.crashes, claim.fence) == (5, 6)
    assert await crash_count(store, "r1") == 5


async def test_progress_makes_crashes_forgotten(store: Store) -> None:
    await crashed(store, "r1", 0)
    await enlisted(store, "w9")
    told = await takes(store, "w9", "r1")
    await accepted(store, told.says(messages=(message("r1", "m1"),)))
    assert await crash_count(store, "r1") == 1
    await accepted(store, told.goes_on())
    assert await crash_count(store, "r1") == 0


async def test_a_release_that_says_so_leaves_the_count_as_it_was(store: Store) -> None:
    await crashed(store, "r1", 0)
    await enlisted(store, "w9")
    told = await takes(store, "w9", "r1")
    await accepted(store, told.waits(due_at=0, crashed=True))
    assert await crash_count(store, "r1") == 1
    told = await takes(store, "w9", "r1")
    assert await crash_count(store, "r1") == 1
    await accepted(store, told.waits(due_at=0))
    assert await crash_count(store, "r1") == 0


async def test_giving_back_without_events_leaves_the_count_as_it_was(store: Store) -> None:
    await crashed(store, "r1", 0)
    await enlisted(store, "w9")
    told = await takes(store, "w9", "r1")
    await accepted(store, told.says(release=GIVEN_BACK))
    assert await crash_count(store, "r1") == 1


async def test_a_run_that_has_crashed_twice_is_given_to_those_only_who_ask_for_such(store: Store) -> None:
    await crashed(store, "bad", 1)
    await enlisted(store, "w9")
    await due(store, "good1", "good2")
    assert await store.waiting_alone() == 1
    assert [each.run_id for each in await claimed(store, "w9")] == ["good1", "good2"]
    (claim,) = await claimed(store, "w9", alone=True)
    assert (claim.run_id, claim.crashes) == ("bad", 2)
    assert await store.waiting_alone() == 0


async def test_those_who_ask_for_a_run_alone_get_one(store: Store) -> None:
    await enlisted(store, "w9")
    for number in range(3):
        await crashed(store, f"bad{number}", 1)
        (claim,) = await claimed(store, "w9", alone=True)
        await accepted(store, Told.of(claim, "w9").waits(due_at=NOW + number, crashed=True))
    await due(store, "good")
    assert await store.waiting_alone() == 3
    for number in range(3):
        assert [each.run_id for each in await claimed(store, "w9", alone=True)] == [f"bad{number}"]
    assert await claimed(store, "w9", alone=True) == []
    assert [each.run_id for each in await claimed(store, "w9")] == ["good"]


async def test_a_crashed_run_that_is_not_due_yet_does_not_wait_alone(store: Store) -> None:
    await crashed(store, "bad", 1)
    await enlisted(store, "w9")
    (claim,) = await claimed(store, "w9", alone=True)
    later = await store.now() + 3_600_000
    await accepted(store, Told.of(claim, "w9").waits(due_at=later, crashed=True))
    assert await store.waiting_alone() == 0
    assert await claimed(store, "w9", alone=True) == []


async def test_versions_that_a_worker_lacks_are_left_to_others_alone_too(store: Store) -> None:
    await crashed(store, "bad", 1)
    await enlisted(store, "w9")
    assert await store.claim("w9", 1, without=["v1"], alone=True) == []
    assert len(await store.claim("w9", 1, without=["v2"], alone=True)) == 1


async def test_a_birth_is_never_a_crash(store: Store) -> None:
    await enlisted(store, "w1")
    await commit(store, Told("r1").begins())
    assert await crash_count(store, "r1") == 0
