"""The circuit breaker: what opens it, whom it lets through, and what closes it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from openrun.core.errors import PermanentError, RateLimited, StepError, TransientError
from openrun.runtime.breaker import Breaker, BreakerState
from openrun.testing import VirtualClock

Work = Callable[[], Awaitable[str]]


def answers() -> Work:
    async def work() -> str:
        return "fine"

    return work


def raises(fault: BaseException) -> Work:
    async def work() -> str:
        raise fault

    return work


DOWN = raises(TransientError("the server answered 503", code="HTTP_503"))


async def fault_of(breaker: Breaker, work: Work) -> BaseException:
    with pytest.raises(BaseException) as caught:  # noqa: PT011
        await breaker.call(work)
    return caught.value


def state_of(breaker: Breaker) -> BreakerState:
    """Its state now, which the type checker does not take for what it was."""
    return breaker.state


async def refused(breaker: Breaker) -> bool:
    """Whether a call that would be answered is not made."""
    try:
        await breaker.call(answers())
    except TransientError as refusal:
        return refusal.error.code == "CIRCUIT_OPEN"
    return False


async def opened(clock: VirtualClock) -> Breaker:
    breaker = Breaker(clock, target="bank")
    for _ in range(5):
        await fault_of(breaker, DOWN)
    return breaker


class Pending:
    """A call under way that ends when told."""

    def __init__(self, breaker: Breaker) -> None:
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(breaker.call(self._work))

    async def _work(self) -> str:
        return await self.end


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_opens_at_the_fifth_transient_failure_in_a_row() -> None:
    breaker = Breaker(VirtualClock())
    for _ in range(4):
        await fault_of(breaker, DOWN)
    assert state_of(breaker) is BreakerState.CLOSED

    await fault_of(breaker, DOWN)
    assert state_of(breaker) is BreakerState.OPEN


@pytest.mark.parametrize("fault", [ConnectionResetError("gone"), TimeoutError()])
async def test_lost_connections_and_timeouts_are_transient(fault: Exception) -> None:
    breaker = Breaker(VirtualClock(), threshold=1)
    await fault_of(breaker, raises(fault))
    assert await refused(breaker)


async def test_a_success_in_between_starts_the_count_again() -> None:
    breaker = Breaker(VirtualClock())
    for work in (DOWN, DOWN, DOWN, DOWN, answers(), DOWN, DOWN, DOWN, DOWN):
        await asyncio.gather(breaker.call(work), return_exceptions=True)
    assert not await refused(breaker)


@pytest.mark.parametrize("fault", [PermanentError("404"), ValueError("no such customer"), StepError("no")])
async def test_a_permanent_error_is_an_answer_and_starts_the_count_again(fault: Exception) -> None:
    breaker = Breaker(VirtualClock())
    for work in (DOWN, DOWN, DOWN, DOWN, raises(fault), DOWN, DOWN, DOWN, DOWN):
        await fault_of(breaker, work)
    assert not await refused(breaker)


async def test_permanent_errors_never_open_it() -> None:
    breaker = Breaker(VirtualClock())
    for _ in range(100):
        await fault_of(breaker, raises(PermanentError("400")))
    assert not await refused(breaker)


@pytest.mark.parametrize(
    "fault",
    [
        RateLimited("429", retry_after=60),
        RateLimited("quota", code="QUOTA"),
        TransientError("429", code="RATE_LIMITED"),
    ],
)
async def test_a_target_that_asks_for_patience_neither_counts_nor_starts_the_count_again(
    fault: Exception,
) -> None:
    breaker = Breaker(VirtualClock())
    for _ in range(100):
        await fault_of(breaker, raises(fault))
    assert not await refused(breaker)

    for work in (DOWN, DOWN, DOWN, DOWN, raises(fault), DOWN):
        await fault_of(breaker, work)
    assert await refused(breaker)


async def test_an_open_breaker_fails_calls_at_once_and_says_for_how_long() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(12)

    fault = await fault_of(breaker, raises(AssertionError("the target was called")))

    assert isinstance(fault, TransientError)
    assert "'bank'" in fault.error.message
    assert (fault.error.code, fault.error.retryable, fault.error.retry_after) == ("CIRCUIT_OPEN", True, 18.0)


async def test_calls_it_fails_at_once_do_not_keep_it_open() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    for _ in range(29):
        clock.advance(1)
        assert await refused(breaker)
    clock.advance(1)
    assert not await refused(breaker)


async def test_the_breaker_under_100_concurrent_calls_lets_one_probe_through() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(30)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    called = 0
    go_on = asyncio.Event()

    async def work() -> str:
        nonlocal called
        called += 1
        await go_on.wait()
        return "fine"

    calls = [asyncio.create_task(breaker.call(work)) for _ in range(100)]
    await settle()
    assert called == 1
    go_on.set()
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert called == 1
    assert results.count("fine") == 1
    faults = [each.error for each in results if isinstance(each, TransientError)]
    assert len(faults) == 99
    assert {fault.code for fault in faults} == {"CIRCUIT_OPEN"}
    assert all(fault.retry_after for fault in faults)


async def test_an_answered_probe_closes_it() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(30)
    await breaker.call(answers())

    assert state_of(breaker) is BreakerState.CLOSED
    for _ in range(4):
        await fault_of(breaker, DOWN)
    assert not await refused(breaker)


async def test_a_probe_that_is_answered_with_a_permanent_error_closes_it() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(30)
    await fault_of(breaker, raises(PermanentError("404")))
    assert state_of(breaker) is BreakerState.CLOSED


async def test_a_probe_that_fails_opens_it_anew_for_the_whole_time() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(30)
    await fault_of(breaker, DOWN)

    clock.advance(29)
    assert await refused(breaker)
    clock.advance(1)
    assert not await refused(breaker)


@pytest.mark.parametrize("fault", [RateLimited("429"), KeyboardInterrupt()])
async def test_after_a_probe_that_tells_neither_way_the_next_call_is_the_probe(fault: BaseException) -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(30)
    await fault_of(breaker, raises(fault))
    assert state_of(breaker) is BreakerState.HALF_OPEN

    probe = Pending(breaker)
    await settle()
    assert await refused(breaker)
    probe.end.set_result("fine")
    await probe.task
    assert state_of(breaker) is BreakerState.CLOSED


async def test_after_a_cancelled_probe_the_next_call_is_the_probe() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.advance(30)
    cancelled = Pending(breaker)
    await settle()
    assert await refused(breaker)
    cancelled.task.cancel()
    await settle()

    probe = Pending(breaker)
    await settle()
    assert await refused(breaker)
    probe.end.set_exception(TimeoutError())
    await asyncio.gather(probe.task, return_exceptions=True)
    assert state_of(breaker) is BreakerState.OPEN


async def test_cancelled_calls_do_not_count() -> None:
    breaker = Breaker(VirtualClock())
    for work in (DOWN, DOWN, DOWN, DOWN):
        await fault_of(breaker, work)
    for _ in range(10):
        call = Pending(breaker)
        await settle()
        call.task.cancel()
        await settle()
    assert not await refused(breaker)


async def test_calls_from_before_it_opened_neither_close_it_nor_keep_it_open() -> None:
    clock = VirtualClock()
    breaker = Breaker(clock)
    early = [Pending(breaker) for _ in range(10)]
    await settle()
    for _ in range(5):
        await fault_of(breaker, DOWN)
    clock.advance(29)
    early[0].end.set_result("fine")
    early[1].end.set_exception(TimeoutError())
    await settle()
    assert await refused(breaker)

    clock.advance(1)
    probe = Pending(breaker)
    await settle()
    early[2].end.set_result("fine")
    early[3].end.set_exception(TimeoutError())
    await settle()
    assert await refused(breaker), "the probe is still under way"

    probe.end.set_result("fine")
    await settle()
    for call in early[4:]:
        call.end.set_exception(TimeoutError())
    await asyncio.gather(*(call.task for call in early), return_exceptions=True)
    assert not await refused(breaker)
