"""Deadlines and timers of one run, over one clock: few calls back, many things awaited."""

from collections.abc import Callable
from typing import Generic, TypeVar

from openrun.runtime.clock import Clock, Timer

KeyT = TypeVar("KeyT")


class Deadlines(Generic[KeyT]):
    """Tells when the instant of a key has come; armed for the earliest only.

    Setting and clearing a key is a dictionary's work: most deadlines are never reached.
    """

    __slots__ = ("_armed_for", "_clock", "_due", "_handle", "_on_due")

    def __init__(self, clock: Clock, on_due: Callable[[KeyT], None]) -> None:
        self._clock = clock
        self._on_due = on_due
        self._due: dict[KeyT, float] = {}
        self._handle: Timer | None = None
        self._armed_for = 0.0

    def set(self, key: KeyT, when: float) -> None:
        """Call back once the clock's `monotonic()` reaches `when`; a key has one instant."""
        self._due[key] = when
        if self._handle is None or when < self._armed_for:
            self._arm(when)

    def clear(self, key: KeyT) -> None:
        self._due.pop(key, None)

    def close(self) -> None:
        self._due.clear()
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, when: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._armed_for = when
        self._handle = self._clock.call_at(when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        now = self._clock.monotonic()
        for key in [key for key, when in self._due.items() if when <= now]:
            del self._due[key]
            self._on_due(key)
        if self._due and self._handle is None:
            self._arm(min(self._due.values()))
