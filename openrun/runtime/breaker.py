"""The circuit breaker of one target: who fails again and again is left alone for a while.

    closed --(so many transient failures in a row)--> open --(time is up)--> half open
    half open --(the probe is answered)--> closed;  --(it fails)--> open;  --(neither)--> another probe

What a call comes to counts only in the era in which it was let through: a call that was under way when the breaker
opened says nothing about the target as it is by the time that call ends.
"""

from collections.abc import Awaitable, Callable
from enum import Enum, StrEnum
from typing import TypeVar

from openrun.core.errors import RateLimited, TransientError
from openrun.runtime.attempt import error_of
from openrun.runtime.clock import Clock

CIRCUIT_OPEN = "CIRCUIT_OPEN"
"""Code of a call that was not made, since its target is left alone."""

_LEAST_WAIT = 1.0

T = TypeVar("T")


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """One probe is let through, or is under way."""


class _Sign(Enum):
    """What the end of a call says of its target."""

    ALIVE = "alive"
    FAILING = "failing"
    NOTHING = "nothing"


class Breaker:
    """Fails calls at once, with `TransientError` (CIRCUIT_OPEN), while their target is left alone.

    Only transient failures count, and only in a row. A permanent error is the answer of a target that lives; one
    that asks for patience (429) or a cancelled call tells neither way.
    """

    __slots__ = (
        "_clock",
        "_era",
        "_failures",
        "_open_seconds",
        "_probing",
        "_target",
        "_threshold",
        "_until",
    )

    def __init__(
        self, clock: Clock, threshold: int = 5, open_seconds: float = 30.0, *, target: str = ""
    ) -> None:
        self._clock = clock
        self._threshold = threshold
        self._open_seconds = open_seconds
        self._target = target
        self._failures = 0
        self._until: float | None = None
        self._probing = False
        self._era = 0

    @property
    def state(self) -> BreakerState:
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._clock.monotonic() < self._until else BreakerState.HALF_OPEN

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` brings; it is called once, or not at all."""
        era = self._let_in()
        sign = _Sign.NOTHING
        try:
            result = await work()
            sign = _Sign.ALIVE
        except Exception as fault:
            sign = _sign(fault)
            raise
        finally:
            self._hear(era, sign)
        return result

    def _let_in(self) -> int:
        """The era this call belongs to."""
        if self._until is not None:
            left = self._until - self._clock.monotonic()
            if left > 0 or self._probing:
                raise self._refusal(left)
            self._probing = True
        return self._era

    def _hear(self, era: int, sign: _Sign) -> None:
        if era != self._era:
            return
        # Past the opening, the only call of the present era is the probe.
        self._probing = False
        if sign is _Sign.ALIVE:
            self._failures = 0
            if self._until is not None:
                self._turn(until=None)
        elif sign is _Sign.FAILING:
            self._failures += 1
            if self._until is not None or self._failures >= self._threshold:
                self._turn(until=self._clock.monotonic() + self._open_seconds)

    def _turn(self, until: float | None) -> None:
        self._until = until
        self._failures = 0
        self._era += 1

    def _refusal(self, left: float) -> TransientError:
        return TransientError(
            f"{self._target!r} was not called: it has failed {self._threshold} times in a row or more, "
            "and is left alone until one call has come through",
            code=CIRCUIT_OPEN,
            retry_after=max(left, _LEAST_WAIT),
        )


def _sign(fault: Exception) -> _Sign:
    error = error_of(fault)
    if isinstance(fault, RateLimited) or error.code == RateLimited.code:
        return _Sign.NOTHING
    return _Sign.FAILING if error.retryable else _Sign.ALIVE
