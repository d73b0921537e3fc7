"""Runs that need somebody are found, with why, and no others."""

import msgspec

from openrun.core.types import RunStatus
from openrun.house.stuck import Why, needs_somebody
from openrun.store.rows import RunRow

NOW = 1_900_000_000_000
MINUTE = 60_000
WEEK = 7 * 24 * 60 * MINUTE


def run(status: RunStatus, idle: int = 0, due: int | None = None, **changed: str | None) -> RunRow:
    """A run in which nothing has happened for `idle` ms, and that is due `due` ms from now."""
    row = RunRow(
        run_id="r1",
        flow_id="orders",
        version="v",
        status=status,
        trigger="begin",
        parent_run_id=None,
        replay_of=None,
        depth=0,
        created_at=NOW - idle,
        updated_at=NOW - idle,
        ended_at=None,
        error=None,
        seq=3,
        bytes=100,
        hash="",
        worker=None,
        fence=1,
        due_at=None if due is None else NOW + due,
        crashes=0,
        hold=None,
    )
    return msgspec.structs.replace(row, **changed)


def why(row: RunRow, resting_ms: int = WEEK) -> Why | None:
    found = needs_somebody(row, NOW, resting_ms)
    return None if found is None else found.why


def test_a_run_that_a_person_has_to_look_at_is_stuck() -> None:
    assert why(run(RunStatus.NEEDS_REVIEW)) is Why.NEEDS_REVIEW


def test_a_run_that_no_worker_takes_is_stuck_and_says_why() -> None:
    found = needs_somebody(run(RunStatus.PENDING, hold="missing code"), NOW, WEEK)
    assert found is not None
    assert (found.why, found.detail) == (Why.HELD, "missing code")


def test_a_run_that_is_due_and_that_nobody_claims_is_stuck() -> None:
    assert why(run(RunStatus.WAITING, due=-2 * MINUTE)) is Why.OVERDUE
    assert why(run(RunStatus.WAITING, due=MINUTE)) is None
    assert why(run(RunStatus.WAITING, due=-2 * MINUTE, worker="w")) is None


def test_a_run_that_should_run_and_is_silent_is_stuck() -> None:
    assert why(run(RunStatus.RUNNING, idle=11 * MINUTE, worker="w")) is Why.SILENT
    assert why(run(RunStatus.RUNNING, idle=9 * MINUTE, worker="w")) is None


def test_a_run_may_rest_as_long_as_was_asked_for() -> None:
    for row in (run(RunStatus.WAITING, idle=10 * MINUTE, due=WEEK), run(RunStatus.PAUSED, idle=10 * MINUTE)):
        assert why(row) is None
        assert why(row, resting_ms=5 * MINUTE) is Why.RESTING


def test_a_run_that_waits_for_its_turn_is_not_stuck() -> None:
    assert why(run(RunStatus.PENDING, idle=WEEK, hold="queued: flow_control of flow 'orders'")) is None
