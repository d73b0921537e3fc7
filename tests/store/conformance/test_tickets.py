"""Runs with limits wait for their turn: no limit is exceeded, no slot is lost, no key holds back another."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store, StoreError
from openrun.store.rows import Message, RunFilter, Slice
from openrun.store.tickets import AtLimit, LaneFilter, LaneRow, LaneRules, Ticket
from tests.store.given import (
    FINAL,
    NOW,
    Told,
    accepted,
    claimed,
    commit,
    enlisted,
    key,
    lets_expire,
    message,
    takes,
    until,
)


def ticket(name: str = "acme", *, flow_id: str = "import", priority: int = 0, **rules: Any) -> Ticket:
    return Ticket(
        lane=f"lane {flow_id} {name}",
        pool=f"pool {flow_id}",
        key=name,
        rules=LaneRules(**rules),
        priority=priority,
    )


def born(run_id: str, name: str = "acme", *, flow_id: str = "import", **more: Any) -> Slice:
    """The birth of a run that waits in the lane of this key."""
    about = {field: more.pop(field) for field in ("namespace", "dedupe") if field in more}
    its = ticket(name, flow_id=flow_id, **more)
    return Told(run_id, worker=None, fence=0).begins(flow_id=flow_id, ticket=its, **about)


async def ids(store: Store, worker: str = "w1", most: int = 100) -> list[str]:
    """What this worker gets, in order."""
    return [each.run_id for each in await claimed(store, worker, most)]


async def ends(store: Store, *run_ids: str, worker: str = "w1") -> None:
    """These runs, which the worker holds, come to their end."""
    held = {each.run_id: each for each in await store.held_by(worker)}
    for run_id in run_ids:
        its = held[run_id]
        told = Told(run_id, worker=worker, fence=its.fence, seq=its.seq, head=its.hash)
        await accepted(store, told.ends())


async def cancels(store: Store, *run_ids: str) -> dict[str, str]:
    """Runs that were told to stop, each with the reason."""
    rows = await store.waiting_messages(run_ids)
    return {each.run_id: each.body["reason"] for each in rows if each.kind == "cancel"}


async def filled(store: Store, **wanted: Any) -> list[tuple[str, int, int]]:
    rows = await store.lanes(LaneFilter(**wanted))
    return [(each.key, each.running, each.queued) for each in rows]


async def nothing_is_astray(store: Store) -> None:
    assert await store.stray_tickets() == []
    assert await store.orphans() == []


# -- coming and going -----------------------------------------------------------------------------


async def test_a_run_with_a_ticket_is_born_in_the_queue(store: Store) -> None:
    assert await accepted(store, born("r1", limit=1)) == [0]
    row = await store.run("r1")
    assert row is not None
    assert (row.due_at, row.worker, row.status) == (None, None, RunStatus.RUNNING)
    assert row.hold == "queued: flow_control lane 'acme' of flow 'import'"
    assert await store.next_due() is None
    now = await store.now()
    first = await store.next_admission()
    assert first is not None
    assert first <= now
    await nothing_is_astray(store)


async def test_a_run_that_may_start_is_admitted_by_the_claim_that_takes_it(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1))
    assert await ids(store) == ["r1"]
    row = await store.run("r1")
    assert row is not None
    assert (row.worker, row.hold) == ("w1", None)
    assert await store.next_admission() is None
    assert await filled(store) == [("acme", 1, 0)]
    await nothing_is_astray(store)


async def test_a_worker_that_takes_nothing_admits_all_the_same(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1))
    assert await ids(store, most=0) == []
    row = await store.run("r1")
    assert row is not None
    assert (row.hold, row.due_at is None) == (None, False)


async def test_an_end_makes_room_for_the_next_in_order(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{number}", limit=2) for number in range(4)))
    assert await ids(store) == ["r0", "r1"]
    assert await ids(store) == []
    assert await store.next_admission() is None
    await ends(store, "r1")
    assert await store.next_admission() is not None
    assert await ids(store) == ["r2"]
    await ends(store, "r0", "r2")
    assert await ids(store) == ["r3"]
    await ends(store, "r3")
    assert await store.lanes(LaneFilter()) == []
    assert await store.next_admission() is None
    await nothing_is_astray(store)


async def test_a_run_keeps_its_slot_while_it_waits(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1), born("r2", limit=1))
    told = await takes(store, "w1", "r1")
    await accepted(store, told.waits())
    assert await ids(store) == []
    await store.post([message("r1", "m1")])
    assert await ids(store) == ["r1"]


async def test_a_run_keeps_its_slot_when_its_worker_dies(store: Store) -> None:
    await enlisted(store, "w1", "w2")
    await accepted(store, born("r1", limit=1), born("r2", limit=1))
    await takes(store, "w1", "r1")
    await lets_expire(store, "w1")
    told = await takes(store, "w2", "r1")
    assert await ids(store, "w2") == []
    await accepted(store, told.ends())
    assert await ids(store, "w2") == ["r2"]
    await nothing_is_astray(store)


async def test_a_start_that_is_repeated_has_one_ticket(store: Store) -> None:
    its = born("r1", limit=1)
    await accepted(store, its, its)
    await accepted(store, its)
    other = born("r2", limit=1, dedupe=key("once"))
    await accepted(store, other)
    assert (await commit(store, born("r3", limit=1, dedupe=key("once")))) != (await commit(store, other))
    assert await filled(store) == [("acme", 0, 2)]


async def test_a_ticket_is_for_births_that_nobody_holds(store: Store) -> None:
    await enlisted(store, "w1")
    with pytest.raises(StoreError, match="ticket"):
        await store.commit([Told("r1").begins(ticket=ticket(limit=1))])


async def test_removed_runs_leave_no_ticket(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1))
    await takes(store, "w1", "r1")
    await ends(store, "r1")
    assert [each.run_id for each in await store.remove(["r1"])] == ["r1"]
    await nothing_is_astray(store)


async def test_who_crosses_over_the_limit_waits_however_the_births_are_cut(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1))
    await accepted(store, born("r2", limit=1), born("s1", "b", limit=1), born("r3", limit=1))
    assert sorted(await ids(store)) == ["r1", "s1"]
    assert await filled(store) == [("acme", 1, 2), ("b", 1, 0)]


async def test_the_rules_of_the_newest_birth_hold_for_the_lane(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1), born("r2", limit=1), born("r3", limit=3))
    assert await ids(store) == ["r1", "r2", "r3"]
    await accepted(store, born("r4", limit=3), born("r5", limit=1))
    await ends(store, "r1", "r2")
    assert await ids(store) == []
    await ends(store, "r3")
    assert await ids(store) == ["r4"]


# -- messages -------------------------------------------------------------------------------------


async def test_a_message_lets_nobody_jump_the_queue(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1), born("r2", limit=1))
    assert await ids(store) == ["r1"]
    (posted,) = await store.post([message("r2", "m1")])
    assert (posted.fresh, posted.held) == (True, False)
    assert await ids(store) == []
    await ends(store, "r1")
    assert await ids(store) == ["r2"]
    assert [each.key for each in await store.inbox("w1")] == ["m1"]


async def test_a_queued_run_that_is_cancelled_is_due_and_takes_no_slot(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1), born("r2", limit=1), born("r3", limit=1))
    assert await ids(store) == ["r1"]
    await store.post([Message(run_id="r2", kind="cancel", key="c1", body={"reason": "no"})])
    row = await store.run("r2")
    assert row is not None
    assert (row.due_at is None, row.hold) == (False, None)
    assert await filled(store) == [("acme", 1, 1)]
    assert await ids(store) == ["r2"]
    await ends(store, "r2")
    assert await ids(store) == []
    await ends(store, "r1")
    assert await ids(store) == ["r3"]
    await nothing_is_astray(store)


# -- limits ---------------------------------------------------------------------------------------


async def test_new_runs_are_cancelled_at_the_limit(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"limit": 1, "at_limit": AtLimit.CANCEL_NEW}
    await accepted(store, born("r1", **rules), born("r2", **rules))
    assert sorted(await ids(store)) == ["r1", "r2"]
    assert await cancels(store, "r1", "r2") == {
        "r2": "the limit of 1 run for key 'acme' of flow 'import' is reached"
    }
    await ends(store, "r2")
    assert await filled(store) == [("acme", 1, 0)]
    await nothing_is_astray(store)


async def test_a_running_run_makes_room_for_the_newest(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING}
    await accepted(store, born("r1", **rules))
    assert await ids(store) == ["r1"]
    await accepted(store, born("r2", **rules), born("r3", **rules))
    assert await ids(store) == ["r2"]
    assert await cancels(store, "r1", "r2", "r3") == {
        "r1": "a newer run takes its place for key 'acme' of flow 'import'",
        "r2": "superseded by a newer one",
    }
    await ends(store, "r1", "r2")
    assert await ids(store) == ["r3"]
    await nothing_is_astray(store)


async def test_a_waiting_run_that_has_to_make_room_is_due(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING}
    await accepted(store, born("r1", **rules))
    told = await takes(store, "w1", "r1")
    await accepted(store, told.waits())
    await accepted(store, born("r2", **rules))
    assert await ids(store) == ["r1"]


async def test_only_the_newest_waits_where_that_is_asked(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"limit": 1, "at_limit": AtLimit.KEEP_NEWEST}
    await accepted(store, born("r1", **rules))
    assert await ids(store) == ["r1"]
    await accepted(store, *(born(f"s{number}", **rules) for number in range(5)))
    assert await ids(store) == ["s0", "s1", "s2", "s3"]
    assert await filled(store) == [("acme", 1, 1)]
    await ends(store, "r1")
    assert await ids(store) == ["s4"]


async def test_a_total_is_shared_between_keys(store: Store) -> None:
    """One key with many in its queue has a turn, then another has."""
    await enlisted(store, "w1")
    await accepted(store, *(born(f"a{number}", "a", total=2) for number in range(9)))
    await accepted(store, born("b0", "b", total=2), born("c0", "c", total=2))
    running = await ids(store)
    assert len(running) == 2
    served = [*running]
    while len(served) < 6:
        await ends(store, running.pop(0))
        (next_one,) = await ids(store)
        running.append(next_one)
        served.append(next_one)
    assert {"b0", "c0"} <= set(served)
    assert [each for each in served if each.startswith("a")] == ["a0", "a1", "a2", "a3"]


async def test_a_lane_that_has_no_use_for_its_turn_leaves_it_to_the_next(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("a0", "a", total=1))
    assert await ids(store) == ["a0"]
    for name in "bcd":
        await accepted(store, born(f"{name}0", name, total=1))
        assert await ids(store) == []
    for name in "bc":
        await store.post([Message(run_id=f"{name}0", kind="cancel", key="c1", body={"reason": "no"})])
    assert sorted(await ids(store)) == ["b0", "c0"]
    await ends(store, "a0")
    assert await until(lambda: ids(store)) == ["d0"]


async def test_a_total_is_used_whole(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"{name}{n}", name, total=4, limit=2) for name in "abc" for n in range(4)))

    async def more() -> bool:
        running.extend(await ids(store))
        return len(running) == 4

    running: list[str] = []
    await until(more)
    assert max(Counter(each[0] for each in running).values()) <= 2
    await ends(store, *running)
    running.clear()
    await until(more)


async def test_a_priority_lets_a_run_pass(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", limit=1))
    assert await ids(store) == ["r1"]
    await accepted(store, born("r2", limit=1), born("r3", limit=1, priority=10))
    await ends(store, "r1")
    assert await ids(store) == ["r3"]


async def test_a_priority_counts_between_lanes_without_limits(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a"), born("r2", "b", priority=50))
    assert await ids(store, most=0) == []
    assert await ids(store, most=1) == ["r2"]


# -- rates and bursts -----------------------------------------------------------------------------


async def test_a_rate_lets_the_next_start_when_its_window_has_passed(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"rate": 2, "period_ms": 300_000}
    before = await store.now()
    await accepted(store, *(born(f"r{number}", **rules) for number in range(3)))
    assert await ids(store) == ["r0", "r1"]
    after = await store.now()
    at = await store.next_admission()
    assert at is not None
    assert before + 300_000 <= at <= after + 300_000
    # An end changes nothing: starts are what counts.
    await ends(store, "r0", "r1")
    assert await ids(store) == []
    assert await filled(store) == [("acme", 0, 1)]


async def test_a_rate_is_kept_although_nobody_is_left(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"rate": 1, "period_ms": 300_000}
    await accepted(store, born("r1", **rules))
    assert await ids(store) == ["r1"]
    await ends(store, "r1")
    assert await store.lanes(LaneFilter()) == []
    await accepted(store, born("r2", **rules))
    assert await ids(store) == []
    assert await filled(store) == [("acme", 0, 1)]


async def test_a_rate_goes_on_after_its_window(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"rate": 1, "period_ms": 30}
    await accepted(store, born("r1", **rules), born("r2", **rules))
    assert await ids(store) == ["r1"]
    assert await until(lambda: ids(store)) == ["r2"]


async def test_runs_over_the_rate_are_cancelled_where_that_is_asked(store: Store) -> None:
    await enlisted(store, "w1")
    rules: dict[str, Any] = {"rate": 1, "period_ms": 300_000, "cancel_over_rate": True}
    await accepted(store, born("r1", **rules), born("r2", **rules))
    assert sorted(await ids(store)) == ["r1", "r2"]
    assert await cancels(store, "r1", "r2") == {
        "r2": "the rate of 1 run in 300 s for key 'acme' of flow 'import' is reached"
    }


async def test_a_burst_becomes_one_run(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{number}", quiet_ms=300_000) for number in range(3)))
    assert sorted(await ids(store)) == ["r0", "r1"]
    assert await cancels(store, "r0", "r1", "r2") == dict.fromkeys(["r0", "r1"], "superseded by a newer one")
    at = await store.next_admission()
    assert at is not None
    assert at > await store.now() + 200_000
    assert await filled(store) == [("acme", 0, 1)]
    # The same lane under other rules: the quiet time is over.
    await accepted(store, born("r3", quiet_ms=20))
    assert await ids(store) == ["r2"]
    assert await until(lambda: ids(store)) == ["r3"]


async def test_a_burst_starts_at_its_bound(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", quiet_ms=300_000, quiet_max_ms=20))
    assert await until(lambda: ids(store)) == ["r1"]


# -- lists ----------------------------------------------------------------------------------------


async def test_lanes_are_listed_by_name_and_in_pages(store: Store) -> None:
    await enlisted(store, "w1")
    before = await store.now()
    await accepted(
        store,
        born("r1", "b", limit=1),
        born("r2", "a", limit=1),
        born("r3", "a", limit=1),
        born("r4", "a", flow_id="export", limit=5, total=9),
        born("r5", "x", namespace="other", flow_id="zeta"),
    )
    names = [(each.namespace, each.flow_id, each.key) for each in await store.lanes(LaneFilter())]
    assert names == [
        ("default", "export", "a"), ("default", "import", "a"), ("default", "import", "b"), ("other", "zeta", "x")
    ]  # fmt: skip
    page = await store.lanes(LaneFilter(after=names[1], limit=1))
    assert [(each.namespace, each.flow_id, each.key) for each in page] == names[2:3]
    assert await filled(store, namespace="other") == [("x", 0, 1)]
    assert await filled(store, namespace="default", flow_id="import") == [("a", 0, 2), ("b", 0, 1)]
    assert await filled(store, namespace="default", flow_id="import", after=names[1]) == [("b", 0, 1)]
    assert await filled(store, flow_id="zeta") == [("x", 0, 1)]
    (row,) = await store.lanes(LaneFilter(flow_id="export"))
    assert row.oldest is not None
    assert before <= row.oldest <= await store.now()
    assert row == LaneRow(
        lane="lane export a", namespace="default", flow_id="export", key="a", rules=LaneRules(limit=5, total=9),
        running=0, queued=1, oldest=row.oldest,
    )  # fmt: skip


async def test_a_lane_without_a_key_is_listed_too(store: Store) -> None:
    await accepted(store, born("r1", "", limit=1), born("r2", "a", limit=1))
    for wanted in (
        LaneFilter(),
        LaneFilter(namespace="default"),
        LaneFilter(namespace="default", flow_id="import"),
    ):
        assert [each.key for each in await store.lanes(wanted)] == ["", "a"]
    rest = LaneFilter(namespace="default", flow_id="import", after=("default", "import", ""))
    assert [each.key for each in await store.lanes(rest)] == ["a"]


async def test_a_lane_may_have_any_key(store: Store) -> None:
    odd = "ä😀'\"\n"
    await accepted(store, born("r1", odd, limit=1))
    assert await filled(store) == [(odd, 0, 1)]
    row = await store.run("r1")
    assert row is not None
    assert row.hold is not None
    assert row.hold.startswith("queued: ")


async def test_queued_runs_are_no_runs_on_hold(store: Store) -> None:
    await accepted(store, born("r1", limit=1), Told("r2", worker=None, fence=0).begins())
    await store.hold("r2", "no such step", due_at=None)
    for namespace in (None, "default"):
        held = await store.runs(RunFilter(held=True, namespace=namespace))
        assert [each.run_id for each in held] == ["r2"]
        others = await store.runs(RunFilter(held=False, namespace=namespace))
        assert [each.run_id for each in others] == ["r1"]


# -- whatever happens -----------------------------------------------------------------------------


async def test_claimers_at_once_exceed_no_limit(store: Store, twin: Store) -> None:
    """Two servers at one database, three keys, a limit and a total; every run comes to its end."""
    await enlisted(store, "w1", "w2")
    runs = [f"{name}{number:02}" for name in "abc" for number in range(8)]
    await accepted(store, *(born(each, each[0], limit=2, total=5) for each in runs))
    running: set[str] = set()
    over: list[str] = []

    async def work(its: Store, worker: str) -> None:
        while len(over) < len(runs):
            got = await its.claim(worker, 3, alone=False)
            running.update(each.run_id for each in got)
            assert len(running) <= 5
            assert max(Counter(each[0] for each in running).values(), default=0) <= 2
            for each in got:
                # Before the end is written: from then on another may have the slot.
                running.discard(each.run_id)
                await accepted(its, Told.of(each, worker).ends())
                over.append(each.run_id)
            await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(work(store, "w1"))
        group.create_task(work(twin, "w2"))
    assert sorted(over) == runs
    assert await store.lanes(LaneFilter()) == []
    await nothing_is_astray(store)


async def test_every_way_to_end_gives_the_slot_back(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{number}", limit=1) for number in range(len(FINAL))))
    for number, status in enumerate(FINAL):
        told = await takes(store, "w1", f"r{number}")
        await accepted(store, told.ends(status, at=NOW))
    await nothing_is_astray(store)
    assert await store.lanes(LaneFilter()) == []


async def test_a_claim_that_is_refused_admits_nobody(store: Store) -> None:
    await accepted(store, born("r1", limit=1))
    with pytest.raises(StoreError, match="lease"):
        await claimed(store, "nobody")
    row = await store.run("r1")
    assert row is not None
    assert row.due_at is None
    assert await filled(store) == [("acme", 0, 1)]


async def test_rules_are_kept_to_the_letter(store: Store) -> None:
    rules = LaneRules(
        limit=1, total=2, at_limit=AtLimit.KEEP_NEWEST, rate=3, period_ms=4, cancel_over_rate=True, quiet_ms=5,
        quiet_max_ms=6,
    )  # fmt: skip
    its = Ticket(lane="l", pool="p", key="k", rules=rules)
    await accepted(store, Told("r1", worker=None, fence=0).begins(ticket=its))
    (row,) = await store.lanes(LaneFilter())
    assert row.rules == rules
