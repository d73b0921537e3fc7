import asyncio
import contextvars
import functools
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openrun.net.threads import DaemonThreads

PATIENCE = 10


class Gate:
    """A function that blocks until it is let through."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()
        self.left = threading.Event()

    def __call__(self) -> str:
        self.entered.set()
        assert self.opened.wait(PATIENCE)
        self.left.set()
        return threading.current_thread().name

    async def reached(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, PATIENCE)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


def threads(most: int = 4, idle_seconds: float = 0.05) -> DaemonThreads:
    return DaemonThreads("test-step", most=most, idle_seconds=idle_seconds)


def ignored() -> None:
    """Nobody asks whether the call was abandoned."""


class Flag:
    """Whether a call was abandoned."""

    def __init__(self) -> None:
        self.up = False

    def __call__(self) -> None:
        self.up = True


async def settled(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 (a thread sets no asyncio.Event)
            await asyncio.sleep(0.001)


async def test_a_call_runs_in_a_daemon_of_its_own() -> None:
    thread = await threads().run(threading.current_thread, ignored)
    assert thread.daemon
    assert thread.name == "test-step"
    assert thread is not threading.main_thread()


async def test_what_a_call_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await threads().run(lambda: 1 // 0, ignored)


async def test_a_call_may_raise_what_no_future_takes() -> None:
    def stop() -> None:
        raise StopIteration

    with pytest.raises(RuntimeError, match="StopIteration"):
        await threads().run(stop, ignored)


async def test_a_call_sees_the_context_of_its_caller() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable")
    variable.set(7)
    assert await threads().run(variable.get, ignored) == 7


async def test_a_thread_is_kept_for_the_next_call() -> None:
    pool = threads(idle_seconds=PATIENCE)
    first = await pool.run(threading.get_ident, ignored)
    await settled(lambda: pool._idle == 1)
    assert await pool.run(threading.get_ident, ignored) == first
    assert pool._count == 1


async def test_an_idle_thread_ends() -> None:
    pool = threads(idle_seconds=0.001)
    thread = await pool.run(threading.current_thread, ignored)
    await settled(lambda: not thread.is_alive())
    assert pool._count == 0
    assert await pool.run(lambda: 1, ignored) == 1


async def test_calls_past_the_most_wait_their_turn(gate: Gate) -> None:
    pool = threads(most=1)
    first = asyncio.create_task(pool.run(gate, ignored))
    second = asyncio.create_task(pool.run(lambda: "second", ignored))
    await gate.reached()
    assert (pool._count, len(pool._calls)) == (1, 1)
    gate.opened.set()
    assert await first == "test-step"
    assert await second == "second"


async def test_many_calls_all_come_back() -> None:
    pool = threads(most=8)
    results = await asyncio.gather(*(pool.run(functools.partial(int, n), ignored) for n in range(500)))
    assert results == list(range(500))
    assert pool._count <= 8


async def test_a_cancelled_call_that_runs_is_abandoned_and_gives_up_its_place(gate: Gate) -> None:
    pool = threads(most=1)
    abandoned = Flag()

    async def expire(limit: asyncio.Timeout) -> None:
        await gate.reached()
        limit.reschedule(0)

    async def call() -> None:
        async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
            group.create_task(expire(limit))
            await pool.run(gate, abandoned)

    with pytest.raises(TimeoutError):
        await call()
    assert abandoned.up
    assert pool._count == 0
    assert await pool.run(lambda: "next", ignored) == "next"
    gate.opened.set()
    await settled(gate.left.is_set)
    assert await pool.run(lambda: "after", ignored) == "after"


async def test_a_cancelled_call_that_has_not_begun_never_begins(gate: Gate) -> None:
    pool = threads(most=1)
    first = asyncio.create_task(pool.run(gate, ignored))
    await gate.reached()
    began = threading.Event()
    abandoned = Flag()
    second = asyncio.create_task(pool.run(began.set, abandoned))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not abandoned.up
    gate.opened.set()
    await first
    assert not began.is_set()


async def test_a_call_that_is_over_as_it_is_cancelled_is_not_abandoned() -> None:
    pool = threads()
    done = threading.Event()
    abandoned = Flag()
    task = asyncio.create_task(pool.run(done.set, abandoned))
    await asyncio.sleep(0)
    assert done.wait(PATIENCE)
    # The loop has not turned since, so the task has not heard of it.
    while pool._idle == 0 and pool._count:
        pass
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not abandoned.up


async def test_a_call_is_not_left_behind_when_no_thread_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = threads()

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await pool.run(lambda: 1, ignored)
    assert not pool._calls
    assert await pool.run(lambda: 2, ignored) == 2


def test_a_call_may_outlive_its_loop(gate: Gate) -> None:
    pool = threads()

    async def begin() -> None:
        task = asyncio.create_task(pool.run(gate, ignored))
        await gate.reached()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(begin())
    gate.opened.set()
    assert gate.left.wait(PATIENCE)
    assert asyncio.run(pool.run(lambda: 3, ignored)) == 3


def test_a_hanging_call_does_not_hold_the_exit() -> None:
    program = """
import asyncio, threading
from openrun.net.threads import DaemonThreads
async def main():
    task = asyncio.create_task(DaemonThreads("stuck").run(threading.Event().wait, lambda: None))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    print("over")
asyncio.run(main())
"""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == "over\n"
    assert done.stderr == ""
