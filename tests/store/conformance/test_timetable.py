"""Schedules follow the version that is current, and each of their ticks is decided once."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.base import Store, StoreError
from openrun.store.rows import Message, Slice, VersionRow
from openrun.store.tickets import LaneRules, Ticket
from openrun.store.timetable import Move, ScheduleFilter, ScheduleRow, TickFilter, TickOutcome, TickRow
from tests.store.given import NOW, Told, accepted, due, enlisted, key, message, takes

FIRED, QUEUED, SKIPPED = TickOutcome.FIRED, TickOutcome.QUEUED, TickOutcome.SKIPPED
PLACE = {"namespace": "default", "flow_id": "report", "trigger": "nightly"}


def schedule(trigger: str = "nightly", **more: Any) -> ScheduleRow:
    given: dict[str, Any] = {
        **PLACE, "trigger": trigger, "version": "v1", "spec": '{"cron":"0 3 * * *"}', "cursor": NOW, "due_at": NOW + 10,
        "created_at": NOW, **more,
    }  # fmt: skip
    return ScheduleRow(**given)


async def keeps(
    store: Store, *schedules: ScheduleRow, version: str = "v1", expected: str | None = None, **place: str
) -> bool:
    """A version of the flow becomes current, with these schedules."""
    at = {"namespace": "default", "flow_id": "report", **place}
    row = VersionRow(version=version, name="Report", document="{}", created_at=NOW, **at)
    return await store.keep_version(row, expected=expected, schedules=schedules)


async def kept(store: Store, trigger: str = "nightly") -> ScheduleRow:
    row = await store.schedule("report", trigger)
    assert row is not None
    return row


def tick(at: int, outcome: TickOutcome = FIRED, **more: Any) -> TickRow:
    given: dict[str, Any] = {**PLACE, "tick": at, "outcome": outcome, "decided_at": NOW, **more}
    if outcome is FIRED:
        given.setdefault("run_id", f"run{at}")
    return TickRow(**given)


def starts(run_id: str, **more: Any) -> Slice:
    return Told(run_id, worker=None, fence=0).begins(flow_id="report", trigger="nightly", **more)


def moving(*ticks: TickRow, revision: int = 0, **more: Any) -> Move:
    """Of the schedule: its fired ticks start their runs."""
    births = tuple(starts(each.run_id) for each in ticks if each.outcome is FIRED and each.run_id)
    given: dict[str, Any] = {
        **PLACE, "revision": revision, "cursor": NOW + 20, "due_at": NOW + 30, "ticks": ticks, "births": births, **more,
    }  # fmt: skip
    return Move(**given)


async def told(store: Store, **wanted: Any) -> list[tuple[int, str]]:
    rows = await store.ticks(TickFilter(flow_id="report", trigger="nightly", **wanted))
    return [(each.tick, each.outcome) for each in rows]


# -- versions -------------------------------------------------------------------------------------


async def test_a_schedule_is_kept_to_the_letter(store: Store) -> None:
    odd = schedule("ä😀'\"", spec='{"cron":"ä😀"}', due_at=None)
    assert await keeps(store, schedule(), odd)
    assert await store.schedules(ScheduleFilter()) == [schedule(), odd]
    assert await store.schedule("report", "nightly") == schedule()
    assert await store.schedule("report", "nightly", namespace="other") is None
    assert await store.schedule("report", "weekly") is None


async def test_schedules_become_those_of_the_version_that_is_current(store: Store) -> None:
    await keeps(store, schedule(), schedule("weekly"))
    assert await store.move([moving(tick(NOW + 10))]) == [True]
    await keeps(store, schedule("weekly", version="v2"), schedule("monthly", version="v2"), version="v2")
    assert [each.trigger for each in await store.schedules(ScheduleFilter())] == ["monthly", "weekly"]
    assert await told(store) == []
    await keeps(store, version="v3")
    assert await store.schedules(ScheduleFilter()) == []


async def test_a_version_that_is_not_kept_changes_no_schedule(store: Store) -> None:
    await keeps(store, schedule())
    assert not await keeps(store, schedule("weekly"), version="v2", expected="v0")
    assert await store.schedules(ScheduleFilter()) == [schedule()]


async def test_flows_of_other_names_keep_their_schedules(store: Store) -> None:
    other = schedule(namespace="other")
    await keeps(store, other, namespace="other")
    await keeps(store, schedule())
    await keeps(store, version="v2")
    assert await store.schedules(ScheduleFilter()) == [other]


async def test_a_schedule_with_the_same_spec_goes_on(store: Store) -> None:
    await keeps(store, schedule())
    await store.move([moving(tick(NOW + 10))])
    await store.pause_schedule("report", "nightly", at=NOW + 5, by="ada")
    before = await kept(store)
    newer = schedule(version="v2", cursor=NOW * 2, due_at=NOW * 2, created_at=NOW * 2)
    await keeps(store, newer, version="v2")
    after = await kept(store)
    assert after == replace(before, version="v2", revision=before.revision + 1)
    assert await told(store) == [(NOW + 10, FIRED)]
    # The same once more is no change.
    await keeps(store, newer, version="v2")
    assert await kept(store) == after


async def test_a_schedule_with_another_spec_keeps_its_pause_and_its_ticks(store: Store) -> None:
    await keeps(store, schedule())
    await store.move([moving(tick(NOW + 10))])
    await store.pause_schedule("report", "nightly", at=NOW + 5, by="ada")
    other = schedule(version="v2", spec="{}", cursor=NOW + 70, due_at=NOW + 80)
    await keeps(store, other, version="v2")
    row = await kept(store)
    assert (row.version, row.spec, row.cursor, row.due_at) == ("v2", "{}", NOW + 70, NOW + 80)
    assert (row.paused_at, row.paused_by, row.revision) == (NOW + 5, "ada", 3)
    assert (row.last_tick, await told(store)) == (NOW + 10, [(NOW + 10, FIRED)])


# -- looking --------------------------------------------------------------------------------------


async def test_due_schedules_come_longest_due_first(store: Store) -> None:
    assert await store.next_schedule() is None
    await keeps(
        store,
        schedule("a", due_at=NOW + 3),
        schedule("b", due_at=NOW + 1),
        schedule("c", due_at=None),
        schedule("d", due_at=NOW + 2),
    )
    assert await store.next_schedule() == NOW + 1
    assert await store.due_schedules(NOW) == []
    assert [each.trigger for each in await store.due_schedules(NOW + 2)] == ["b", "d"]
    assert [each.trigger for each in await store.due_schedules(NOW + 9, limit=2)] == ["b", "d"]
    assert await store.due_schedules(NOW + 1) == [schedule("b", due_at=NOW + 1)]


async def test_schedules_are_listed_by_name_and_in_pages(store: Store) -> None:
    for namespace, flow_id in (("default", "b"), ("default", "a"), ("other", "a")):
        rows = (schedule(each, namespace=namespace, flow_id=flow_id) for each in ("y", "x"))
        await keeps(store, *rows, namespace=namespace, flow_id=flow_id)
    await store.pause_schedule("a", "x", at=NOW, namespace="default")

    async def listed(**wanted: Any) -> list[str]:
        rows = await store.schedules(ScheduleFilter(**wanted))
        return [f"{each.namespace}/{each.flow_id}/{each.trigger}" for each in rows]

    every = ["default/a/x", "default/a/y", "default/b/x", "default/b/y", "other/a/x", "other/a/y"]
    assert await listed() == every
    assert await listed(limit=2) == every[:2]
    assert await listed(after=("default", "a", "y"), limit=3) == every[2:5]
    assert await listed(namespace="default") == every[:4]
    assert await listed(namespace="default", after=("default", "b", "x")) == every[3:4]
    assert await listed(namespace="default", flow_id="b") == every[2:4]
    assert await listed(flow_id="a") == [every[0], every[1], every[4], every[5]]
    assert await listed(paused=True) == every[:1]
    assert await listed(paused=True, namespace="other") == []
    assert await listed(paused=False) == every[1:]


async def test_a_schedule_tells_what_became_of_it(store: Store) -> None:
    await enlisted(store, "w1")
    await keeps(store, schedule())
    await store.move([moving(tick(NOW + 10), tick(NOW + 11, QUEUED), tick(NOW + 12, QUEUED))])
    row = await kept(store)
    assert (row.last_run_id, row.last_tick, row.first_queued) == (f"run{NOW + 10}", NOW + 10, NOW + 11)
    assert row.last_status is RunStatus.RUNNING
    assert (row.cursor, row.due_at, row.revision) == (NOW + 20, NOW + 30, 1)
    its = await takes(store, "w1", f"run{NOW + 10}")
    await accepted(store, its.ends(RunStatus.FAILED))
    assert (await kept(store)).last_status is RunStatus.FAILED
    await store.remove([its.run_id])
    row = await kept(store)
    assert (row.last_run_id, row.last_status) == (its.run_id, None)
    assert await told(store, outcome=(FIRED,)) == [(NOW + 10, FIRED)]


# -- pauses ---------------------------------------------------------------------------------------


async def test_a_schedule_is_paused_and_goes_on(store: Store) -> None:
    await keeps(store, schedule(due_at=NOW * 2))
    before = await store.now()
    assert await store.pause_schedule("report", "nightly", at=NOW, by="ada")
    paused = await kept(store)
    assert (paused.paused_at, paused.paused_by, paused.revision) == (NOW, "ada", 1)
    assert paused.due_at is not None
    assert before <= paused.due_at <= await store.now()
    assert await store.pause_schedule("report", "nightly", at=NOW + 1, by="bob")
    assert await kept(store) == paused
    assert await store.pause_schedule("report", "nightly", at=None, by="bob")
    row = await kept(store)
    assert (row.paused_at, row.paused_by, row.revision) == (None, None, 2)
    assert not await store.pause_schedule("report", "weekly", at=NOW)
    assert not await store.pause_schedule("report", "nightly", at=NOW, namespace="other")


async def test_a_flow_that_is_enabled_or_not_has_its_schedules_looked_at(store: Store) -> None:
    await keeps(store, schedule(due_at=NOW * 2), schedule("weekly", due_at=None))
    assert await store.enable("report", enabled=False)
    rows = await store.schedules(ScheduleFilter())
    assert [each.enabled for each in rows] == [False, False]
    assert [each.trigger for each in await store.due_schedules(await store.now())] == ["nightly", "weekly"]
    assert await store.enable("report", enabled=True)
    assert (await kept(store)).enabled


# -- moves ----------------------------------------------------------------------------------------


async def test_a_move_is_kept_once(store: Store) -> None:
    await keeps(store, schedule())
    its = moving(tick(NOW + 10))
    assert await store.move([its]) == [True]
    assert await store.move([its]) == [False]
    assert await store.move([replace(its, births=(starts("r2"),))]) == [False]
    assert await store.run("r2") is None
    assert await told(store) == [(NOW + 10, FIRED)]


async def test_a_tick_and_its_run_are_kept_together(store: Store) -> None:
    await enlisted(store, "w1")
    await keeps(store, schedule())
    its = tick(NOW + 10, reason="ä😀", backfilled=True)
    assert await store.move([moving(its)]) == [True]
    assert await store.ticks(TickFilter(flow_id="report", trigger="nightly")) == [its]
    row = await store.run(f"run{NOW + 10}")
    assert row is not None
    assert (row.flow_id, row.trigger, row.worker) == ("report", "nightly", None)
    await takes(store, "w1", row.run_id)


async def test_a_move_of_a_schedule_that_has_changed_is_refused(store: Store) -> None:
    await keeps(store, schedule(), schedule("weekly"))
    await store.pause_schedule("report", "nightly", at=NOW)
    gone = moving(tick(NOW + 9, SKIPPED, trigger="gone"), trigger="gone")
    good = moving(tick(NOW + 10, SKIPPED, trigger="weekly"), trigger="weekly")
    assert await store.move([moving(tick(NOW + 10)), gone, good]) == [False, False, True]
    assert await told(store) == []
    assert (await kept(store, "weekly")).revision == 1
    assert await store.move([]) == []


async def test_servers_at_once_decide_a_tick_once(store: Store, twin: Store) -> None:
    await keeps(store, schedule())
    for revision in range(20):
        at = NOW + revision
        moves = [
            moving(tick(at, run_id=f"{name}{at}"), revision=revision, cursor=at, due_at=at) for name in "ab"
        ]
        verdicts = await asyncio.gather(store.move(moves[:1]), twin.move(moves[1:]))
        assert sorted(each for (each,) in verdicts) == [False, True]
    rows = await store.ticks(TickFilter(flow_id="report", trigger="nightly"))
    assert [each.tick for each in rows] == [NOW + 19 - number for number in range(20)]
    for row in rows:
        losing = f"{'b' if row.run_id == f'a{row.tick}' else 'a'}{row.tick}"
        assert row.run_id is not None
        assert await store.run(row.run_id) is not None
        assert await store.run(losing) is None


async def test_a_tick_that_has_fired_stays_and_starts_nothing_again(store: Store) -> None:
    await keeps(store, schedule())
    await store.move([moving(tick(NOW + 10))])
    again = tick(NOW + 10, run_id="r2", backfilled=True)
    fresh = tick(NOW + 11, run_id="r3", backfilled=True)
    assert await store.move([moving(again, fresh, revision=1)]) == [True]
    assert await store.run("r2") is None
    assert await store.run("r3") is not None
    rows = await store.ticks(TickFilter(flow_id="report", trigger="nightly"))
    assert rows == [fresh, tick(NOW + 10)]


async def test_a_queued_tick_becomes_another(store: Store) -> None:
    await keeps(store, schedule())
    await store.move([moving(tick(NOW + 10, QUEUED), tick(NOW + 11, QUEUED))])
    after = moving(tick(NOW + 10, TickOutcome.COALESCED, reason="by the next"), tick(NOW + 11), revision=1)
    assert await store.move([after]) == [True]
    assert await told(store) == [(NOW + 11, FIRED), (NOW + 10, TickOutcome.COALESCED)]
    assert (await kept(store)).first_queued is None


async def test_a_move_makes_room_for_its_run(store: Store) -> None:
    await enlisted(store, "w1")
    await due(store, "r1")
    its = await takes(store, "w1", "r1")
    await accepted(store, its.waits())
    await keeps(store, schedule())
    cancel = Message(run_id="r1", kind="cancel", key="c1", body={"reason": "overlap"})
    assert await store.move([moving(tick(NOW + 10), messages=(cancel, message("gone", "m1")))]) == [True]
    claims = await store.claim("w1", 10, alone=False)
    assert sorted(each.run_id for each in claims) == ["r1", f"run{NOW + 10}"]
    assert [each.kind for each in await store.inbox("w1")] == ["cancel"]


async def test_a_run_of_a_tick_may_wait_for_its_turn(store: Store) -> None:
    await enlisted(store, "w1")
    await keeps(store, schedule())
    ticket = Ticket(lane="l", pool="p", key="", rules=LaneRules(limit=1))
    births = (starts(f"run{NOW + 10}", ticket=ticket), starts(f"run{NOW + 11}", ticket=ticket))
    assert await store.move([moving(tick(NOW + 10), tick(NOW + 11), births=births)]) == [True]
    await takes(store, "w1", f"run{NOW + 10}")


async def test_a_run_that_was_started_under_the_same_key_is_the_run_of_the_tick(store: Store) -> None:
    await accepted(store, starts("r1", dedupe=key("once")))
    await keeps(store, schedule())
    its = moving(tick(NOW + 10, run_id="r2"), births=(starts("r2", dedupe=key("once")),))
    assert await store.move([its]) == [True]
    assert await store.run("r2") is None
    assert await store.ticks(TickFilter(flow_id="report", trigger="nightly")) == [tick(NOW + 10, run_id="r1")]


async def test_a_move_that_fails_keeps_nothing(store: Store) -> None:
    await due(store, "r1")
    await keeps(store, schedule(), schedule("weekly"))
    good = moving(tick(NOW + 9, trigger="weekly"), trigger="weekly")
    with pytest.raises(StoreError, match="r1"):
        await store.move([good, moving(tick(NOW + 10, run_id="r1"), births=(starts("r1", note="another"),))])
    assert await told(store) == []
    assert [each.revision for each in await store.schedules(ScheduleFilter())] == [0, 0]
    assert await store.run(f"run{NOW + 9}") is None


# -- ticks ----------------------------------------------------------------------------------------


async def test_ticks_are_listed_newest_first_and_in_pages(store: Store) -> None:
    await keeps(store, schedule())
    outcomes = [FIRED, SKIPPED, FIRED, QUEUED, SKIPPED, FIRED]
    await store.move([moving(*(tick(NOW + number, each) for number, each in enumerate(outcomes)))])

    async def listed(**wanted: Any) -> list[int]:
        return [at - NOW for at, _ in await told(store, **wanted)]

    assert await listed() == [5, 4, 3, 2, 1, 0]
    assert await listed(limit=2) == [5, 4]
    assert await listed(before=NOW + 4, since=NOW + 2) == [3, 2]
    assert await listed(outcome=(FIRED,)) == [5, 2, 0]
    assert await listed(outcome=(SKIPPED, FIRED), limit=3) == [5, 4, 2]
    assert await listed(outcome=(SKIPPED, QUEUED), before=NOW + 4) == [3, 1]
    assert await store.ticks(TickFilter(flow_id="report", trigger="weekly")) == []
    assert await store.ticks(TickFilter(namespace="other", flow_id="report", trigger="nightly")) == []


async def test_old_ticks_are_forgotten_but_for_what_counts(store: Store) -> None:
    await keeps(store, schedule())
    outcomes = [FIRED, QUEUED, SKIPPED, FIRED, SKIPPED]
    await store.move([moving(*(tick(NOW + number, each) for number, each in enumerate(outcomes)))])
    assert await store.forget_ticks(NOW + 2) == 1
    assert await store.forget_ticks(NOW * 2, limit=1) == 1
    assert await store.forget_ticks(NOW * 2) == 1
    assert await store.forget_ticks(NOW * 2) == 0
    assert await told(store) == [(NOW + 3, FIRED), (NOW + 1, QUEUED)]
    assert (await kept(store)).last_tick == NOW + 3
