"""What becomes of a schedule's ticks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks, delay
from openrun.store.timetable import ScheduleRow, TickOutcome
from openrun.triggers.decision import AGAIN_MS, KEPT_MS, ON_TIME_MS, Decision, decide

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BEGIN = 20_000 * DAY
FIRED, SKIPPED, QUEUED, MISSED, COALESCED, PAUSED = (
    TickOutcome.FIRED, TickOutcome.SKIPPED, TickOutcome.QUEUED, TickOutcome.MISSED, TickOutcome.COALESCED,
    TickOutcome.PAUSED,
)  # fmt: skip


def a_row(**more: Any) -> ScheduleRow:
    row = ScheduleRow(
        namespace="default",
        flow_id="report",
        trigger="night",
        version="v",
        spec="{}",
        cursor=BEGIN,
        due_at=BEGIN + HOUR,
        created_at=BEGIN,
    )
    return replace(row, **more)


def busy(**more: Any) -> ScheduleRow:
    return a_row(last_run_id="run", last_status=RunStatus.RUNNING, last_tick=BEGIN, **more)


def decided(row: ScheduleRow, now: int, most: int = 1_000, **config: Any) -> Decision:
    its = TriggerScheduleConfig.model_validate({"interval": 3_600, **config})
    return decide(row, its, Ticks.of(its), now, most)


def outcomes(decision: Decision) -> list[tuple[int, TickOutcome]]:
    """Hours after the beginning, and what became of the tick."""
    return [((each.tick - BEGIN) // HOUR, each.outcome) for each in decision.ticks]


# -- in time --------------------------------------------------------------------------------------


def test_a_tick_fires_at_its_time_and_not_before() -> None:
    early = decided(a_row(), BEGIN + HOUR - 1)
    assert (early.ticks, early.cursor, early.due_at) == ((), BEGIN, BEGIN + HOUR)
    there = decided(a_row(), BEGIN + HOUR)
    assert outcomes(there) == [(1, FIRED)]
    assert (there.cursor, there.due_at, there.fires) == (BEGIN + HOUR, BEGIN + 2 * HOUR, (BEGIN + HOUR,))


def test_a_tick_is_decided_once_also_when_the_clock_goes_back() -> None:
    row = a_row(cursor=BEGIN + 3 * HOUR)
    back = decided(row, BEGIN + 2 * HOUR)
    assert (back.ticks, back.cursor, back.due_at) == ((), BEGIN + 3 * HOUR, BEGIN + 4 * HOUR)


def test_a_schedule_without_another_tick_is_never_due_again() -> None:
    config: dict[str, Any] = {"interval": None, "cron": "*/5 2 * 3 l0", "timezone": "Europe/Berlin"}
    assert decided(a_row(), BEGIN + HOUR, **config).due_at is None


# -- late -----------------------------------------------------------------------------------------


def test_of_the_late_ticks_the_last_fires_and_stands_for_the_others() -> None:
    decision = decided(a_row(), BEGIN + 3 * HOUR + 2 * ON_TIME_MS)
    assert outcomes(decision) == [(1, COALESCED), (2, COALESCED), (3, FIRED)]
    assert decision.due_at == BEGIN + 4 * HOUR


def test_all_late_ticks_fire_where_all_are_wanted() -> None:
    decision = decided(a_row(), BEGIN + 3 * HOUR + 2 * ON_TIME_MS, catch_up="all")
    assert outcomes(decision) == [(1, FIRED), (2, FIRED), (3, FIRED)]


def test_no_late_tick_fires_where_none_is_wanted() -> None:
    late = BEGIN + 3 * HOUR + ON_TIME_MS
    assert outcomes(decided(a_row(), late, catch_up="none")) == [(1, MISSED), (2, MISSED), (3, FIRED)]
    assert outcomes(decided(a_row(), late + 1, catch_up="none"))[-1] == (3, MISSED)


@pytest.mark.parametrize("catch_up", ["last", "all"])
def test_what_is_older_than_the_window_is_missed(catch_up: str) -> None:
    decision = decided(a_row(), BEGIN + 4 * HOUR - 1, catch_up=catch_up, catch_up_window="2h")
    assert outcomes(decision)[:2] == [(1, MISSED), (2, FIRED if catch_up == "all" else COALESCED)]
    assert outcomes(decision)[2] == (3, FIRED)
    assert decision.ticks[0].reason == "it came to light 10800 s late"


def test_ticks_that_are_not_late_all_fire() -> None:
    decision = decided(a_row(), BEGIN + 30_000, interval=10)
    assert [each.outcome for each in decision.ticks] == [FIRED, FIRED, FIRED]


def test_a_long_backlog_is_decided_in_parts_and_only_its_last_tick_fires() -> None:
    row, now, seen = a_row(), BEGIN + 10 * HOUR + 2 * ON_TIME_MS, list[tuple[int, TickOutcome]]()
    for expected in (now, now, BEGIN + 11 * HOUR):
        decision = decided(row, now, most=4)
        seen += outcomes(decision)
        assert decision.due_at == expected
        row = replace(row, cursor=decision.cursor)
    assert seen == [*((n, COALESCED) for n in range(1, 10)), (10, FIRED)]


def test_ticks_older_than_what_is_kept_leave_no_trace() -> None:
    decision = decided(a_row(), BEGIN + KEPT_MS + 5 * HOUR, most=10_000)
    assert decision.ticks[0].tick == BEGIN + 6 * HOUR
    assert decision.fires == (BEGIN + KEPT_MS + 5 * HOUR,)


# -- paused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("paused", [{"paused_at": BEGIN}, {"enabled": False}])
def test_ticks_of_a_paused_schedule_go_by(paused: dict[str, Any]) -> None:
    decision = decided(busy(first_queued=BEGIN - HOUR, **paused), BEGIN + 2 * HOUR)
    assert outcomes(decision) == [(1, PAUSED), (2, PAUSED)]
    assert (decision.cursor, decision.due_at) == (BEGIN + 2 * HOUR, BEGIN + 3 * HOUR)


# -- overlap --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [None, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED])
@pytest.mark.parametrize("overlap", ["allow", "skip", "queue", "cancel_running"])
def test_a_tick_fires_when_the_run_before_has_ended(status: RunStatus | None, overlap: str) -> None:
    row = replace(busy(), last_status=status)
    assert outcomes(decided(row, BEGIN + HOUR, overlap=overlap)) == [(1, FIRED)]


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.WAITING, RunStatus.NEEDS_REVIEW])
def test_while_the_run_before_goes_on_its_overlap_decides(status: RunStatus) -> None:
    row = replace(busy(), last_status=status)
    found = {
        overlap: decided(row, BEGIN + HOUR, overlap=overlap)
        for overlap in ("allow", "skip", "queue", "cancel_running")
    }
    assert {overlap: outcomes(each) for overlap, each in found.items()} == {
        "allow": [(1, FIRED)],
        "skip": [(1, SKIPPED)],
        "queue": [(1, QUEUED)],
        "cancel_running": [(1, QUEUED)],
    }
    soon, later = BEGIN + HOUR + AGAIN_MS, BEGIN + 2 * HOUR
    assert [each.due_at for each in found.values()] == [later, later, soon, soon]
    assert [each.cancel for each in found.values()] == [None, None, None, "run"]


def test_queued_ticks_fire_in_order_one_at_a_time() -> None:
    waits = busy(first_queued=BEGIN + HOUR, cursor=BEGIN + 2 * HOUR)
    still = decided(waits, BEGIN + 2 * HOUR + 7, overlap="queue")
    assert (still.ticks, still.due_at) == ((), BEGIN + 2 * HOUR + 7 + AGAIN_MS)
    free = replace(waits, last_status=RunStatus.SUCCEEDED)
    decision = decided(free, BEGIN + 3 * HOUR, overlap="queue")
    assert outcomes(decision) == [(1, FIRED), (3, QUEUED)]
    assert decision.due_at == BEGIN + 3 * HOUR + AGAIN_MS


def test_a_newer_tick_takes_the_place_of_one_that_waits_for_a_cancelled_run() -> None:
    waits = busy(first_queued=BEGIN + HOUR, cursor=BEGIN + HOUR)
    decision = decided(waits, BEGIN + 2 * HOUR, overlap="cancel_running")
    assert outcomes(decision) == [(1, COALESCED), (2, QUEUED)]
    assert decision.cancel == "run"
    free = replace(waits, last_status=RunStatus.CANCELLED)
    assert outcomes(decided(free, BEGIN + HOUR + 1, overlap="cancel_running")) == [(1, FIRED)]
    assert decided(waits, BEGIN + HOUR + 1, overlap="cancel_running").cancel is None


def test_caught_up_ticks_overlap_each_other() -> None:
    late = BEGIN + 3 * HOUR + 2 * ON_TIME_MS
    found = {
        overlap: [outcome for _, outcome in outcomes(decided(a_row(), late, catch_up="all", overlap=overlap))]
        for overlap in ("allow", "skip", "queue", "cancel_running")
    }
    assert found == {
        "allow": [FIRED, FIRED, FIRED],
        "skip": [FIRED, SKIPPED, SKIPPED],
        "queue": [FIRED, QUEUED, QUEUED],
        "cancel_running": [COALESCED, COALESCED, FIRED],
    }


@pytest.mark.parametrize("row", [busy, a_row])
def test_what_has_waited_for_longer_than_the_catch_up_window_is_missed(row: Any) -> None:
    waits = row(first_queued=BEGIN + HOUR, cursor=BEGIN + 4 * HOUR)
    in_time = decided(waits, BEGIN + 4 * HOUR, overlap="queue", catch_up_window="3h")
    assert MISSED not in [each.outcome for each in in_time.ticks]
    late = decided(waits, BEGIN + 4 * HOUR + 1, overlap="queue", catch_up_window="3h")
    assert outcomes(late) == [(1, MISSED)]
    assert late.ticks[0].reason == "it waited for the run before for longer than the catch-up window"
    # Others may be as stale.
    assert late.due_at == BEGIN + 4 * HOUR + 1


def test_no_later_tick_fires_before_those_that_are_queued_behind_one_that_is_missed() -> None:
    ended = a_row(first_queued=BEGIN + HOUR, cursor=BEGIN + 4 * HOUR)
    decision = decided(ended, BEGIN + 5 * HOUR, overlap="queue", catch_up_window="3h")
    assert outcomes(decision) == [(1, MISSED), (5, QUEUED)]


def test_what_is_queued_is_not_forgotten_when_the_overlap_is_changed() -> None:
    row = busy(first_queued=BEGIN, cursor=BEGIN)
    assert outcomes(decided(row, BEGIN + 1, overlap="allow")) == [(0, FIRED)]
    assert decided(row, BEGIN + 1, overlap="skip").due_at == BEGIN + 1 + AGAIN_MS
    free = replace(row, last_status=RunStatus.SUCCEEDED)
    assert outcomes(decided(free, BEGIN + 1, overlap="skip")) == [(0, FIRED)]


# -- jitter ---------------------------------------------------------------------------------------


def test_a_tick_waits_for_its_part_of_the_jitter() -> None:
    place = ("default", "report", "night")
    wait = delay(600, place, BEGIN + HOUR)
    assert 0 < wait < 600_000
    time = BEGIN + HOUR + wait
    assert decided(a_row(), time - 1, jitter="10m").due_at == time
    decision = decided(a_row(), time, jitter="10m")
    assert outcomes(decision) == [(1, FIRED)]
    assert decision.due_at == BEGIN + 2 * HOUR + delay(600, place, BEGIN + 2 * HOUR)


def test_the_jitter_of_a_tick_is_always_the_same_and_spreads_schedules() -> None:
    waits = [delay("10m", ("default", "report", f"t{n}"), BEGIN) for n in range(1_000)]
    assert waits == [delay(600.0, ("default", "report", f"t{n}"), BEGIN) for n in range(1_000)]
    assert sum(wait < 300_000 for wait in waits) in range(420, 580)
    assert delay(None, ("default", "report", "night"), BEGIN) == 0


def test_ticks_that_waited_for_one_with_more_jitter_are_not_late() -> None:
    """An interval that is shorter than the jitter."""
    config: dict[str, Any] = {"interval": 60, "jitter": "30m", "catch_up": "none"}
    row, seen = a_row(due_at=BEGIN), list[tuple[int, TickOutcome]]()
    while len(seen) < 100:
        decision = decided(row, row.due_at or 0, **config)
        seen += [(each.tick, each.outcome) for each in decision.ticks]
        row = replace(row, cursor=decision.cursor, due_at=decision.due_at)
    assert {outcome for _, outcome in seen} == {FIRED}
    assert [tick for tick, _ in seen] == [BEGIN + MINUTE * n for n in range(1, len(seen) + 1)]


# -- whatever happens -----------------------------------------------------------------------------


@given(
    jumps=st.lists(st.integers(-2 * HOUR, 8 * HOUR), max_size=20),
    config=st.fixed_dictionaries(
        {
            "overlap": st.sampled_from(["allow", "skip", "queue", "cancel_running"]),
            "catch_up": st.sampled_from(["last", "all", "none"]),
            "catch_up_window": st.sampled_from([60, 3_600, 86_400]),
            "interval": st.sampled_from([600, 3_600]),
            "jitter": st.sampled_from([None, 30, 7_200]),
        }
    ),
    ends=st.lists(st.booleans(), min_size=20, max_size=20),
    most=st.integers(1, 30),
)
def test_each_tick_is_decided_once_whatever_the_clock_does(
    jumps: list[int], config: dict[str, Any], ends: list[bool], most: int
) -> None:
    row, now = a_row(), BEGIN
    book: dict[int, TickOutcome] = {}
    for jump, end in zip(jumps, ends, strict=False):
        now += jump
        decision = decided(row, now, most, **config)
        for each in decision.ticks:
            assert each.tick <= now or book.get(each.tick) is QUEUED
            over = (FIRED, COALESCED, MISSED)
            assert each.tick not in book or (book[each.tick] is QUEUED and each.outcome in over)
            book[each.tick] = each.outcome
        if config["overlap"] != "allow":
            assert len(decision.fires) <= 1
        row = replace(
            row,
            cursor=decision.cursor,
            last_run_id="run" if decision.fires else row.last_run_id,
            last_status=RunStatus.SUCCEEDED if end else RunStatus.RUNNING,
            first_queued=min((tick for tick, outcome in book.items() if outcome is QUEUED), default=None),
        )
    step = int(config["interval"]) * 1_000
    assert sorted(book) == list(range(BEGIN + step, row.cursor + 1, step))
