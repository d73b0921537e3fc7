"""Slices are kept whole or not at all, by the run's holder only, and as often as one likes."""

import asyncio

import pytest
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store import chain
from openrun.store.base import Store
from openrun.store.rows import Committed, Release, Stale
from tests.store.given import (
    FINAL,
    GIVEN_BACK,
    NOW,
    Told,
    accepted,
    claimed,
    commit,
    crashes,
    enlisted,
    everything,
    lets_expire,
    message,
    refused,
    renewed,
    takes,
)


async def held(store: Store, run_id: str = "r1", worker: str = "w1") -> Told:
    """A run that is held by this worker."""
    await enlisted(store, worker)
    told = Told(run_id, worker=worker)
    await accepted(store, told.begins())
    return told


async def test_events_follow_each_other(store: Store) -> None:
    told = await held(store)
    for count in (1, 3, 0, 12):
        await accepted(store, told.goes_on(count, at=NOW + count))
    rows = await store.events("r1")
    assert [each.seq for each in rows] == list(range(1, 18))
    row = await store.run("r1")
    assert row is not None
    assert (row.seq, row.hash, row.bytes) == (17, told.head, sum(len(each.body) for each in rows))
    assert chain.broken(rows, last=row.seq, head=row.hash) is None


async def test_events_come_back_to_the_letter(store: Store) -> None:
    told = await held(store)
    notes = ["plain", "ä😀\u2028", "\\u0000 \\\\ \\n", "[1e400]", "'; DROP TABLE runs; --", "x" * 200_000]
    slices = [told.goes_on(1, note=note) for note in notes]
    await accepted(store, *slices)
    written = [row for each in slices for row in each.events]
    assert await store.events("r1", after=1) == written
    assert chain.broken(await store.events("r1"), last=7, head=told.head) is None


async def test_a_run_tells_where_it_stands(store: Store) -> None:
    told = await held(store)
    await accepted(store, told.goes_on(status=RunStatus.COMPENSATING, at=NOW + 9, error="BROKEN: it broke"))
    row = await store.run("r1")
    assert row is not None
    assert (row.status, row.updated_at, row.ended_at, row.error) == (
        "compensating",
        NOW + 9,
        None,
        "BROKEN: it broke",
    )
    await accepted(store, told.goes_on(status=RunStatus.RUNNING, at=NOW + 10))
    row = await store.run("r1")
    assert row is not None
    assert (row.status, row.updated_at, row.error) == ("running", NOW + 10, None)


async def test_several_slices_of_one_run_may_be_offered_at_once(store: Store) -> None:
    told = await held(store)
    slices = [told.goes_on(2), told.goes_on(3, status=RunStatus.WAITING), told.goes_on(1), told.ends()]
    await accepted(store, *slices)
    row = await store.run("r1")
    assert row is not None
    assert (row.seq, row.hash, row.status, row.worker) == (8, told.head, "succeeded", None)
    assert row.bytes == sum(len(each.body) for each in await store.events("r1"))


async def test_a_run_may_be_born_and_go_on_in_one_commit(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(), told.goes_on(2), told.waits(due_at=NOW))
    row = await store.run("r1")
    assert row is not None
    assert (row.seq, row.status, row.worker, row.due_at) == (4, "waiting", None, NOW)


async def test_a_commit_whose_outcome_is_not_known_can_be_repeated(store: Store) -> None:
    told = await held(store)
    told_twice = told.goes_on(3, activations=(told.at("a"),), messages=(message("r1", "m1"),))
    await accepted(store, told_twice)
    before = await everything(store, "r1")
    assert await store.commit([told_twice]) == [Committed()]
    assert await everything(store, "r1") == before


async def test_a_commit_can_be_repeated_after_the_run_was_given_back_taken_over_or_ended(
    store: Store,
) -> None:
    told = await held(store)
    await enlisted(store, "w2")
    gives_back = told.waits(due_at=0)
    await accepted(store, gives_back)
    assert await commit(store, gives_back) == Committed()
    other = await takes(store, "w2", "r1")
    assert await commit(store, gives_back) == Committed()
    row = await store.run("r1")
    assert row is not None
    assert row.worker == "w2"
    await accepted(store, ends := other.ends())
    assert await store.commit([gives_back, ends]) == [Committed(), Committed()]


async def test_a_commit_can_be_repeated_after_its_lease_has_expired(store: Store) -> None:
    told = await held(store)
    await accepted(store, goes_on := told.goes_on())
    await lets_expire(store, "w1")
    assert await commit(store, goes_on) == Committed()


async def test_one_slice_may_stand_twice_in_a_commit(store: Store) -> None:
    told = await held(store)
    goes_on = told.goes_on(2)
    assert await store.commit([goes_on, goes_on]) == [Committed(), Committed()]
    assert len(await store.events("r1")) == 3


async def test_a_slice_without_events_can_be_repeated(store: Store) -> None:
    told = await held(store)
    says = told.says(messages=(message("r1", "m1"),))
    await accepted(store, says, says)
    assert len(await store.inbox("w1")) == 1


async def test_giving_back_can_be_repeated(store: Store) -> None:
    told = await held(store)
    gives_back = told.says(release=Release(due_at=NOW, hold="later"))
    await accepted(store, gives_back)
    before = await everything(store, "r1")
    assert await commit(store, gives_back) == Committed()
    assert await everything(store, "r1") == before


async def test_other_events_in_the_same_place_are_refused(store: Store) -> None:
    told = await held(store)
    zombie = told.copy()
    await accepted(store, told.goes_on(2))
    before = await everything(store, "r1")
    await refused(store, zombie.copy().goes_on(2, note="other"))
    await refused(store, zombie.copy().goes_on(1, note="other"))
    await refused(store, zombie.copy().goes_on(5))
    assert await everything(store, "r1") == before


async def test_a_run_that_is_not_there_gets_no_events(store: Store) -> None:
    await enlisted(store, "w1")
    await refused(store, Told("r1").goes_on())
    assert await store.events("r1") == []


async def test_events_that_leave_a_gap_are_refused(store: Store) -> None:
    told = await held(store)
    told.goes_on()
    await refused(store, told.goes_on())
    assert len(await store.events("r1")) == 1


async def test_whoever_does_not_hold_a_run_cannot_write_it(store: Store) -> None:
    told = await held(store)
    await enlisted(store, "w2")
    before = await everything(store, "r1")
    for worker, fence in (("w2", 1), ("w1", 0), ("w1", 2), (None, 1), (None, 0), ("nobody", 1)):
        other = Told("r1", worker=worker, fence=fence, seq=told.seq, head=told.head)
        await refused(store, other.goes_on())
        await refused(store, other.says(release=GIVEN_BACK))
    assert await everything(store, "r1") == before


async def test_a_run_that_nobody_holds_cannot_be_written_by_nobody(store: Store) -> None:
    told = Told("r1", worker=None, fence=0)
    await accepted(store, told.begins())
    await refused(store, told.goes_on())


async def test_a_zombie_cannot_write(store: Store) -> None:
    zombie = await held(store)
    await enlisted(store, "w2")
    await crashes(store, zombie)
    successor = await takes(store, "w2", "r1")
    await renewed(store, "w1", 60)
    before = await everything(store, "r1")
    await refused(store, zombie.copy().goes_on())
    await refused(store, zombie.copy().ends())
    await refused(store, zombie.says(release=GIVEN_BACK))
    await refused(store, zombie.says(messages=(message("r1", "m1"),)))
    assert await everything(store, "r1") == before
    await accepted(store, successor.goes_on())


async def test_a_holder_whose_lease_has_expired_cannot_write(store: Store) -> None:
    told = await held(store)
    await lets_expire(store, "w1")
    assert "lease" in await refused(store, told.copy().goes_on())
    await refused(store, told.says(release=GIVEN_BACK))
    assert len(await store.events("r1")) == 1


async def test_a_holder_that_renews_in_time_before_others_come_goes_on(store: Store) -> None:
    told = await held(store)
    await lets_expire(store, "w1")
    assert await renewed(store, "w1", 60) <= 0
    await accepted(store, told.goes_on())


async def test_whoever_gave_a_run_back_cannot_write_it(store: Store) -> None:
    told = await held(store)
    await accepted(store, told.waits())
    await refused(store, told.goes_on())


@pytest.mark.parametrize("status", FINAL)
async def test_a_run_that_has_ended_stays_as_it_is(store: Store, status: RunStatus) -> None:
    told = await held(store)
    await accepted(store, told.ends(status, at=NOW + 7))
    before = await everything(store, "r1")
    row = await store.run("r1")
    assert row is not None
    assert (row.status, row.ended_at, row.worker, row.due_at, row.hold) == (status, NOW + 7, None, None, None)
    assert "ended" in await refused(store, told.copy().goes_on())
    await refused(store, told.says(release=Release(due_at=NOW)))
    await store.hold("r1", "why not", due_at=NOW)
    assert await everything(store, "r1") == before
    assert await claimed(store, "w1") == []


async def test_a_run_that_ends_is_not_given_back(store: Store) -> None:
    told = await held(store)
    await accepted(store, told.ends(release=Release(due_at=NOW, hold="odd")))
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.due_at, row.hold) == (None, None, None)


async def test_a_stale_slice_harms_no_other(store: Store) -> None:
    tellers = [await held(store, f"r{number}") for number in range(5)]
    await enlisted(store, "w2")
    tellers[2].fence = 9
    slices = [each.goes_on(2) for each in tellers]
    verdicts = await store.commit(slices)
    assert [type(each) for each in verdicts] == [Committed, Committed, Stale, Committed, Committed]
    assert [len(await store.events(each.run_id)) for each in tellers] == [3, 3, 1, 3, 3]


async def test_a_refused_slice_leaves_nothing(store: Store) -> None:
    told, other = await held(store), await held(store, "r2")
    await store.post([message("r1", "asked")])
    (waiting,) = await store.inbox("w1")
    told.fence = 5
    await refused(
        store,
        told.goes_on(
            activations=(told.at("a"),),
            children=(Told("r3", worker=None, fence=0).begins(parent="r1"),),
            messages=(message("r2", "m1"),),
            taken=(waiting.number,),
            release=GIVEN_BACK,
        ),
    )
    assert await store.run("r3") is None
    assert await store.events("r3") == []
    assert await store.activations("r1") == []
    assert await store.inbox("w1") == [waiting]
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.seq) == ("w1", 1)
    await accepted(store, other.goes_on())


async def test_no_slices_are_no_verdicts(store: Store) -> None:
    assert await store.commit([]) == []


async def test_activations_stand_where_their_last_event_left_them(store: Store) -> None:
    told = await held(store)
    started = told.at("a", started_at=NOW)
    inner = told.at("a", scope="/each[1]", seq=3, started_at=NOW + 1)
    await accepted(store, told.goes_on(2, activations=(started, inner)))
    waits = told.at("a", "scheduled", attempt=2, due_at=NOW + 60, error="LATE: too late")
    await accepted(store, told.goes_on(activations=(waits,)))
    kept = {each.scope: each for each in await store.activations("r1")}
    assert kept == {"/each[1]": inner, "/": replace(waits, started_at=NOW)}


async def test_an_activation_keeps_the_start_and_the_attempt_that_it_is_not_told(store: Store) -> None:
    told = await held(store)
    await accepted(
        store, told.goes_on(activations=(told.at("a", attempt=3, started_at=NOW, due_at=NOW + 1),))
    )
    ended = told.at("a", "cancelled", attempt=None, ended_at=NOW + 2)
    await accepted(store, told.goes_on(activations=(ended,)))
    (row,) = await store.activations("r1")
    assert (row.attempt, row.started_at, row.due_at, row.ended_at) == (3, NOW, None, NOW + 2)
    assert (row.status, row.seq) == ("cancelled", 3)


async def test_an_activation_that_was_never_started_has_no_attempt(store: Store) -> None:
    told = await held(store)
    cancelled = told.at("a", "cancelled", attempt=None, ended_at=NOW)
    await accepted(store, told.goes_on(activations=(cancelled,)))
    assert await store.activations("r1") == [cancelled]


async def test_errors_may_have_any_letters(store: Store) -> None:
    told = await held(store)
    error = "ODD: 'quoted' \"twice\" \\ ä😀 \n"
    await accepted(store, told.ends(RunStatus.FAILED, error=error, activations=(told.at("a", error=error),)))
    row = await store.run("r1")
    assert row is not None
    assert row.error == error
    assert [each.error for each in await store.activations("r1")] == [error]


async def test_an_error_with_a_nul_in_it_does_no_harm(store: Store) -> None:
    told = await held(store)
    await accepted(
        store, told.ends(RunStatus.FAILED, error="A\0B", activations=(told.at("a", error="A\0B"),))
    )
    row = await store.run("r1")
    assert row is not None
    assert row.error is not None
    assert (row.error[0], row.error[-1]) == ("A", "B")


async def test_children_exist_once_their_parent_goes_on(store: Store) -> None:
    told = await held(store)
    children = [Told(f"c{number}", worker=None, fence=0).begins(parent="r1", depth=1) for number in range(3)]
    assert await accepted(store, told.goes_on(children=tuple(children))) == [3]
    claims = await claimed(store, "w1")
    assert [(each.run_id, each.parent_run_id, each.depth) for each in claims] == [
        (f"c{number}", "r1", 1) for number in range(3)
    ]
    assert await store.events("c1") == list(children[1].events)


async def test_a_child_that_its_parents_worker_holds_is_not_due(store: Store) -> None:
    told = await held(store)
    child = Told("c1")
    assert await accepted(store, told.goes_on(children=(child.begins(parent="r1"),))) == [0]
    assert await claimed(store, "w1") == []
    await accepted(store, child.goes_on())


async def test_a_child_that_exists_is_left_as_it_is(store: Store) -> None:
    told = await held(store)
    child = Told("c1", worker=None, fence=0)
    await accepted(store, told.goes_on(children=(child.begins(parent="r1"),)))
    await takes(store, "w1", "c1")
    before = await everything(store, "c1")
    again = Told("c1", worker=None, fence=0).begins(parent="r1", note="other")
    fresh = Told("c2", worker=None, fence=0).begins(parent="r1")
    assert await accepted(store, told.goes_on(children=(again, fresh))) == [1]
    assert await everything(store, "c1") == before


async def test_children_may_bring_children_and_messages(store: Store) -> None:
    told = await held(store)
    below = Told("c2", worker=None, fence=0).begins(parent="c1")
    child = Told("c1", worker=None, fence=0).begins(
        parent="r1", children=(below,), messages=(message("r1", "hi"),)
    )
    await accepted(store, told.goes_on(children=(child,)))
    assert await store.find("c", limit=9) == ["c1", "c2"]
    assert [each.key for each in await store.inbox("w1")] == ["hi"]


async def test_a_run_that_was_born_may_get_messages_in_the_same_commit(store: Store) -> None:
    told = await held(store)
    child = Told("c1", worker=None, fence=0).begins(parent="r1")
    assert await accepted(store, told.goes_on(children=(child,), messages=(message("c1", "go"),))) == [1]
    await takes(store, "w1", "c1")
    assert [each.run_id for each in await store.inbox("w1")] == ["c1"]


async def test_two_who_write_at_once_do_not_disturb_each_other(store: Store, twin: Store) -> None:
    await enlisted(store, "w1", "w2")
    tellers = [Told(f"r{number:02}", worker=("w1", "w2")[number % 2]) for number in range(20)]
    await accepted(store, *(each.begins() for each in tellers))
    for _ in range(5):
        halves = [[each.goes_on(3) for each in tellers if each.worker == worker] for worker in ("w1", "w2")]
        await asyncio.gather(accepted(store, *halves[0]), accepted(twin, *halves[1]))
    journals = await store.journals([each.run_id for each in tellers])
    for told in tellers:
        assert chain.broken(journals[told.run_id], last=16, head=told.head) is None


async def test_two_who_claim_to_be_the_same_holder_write_one_history(store: Store, twin: Store) -> None:
    told = await held(store)
    for turn in range(10):
        mine, other = told.copy(), told.copy()
        verdicts = await asyncio.gather(
            commit(store, mine.goes_on(note=f"mine {turn}")),
            commit(twin, other.goes_on(note=f"other {turn}")),
        )
        assert sorted(type(each).__name__ for each in verdicts) == ["Committed", "Stale"]
        told = mine if isinstance(verdicts[0], Committed) else other
    assert chain.broken(await store.events("r1"), last=11, head=told.head) is None
