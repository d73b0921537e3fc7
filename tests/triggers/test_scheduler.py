"""Schedules firing: ticks and runs in a store whose clock the test turns."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from openrun import Flow
from openrun.app import App
from openrun.core.errors import OpenRunError, PermanentError
from openrun.core.types import Json, RunStatus
from openrun.definition.flow_control import FlowControl
from openrun.runtime.worker import WorkerOptions
from openrun.steps.catalog import StepCatalog
from openrun.steps.execution.set_state import StepSetState, StepSetStateConfig
from openrun.steps.execution.wait import StepWait, StepWaitConfig
from openrun.steps.function import step
from openrun.steps.triggers import TriggerSchedule, TriggerScheduleConfig
from openrun.steps.triggers.ticks import in_ms
from openrun.store.base import Store, StoreUnavailable
from openrun.store.memory import MemoryStore
from openrun.store.rows import Slice
from openrun.store.timetable import Move, ScheduleFilter, ScheduleRow, TickFilter, TickOutcome, TickRow
from openrun.triggers.scheduler import Scheduler, Wiring
from tests.runtime.test_app import until

BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
QUICK = WorkerOptions(lease=5, poll=0.02, listen=0.02, patience=0.05, grace=1)
FIRED, SKIPPED, QUEUED = TickOutcome.FIRED, TickOutcome.SKIPPED, TickOutcome.QUEUED


class Time:
    """The store's clock, as the test turns it."""

    def __init__(self, store: Store) -> None:
        self.now = in_ms(BEGIN)
        store.now = self._read  # type: ignore[method-assign]

    async def _read(self) -> int:
        return self.now


def a_schedule(step_id: str = "night", **config: Any) -> TriggerSchedule:
    its = {} if "cron" in config else {"interval": "1h"}
    return TriggerSchedule(id=step_id, config=TriggerScheduleConfig.model_validate({**its, **config}))


def scheduled(*, waits: bool = False, **config: Any) -> Flow:
    """A flow that runs at its time, and with `waits` until it is told to go on."""
    flow = Flow(name="report")
    kind = StepWait(id="hold", config=StepWaitConfig(signal="go")) if waits else None
    done = kind or StepSetState(id="done", config=StepSetStateConfig(values={"done": True}))
    flow.add_edge(a_schedule(**config), done)
    return flow


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def time(store: MemoryStore) -> Time:
    return Time(store)


@pytest.fixture
async def app(store: MemoryStore, time: Time) -> AsyncIterator[App]:
    """Fires only when it is told to look, and leaves running to nobody."""
    async with App(store, work=False) as app:
        yield app


@pytest.fixture
async def working(store: MemoryStore, time: Time) -> AsyncIterator[App]:
    async with App(store, options=QUICK) as app:
        yield app


async def ticks(app: App, *, since: int | None = None, trigger: str = "night") -> list[TickRow]:
    wanted = TickFilter(flow_id="report", trigger=trigger, since=since, limit=10_000)
    return (await app.store.ticks(wanted))[::-1]


async def outcomes(app: App) -> list[tuple[float, str]]:
    """Hours after the beginning, and what became of the tick."""
    begin = in_ms(BEGIN)
    return [((each.tick - begin) / HOUR, each.outcome.value) for each in await ticks(app)]


# -- firing ---------------------------------------------------------------------------------------


async def test_a_tick_starts_a_run_that_is_told_of_it(working: App, time: Time) -> None:
    await working.add_flow(scheduled(cron="30 2 * * *", timezone="Europe/Berlin"))
    time.now = in_ms(datetime(2026, 3, 29, 1, 0, 5, tzinfo=UTC))
    await working.listening.scheduler.look()
    tick = (await ticks(working))[-1]
    assert (tick.outcome, tick.tick) == (FIRED, in_ms(datetime(2026, 3, 29, 1, tzinfo=UTC)))
    assert tick.run_id is not None
    row = await working.ended(tick.run_id)
    assert (row.status, row.trigger) == (RunStatus.SUCCEEDED, "night")
    state = (await working.past(tick.run_id)).state(row.seq)
    assert state["tick"] == "report/night/2026-03-29T01:00:00Z"
    assert state["scheduled_time"] == "2026-03-29T03:00:00+02:00"
    assert state["actual_time"] == "2026-03-29T01:00:05Z"


async def test_nothing_fires_before_its_time_or_twice(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    time.now += HOUR - 1
    assert await app.listening.scheduler.look() == 0
    time.now += 1
    assert await app.listening.scheduler.look() == 1
    assert await app.listening.scheduler.look() == 0
    assert await outcomes(app) == [(1, "fired")]
    assert sum((await app.store.counts()).values()) == 1


async def test_a_started_scheduler_fires_by_itself(working: App, time: Time) -> None:
    await working.add_flow(scheduled())
    time.now += HOUR
    working.listening.scheduler.hint()

    async def fired() -> bool:
        return await outcomes(working) == [(1, "fired")]

    await until(fired)


async def test_the_alarm_rings_when_the_earliest_schedule_is_due(store: MemoryStore) -> None:
    """By the real clock, and with nothing else that would wake it."""
    async with App(store, work=False) as app:
        await app.add_flow(scheduled(interval=1))
        scheduler = Others(app, app.listening.scheduler.bear, poll=3_600).scheduler
        await scheduler.start()
        try:

            async def twice() -> bool:
                return len(await ticks(app)) >= 2

            await until(twice)
        finally:
            await scheduler.stop()


async def test_a_flow_that_is_kept_again_goes_on_where_it_was(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    time.now += HOUR + MINUTE // 2
    await app.add_flow(scheduled(description="told otherwise"))
    await app.listening.scheduler.look()
    assert await outcomes(app) == [(1, "fired")]


async def test_a_schedule_that_is_changed_begins_anew(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    time.now += HOUR + MINUTE // 2
    await app.add_flow(scheduled(interval="2h"))
    await app.listening.scheduler.look()
    assert await outcomes(app) == []
    time.now += HOUR
    await app.listening.scheduler.look()
    assert await outcomes(app) == [(2, "fired")]


async def test_a_backlog_longer_than_one_look_is_worked_off(app: App, time: Time) -> None:
    await app.add_flow(scheduled(interval="1m", catch_up="all"))
    time.now += 11 * HOUR
    assert await app.listening.scheduler.look() == 4
    assert [each.outcome for each in await ticks(app)] == [FIRED] * 660
    assert sum((await app.store.counts()).values()) == 660


async def test_old_ticks_are_forgotten(store: MemoryStore, time: Time) -> None:
    async with App(store, work=False) as first:
        await first.add_flow(scheduled(interval="1d"))
        time.now += DAY
        await first.listening.scheduler.look()
        time.now += 40 * DAY
        await first.listening.scheduler.look()
        assert len(await ticks(first)) == 31
        await first.listening.scheduler.start()
        try:

            async def swept() -> bool:
                return len(await ticks(first)) == 30

            await until(swept)
        finally:
            await first.listening.scheduler.stop()


# -- overlap --------------------------------------------------------------------------------------


async def test_a_run_longer_than_its_interval_is_skipped_over(working: App, time: Time) -> None:
    """Case 25."""
    await working.add_flow(scheduled(waits=True, overlap="skip"))
    for _ in range(3):
        time.now += HOUR
        await working.listening.scheduler.look()
    assert await outcomes(working) == [(1, "fired"), (2, "skipped"), (3, "skipped")]
    await go_on(working)
    time.now += HOUR
    await working.listening.scheduler.look()
    assert (await outcomes(working))[-1] == (4, "fired")


async def test_runs_longer_than_their_interval_run_beside_each_other_where_they_may(
    working: App, time: Time
) -> None:
    """Case 25."""
    await working.add_flow(scheduled(waits=True))
    for _ in range(3):
        time.now += HOUR
        await working.listening.scheduler.look()
    assert await outcomes(working) == [(1, "fired"), (2, "fired"), (3, "fired")]


async def test_queued_ticks_follow_one_after_another(working: App, time: Time) -> None:
    """Case 25."""
    await working.add_flow(scheduled(waits=True, overlap="queue"))
    for _ in range(3):
        time.now += HOUR
        await working.listening.scheduler.look()
    assert await outcomes(working) == [(1, "fired"), (2, "queued"), (3, "queued")]
    for at in (1, 2):
        await go_on(working)
        time.now += 1_000
        await working.listening.scheduler.look()
        time.now += 1_000
        await working.listening.scheduler.look()
        expected = ["fired"] * (at + 1) + ["queued"] * (2 - at)
        assert [outcome for _, outcome in await outcomes(working)] == expected
    runs = [each.run_id for each in await ticks(working)]
    assert sorted(map(str, runs)) == list(map(str, runs))
    assert len(set(runs)) == 3


async def test_a_running_run_makes_room_for_the_next(working: App, time: Time) -> None:
    """Case 25."""
    await working.add_flow(scheduled(waits=True, overlap="cancel_running"))
    for _ in range(3):
        time.now += HOUR
        await working.listening.scheduler.look()
        await at_rest(working, time)
    first, second, third = await ticks(working)
    assert {first.outcome, second.outcome, third.outcome} == {FIRED}
    assert first.run_id is not None
    assert second.run_id is not None
    ended = [await working.ended(first.run_id), await working.ended(second.run_id)]
    assert [each.status for each in ended] == [RunStatus.CANCELLED, RunStatus.CANCELLED]
    assert third.run_id is not None
    assert (await working.row(third.run_id)).ended_at is None


async def go_on(app: App) -> None:
    """Let the newest run of the schedule end, which waits to be told."""
    row = await app.store.schedule("report", "night")
    assert row is not None
    assert row.last_run_id is not None
    await app.waits.signal(row.last_run_id, "go")
    async with asyncio.timeout(20):
        await app.ended(row.last_run_id)


async def at_rest(app: App, time: Time) -> None:
    """Look until nothing of the schedule is queued any more."""

    async def rests() -> bool:
        time.now += 1_000
        await app.listening.scheduler.look()
        row = await app.store.schedule("report", "night")
        return row is not None and row.first_queued is None

    await until(rests)


# -- what cannot be -------------------------------------------------------------------------------


class Others:
    """A scheduler over the store of an app, whose runs are born otherwise."""

    def __init__(self, app: App, bear: Any, poll: float = 0.02) -> None:
        self.told: list[tuple[str, float]] = []
        wiring = Wiring(
            bear=bear,
            make_room=app.listening.scheduler._wiring.make_room,
            now=app.clock.now,
            told=lambda outcome, lag_seconds: self.told.append((outcome, lag_seconds)),
        )
        self.scheduler = Scheduler(app.store, wiring, poll=poll)


async def test_a_tick_whose_run_cannot_be_is_missed_and_says_why(app: App, time: Time) -> None:
    async def bear(row: ScheduleRow, payload: Mapping[str, Json]) -> Slice:
        raise PermanentError(f"no key for {row.trigger}", code="NO_KEY")

    await app.add_flow(scheduled())
    time.now += HOUR + 2_500
    others = Others(app, bear)
    await others.scheduler.look()
    (tick,) = await ticks(app)
    assert (tick.outcome, tick.reason, tick.run_id) == (TickOutcome.MISSED, "no key for night", None)
    assert others.told == [("missed", 2.5)]


async def test_a_tick_whose_run_the_store_does_not_take_hurts_itself_alone(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    other = Flow(name="other")
    other.add_edge(a_schedule(), StepSetState(id="done", config=StepSetStateConfig(values={"done": True})))
    await app.add_flow(other)

    async def bear(row: ScheduleRow, payload: Mapping[str, Json]) -> Slice:
        born = await app.listening.scheduler.bear(row, payload)
        # A run without a first event is none.
        return born if row.flow_id == "other" else _headless(born)

    time.now += HOUR
    await Others(app, bear).scheduler.look()
    (tick,) = await ticks(app)
    assert tick.outcome is TickOutcome.MISSED
    (sound,) = await app.store.ticks(TickFilter(flow_id="other", trigger="night"))
    assert sound.outcome is FIRED


def _headless(born: Slice) -> Slice:
    return Slice(**{name: getattr(born, name) for name in born.__struct_fields__} | {"first": 2})


def rarely(control: FlowControl | None = None) -> tuple[StepCatalog, Flow]:
    """A flow, and the catalogue that has its step."""

    @step
    async def rare() -> int:
        return 1

    catalog = StepCatalog.builtin()
    catalog.add("rare", rare)
    flow = Flow(name="report", flow_control=control)
    flow.add_edge(a_schedule(), rare(id="rare"))
    return catalog, flow


async def test_a_flow_whose_steps_are_missing_here_gets_its_runs_all_the_same(
    store: MemoryStore, time: Time
) -> None:
    catalog, flow = rarely()
    async with App(store, work=False, catalog=catalog) as knows, App(store, work=False) as lacks:
        await knows.add_flow(flow)
        time.now += HOUR
        await lacks.listening.scheduler.look()
        assert await outcomes(lacks) == [(1, "fired")]


async def test_a_flow_control_that_cannot_be_compiled_here_is_left_to_others(
    store: MemoryStore, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    catalog, flow = rarely(FlowControl(concurrency=1))
    async with App(store, work=False, catalog=catalog) as knows, App(store, work=False) as lacks:
        await knows.add_flow(flow)
        time.now += HOUR
        with caplog.at_level(logging.WARNING):
            assert [await lacks.listening.scheduler.look(), await lacks.listening.scheduler.look()] == [0, 0]
        (said,) = caplog.messages
        assert said.startswith("schedules of flow 'report' are left to others")
        assert await outcomes(knows) == []
        await knows.listening.scheduler.look()
        assert await outcomes(knows) == [(1, "fired")]


async def test_schedules_that_are_left_to_others_do_not_stand_in_the_way(app: App, time: Time) -> None:
    done = StepSetState(id="done", config=StepSetStateConfig(values={"done": True}))
    for name in ("many_a", "many_b", "many_c"):
        flow = Flow(name=name)
        for number in range(90):
            flow.add_edge(a_schedule(f"s{number}"), done)
        await app.add_flow(flow)
    await app.add_flow(scheduled(interval="61m"))

    async def bear(row: ScheduleRow, payload: Mapping[str, Json]) -> Slice:
        if row.flow_id.startswith("many"):
            raise OpenRunError("not here")
        return await app.listening.scheduler.bear(row, payload)

    time.now += 61 * MINUTE
    others = Others(app, bear)
    looks = [await others.scheduler.look() for _ in range(4)]
    assert sum(looks) == 1
    assert len(await ticks(app)) == 1


async def test_a_store_that_is_away_is_waited_for(working: App, time: Time) -> None:
    await working.add_flow(scheduled())
    real, away = working.store.due_schedules, True

    async def due(now: int, limit: int = 100) -> Any:
        if away:
            raise StoreUnavailable("away")
        return await real(now, limit)

    working.store.due_schedules = due  # type: ignore[method-assign]
    time.now += HOUR
    with pytest.raises(StoreUnavailable):
        await working.listening.scheduler.look()
    away = False

    async def fired() -> bool:
        return await outcomes(working) == [(1, "fired")]

    await until(fired)


async def test_what_another_scheduler_has_decided_meanwhile_is_not_decided_again(
    app: App, time: Time
) -> None:
    await app.add_flow(scheduled())
    time.now += HOUR
    real = app.store.move

    async def move(moves: Sequence[Move]) -> list[bool]:
        app.store.move = real  # type: ignore[method-assign]
        await Others(app, app.listening.scheduler.bear).scheduler.look()
        return await real(moves)

    app.store.move = move  # type: ignore[method-assign]
    assert await app.listening.scheduler.look() == 0
    assert await outcomes(app) == [(1, "fired")]
    assert sum((await app.store.counts()).values()) == 1


async def test_an_observer_that_wants_to_hears_of_ticks(store: MemoryStore, time: Time) -> None:
    heard: list[tuple[str, float]] = []

    class Ear:
        def ticked(self, outcome: str, lag_seconds: float) -> None:
            heard.append((outcome, lag_seconds))

    async with App(store, work=False, observers=[Ear()]) as app:  # type: ignore[list-item]
        await app.add_flow(scheduled())
        time.now += HOUR + 1_500
        await app.listening.scheduler.look()
    assert heard == [("fired", 1.5)]


async def test_schedules_of_a_flow_that_is_disabled_let_their_ticks_go_by(app: App, time: Time) -> None:
    await app.add_flow(scheduled())
    await app.store.enable("report", enabled=False)
    time.now += HOUR
    await app.listening.scheduler.look()
    await app.store.enable("report", enabled=True)
    time.now += HOUR
    await app.listening.scheduler.look()
    assert await outcomes(app) == [(1, "paused"), (2, "fired")]


async def test_a_schedule_of_another_namespace_starts_runs_there(app: App, time: Time) -> None:
    await app.space("acme").add_flow(scheduled())
    time.now += HOUR
    await app.listening.scheduler.look()
    (row,) = await app.store.schedules(ScheduleFilter())
    assert row.last_run_id is not None
    assert (await app.row(row.last_run_id)).namespace == "acme"
