"""Threads for functions that block: kept for the next call, and never waited for when the process ends.

Theory. A thread cannot be stopped. `concurrent.futures` joins its threads when the interpreter exits, so one
that hangs would hold the exit for ever; these are daemons. A call that is cancelled while it runs is *abandoned*:
its thread goes on, does not count any more, and ends with the call, so that hanging calls never use up
the places of others. A call that is cancelled before it has started never starts.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

THREADS = 64
IDLE_SECONDS = 10.0


class _Phase(Enum):
    QUEUED = auto()
    RUNNING = auto()
    OVER = auto()


class _Call:
    """A call on its way; `phase` changes under the lock of its threads."""

    __slots__ = ("context", "error", "function", "future", "loop", "phase", "result")

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self.loop.create_future()
        self.phase = _Phase.QUEUED
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.context.run(self.function)
        except BaseException as error:  # noqa: BLE001
            self.error = error

    def tell(self) -> None:
        # A loop that is closed has nobody who waits.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class DaemonThreads:
    """Runs calls in up to `most` threads at once; more calls wait their turn. Threads start when needed."""

    __slots__ = ("_calls", "_changed", "_count", "_idle", "_idle_seconds", "_most", "_name")

    def __init__(self, name: str, *, most: int = THREADS, idle_seconds: float = IDLE_SECONDS) -> None:
        self._name = name
        self._most = most
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._calls: deque[_Call] = deque()
        self._count = 0
        self._idle = 0

    async def run(self, function: Callable[[], Any], on_abandoned: Callable[[], None]) -> Any:
        """What the function returns or raises; says so if it goes on though the caller is cancelled."""
        call = _Call(function)
        self._submit(call)
        try:
            await call.future
        except asyncio.CancelledError:
            if self._withdraw(call):
                on_abandoned()
            # The very same error: asyncio.timeout() knows its own cancellation by the type.
            raise
        if call.error is None:
            return call.result
        try:
            raise call.error
        finally:
            # An error refers to this frame, which refers to the call.
            del call

    def _submit(self, call: _Call) -> None:
        with self._changed:
            if self._idle <= len(self._calls) and self._count < self._most:
                # Started first: if that fails, the call must not be left behind for another thread.
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
                self._count += 1
            self._calls.append(call)
            self._changed.notify()

    def _withdraw(self, call: _Call) -> bool:
        """Leave a call to itself; whether it still runs."""
        with self._changed:
            if call.phase is _Phase.QUEUED:
                self._calls.remove(call)
            elif call.phase is _Phase.RUNNING:
                self._count -= 1
            abandoned = call.phase is _Phase.RUNNING
            call.phase = _Phase.OVER
            return abandoned

    def _work(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            with self._changed:
                abandoned = call.phase is _Phase.OVER
                call.phase = _Phase.OVER
            if abandoned:
                return
            call.tell()
            del call

    def _next(self) -> _Call | None:
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._calls, self._idle_seconds)
            self._idle -= 1
            if not self._calls:
                self._count -= 1
                return None
            call = self._calls.popleft()
            call.phase = _Phase.RUNNING
            return call
