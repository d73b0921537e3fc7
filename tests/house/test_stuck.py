"""Runs that need somebody are found, with why, and no others."""

from collections.abc import Sequence

import msgspec

from openrun.core.types import RunStatus
from openrun.house.stuck import Why, stuck
from openrun.store.memory import MemoryStore
from openrun.store.rows import RunFilter, RunRow

NOW = 1_900_000_000_000
MINUTE = 60_000
WEEK = 7 * 24 * 60 * MINUTE


class Listed(MemoryStore):
    """A store whose runs are given, as no run would care to come by them in a test."""

    def __init__(self, rows: Sequence[RunRow]) -> None:
        super().__init__()
        self._rows = sorted(rows, key=lambda row: row.run_id, reverse=True)

    async def now(self) -> int:
        return NOW

    async def runs(self, wanted: RunFilter) -> list[RunRow]:
        return [
            row
            for row in self._rows
            if row.status in wanted.status and (wanted.before is None or row.run_id < wanted.before)
        ][: wanted.limit]


def run(
    number: int, status: RunStatus, idle: int = 0, due: int | None = None, **changed: str | None
) -> RunRow:
    """A run in which nothing has happened for `idle` ms, and that is due `due` ms from now."""
    row = RunRow(
        run_id=f"r{number:04}",
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


async def why(*rows: RunRow, resting_ms: int = WEEK) -> list[Why]:
    return [each.why for each in await stuck(Listed(rows), resting_ms, None, 50)]


async def test_a_run_that_a_person_has_to_look_at_is_stuck() -> None:
    assert await why(run(1, RunStatus.NEEDS_REVIEW)) == [Why.NEEDS_REVIEW]


async def test_a_run_that_no_worker_takes_is_stuck_and_says_why() -> None:
    (found,) = await stuck(Listed([run(1, RunStatus.PENDING, hold="missing code")]), WEEK, None, 50)
    assert (found.why, found.detail) == (Why.HELD, "missing code")


async def test_a_run_that_is_due_and_that_nobody_claims_is_stuck() -> None:
    assert await why(run(1, RunStatus.WAITING, due=-2 * MINUTE)) == [Why.OVERDUE]
    assert await why(run(1, RunStatus.WAITING, due=MINUTE)) == []
    assert await why(run(1, RunStatus.WAITING, due=-2 * MINUTE, worker="w")) == []


async def test_a_run_that_should_run_and_is_silent_is_stuck() -> None:
    assert await why(run(1, RunStatus.RUNNING, idle=11 * MINUTE, worker="w")) == [Why.SILENT]
    assert await why(run(1, RunStatus.RUNNING, idle=9 * MINUTE, worker="w")) == []


async def test_a_run_may_rest_as_long_as_was_asked_for() -> None:
    waiting = run(1, RunStatus.WAITING, idle=10 * MINUTE, due=WEEK)
    paused = run(2, RunStatus.PAUSED, idle=10 * MINUTE)
    assert await why(waiting, paused) == []
    assert await why(waiting, paused, resting_ms=5 * MINUTE) == [Why.RESTING, Why.RESTING]


async def test_runs_that_have_ended_are_never_stuck() -> None:
    assert await why(run(1, RunStatus.FAILED, idle=WEEK)) == []


async def test_the_newest_come_first_and_pages_go_on_behind_one_another() -> None:
    rows = [
        run(number, RunStatus.NEEDS_REVIEW if number % 2 else RunStatus.RUNNING) for number in range(1_200)
    ]
    store = Listed(rows)
    found: list[str] = []
    before = None
    while page := await stuck(store, WEEK, before, 100):
        found += [each.row.run_id for each in page]
        before = found[-1]
    assert found == [row.run_id for row in reversed(rows) if row.status is RunStatus.NEEDS_REVIEW]
