"""Schedules outlive what their servers do not: each tick is decided once, and nothing that fired is lost."""

import signal
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from openrun import Flow
from openrun.app import DurableRun
from openrun.core.events import FlowStarted
from openrun.core.types import FINAL, Json, RunStatus
from openrun.steps.triggers.ticks import in_ms
from openrun.store.rows import RunFilter
from openrun.store.timetable import TickFilter, TickOutcome, TickRow

from .clockwork import SharedClock, fire
from .fleet import FORKS, Fleet, Member, until
from .flows import call
from .process import DIED, Death, catalog

FORKS.set_forkserver_preload(["tests.fatal.clockwork", "openrun.store.postgres"])

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
BEGIN = in_ms(datetime(2026, 6, 1, tzinfo=UTC))
FIRED = TickOutcome.FIRED
SET: dict[str, Json] = {"id": "end", "type": "set_state", "config": {"key": "done", "value": True}}


def scheduled(
    schedules: dict[str, dict[str, Json]], then: dict[str, Json] | None = None, flow_id: str = "report"
) -> Flow:
    """A flow with these schedules, by their ids, and one step that each of them starts."""
    last = then or SET
    steps = [{"id": name, "type": "trigger_schedule", "config": its} for name, its in schedules.items()]
    edges = [{"source": name, "target": last["id"]} for name in schedules]
    document = {"id": flow_id, "name": flow_id, "steps": [*steps, last], "edges": edges}
    return Flow.from_dict(document, catalog=catalog())


class Hours:
    """A fleet that lives by a clock of its own."""

    def __init__(self, fleet: Fleet, path: Path) -> None:
        self.fleet = fleet
        self.store = fleet.app.store
        self.clock = SharedClock(path)
        self.clock.set(BEGIN)
        self.clock.rule(fleet.app.store)

    async def server(self, death: Death | None = None) -> Member:
        member = self.fleet.member(fire, {}, self.clock.path, death)
        await member.heard()
        return member

    async def ticks(self, trigger: str = "tick") -> list[TickRow]:
        """What became of all ticks of a schedule, in order."""
        return (await self.store.ticks(TickFilter(flow_id="report", trigger=trigger, limit=10_000)))[::-1]

    async def decided(self, until_ms: int, triggers: Iterable[str] = ("tick",)) -> None:
        """Wait until all that is due by this instant is decided, queued ones aside."""

        async def there() -> bool:
            rows = [await self.store.schedule("report", each) for each in triggers]
            return all(row is not None and row.due_at is not None and row.due_at > until_ms for row in rows)

        await until(there)

    async def goes(self, at: int, triggers: Iterable[str] = ("tick",)) -> None:
        """Turn the clock, and wait for what is due by then."""
        self.clock.set(at)
        await self.decided(at, triggers)

    async def check(self) -> None:
        """There is one run for each tick that fired, told of that tick, and no other."""
        fired = {}
        for row in await self.store.runs(RunFilter(limit=10_000)):
            begun = (await self.fleet.app.facts(row.run_id))[0]
            assert isinstance(begun, FlowStarted)
            assert begun.input["tick"] not in fired
            fired[begun.input["tick"]] = row.run_id
        rows = {
            schedule.trigger: await self.ticks(schedule.trigger)
            for schedule in await self.fleet.app.schedules.list()
        }
        expected = {
            f"report/{name}/{_text(each.tick)}": each.run_id
            for name, all_of_it in rows.items()
            for each in all_of_it
            if each.outcome is FIRED
        }
        assert fired == expected

    async def all_ended(self) -> None:
        for row in await self.store.runs(RunFilter(limit=10_000)):
            assert (await self.fleet.ended(DurableRun(self.fleet.app, row.run_id))).status in FINAL


def _text(at: int) -> str:
    return datetime.fromtimestamp(at / 1_000, UTC).isoformat().replace("+00:00", "Z")


@pytest.fixture
def hours(fleet: Fleet, tmp_path: Path) -> Hours:
    return Hours(fleet, tmp_path / "clock")


def outcomes(rows: list[TickRow], unit: int = HOUR) -> list[tuple[int, str]]:
    return [((row.tick - BEGIN) // unit, row.outcome.value) for row in rows]


# -- several servers ------------------------------------------------------------------------------


async def test_two_servers_with_kills_in_between_fire_each_tick_once(hours: Hours) -> None:
    names = ("one", "two", "three")
    every: dict[str, Json] = {"interval": "1m", "catch_up": "all"}
    await hours.fleet.app.add_flow(scheduled(dict.fromkeys(names, every)))
    servers = [await hours.server(), await hours.server()]
    for minute in range(1, 31):
        hours.clock.set(BEGIN + minute * MINUTE)
        if minute % 5 == 0:
            # In the midst of whatever it does about this minute.
            victim = servers.pop(0)
            await victim.kill()
            servers.append(await hours.server())
        await hours.decided(BEGIN + minute * MINUTE, names)
    for name in names:
        assert outcomes(await hours.ticks(name), MINUTE) == [(n, "fired") for n in range(1, 31)]
    await hours.all_ended()
    await hours.check()
    await hours.fleet.check()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_server_that_dies_around_its_move_leaves_the_tick_to_another_or_has_fired_it(
    hours: Hours, when: Literal["before", "after"]
) -> None:
    await hours.fleet.app.add_flow(scheduled({"tick": {"interval": "1h"}}))
    victim = await hours.server(Death(when=when, commit=2))
    await hours.goes(BEGIN + HOUR)
    hours.clock.set(BEGIN + 2 * HOUR)
    assert await victim.ended() == DIED
    assert outcomes(await hours.ticks()) == [(1, "fired"), (2, "fired")][: 2 if when == "after" else 1]
    await hours.server()
    await hours.goes(BEGIN + 2 * HOUR + 1_000)
    assert outcomes(await hours.ticks()) == [(1, "fired"), (2, "fired")]
    await hours.all_ended()
    await hours.check()


async def test_a_server_that_was_stopped_for_a_while_decides_nothing_again(hours: Hours) -> None:
    await hours.fleet.app.add_flow(scheduled({"tick": {"interval": "1h"}}))
    sleeper = await hours.server()
    await hours.server()
    for hour in range(1, 6):
        if hour == 2:
            sleeper.signal(signal.SIGSTOP)
        if hour == 5:
            sleeper.signal(signal.SIGCONT)
        await hours.goes(BEGIN + hour * HOUR)
    assert outcomes(await hours.ticks()) == [(n, "fired") for n in range(1, 6)]
    await hours.check()


# -- clocks ---------------------------------------------------------------------------------------


async def test_a_clock_that_jumps_an_hour_forward_and_back_makes_no_tick_come_twice(hours: Hours) -> None:
    await hours.fleet.app.add_flow(scheduled({"tick": {"interval": "10m"}}))
    for _ in range(2):
        await hours.server()
    await hours.goes(BEGIN + 10 * MINUTE)
    await hours.goes(BEGIN + 70 * MINUTE)
    # Back: what is decided stays decided, and nothing comes before its time.
    hours.clock.set(BEGIN + 20 * MINUTE)
    for minute in (30, 40, 50, 60, 70):
        hours.clock.set(BEGIN + minute * MINUTE)
    await hours.goes(BEGIN + 80 * MINUTE)
    await hours.goes(BEGIN + 90 * MINUTE)
    found = outcomes(await hours.ticks(), MINUTE)
    assert found == [
        (10, "fired"),
        *((n, "coalesced") for n in (20, 30, 40, 50, 60)),
        (70, "fired"),
        (80, "fired"),
        (90, "fired"),
    ]
    await hours.check()


@pytest.mark.parametrize(
    ("begin", "nightly", "often"),
    [
        ("2026-03-28T23:00Z", ["01:00"], ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]),
        ("2026-10-24T23:00Z", ["00:30"], ["23:30", "00:00", "00:30", "01:00", "01:30", "02:00", "02:30"]),
    ],
)
async def test_a_change_of_the_zone_has_each_tick_once(
    hours: Hours, begin: str, nightly: list[str], often: list[str]
) -> None:
    """Case 24: `30 2 * * *` in the gap and in the fold of Berlin, and what repeats within hours."""
    since = in_ms(datetime.fromisoformat(begin))
    hours.clock.set(since)
    names = ("nightly", "often")
    await hours.fleet.app.add_flow(
        scheduled(
            {
                "nightly": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
                "often": {"cron": "*/30 * * * *", "timezone": "Europe/Berlin"},
            }
        )
    )
    servers = [await hours.server(), await hours.server()]
    for step in range(1, 15):
        await hours.goes(since + step * 15 * MINUTE, names)
        if step == 7:
            await servers[0].kill()
    found = {
        name: [(_text(each.tick)[11:16], each.outcome.value) for each in await hours.ticks(name)]
        for name in names
    }
    assert found == {
        "nightly": [(each, "fired") for each in nightly],
        "often": [(each, "fired") for each in often],
    }
    await hours.check()


# -- late -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("catch_up", ["last", "all", "none"])
async def test_a_server_that_was_down_for_a_day_follows_the_catch_up_policy(
    hours: Hours, catch_up: str
) -> None:
    config: dict[str, Json] = {"interval": "1h", "catch_up": catch_up, "catch_up_window": "12h"}
    await hours.fleet.app.add_flow(scheduled({"tick": config}))
    first = await hours.server()
    await hours.goes(BEGIN + HOUR)
    await first.kill()
    hours.clock.set(BEGIN + DAY + HOUR // 2)
    await hours.server()
    await hours.decided(BEGIN + DAY + HOUR // 2)
    found = [outcome for _, outcome in outcomes(await hours.ticks())]
    missed = ["fired", *["missed"] * 11]
    assert (
        found
        == {
            "last": [*missed, *["coalesced"] * 11, "fired"],
            "all": [*missed, *["fired"] * 12],
            "none": ["fired", *["missed"] * 23],
        }[catch_up]
    )
    await hours.all_ended()
    await hours.check()


# -- overlap --------------------------------------------------------------------------------------


async def test_a_run_longer_than_its_interval_follows_the_overlap_policy(hours: Hours) -> None:
    """Case 25, with a server that is killed while the run goes on."""
    receiver = hours.fleet.receiver
    receiver.hold("slow")
    config: dict[str, Json] = {"interval": "1h", "overlap": "skip"}
    await hours.fleet.app.add_flow(scheduled({"tick": config}, call(receiver.address, "slow")))
    victim = await hours.server()
    await hours.goes(BEGIN + HOUR)
    await receiver.reached("slow")
    await hours.goes(BEGIN + 2 * HOUR)
    await victim.kill()
    await hours.server()
    await receiver.reached("slow", 2)
    await hours.goes(BEGIN + 3 * HOUR)
    receiver.answer("slow")
    await hours.all_ended()
    await hours.goes(BEGIN + 4 * HOUR)
    found = outcomes(await hours.ticks())
    assert found == [(1, "fired"), (2, "skipped"), (3, "skipped"), (4, "fired")]
    await hours.check()


async def test_queued_ticks_outlive_the_servers_and_follow_one_after_another(hours: Hours) -> None:
    """Case 25."""
    receiver = hours.fleet.receiver
    receiver.hold("slow")
    config: dict[str, Json] = {"interval": "1h", "overlap": "queue"}
    await hours.fleet.app.add_flow(scheduled({"tick": config}, call(receiver.address, "slow")))
    victim = await hours.server()
    await hours.goes(BEGIN + HOUR)
    await receiver.reached("slow")
    for hour in (2, 3):
        await hours.goes(BEGIN + hour * HOUR)
    assert outcomes(await hours.ticks()) == [(1, "fired"), (2, "queued"), (3, "queued")]
    await victim.kill()
    await hours.server()
    for number in range(3):
        await receiver.reached("slow", 2 + number)
        receiver.answer("slow")
        hours.clock.set(hours.clock.now + 1_000)

        async def ended(count: int = number + 1) -> bool:
            runs = await hours.store.runs(RunFilter(limit=100))
            hours.clock.set(hours.clock.now + 1_000)
            return sum(row.status is RunStatus.SUCCEEDED for row in runs) == count

        await until(ended)
    assert outcomes(await hours.ticks()) == [(1, "fired"), (2, "fired"), (3, "fired")]
    await hours.check()


async def test_a_run_makes_room_for_the_next_though_the_server_that_asked_it_is_gone(hours: Hours) -> None:
    """Case 25."""
    receiver = hours.fleet.receiver
    receiver.hold("slow")
    config: dict[str, Json] = {"interval": "1h", "overlap": "cancel_running"}
    await hours.fleet.app.add_flow(scheduled({"tick": config}, call(receiver.address, "slow")))
    victim = await hours.server(Death(when="after", commit=2))
    await hours.goes(BEGIN + HOUR)
    await receiver.reached("slow")
    hours.clock.set(BEGIN + 2 * HOUR)
    assert await victim.ended() == DIED
    assert outcomes(await hours.ticks()) == [(1, "fired"), (2, "queued")]
    await hours.server()

    async def both() -> Any:
        hours.clock.set(hours.clock.now + 1_000)
        return outcomes(await hours.ticks()) == [(1, "fired"), (2, "fired")]

    await until(both)
    first = (await hours.ticks())[0]
    assert first.run_id is not None
    assert (await hours.fleet.app.row(first.run_id)).status is RunStatus.CANCELLED
    await hours.check()
