"""Inboxes: others may say something to a run at any time, and its holder hears it once and in order."""

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import InboxRow, Message, Posted, Release
from tests.store.given import (
    FINAL,
    GIVEN_BACK,
    Told,
    accepted,
    claimed,
    enlisted,
    message,
    takes,
)

FRESH_TO_HOLDER = Posted(status=RunStatus.RUNNING, fresh=True, held=True)


async def held(store: Store, run_id: str = "r1", worker: str = "w1") -> Told:
    """A run that is held by this worker."""
    await enlisted(store, worker)
    told = Told(run_id, worker=worker)
    await accepted(store, told.begins())
    return told


async def given_back(store: Store, **its: object) -> Told:
    """A run that nobody holds."""
    told = await held(store)
    release = Release(due_at=None)
    await accepted(store, told.goes_on(status=RunStatus.WAITING, release=its.pop("release", release)))
    return told


async def due_at(store: Store, run_id: str) -> int | None:
    row = await store.run(run_id)
    assert row is not None
    return row.due_at


async def keys(store: Store, worker: str) -> list[str]:
    return [each.key for each in await store.inbox(worker)]


async def test_the_holder_hears_what_was_said_in_order(store: Store) -> None:
    await held(store)
    body = {"text": "ä😀\u0000\n", "list": [1, 2.5, None, True, {"deep": [[]]}], "big": 2**70, "z": 1, "a": 2}
    posted = await store.post([Message(run_id="r1", kind="signal", key="k1", body=body)])
    assert posted == [FRESH_TO_HOLDER]
    await store.post([message("r1", "a"), message("r1", "c"), message("r1", "b")])
    rows = await store.inbox("w1")
    assert [each.key for each in rows] == ["k1", "a", "c", "b"]
    assert rows[0] == InboxRow(number=rows[0].number, run_id="r1", kind="signal", key="k1", body=body)
    numbers = [each.number for each in rows]
    assert numbers == sorted(set(numbers))


async def test_each_holder_hears_what_is_for_its_runs(store: Store) -> None:
    await held(store, "r1", "w1")
    await held(store, "r2", "w2")
    await store.post([message("r2", "m1"), message("r1", "m2"), message("r2", "m3")])
    assert await keys(store, "w1") == ["m2"]
    assert await keys(store, "w2") == ["m1", "m3"]
    assert await keys(store, "nobody") == []


async def test_anybody_may_look_at_what_waits(store: Store) -> None:
    await held(store, "r1")
    await held(store, "r2")
    await held(store, "r3")
    await store.post([message("r2", "m1"), message("r1", "m2"), message("r3", "m3"), message("r2", "m4")])
    assert [each.key for each in await store.waiting_messages(["r1", "r2", "r9"])] == ["m1", "m2", "m4"]
    assert await store.waiting_messages([]) == []


async def test_the_same_message_is_kept_once(store: Store) -> None:
    await held(store)
    said = message("r1", "m1", answer=42, why="so")
    again = message("r1", "m1", why="so", answer=42)
    assert await store.post([said]) == [FRESH_TO_HOLDER]
    assert await store.post([again, again]) == [Posted(status=RunStatus.RUNNING, held=True)] * 2
    assert await keys(store, "w1") == ["m1"]


async def test_the_same_message_twice_in_one_call_is_kept_once(store: Store) -> None:
    await held(store)
    same, other = message("r1", "m1", answer=42), message("r1", "m1", answer=43)
    assert await store.post([same, same, other]) == [
        FRESH_TO_HOLDER,
        Posted(status=RunStatus.RUNNING, held=True),
        Posted(status=RunStatus.RUNNING, held=True, conflict=True),
    ]
    assert [each.body for each in await store.inbox("w1")] == [{"answer": 42}]


async def test_another_message_under_a_known_key_is_a_conflict(store: Store) -> None:
    await held(store)
    await store.post([message("r1", "m1", answer=42)])
    conflict = Posted(status=RunStatus.RUNNING, held=True, conflict=True)
    assert await store.post([message("r1", "m1", answer=43)]) == [conflict]
    assert await store.post([message("r1", "m1")]) == [conflict]
    assert [each.body for each in await store.inbox("w1")] == [{"answer": 42}]


async def test_a_key_counts_for_its_run_only(store: Store) -> None:
    await held(store, "r1")
    await held(store, "r2")
    assert await store.post([message("r1", "m1"), message("r2", "m1")]) == [FRESH_TO_HOLDER] * 2


async def test_what_was_answered_is_not_heard_again_but_its_key_is_known(store: Store) -> None:
    told = await held(store)
    await store.post([message("r1", "m1", answer=42), message("r1", "m2")])
    first, _ = await store.inbox("w1")
    await accepted(store, told.goes_on(taken=(first.number,)))
    assert await keys(store, "w1") == ["m2"]
    assert [each.key for each in await store.waiting_messages(["r1"])] == ["m2"]
    known = Posted(status=RunStatus.RUNNING, held=True)
    assert await store.post([message("r1", "m1", answer=42)]) == [known]
    assert await store.post([message("r1", "m1", answer=43)]) == [
        Posted(status=RunStatus.RUNNING, held=True, conflict=True)
    ]
    assert await keys(store, "w1") == ["m2"]


async def test_a_run_answers_its_own_messages_only(store: Store) -> None:
    told = await held(store, "r1")
    await held(store, "r2")
    await store.post([message("r2", "m1")])
    (other,) = await store.inbox("w1")
    await accepted(store, told.goes_on(taken=(other.number,)))
    assert await keys(store, "w1") == ["m1"]


async def test_nobody_hears_what_is_said_to_a_run_that_is_not_there(store: Store) -> None:
    assert await store.post([message("r1", "m1")]) == [Posted(status=None)]
    await held(store)
    assert await keys(store, "w1") == []


@pytest.mark.parametrize("status", FINAL)
async def test_nothing_is_kept_for_a_run_that_has_ended(store: Store, status: RunStatus) -> None:
    told = await held(store)
    await store.post([message("r1", "m1"), message("r1", "m2")])
    first, _ = await store.inbox("w1")
    await accepted(store, told.ends(status, taken=(first.number,)))
    assert await store.inbox("w1") == []
    assert await store.waiting_messages(["r1"]) == []
    assert await store.post([message("r1", "m1"), message("r1", "m3")]) == [Posted(status=status)] * 2
    assert await store.waiting_messages(["r1"]) == []
    assert await due_at(store, "r1") is None


async def test_a_message_for_a_run_that_ends_in_the_same_commit_is_lost(store: Store) -> None:
    told, other = await held(store, "r1"), await held(store, "r2")
    await accepted(store, other.goes_on(messages=(message("r1", "m1"),)), told.ends())
    assert await store.waiting_messages(["r1"]) == []
    assert await due_at(store, "r1") is None


async def test_a_message_makes_a_run_due_that_nobody_holds(store: Store) -> None:
    await given_back(store)
    assert await claimed(store, "w1") == []
    before = await store.now()
    assert await store.post([message("r1", "m1")]) == [Posted(status=RunStatus.WAITING, fresh=True)]
    due = await due_at(store, "r1")
    assert due is not None
    assert before <= due <= await store.now()
    await takes(store, "w1", "r1")
    assert await keys(store, "w1") == ["m1"]


async def test_a_message_makes_a_run_due_that_waits_for_its_time(store: Store) -> None:
    later = await store.now() + 3_600_000
    await given_back(store, release=Release(due_at=later))
    await store.post([message("r1", "m1")])
    await takes(store, "w1", "r1")


async def test_a_message_puts_off_nothing_that_is_due(store: Store) -> None:
    await given_back(store, release=Release(due_at=5))
    await store.post([message("r1", "m1")])
    assert await due_at(store, "r1") == 5


async def test_a_message_leaves_a_run_with_its_holder(store: Store) -> None:
    await held(store)
    await store.post([message("r1", "m1")])
    assert await due_at(store, "r1") is None


async def test_a_run_that_is_given_back_while_a_message_waits_is_due_at_once(store: Store) -> None:
    told = await held(store)
    await store.post([message("r1", "m1")])
    before = await store.now()
    later = before + 3_600_000
    await accepted(store, told.waits(due_at=later))
    due = await due_at(store, "r1")
    assert due is not None
    assert before <= due <= await store.now()


async def test_a_run_that_is_given_back_when_all_was_answered_waits(store: Store) -> None:
    told = await held(store)
    await store.post([message("r1", "m1")])
    (row,) = await store.inbox("w1")
    await accepted(store, told.goes_on(status=RunStatus.WAITING, taken=(row.number,), release=GIVEN_BACK))
    assert await due_at(store, "r1") is None
    assert await claimed(store, "w1") == []


async def test_a_damaged_run_stays_where_it_is(store: Store) -> None:
    told = await held(store)
    await store.post([message("r1", "m1")])
    await accepted(store, told.says(release=Release(due_at=None, hold="damaged: event 7 is missing")))
    assert await due_at(store, "r1") is None
    assert await store.post([message("r1", "m2")]) == [Posted(status=RunStatus.RUNNING, fresh=True)]
    assert await due_at(store, "r1") is None
    assert await claimed(store, "w1") == []
    assert [each.key for each in await store.waiting_messages(["r1"])] == ["m1", "m2"]


async def test_a_run_on_hold_for_another_reason_hears_a_message(store: Store) -> None:
    told = await held(store)
    await accepted(store, told.says(release=Release(due_at=None, hold="paused")))
    await store.post([message("r1", "resume")])
    await takes(store, "w1", "r1")
    row = await store.run("r1")
    assert row is not None
    assert row.hold is None


async def test_a_slice_may_send_messages(store: Store) -> None:
    sender = await held(store, "r1", "w2")
    await given_back_as(store, "r2")
    await held(store, "r3")
    sent = (message("r2", "m1", text="hi"), message("r3", "m1"), message("r2", "m2"), message("r9", "m1"))
    assert await accepted(store, sender.goes_on(messages=sent)) == [1]
    assert await keys(store, "w1") == ["m1"]
    assert [each.key for each in await store.waiting_messages(["r2"])] == ["m1", "m2"]
    await takes(store, "w1", "r2")
    assert await accepted(store, sender.goes_on(messages=sent)) == [0]
    assert len(await store.waiting_messages(["r1", "r2", "r3"])) == 3


async def given_back_as(store: Store, run_id: str) -> None:
    told = await held(store, run_id)
    await accepted(store, told.waits())


async def test_a_run_that_sends_itself_a_message_and_is_given_back_is_due(store: Store) -> None:
    told = await held(store)
    await accepted(store, told.goes_on(messages=(message("r1", "m1"),), release=GIVEN_BACK))
    await takes(store, "w1", "r1")


async def test_a_message_and_giving_back_in_one_commit_leave_the_run_due(store: Store) -> None:
    told, sender = await held(store, "r1"), await held(store, "r2", "w2")
    await accepted(store, told.waits(), sender.goes_on(messages=(message("r1", "m1"),)))
    await takes(store, "w1", "r1")
    told, sender = Told("r3"), Told("r4", worker="w2")
    await accepted(store, told.begins(), sender.begins())
    await accepted(store, sender.goes_on(messages=(message("r3", "m1"),)), told.waits())
    await takes(store, "w1", "r3")


async def test_numbers_are_never_given_again(store: Store) -> None:
    told = await held(store, "r1")
    await held(store, "r2")
    await store.post([message("r1", "m1")])
    (row,) = await store.inbox("w1")
    await accepted(store, told.ends())
    await store.post([message("r2", "m1")])
    (later,) = await store.inbox("w1")
    assert later.number > row.number


async def test_nothing_said_is_nothing_posted(store: Store) -> None:
    assert await store.post([]) == []
