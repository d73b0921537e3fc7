"""Schedules as people look at them and steer them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openrun import Flow
from openrun.app import App, UnknownSchedule
from openrun.steps.execution.set_state import StepSetState, StepSetStateConfig
from openrun.steps.triggers import TriggerScheduleConfig
from openrun.steps.triggers.ticks import in_ms
from openrun.store.memory import MemoryStore
from openrun.store.rows import RunFilter
from openrun.store.timetable import Move, TickOutcome
from openrun.triggers.schedules import MOST_BACKFILLED, Fire, preview_of, zone_change_of

from .test_scheduler import BEGIN, HOUR, MINUTE, Time, a_schedule, outcomes, scheduled, ticks

BERLIN: dict[str, Any] = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def time(store: MemoryStore) -> Time:
    return Time(store)


@pytest.fixture
async def app(store: MemoryStore, time: Time) -> AsyncIterator[App]:
    async with App(store, work=False) as app:
        yield app


def later(hours: float) -> datetime:
    return BEGIN + timedelta(hours=hours)


def shown(fires: Sequence[Fire] | None) -> list[tuple[str, str | None]]:
    return [(each.local.isoformat(timespec="minutes"), each.note) for each in fires or ()]


# -- looking --------------------------------------------------------------------------------------


async def test_schedules_are_listed_by_flow_and_trigger_page_by_page(app: App) -> None:
    flow = Flow(name="report")
    done = StepSetState(id="done", config=StepSetStateConfig(values={"done": True}))
    for name in ("c", "a", "b"):
        flow.add_edge(a_schedule(name), done)
    await app.add_flow(flow)
    await app.space("acme").add_flow(scheduled())
    await app.schedules.pause("report", "b", by="ada")
    first, second = await app.schedules.list(limit=2)
    assert [first.trigger, second.trigger, second.paused_by] == ["a", "b", "ada"]
    rest = await app.schedules.list(after=("default", "report", "b"))
    assert [each.trigger for each in rest] == ["c"]
    assert [each.trigger for each in await app.schedules.list("report", paused=True)] == ["b"]
    assert [each.namespace for each in await app.space("acme").schedules.list()] == ["acme"]


async def test_a_schedule_that_there_is_not_is_named_beside_the_near_one(app: App) -> None:
    await app.add_flow(scheduled())
    with pytest.raises(UnknownSchedule, match="flow 'report' has no schedule 'nihgt'; did you mean 'night'"):
        await app.schedules.get("report", "nihgt")
    with pytest.raises(UnknownSchedule, match="did you mean 'report'"):
        await app.schedules.preview("reprot", "night")
    with pytest.raises(UnknownSchedule):
        await app.space("acme").schedules.pause("report", "night")


async def test_a_preview_tells_what_a_change_of_the_zone_does(app: App, time: Time) -> None:
    await app.add_flow(scheduled(**BERLIN))
    time.now = in_ms(datetime(2026, 3, 28, tzinfo=UTC))
    fires = await app.schedules.preview("report", "night", 3)
    assert shown(fires) == [
        ("2026-03-28T02:30+01:00", None),
        ("2026-03-29T03:00+02:00", "moved: 02:30 does not exist on that day"),
        ("2026-03-30T02:30+02:00", None),
    ]
    assert fires[1].tick == in_ms(datetime(2026, 3, 29, 1, tzinfo=UTC))
    after = datetime(2026, 10, 25, tzinfo=UTC)
    (autumn,) = await app.schedules.preview("report", "night", 1, after=after)
    assert shown([autumn]) == [("2026-10-25T02:30+02:00", "first of two 02:30")]


async def test_the_fires_around_the_next_change_of_the_zone_are_shown(app: App, time: Time) -> None:
    await app.add_flow(scheduled(**BERLIN))
    assert shown(await app.schedules.zone_change("report", "night")) == [
        ("2026-03-26T02:30+01:00", None),
        ("2026-03-27T02:30+01:00", None),
        ("2026-03-28T02:30+01:00", None),
        ("2026-03-29T03:00+02:00", "moved: 02:30 does not exist on that day"),
        ("2026-03-30T02:30+02:00", None),
        ("2026-03-31T02:30+02:00", None),
    ]


def test_a_zone_that_does_not_change_within_a_year_has_no_fires_around_it() -> None:
    config = TriggerScheduleConfig(cron="30 2 * * *", timezone="Asia/Kathmandu")
    assert zone_change_of(config, in_ms(BEGIN)) is None
    monthly = TriggerScheduleConfig(cron="0 9 1 * *", timezone="Europe/Berlin")
    assert shown(zone_change_of(monthly, in_ms(BEGIN))) == [
        ("2026-03-01T09:00+01:00", None),
        ("2026-04-01T09:00+02:00", None),
    ]


def test_the_fires_of_an_expression_that_is_in_no_flow_are_shown() -> None:
    fires = preview_of(TriggerScheduleConfig(interval="15m"), 2, BEGIN)
    assert shown(fires) == [("2026-03-02T00:15+00:00", None), ("2026-03-02T00:30+00:00", None)]


# -- pausing --------------------------------------------------------------------------------------


async def test_ticks_of_a_pause_go_by_and_are_not_caught_up_on(app: App, time: Time) -> None:
    await app.add_flow(scheduled(catch_up="all"))
    await app.schedules.pause("report", "night", by="ada")
    row = await app.schedules.get("report", "night")
    assert (row.paused_at, row.paused_by) == (time.now, "ada")
    time.now += HOUR
    await app.listening.scheduler.look()
    time.now += HOUR + MINUTE
    await app.schedules.resume("report", "night")
    assert (await app.schedules.get("report", "night")).paused_at is None
    time.now += HOUR
    await app.listening.scheduler.look()
    assert await outcomes(app) == [(1, "paused"), (2, "paused"), (3, "fired")]


async def test_a_pause_of_a_thousand_ticks_and_more_is_decided_before_it_ends(app: App, time: Time) -> None:
    await app.add_flow(scheduled(interval="1m", catch_up="all"))
    await app.schedules.pause("report", "night")
    time.now += 1_500 * MINUTE
    await app.schedules.resume("report", "night")
    assert {each.outcome for each in await ticks(app)} == {TickOutcome.PAUSED}
    assert len(await ticks(app)) == 1_500


async def test_pausing_and_resuming_twice_is_no_act(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    await app.schedules.pause("report", "night", by="ada")
    since = time.now
    time.now += MINUTE
    await app.schedules.pause("report", "night", by="bob")
    row = await app.schedules.get("report", "night")
    assert (row.paused_at, row.paused_by) == (since, "ada")
    await app.schedules.resume("report", "night")
    await app.schedules.resume("report", "night")
    assert (await app.schedules.get("report", "night")).paused_at is None


# -- backfill -------------------------------------------------------------------------------------


async def test_a_backfill_fires_what_has_not_fired_and_nothing_to_come(app: App, time: Time) -> None:
    await app.add_flow(scheduled(catch_up="none"))
    time.now += HOUR
    await app.listening.scheduler.look()
    time.now += 2 * HOUR + 30 * MINUTE
    await app.listening.scheduler.look()
    assert await outcomes(app) == [(1, "fired"), (2, "missed"), (3, "missed")]
    done = await app.schedules.backfill("report", "night", later(-2), later(24))
    begin = in_ms(BEGIN)
    assert [(each.tick - begin) // HOUR for each in done.fired] == [-2, -1, 0, 2, 3]
    assert (done.skipped_already, done.more) == ([begin + HOUR], False)
    rows = await ticks(app)
    assert [row.backfilled for row in rows] == [True, True, True, False, True, True]
    assert {row.outcome for row in rows} == {TickOutcome.FIRED}
    runs = await app.store.runs(RunFilter())
    assert {row.run_id for row in rows} == {run.run_id for run in runs}
    time.now += HOUR // 2
    await app.listening.scheduler.look()
    assert (await outcomes(app))[-1] == (4, "fired")


async def test_a_backfill_ends_before_its_end_and_a_second_one_fires_nothing(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    time.now += 5 * HOUR
    first = await app.schedules.backfill("report", "night", later(1), later(3))
    second = await app.schedules.backfill("report", "night", later(1), later(3))
    begin = in_ms(BEGIN)
    assert [each.tick for each in first.fired] == [begin + HOUR, begin + 2 * HOUR]
    assert (second.fired, second.skipped_already) == ([], [begin + HOUR, begin + 2 * HOUR])
    await app.listening.scheduler.look()
    assert await outcomes(app) == [
        (1, "fired"), (2, "fired"), (3, "coalesced"), (4, "coalesced"), (5, "fired"),
    ]  # fmt: skip
    assert len(await app.store.runs(RunFilter())) == 3


async def test_a_dry_backfill_tells_and_fires_nothing(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    time.now += HOUR
    told = await app.schedules.backfill("report", "night", later(0), later(2), dry_run=True)
    assert [each.run_id for each in told.fired] == [None, None]
    assert await ticks(app) == []


async def test_a_long_backfill_fires_a_thousand_at_a_time(app: App, time: Time) -> None:
    await app.add_flow(scheduled(interval="1m"))
    time.now += MINUTE
    await app.listening.scheduler.look()
    since, until = BEGIN - timedelta(minutes=1_500), BEGIN + timedelta(hours=1)
    first = await app.schedules.backfill("report", "night", since, until)
    assert (len(first.fired), first.skipped_already, first.more) == (MOST_BACKFILLED, [], True)
    second = await app.schedules.backfill("report", "night", since, until)
    assert (len(second.fired), second.more) == (501, False)
    assert len(second.skipped_already) == MOST_BACKFILLED + 1
    assert len(await app.store.runs(RunFilter(limit=10_000))) == 1_502


async def test_a_backfill_goes_on_when_the_scheduler_moves_meanwhile(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    time.now += HOUR
    real = app.store.move

    async def move(moves: Sequence[Move]) -> list[bool]:
        app.store.move = real  # type: ignore[method-assign]
        await app.listening.scheduler.look()
        return await real(moves)

    app.store.move = move  # type: ignore[method-assign]
    app.schedules._move = move
    done = await app.schedules.backfill("report", "night", later(-1), later(0))
    assert len(done.fired) == 1
    assert await outcomes(app) == [(-1, "fired"), (1, "fired")]


# -- what became of ticks -------------------------------------------------------------------------


async def test_ticks_are_told_newest_first_by_outcome_and_page_by_page(app: App, time: Time) -> None:
    await app.add_flow(scheduled(catch_up="none"))
    for _ in range(3):
        time.now += HOUR
        await app.listening.scheduler.look()
    time.now += HOUR + 2 * MINUTE
    await app.listening.scheduler.look()
    found = await app.schedules.ticks("report", "night", limit=2)
    begin = in_ms(BEGIN)
    assert [each.tick for each in found] == [begin + 4 * HOUR, begin + 3 * HOUR]
    more = await app.schedules.ticks("report", "night", before=found[-1].tick)
    assert [each.tick for each in more] == [begin + 2 * HOUR, begin + HOUR]
    (missed,) = await app.schedules.ticks("report", "night", [TickOutcome.MISSED])
    assert missed.tick == begin + 4 * HOUR
    with pytest.raises(UnknownSchedule):
        await app.schedules.ticks("report", "day")
