"""Time in tests: it stands while anything runs, and jumps when everything waits."""

import asyncio
from datetime import UTC, datetime, timedelta

from openrun import Engine, Flow, RetryPolicy, RunStatus, StepContext, StepScheduled, step
from openrun.testing import VirtualClock, fails, hangs, run_flow
from tests.testing.flows import DAY, fetching, say, start, wait

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_delay_of_thirty_days_ends_at_once() -> None:
    result = await run_flow(Flow("Patient").add(start() >> wait("month", "30d") >> say("done")))

    result.assert_succeeded()
    (done,) = result.completed("done")
    assert done.timestamp == NEW_YEAR + timedelta(days=30)


async def test_parallel_delays_end_in_the_order_of_their_times() -> None:
    flow = Flow("Race")
    for name, days in (("slow", 3), ("quick", 1), ("medium", 2)):
        flow.add(flow.add_step(start()) if not flow.steps else flow.step("start"))
        flow.add_edge("start", flow.add_step(wait(name, days * DAY)))

    result = await run_flow(flow)

    ended = [event for name in ("quick", "medium", "slow") for event in result.completed(name)]
    assert [event.timestamp - NEW_YEAR for event in ended] == [timedelta(days=days) for days in (1, 2, 3)]


async def test_retries_wait_in_virtual_time() -> None:
    flow = fetching(retry=RetryPolicy(max_attempts=3, base_ms=60_000, jitter=0))

    result = await run_flow(flow, steps={"fetch": fails(retryable=True)})

    waits = [each.not_before - each.timestamp for each in result.shown if isinstance(each, StepScheduled)]
    assert waits == [timedelta(seconds=60), timedelta(seconds=60)]
    assert result.times("fetch") == 3
    result.assert_ran("sorry")


async def test_a_step_that_hangs_meets_its_timeout() -> None:
    result = await run_flow(fetching(timeout=90), steps={"fetch": hangs()})

    (ended,) = result.completed("fetch")
    assert ended.result.error is not None
    assert ended.result.error.code == "TIMEOUT"
    assert ended.timestamp == NEW_YEAR + timedelta(seconds=90)
    result.assert_ran("sorry")


async def test_a_run_that_hangs_meets_the_timeout_of_its_flow() -> None:
    flow = Flow("Bounded", timeout="1h").add(start() >> wait("week", "7d") >> say("done"))

    result = await run_flow(flow)

    result.assert_failed(code="RUN_TIMEOUT")
    assert result.run.events[-1].timestamp == NEW_YEAR + timedelta(hours=1)


async def test_a_script_that_hangs_meets_its_timeout_on_the_clock_of_an_engine_of_ones_own() -> None:
    async with Engine(clock=VirtualClock()) as engine:
        result = await run_flow(fetching(timeout=90), steps={"fetch": hangs()}, engine=engine)

    assert result.completed("fetch")[0].timestamp == NEW_YEAR + timedelta(seconds=90)


async def test_steps_read_virtual_time() -> None:
    @step
    async def today(context: StepContext) -> str:
        return context.now().date().isoformat()

    clock = VirtualClock(datetime(2030, 2, 28, tzinfo=UTC))
    flow = Flow("Dates").add(start() >> wait("night", DAY) >> today(id="today"))

    async with Engine(clock=clock) as engine:
        result = await run_flow(flow, engine=engine)

    assert result.output == "2030-03-01"


async def test_time_advances_by_hand_past_a_step_that_is_really_stuck() -> None:
    reached = asyncio.Event()

    @step(timeout=60)
    async def stuck() -> None:
        reached.set()
        await asyncio.Event().wait()

    clock = VirtualClock()
    flow = Flow("Stuck").add(start() >> stuck(id="stuck"))
    async with Engine(clock=clock) as engine:
        running = asyncio.create_task(run_flow(flow, engine=engine))
        await reached.wait()
        clock.advance(59)
        assert not running.done()
        clock.advance(1)
        result = await running

    result.assert_failed("stuck", code="TIMEOUT")


async def test_timers_that_advance_passes_fire_in_their_order() -> None:
    clock = VirtualClock()
    fired: list[tuple[str, float]] = []
    clock.call_at(3.0, lambda: fired.append(("third", clock.monotonic())))
    clock.call_at(1.0, lambda: fired.append(("first", clock.monotonic())))
    clock.call_at(1.0, lambda: fired.append(("second", clock.monotonic())))
    clock.call_at(2.0, lambda: fired.append(("never", clock.monotonic()))).cancel()

    clock.advance(10)

    assert fired == [("first", 1.0), ("second", 1.0), ("third", 3.0)]
    assert clock.monotonic() == 10
    assert clock.now() == NEW_YEAR + timedelta(seconds=10)


async def test_time_does_not_move_while_a_step_really_works() -> None:
    clock = VirtualClock()
    seen: list[float] = []

    @step
    async def work() -> None:
        for _ in range(20):
            seen.append(clock.monotonic())
            await asyncio.sleep(0)

    first = start()
    flow = Flow("Working").add(first >> work(id="work"), first >> wait("long", DAY))
    async with Engine(clock=clock) as engine:
        result = await run_flow(flow, engine=engine)

    assert result.status is RunStatus.SUCCEEDED
    assert set(seen) == {0.0}
