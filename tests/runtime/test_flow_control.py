"""Limits of durable runs in one process: who goes on, who waits, who is turned away, and when."""

import asyncio
import random
from datetime import timedelta

import pytest

from openrun import (
    Flow,
    FlowControl,
    PermanentError,
    StepForeach,
    StepSubflow,
    TriggerManual,
    TriggerSchedule,
)
from openrun.app import App, DurableRun
from openrun.core.events import StepStarted
from openrun.core.types import RunStatus
from openrun.house.owners import owner_of
from openrun.steps.execution.fail import StepFail, StepFailConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.store.memory import MemoryStore
from openrun.store.rows import RunFilter
from openrun.store.tickets import LaneFilter
from tests.runtime.bench import OPTIONS, Bench, a_bench, row_of, status_of, why
from tests.store.given import until

KEY = "<<body.key>>"


def alone(**more: object) -> dict[str, object]:
    return {"key": KEY, "concurrency": 1, **more}


async def stands(run: DurableRun, bench: Bench, status: RunStatus) -> None:
    async def there() -> bool:
        return (await row_of(run, bench)).status is status

    await until(there)


# -- slots ----------------------------------------------------------------------------------------


async def test_a_run_over_the_limit_waits_in_the_order_of_coming_and_says_so() -> None:
    async with a_bench(alone()) as bench:
        runs = await bench.starts("a", "b", "c", key="acme")
        await bench.begins("a")
        await bench.looked()
        waiting = await row_of(runs[1], bench)
        assert (waiting.status, waiting.worker, waiting.due_at) == (RunStatus.PENDING, None, None)
        assert waiting.hold is not None
        assert waiting.hold.startswith("queued: ")
        assert owner_of(waiting) == "queued"
        assert await bench.lanes() == {"acme": (1, 2)}
        bench.let("a", "b", "c")
        assert [await status_of(run) for run in runs] == [RunStatus.SUCCEEDED] * 3
        assert bench.began == bench.ended == ["a", "b", "c"]
        await bench.assert_clean()


async def test_keys_have_limits_of_their_own_and_all_of_them_one_in_total() -> None:
    async with a_bench({"key": KEY, "concurrency": 2, "total": 3}) as bench:
        runs = [
            await bench.start(f"{key}{n}", key=key) for key in ("acme", "globex", "initech") for n in range(4)
        ]
        bench.let(*(f"{key}{n}" for key in ("acme", "globex", "initech") for n in range(4)))
        assert {await status_of(run) for run in runs} == {RunStatus.SUCCEEDED}
        assert {key: most for key, most in bench.most.items() if most > 2} == {"": 3}
        await bench.assert_clean()


async def test_a_slot_is_held_until_the_end_of_the_run_also_while_it_rests() -> None:
    async with a_bench(alone()) as bench:
        run = (await bench.starts("a", "b", key="acme"))[0]
        await bench.begins("a")
        await bench.app.pause(run.run_id)
        await stands(run, bench, RunStatus.PAUSED)
        bench.let("a", "b")

        async def rests() -> bool:
            return (await row_of(run, bench)).worker is None

        await until(rests)
        await bench.looked()
        assert (await bench.lanes(), bench.began) == ({"acme": (1, 1)}, ["a"])
        await bench.app.resume(run.run_id)
        assert await status_of(run) is RunStatus.SUCCEEDED
        await bench.begins("b")


async def test_a_run_that_fails_gives_its_slot_back() -> None:
    async with a_bench(alone()) as bench:
        first = await bench.app.start("work", input={"body": {"key": "acme"}})
        second = await bench.start("b", key="acme")
        bench.let("b")
        assert [await status_of(run) for run in (first, second)] == [RunStatus.FAILED, RunStatus.SUCCEEDED]
        await bench.assert_clean()


# -- policies -------------------------------------------------------------------------------------


async def test_cancel_new_turns_away_who_finds_no_slot() -> None:
    async with a_bench(alone(at_limit="cancel_new")) as bench:
        first, second = await bench.starts("a", "b", key="acme")
        await bench.begins("a")
        assert await why(second, bench) == "the limit of 1 run for key 'acme' of flow 'work' is reached"
        bench.let("a", "c")
        assert await status_of(first) is RunStatus.SUCCEEDED
        assert await status_of(await bench.start("c", key="acme")) is RunStatus.SUCCEEDED
        assert bench.began == ["a", "c"]
        await bench.assert_clean()


async def test_cancel_running_ends_the_oldest_and_starts_only_once_it_has_ended() -> None:
    async with a_bench(alone(at_limit="cancel_running")) as bench:
        (first,) = await bench.starts("a", key="acme")
        await bench.begins("a")
        (second,) = await bench.starts("b", key="acme")
        assert await why(first, bench) == "a newer run takes its place for key 'acme' of flow 'work'"
        bench.let("b")
        assert await status_of(second) is RunStatus.SUCCEEDED
        assert (bench.began, bench.ended, bench.most["acme"]) == (["a", "b"], ["b"], 1)
        await bench.assert_clean()


async def test_keep_newest_lets_one_wait_and_turns_away_those_before_it() -> None:
    async with a_bench(alone(at_limit="keep_newest")) as bench:
        (first,) = await bench.starts("a", key="acme")
        await bench.begins("a")
        passed_over = await bench.starts("b", "c", key="acme")
        (newest,) = await bench.starts("d", key="acme")
        assert {await why(run, bench) for run in passed_over} == {"superseded by a newer one"}
        bench.let("a", "d")
        assert [await status_of(run) for run in (first, newest)] == [RunStatus.SUCCEEDED] * 2
        assert bench.began == ["a", "d"]
        await bench.assert_clean()


@pytest.mark.parametrize(("policy", "ran"), [("cancel_new", ["a"]), ("cancel_running", ["a", "b"])])
async def test_of_a_singleton_one_run_goes_on_at_a_time(policy: str, ran: list[str]) -> None:
    async with a_bench({"key": KEY, "singleton": policy}) as bench:
        (first,) = await bench.starts("a", key="acme")
        await bench.begins("a")
        (second,) = await bench.starts("b", key="acme")
        await why(second if policy == "cancel_new" else first, bench)
        bench.let("a", "b")
        await status_of(first if policy == "cancel_new" else second)
        assert (bench.began, bench.most["acme"]) == (ran, 1)
        await bench.assert_clean()


# -- rate, debounce -------------------------------------------------------------------------------


async def test_a_rate_lets_so_many_start_in_any_period_and_the_next_when_the_first_is_as_old() -> None:
    async with a_bench({"key": KEY, "rate": {"limit": 2, "period": "1m"}}) as bench:
        began_at = bench.time
        bench.let(*"abcd")
        await bench.start("a", key="acme")
        await bench.begins("a")
        bench.time = began_at + 30_000
        await bench.start("b", key="acme")
        await bench.begins("b")
        await bench.starts("c", "d", key="acme")
        bench.time = began_at + 59_999
        await bench.looked()
        assert (bench.began, await bench.app.store.next_admission()) == (["a", "b"], began_at + 60_000)
        bench.time = began_at + 60_000
        await bench.begins("c")
        bench.time = began_at + 89_999
        await bench.looked()
        assert bench.began == ["a", "b", "c"]
        bench.time = began_at + 90_000
        await bench.begins("d")


async def test_no_period_wherever_it_begins_sees_more_starts_than_the_rate() -> None:
    limit, period = 3, 1_000
    rng = random.Random(7)  # noqa: S311 (a test's own chance)
    async with a_bench({"key": KEY, "rate": {"limit": limit, "period": "1s"}}) as bench:
        names = [f"r{number}" for number in range(40)]
        bench.let(*names)
        coming, starts = list(names), list[int]()
        while len(starts) < len(names):
            for _ in range(min(len(coming), rng.choice([0, 0, 1, 5]))):
                await bench.start(coming.pop(0), key="acme")
            await bench.looked()
            await until(bench.is_idle)
            starts += [bench.time] * (len(bench.began) - len(starts))
            bench.time += rng.choice([1, 99, 400, 1_000])
        most = max(sum(begin <= each < begin + period for each in starts) for begin in starts)
        assert most == limit
        await bench.assert_clean()


async def test_over_a_rate_that_cancels_nobody_waits() -> None:
    async with a_bench({"key": KEY, "rate": {"limit": 1, "period": "1m", "over": "cancel"}}) as bench:
        bench.let("a", "b")
        await status_of(await bench.start("a", key="acme"))
        second = await bench.start("b", key="acme")
        assert (
            await why(second, bench) == "the rate of 1 run in 60 s for key 'acme' of flow 'work' is reached"
        )


async def test_a_debounce_makes_one_run_of_many_with_the_newest_input() -> None:
    async with a_bench({"key": KEY, "debounce": {"period": "10s"}}) as bench:
        bench.let(*"abc")
        runs = []
        for name in "abc":
            runs.append(await bench.start(name, key="acme"))
            bench.time += 9_000
            await bench.looked()
        assert {await why(run, bench) for run in runs[:2]} == {"superseded by a newer one"}
        assert bench.began == []
        bench.time += 1_000
        assert await status_of(runs[2]) is RunStatus.SUCCEEDED
        assert bench.began == ["c"]
        await bench.assert_clean()


async def test_a_debounce_waits_no_longer_than_its_most() -> None:
    async with a_bench({"key": KEY, "debounce": {"period": "10s", "at_most": "15s"}}) as bench:
        bench.let(*"ab")
        began_at = bench.time
        first = await bench.start("a", key="acme")
        bench.time = began_at + 9_000
        await bench.looked()
        second = await bench.start("b", key="acme")
        await why(first, bench)
        bench.time = began_at + 14_999
        await bench.looked()
        assert bench.began == []
        bench.time = began_at + 15_000
        assert await status_of(second) is RunStatus.SUCCEEDED


# -- order ----------------------------------------------------------------------------------------


async def test_who_has_the_higher_priority_goes_first() -> None:
    async with a_bench(alone(priority="<<body.p ?? 0>>")) as bench:
        await bench.starts("a", key="acme")
        await bench.begins("a")
        runs = [await bench.start(f"p{p}", key="acme", p=p) for p in (0, 50, 100, 50)]
        bench.let("a", "p0", "p50", "p100")
        assert {await status_of(run) for run in runs} == {RunStatus.SUCCEEDED}
        assert bench.began == ["a", "p100", "p50", "p50", "p0"]


async def test_who_has_waited_for_long_enough_is_passed_by_no_priority() -> None:
    async with a_bench(alone(priority="<<body.p>>")) as bench:
        await bench.start("a", key="acme", p=0)
        await bench.begins("a")
        runs = [await bench.start("old", key="acme", p=0)]
        bench.time += 3_000 * 10 + 1
        runs += [await bench.start("new", key="acme", p=10)]
        bench.let("a", "old", "new")
        assert {await status_of(run) for run in runs} == {RunStatus.SUCCEEDED}
        assert bench.began == ["a", "old", "new"]


async def test_a_key_with_very_many_that_wait_holds_no_other_keys_single_run() -> None:
    async with a_bench({"key": KEY, "concurrency": 1, "total": 2}) as bench:
        names = [f"m{n}" for n in range(500)]
        many = [await bench.start("m0", key="acme")]
        many += await asyncio.gather(*(bench.start(name, key="acme") for name in names[1:]))
        await bench.begins("m0")
        single = await bench.start("single", key="globex")
        bench.let("single")
        assert await status_of(single) is RunStatus.SUCCEEDED
        assert len(bench.began) == 2
        bench.let(*names)
        assert {await status_of(run) for run in many} == {RunStatus.SUCCEEDED}
        await bench.assert_clean()


# -- what is said to a queued run -----------------------------------------------------------------


async def test_a_queued_run_that_is_cancelled_ends_without_a_step_and_frees_its_place() -> None:
    async with a_bench(alone()) as bench:
        first, second, third = await bench.starts("a", "b", "c", key="acme")
        await bench.begins("a")
        await bench.app.cancel(second.run_id, "not any more")
        assert await why(second, bench) == "not any more"
        assert not [each for each in await bench.app.facts(second.run_id) if isinstance(each, StepStarted)]
        assert await bench.lanes() == {"acme": (1, 1)}
        bench.let("a", "c")
        assert [await status_of(run) for run in (first, third)] == [RunStatus.SUCCEEDED] * 2
        await bench.assert_clean()


async def test_nothing_but_a_cancel_lets_a_queued_run_leave_its_place() -> None:
    async with a_bench(alone()) as bench:
        runs = await bench.starts("a", "b", "c", key="acme")
        await bench.begins("a")
        last = runs[2].run_id
        await bench.app.resume(last)
        await bench.app.pause(last)
        await bench.app.resume(last)
        await bench.app.waits.signal(last, "hurry", 1)
        await bench.looked()
        row = await row_of(runs[2], bench)
        assert (row.worker, row.due_at, owner_of(row)) == (None, None, "queued")
        bench.let("a", "b", "c")
        assert [await status_of(run) for run in runs] == [RunStatus.SUCCEEDED] * 3
        assert bench.began == ["a", "b", "c"]
        await bench.assert_clean()


async def test_a_queued_run_that_was_paused_begins_nothing_and_holds_its_slot_once_it_is_admitted() -> None:
    async with a_bench(alone()) as bench:
        first, second = await bench.starts("a", "b", key="acme")
        await bench.begins("a")
        await bench.app.pause(second.run_id)
        bench.let("a", "b")
        await status_of(first)
        await stands(second, bench, RunStatus.PAUSED)
        assert (bench.began, await bench.lanes()) == (["a"], {"acme": (1, 0)})
        await bench.app.resume(second.run_id)
        assert await status_of(second) is RunStatus.SUCCEEDED


# -- who has a ticket -----------------------------------------------------------------------------


async def test_child_runs_go_under_their_parents_slot() -> None:
    def flows(bench: Bench) -> list[Flow]:
        inner = bench.flow({"concurrency": 1}, "inner")
        given = {"name": "child", "key": ""}
        single = StepSubflow(id="one", config=StepSubflowConfig(flow="inner", input=given))
        many = StepForeach(id="many", config=StepForeachConfig(items=[given] * 3, flow="inner"))
        outer = Flow("outer", id="outer", flow_control={"concurrency": 1})
        return [inner, outer.add(TriggerManual(id="start") >> single >> many)]

    async with a_bench(alone(), flows) as bench:
        holder = await bench.start("holder", flow="inner")
        await bench.begins("holder")
        bench.let("child")
        assert await status_of(await bench.app.start("outer")) is RunStatus.SUCCEEDED
        assert bench.began == ["holder", *["child"] * 4]
        bench.let("holder")
        await status_of(holder)
        await bench.assert_clean()


async def test_forks_retries_and_replays_take_their_turn() -> None:
    async with a_bench(alone()) as bench:
        failed = await bench.app.start("work", input={"body": {"key": "acme"}})
        assert await status_of(failed) is RunStatus.FAILED
        await bench.start("a", key="acme")
        await bench.begins("a")
        again = [
            (await bench.app.replay_dead(failed.run_id)).run_id,
            (await bench.app.retry(failed.run_id)).run_id,
            (await bench.app.fork(failed.run_id, "work")).run_id,
        ]
        await bench.looked()
        assert {owner_of(await bench.app.row(run_id)) for run_id in again} == {"queued"}
        assert await bench.lanes() == {"acme": (1, 3)}
        bench.let("a")
        assert {(await bench.app.ended(run_id)).status for run_id in again} == {RunStatus.FAILED}
        await bench.assert_clean()


async def test_the_runs_of_ticks_take_their_turn() -> None:
    hourly = TriggerSchedule(id="hour", config=TriggerScheduleConfig(interval="1h"))
    flow = Flow("Hourly", flow_control=FlowControl(concurrency=1)).add(
        hourly >> StepFail(id="end", config=StepFailConfig(message="no"))
    )
    async with App(":memory:", flows=[flow], work=False) as app:
        now = app.clock.now()
        fired = (await app.schedules.backfill("hourly", "hour", now - timedelta(hours=3), now)).fired
        assert len(fired) == 3
        assert {owner_of(await app.row(str(tick.run_id))) for tick in fired} == {"queued"}
        (lane,) = await app.store.lanes(LaneFilter())
        assert (lane.running, lane.queued) == (0, 3)


async def test_a_start_without_its_key_is_refused_and_nothing_is_kept() -> None:
    async with a_bench(alone()) as bench:
        with pytest.raises(
            PermanentError, match=r"flow 'work': flow_control\.key: .* 'body\.key' is missing"
        ):
            await bench.app.start("work", input={"body": {"name": "a"}})
        assert await bench.app.store.runs(RunFilter()) == []
        assert bench.app.start_queue.depth == 0


async def test_the_value_of_a_secret_never_becomes_a_key() -> None:
    async with a_bench(alone(), secrets={"token": "s3cret-s3cret"}) as bench:
        bench.let("a")
        await bench.start("a", key="s3cret-s3cret")
        (row,) = await bench.app.store.runs(RunFilter())
        assert "s3cret" not in (row.hold or "")
        assert "s3cret" not in str(await bench.lanes())


async def test_the_same_key_of_a_start_gives_the_same_queued_run() -> None:
    async with a_bench(alone()) as bench:
        await bench.start("a", key="acme")
        await bench.begins("a")
        given = {"body": {"name": "b", "key": "acme"}}
        first = await bench.app.start("work", input=given, key="order-7")
        again = await bench.app.start("work", input=given, key="order-7")
        assert (again.run_id, again.replayed) == (first.run_id, True)
        assert await bench.lanes() == {"acme": (1, 1)}


async def test_a_run_is_admitted_by_whoever_works_when_nobody_works_where_it_was_asked_for() -> None:
    bench = Bench()
    store = MemoryStore(now=lambda: bench.time)
    flow = bench.flow(alone())
    async with App(store, flows=[flow], work=False) as idle:
        bench.app = idle
        run = await bench.start("a", key="acme")
        assert await bench.lanes() == {"acme": (0, 1)}
        async with App(store, flows=[flow], options=OPTIONS):
            bench.let("a")
            assert await status_of(run) is RunStatus.SUCCEEDED
