"""Failed runs that nobody above takes care of are kept as dead letters, until one is replayed with success."""

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import DeadLetter
from tests.store.given import NOW, Told, accepted, enlisted, refused

FAILED, SUCCEEDED = RunStatus.FAILED, RunStatus.SUCCEEDED


async def dies(store: Store, run_id: str, *, at: int = NOW, error: str | None = None) -> DeadLetter:
    await enlisted(store, "w1")
    told = Told(run_id)
    await accepted(store, told.begins(), told.ends(FAILED, at=at, error=error))
    return DeadLetter(run_id=run_id, flow_id="orders", error=error, failed_at=at, replays=0, last_replay=None)


async def letter(store: Store, run_id: str) -> DeadLetter:
    found = await store.dead_letter(run_id)
    assert found is not None
    return found


async def test_a_run_that_failed_is_a_dead_letter(store: Store) -> None:
    expected = await dies(store, "r1", at=NOW + 5, error="HTTP_500: the server fell over")
    assert await store.dead_letter("r1") == expected
    assert await store.dead_letters() == [expected]


async def test_a_run_that_begins_and_fails_at_once_is_a_dead_letter(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins(status=FAILED))
    assert (await letter(store, "r1")).failed_at == NOW


@pytest.mark.parametrize("status", [SUCCEEDED, RunStatus.CANCELLED, RunStatus.ABORTED])
async def test_a_run_that_ended_otherwise_is_none(store: Store, status: RunStatus) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(), told.ends(status))
    assert await store.dead_letters() == []


async def test_a_child_that_failed_is_its_parents_affair(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("c1")
    await accepted(
        store, told.begins(parent="r1"), told.ends(FAILED), Told("c2").begins(parent="r1", status=FAILED)
    )
    assert await store.dead_letters() == []
    assert await store.dead_letter("c1") is None


async def test_dead_letters_are_told_newest_first_up_to_a_limit(store: Store) -> None:
    letters = [await dies(store, f"r{place}", at=NOW + at) for place, at in enumerate((5, 9, 1, 7))]
    assert await store.dead_letters() == [letters[place] for place in (1, 3, 0, 2)]
    assert await store.dead_letters(limit=2) == [letters[1], letters[3]]


async def test_a_dead_letter_can_be_discarded_once(store: Store) -> None:
    await dies(store, "r1")
    assert await store.discard("r1") is True
    assert await store.dead_letter("r1") is None
    assert await store.discard("r1") is False
    assert await store.run("r1") is not None


async def test_replays_are_counted_when_they_begin(store: Store) -> None:
    await dies(store, "r1")
    await accepted(store, Told("r2").begins(replay_of="r1"))
    assert ((await letter(store, "r1")).replays, (await letter(store, "r1")).last_replay) == (1, "r2")
    row = await store.run("r2")
    assert row is not None
    assert row.replay_of == "r1"
    await accepted(
        store, Told("r3", worker=None, fence=0).begins(replay_of="r1"), Told("r4").begins(replay_of="r1")
    )
    assert ((await letter(store, "r1")).replays, (await letter(store, "r1")).last_replay) == (3, "r4")


async def test_a_replay_that_is_offered_again_is_counted_once(store: Store) -> None:
    await dies(store, "r1")
    begins = Told("r2").begins(replay_of="r1")
    await accepted(store, begins, begins)
    await accepted(store, begins)
    assert (await letter(store, "r1")).replays == 1


async def test_a_replay_that_is_refused_is_not_counted(store: Store) -> None:
    await dies(store, "r1")
    await refused(store, Told("r2", worker="nobody").begins(replay_of="r1"))
    assert (await letter(store, "r1")).replays == 0


async def test_a_replay_that_succeeds_takes_the_dead_letter_away(store: Store) -> None:
    await dies(store, "r1")
    await dies(store, "r9")
    told = Told("r2")
    await accepted(store, told.begins(replay_of="r1"))
    await accepted(store, told.ends(SUCCEEDED))
    assert [each.run_id for each in await store.dead_letters()] == ["r9"]


async def test_a_replay_may_begin_and_succeed_at_once(store: Store) -> None:
    await dies(store, "r1")
    await accepted(store, Told("r2").begins(replay_of="r1", status=SUCCEEDED))
    assert await store.dead_letters() == []


async def test_a_replay_that_fails_is_no_letter_of_its_own(store: Store) -> None:
    await dies(store, "r1", error="first")
    told = Told("r2")
    await accepted(store, told.begins(replay_of="r1"), told.ends(FAILED, at=NOW + 9, error="second"))
    assert [(each.run_id, each.replays, each.last_replay) for each in await store.dead_letters()] == [
        ("r1", 1, "r2")
    ]


@pytest.mark.parametrize("status", [RunStatus.CANCELLED, RunStatus.ABORTED])
async def test_a_replay_that_is_stopped_leaves_the_letter(store: Store, status: RunStatus) -> None:
    await dies(store, "r1")
    told = Told("r2")
    await accepted(store, told.begins(replay_of="r1"), told.ends(status))
    assert [each.run_id for each in await store.dead_letters()] == ["r1"]


async def test_a_replay_of_what_is_no_dead_letter_any_more_stands_for_itself(store: Store) -> None:
    await dies(store, "r1")
    told = Told("r2")
    await accepted(store, told.begins(replay_of="r1"))
    await store.discard("r1")
    await accepted(store, told.ends(FAILED))
    assert [each.run_id for each in await store.dead_letters()] == ["r2"]


async def test_many_may_fail_in_one_commit(store: Store) -> None:
    await enlisted(store, "w1")
    tellers = [Told(f"r{number}") for number in range(5)]
    await accepted(store, *(each.begins() for each in tellers))
    await accepted(store, *(each.ends(FAILED) for each in tellers))
    assert sorted(each.run_id for each in await store.dead_letters()) == [each.run_id for each in tellers]
