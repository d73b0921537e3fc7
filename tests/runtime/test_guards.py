"""Every call to the outside goes through the same layers, in the same order."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.core.errors import Abort, PermanentError, RateLimited, StepError, TransientError
from openrun.core.limits import Limits
from openrun.core.retry import RetryPolicy
from openrun.runtime.guards import Guard, Guards
from openrun.testing import VirtualClock

Chain = Callable[[], Awaitable[Any]]
DOWN = TransientError("the server answered 503", code="HTTP_503")


class Target:
    """Someone outside, who answers as told, one answer after another; the last is repeated."""

    def __init__(self, *answers: Any) -> None:
        self._answers = answers
        self.calls = 0

    async def __call__(self) -> Any:
        answer = self._answers[min(self.calls, len(self._answers) - 1)]
        self.calls += 1
        if isinstance(answer, BaseException):
            raise answer
        return answer


class Book:
    """A ledger that keeps what came of a call, and how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.outcomes: list[str] = []

    async def __call__(self, call: Chain) -> Any:
        self.asked += 1
        try:
            value = await call()
        except StepError as fault:
            self.outcomes.append(fault.error.code)
            raise
        self.outcomes.append("committed")
        return value


async def recorded(_call: Chain) -> str:
    """A ledger that has the call on record."""
    return "from the record"


def virtual() -> VirtualClock:
    """A clock held by the test, as by a step: it jumps while the test waits for an instant."""
    clock = VirtualClock()
    clock.hold()
    return clock


async def called(
    guard: Guard, target: Chain, retry: RetryPolicy | None = None, ledger: Any = None, seed: str = "a1"
) -> Any:
    return await guard.call(ledger or Book(), target, retry=retry, seed=seed)


async def code_of(guard: Guard, target: Chain, retry: RetryPolicy | None = None, ledger: Any = None) -> str:
    with pytest.raises(StepError) as caught:
        await called(guard, target, retry, ledger)
    return caught.value.error.code


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def policy(**parts: Any) -> RetryPolicy:
    return RetryPolicy(**{"base_ms": 1_000, "jitter": 0, **parts})


# -- the order of the layers ------------------------------------------------------------------------


async def test_one_who_is_turned_away_does_not_reach_the_ledger() -> None:
    guard = Guards(virtual(), Limits(target_concurrency=1, target_queue=0)).of("bank")
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def hangs() -> None:
        await never

    running = asyncio.create_task(called(guard, hangs))
    await settle()
    book = Book()
    assert await code_of(guard, Target("fine"), ledger=book) == "BACKPRESSURE"
    assert book.asked == 0
    running.cancel()
    await settle()


async def test_what_is_on_record_is_given_back_though_the_circuit_is_open() -> None:
    guard = Guards(virtual(), Limits(breaker_failures=1)).of("bank")
    await code_of(guard, Target(DOWN))
    target = Target("fine")

    assert await called(guard, target, ledger=recorded) == "from the record"
    assert target.calls == 0


async def test_what_the_ledger_raises_is_no_failure_of_the_target() -> None:
    guard = Guards(virtual(), Limits(breaker_failures=1)).of("bank")

    async def broken(_call: Chain) -> Any:
        raise TimeoutError("the store is slow")

    with pytest.raises(TimeoutError):
        await called(guard, Target("fine"), ledger=broken)
    assert await called(guard, Target("fine")) == "fine"


async def test_a_call_refused_for_an_open_circuit_is_not_tried_again_in_place() -> None:
    clock = virtual()
    guard = Guards(clock, Limits(breaker_failures=1)).of("bank")
    await code_of(guard, Target(DOWN))
    book, target = Book(), Target("fine")

    assert await code_of(guard, target, policy(max_attempts=20), book) == "CIRCUIT_OPEN"

    assert (book.asked, book.outcomes, target.calls) == (1, ["CIRCUIT_OPEN"], 0)
    assert clock.monotonic() == 0


async def test_all_attempts_of_one_call_are_one_call_to_the_breaker_and_to_the_ledger() -> None:
    guard = Guards(virtual(), Limits(breaker_failures=2)).of("bank")
    book, target = Book(), Target(DOWN)

    assert await code_of(guard, target, policy(max_attempts=3), book) == "HTTP_503"
    assert (book.asked, target.calls) == (1, 3)
    assert await code_of(guard, target, policy(max_attempts=3), book) == "HTTP_503"
    assert (book.asked, target.calls) == (2, 6)
    assert await code_of(guard, target, policy(max_attempts=3), book) == "CIRCUIT_OPEN"
    assert (book.asked, target.calls) == (3, 6)


async def test_a_call_that_is_answered_at_its_last_attempt_is_no_failure() -> None:
    guard = Guards(virtual(), Limits(breaker_failures=1)).of("bank")
    assert await called(guard, Target(DOWN, DOWN, "fine"), policy(max_attempts=3)) == "fine"
    assert await called(guard, Target("fine")) == "fine"


async def test_a_call_keeps_its_place_while_it_waits_to_be_tried_again() -> None:
    clock = virtual()
    guard = Guards(clock, Limits(target_concurrency=1)).of("bank")
    seen: list[str] = []

    async def work(name: str, *answers: Any) -> None:
        target = Target(*answers)

        async def attempt() -> Any:
            seen.append(name)
            return await target()

        clock.hold()
        try:
            await called(guard, attempt, policy(max_attempts=2))
        finally:
            clock.release()

    both = asyncio.gather(work("first", DOWN, "fine"), work("second", "fine"))
    # Both wait now: the first for an instant, the second for its place.
    clock.release()
    await both
    assert seen == ["first", "first", "second"]
    assert clock.monotonic() == 1


async def test_targets_do_not_share_what_guards_them() -> None:
    guards = Guards(virtual(), Limits(breaker_failures=1))
    await code_of(guards.of("bank"), Target(DOWN))
    assert await code_of(guards.of("bank"), Target("fine")) == "CIRCUIT_OPEN"
    assert await called(guards.of("shop"), Target("fine")) == "fine"


# -- trying again -----------------------------------------------------------------------------------


async def test_a_call_without_a_retry_is_made_once() -> None:
    target = Target(DOWN)
    assert await code_of(Guards(virtual(), Limits()).of("bank"), target) == "HTTP_503"
    assert target.calls == 1


async def test_waits_between_attempts_grow_as_the_policy_says() -> None:
    clock = virtual()
    when: list[float] = []

    async def attempt() -> None:
        when.append(clock.monotonic())
        raise DOWN

    await code_of(Guards(clock, Limits()).of("bank"), attempt, policy(max_attempts=4))
    assert when == [0, 1, 3, 7]


async def test_the_wait_honours_what_the_other_side_asks_for() -> None:
    clock = virtual()
    target = Target(RateLimited("the server answered 429", retry_after=120), "fine")
    assert await called(Guards(clock, Limits()).of("bank"), target, policy(max_attempts=2)) == "fine"
    assert clock.monotonic() == 120


async def test_the_same_call_waits_equally_long_each_time() -> None:
    async def waited(seed: str) -> float:
        clock = virtual()
        spread = policy(max_attempts=2, jitter=0.5)
        await called(Guards(clock, Limits()).of("bank"), Target(DOWN, "fine"), spread, seed=seed)
        return clock.monotonic()

    assert await waited("a1") == await waited("a1") != await waited("a2")


async def test_a_permanent_error_is_not_tried_again_unless_its_code_is_listed() -> None:
    guard = Guards(virtual(), Limits()).of("bank")
    target = Target(PermanentError("not there yet", code="HTTP_404"), "fine")
    assert await code_of(guard, target, policy(max_attempts=3)) == "HTTP_404"
    target = Target(PermanentError("not there yet", code="HTTP_404"), "fine")
    assert await called(guard, target, policy(max_attempts=3, retry_on=("HTTP_404",))) == "fine"


async def test_an_abort_is_never_tried_again() -> None:
    target = Target(Abort({"why": "sold out"}))
    retry = policy(max_attempts=3, retry_on=("*",))
    assert await code_of(Guards(virtual(), Limits()).of("bank"), target, retry) == "ABORTED"
    assert target.calls == 1


async def test_a_call_cancelled_while_it_waits_to_be_tried_again_gives_its_place_back() -> None:
    clock = VirtualClock()
    # Two holds: that of the call, and one that keeps time from passing.
    clock.hold()
    clock.hold()
    guards = Guards(clock, Limits(target_concurrency=1))
    call = asyncio.create_task(called(guards.of("bank"), Target(DOWN), policy(max_attempts=2)))
    await settle()
    assert (guards.running, clock._holds) == (1, 1)
    call.cancel()
    await settle()
    assert call.cancelled()
    assert (guards.running, guards.waiting, clock._holds) == (0, 0, 2)


# -- none is lost, none too many ---------------------------------------------------------------------


async def test_the_breaker_of_a_target_under_100_concurrent_calls_lets_one_probe_through() -> None:
    clock = virtual()
    guards = Guards(clock, Limits(target_concurrency=100))
    for _ in range(5):
        await code_of(guards.of("bank"), Target(DOWN))
    clock.advance(30)
    go_on = asyncio.Event()
    made = 0

    async def probe() -> str:
        nonlocal made
        made += 1
        await go_on.wait()
        return "fine"

    calls = [asyncio.create_task(called(guards.of("bank"), probe)) for _ in range(100)]
    await settle()
    assert (made, guards.running) == (1, 1)
    go_on.set()
    results = await asyncio.gather(*calls, return_exceptions=True)

    assert (made, results.count("fine")) == (1, 1)
    refusals = [each.error.code for each in results if isinstance(each, TransientError)]
    assert refusals == ["CIRCUIT_OPEN"] * 99
    assert (guards.running, guards.waiting) == (0, 0)


ENDS: dict[str, Any] = {
    "answers": "fine",
    "fails": DOWN,
    "is refused": PermanentError("the server answered 404"),
    "asks for patience": RateLimited("the server answered 429", retry_after=5),
    "cancels itself": asyncio.CancelledError(),
}
CALLS = st.lists(
    st.tuples(
        st.sampled_from(["bank", "shop"]),
        st.lists(st.sampled_from(sorted(ENDS)), min_size=1, max_size=3),
        st.integers(0, 8),
    ),
    max_size=25,
)


@given(calls=CALLS)
def test_slots_return_to_zero_after_errors_and_cancellations_at_any_moment(
    calls: Sequence[tuple[str, Sequence[str], int]],
) -> None:
    asyncio.run(called_and_stopped(calls))


async def called_and_stopped(calls: Sequence[tuple[str, Sequence[str], int]]) -> None:
    """Each call to its target, with what becomes of its attempts, and the turn in which it is cancelled if ever."""
    clock = VirtualClock()
    guards = Guards(clock, Limits(target_concurrency=2, target_queue=5, breaker_failures=2))

    async def work(target: str, ends: Sequence[str]) -> None:
        answers = Target(*(ENDS[end] for end in ends))

        async def attempt() -> Any:
            await asyncio.sleep(0)
            return await answers()

        clock.hold()
        try:
            await called(guards.of(target), attempt, policy(max_attempts=3))
        finally:
            clock.release()

    tasks = [asyncio.create_task(work(target, ends)) for target, ends, _turn in calls]
    for turn in range(1, 8):
        await asyncio.sleep(0)
        assert max(guards.of(target).running for target in ("bank", "shop")) <= 2
        for task, (_target, _ends, stops) in zip(tasks, calls, strict=True):
            if stops == turn:
                task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert (guards.running, guards.waiting, clock._holds) == (0, 0, 0)
    clock.advance(60)
    clock.hold()
    for target in ("bank", "shop"):
        assert await called(guards.of(target), Target("fine")) == "fine", "a place or a probe was lost"


# -- one for each target -----------------------------------------------------------------------------


def test_a_target_has_one_guard() -> None:
    guards = Guards(VirtualClock(), Limits())
    assert guards.of("bank") is guards.of("bank")
    assert guards.of("bank") is not guards.of("shop")


async def test_idle_guards_are_forgotten_past_ten_thousand_those_used_longest_ago_first() -> None:
    guards = Guards(VirtualClock(), Limits())
    first, second = guards.of("first"), guards.of("second")
    for number in range(9_998):
        guards.of(f"target {number}")
    assert guards.of("first") is first

    guards.of("one more")
    assert guards.of("first") is first
    assert guards.of("second") is not second


async def test_guards_that_are_open_or_busy_are_not_forgotten() -> None:
    clock = virtual()
    guards = Guards(clock, Limits(breaker_failures=1))
    open_one, busy, used = guards.of("open"), guards.of("busy"), guards.of("used")
    await code_of(open_one, Target(DOWN))
    go_on = asyncio.Event()
    call = asyncio.create_task(called(busy, go_on.wait))
    await settle()
    await called(used, Target("fine"))

    for number in range(20_000):
        guards.of(f"target {number}")

    assert guards.of("open") is open_one
    assert guards.of("busy") is busy
    assert guards.of("used") is not used
    assert guards.running == 1
    go_on.set()
    await call


async def test_a_dead_target_that_nobody_calls_any_more_is_forgotten_in_the_end() -> None:
    clock = virtual()
    guards = Guards(clock, Limits(breaker_failures=1))
    dead = guards.of("dead")
    await code_of(dead, Target(DOWN))
    clock.advance(30)
    for number in range(10_000):
        guards.of(f"target {number}")
    assert guards.of("dead") is not dead


async def test_many_busy_targets_are_all_kept_and_forgotten_once_they_are_idle() -> None:
    clock = virtual()
    guards = Guards(clock, Limits())
    go_on = asyncio.Event()

    async def work(target: str) -> None:
        await called(guards.of(target), go_on.wait)

    calls = [asyncio.create_task(work(f"busy {number}")) for number in range(10_050)]
    await settle()
    assert guards.running == 10_050

    go_on.set()
    await asyncio.gather(*calls)
    guards.of("one more")
    assert len(guards._guards) == 10_000
