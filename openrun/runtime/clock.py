"""The port to time: what time it is, and being called when it has come."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol


class Timer(Protocol):
    """A call to come."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time as the engine sees it.

    `hold` and `release` frame work that is under way in real time, so that a clock that jumps to the next
    timer knows when it may.
    """

    def now(self) -> datetime:
        """Wall-clock time: aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Call back once `monotonic()` has reached `when`."""

    def hold(self) -> None:
        """Real work begins."""

    def release(self) -> None:
        """Real work has ended."""


class SystemClock:
    """The machine's own clock and the running event loop's timers."""

    __slots__ = ()

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(max(0.0, when - time.monotonic()), callback)

    def hold(self) -> None:
        """Time passes by itself."""

    def release(self) -> None:
        """Time passes by itself."""
