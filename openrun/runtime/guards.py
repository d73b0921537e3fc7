"""What stands between a step and the outside, around every call alike.

From the outermost: backpressure, ledger, circuit breaker, retry, the call. So a call that the ledger knows already
is not made and tells the breaker nothing; a call that is refused for an open circuit is not tried again in place;
and all the attempts of one call are one call to the breaker, as they have one place among those that run.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import TypeVar

from openrun.core.errors import Abort
from openrun.core.limits import Limits
from openrun.core.retry import RetryPolicy, retry_delay
from openrun.runtime.attempt import error_of
from openrun.runtime.breaker import Breaker, BreakerState
from openrun.runtime.capacity import Capacity
from openrun.runtime.clock import Clock
from openrun.runtime.pause import sleep

T = TypeVar("T")

Ledger = Callable[[Callable[[], Awaitable[T]]], Awaitable[T]]
"""Is given the rest of the way out: calls it once, or gives back what is on record."""

_MOST_IDLE = 10_000
_LOOKED_AT = 64


class Guard:
    """All that guards the calls to one target. Callers hold the clock."""

    __slots__ = ("_breaker", "_capacity", "_clock")

    def __init__(self, clock: Clock, limits: Limits, target: str) -> None:
        self._clock = clock
        self._capacity = Capacity(clock, limits.target_concurrency, limits.target_queue, target=target)
        self._breaker = Breaker(clock, limits.breaker_failures, limits.breaker_seconds, target=target)

    @property
    def running(self) -> int:
        return self._capacity.running

    @property
    def waiting(self) -> int:
        return self._capacity.waiting

    @property
    def idle(self) -> bool:
        """Nothing is lost with it but what has long been over.

        One whose time is up counts as well, though it has yet to be probed: dead targets would pile up.
        """
        return not (self.running or self.waiting) and self._breaker.state is not BreakerState.OPEN

    async def call(
        self, ledger: Ledger[T], attempt: Callable[[], Awaitable[T]], *, retry: RetryPolicy | None, seed: str
    ) -> T:
        """What the ledger has on record, or what `attempt` brings.

        An attempt that fails is made again as `retry` says, here and now; `seed` names the call, so that it waits
        equally long each time. Raises what the last attempt raised, `RateLimited` (BACKPRESSURE) when too many
        wait for this target, and `TransientError` (CIRCUIT_OPEN) while it is left alone.
        """

        async def attempts() -> T:
            return await self._attempts(attempt, retry, seed)

        async with self._capacity:
            return await ledger(lambda: self._breaker.call(attempts))

    async def _attempts(self, attempt: Callable[[], Awaitable[T]], retry: RetryPolicy | None, seed: str) -> T:
        number = 1
        while True:
            try:
                return await attempt()
            except Abort:
                raise
            except Exception as fault:
                wait = retry_delay(retry, error_of(fault), number, seed)
                if wait is None:
                    raise
            await sleep(self._clock, wait)
            number += 1


class Guards:
    """The guards of a process, one for each target."""

    __slots__ = ("_clock", "_guards", "_limits")

    def __init__(self, clock: Clock, limits: Limits) -> None:
        self._clock = clock
        self._limits = limits
        self._guards: OrderedDict[str, Guard] = OrderedDict()

    @property
    def running(self) -> int:
        """Calls under way, those that wait to be tried again included."""
        return sum(guard.running for guard in self._guards.values())

    @property
    def waiting(self) -> int:
        """Calls that wait for a place."""
        return sum(guard.waiting for guard in self._guards.values())

    def of(self, target: str) -> Guard:
        """The guard of this target. Ask for each call: one that nobody uses is forgotten in time."""
        guard = self._guards.get(target)
        if guard is None:
            self._forget()
            guard = self._guards[target] = Guard(self._clock, self._limits, target)
        self._guards.move_to_end(target)
        return guard

    def _forget(self) -> None:
        """Make room: of the guards that were not asked for longest, the idle ones go.

        Few are looked at each time, and those that stay are looked at last from then on, so that many busy ones
        do not make every new target slow.
        """
        for _ in range(_LOOKED_AT):
            if len(self._guards) < _MOST_IDLE:
                return
            target, guard = self._guards.popitem(last=False)
            if not guard.idle:
                self._guards[target] = guard
