"""How many calls to one target run at once, and how many may wait for that.

A place goes from hand to hand: who leaves gives it to the first who waits, so nobody overtakes. What was given to
somebody who is cancelled in that moment is given on.
"""

from collections import OrderedDict
from typing import Self

from openrun.core.errors import RateLimited
from openrun.runtime.clock import Clock
from openrun.runtime.pause import Pause

BACKPRESSURE = "BACKPRESSURE"
"""Code of a call that was turned away, since too many wait already."""

_RETRY_AFTER = 1.0


class Capacity:
    """`async with capacity:` runs its body once there is a place, in the order of asking.

    Raises `RateLimited` (BACKPRESSURE) at once when `queue` others wait already. Callers hold the clock.
    """

    __slots__ = ("_clock", "_most", "_queue", "_running", "_target", "_waiters")

    def __init__(self, clock: Clock, most: int = 50, queue: int = 1_000, *, target: str = "") -> None:
        self._clock = clock
        self._most = most
        self._queue = queue
        self._target = target
        self._running = 0
        self._waiters: OrderedDict[Pause, None] = OrderedDict()

    @property
    def running(self) -> int:
        return self._running

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def __aenter__(self) -> Self:
        if self._running < self._most:
            self._running += 1
        elif len(self._waiters) < self._queue:
            await self._wait()
        else:
            raise self._refusal()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._leave()

    async def _wait(self) -> None:
        turn = Pause(self._clock)
        self._waiters[turn] = None
        try:
            await turn.wait()
        except BaseException:
            if turn.ended:
                self._leave()
            else:
                self._waiters.pop(turn, None)
            raise

    def _leave(self) -> None:
        while self._waiters:
            turn, _ = self._waiters.popitem(last=False)
            turn.end()
            if turn.ended:
                return
        self._running -= 1

    def _refusal(self) -> RateLimited:
        depth = len(self._waiters)
        return RateLimited(
            f"{self._running} calls to {self._target!r} are under way and {depth} wait; "
            "try again later, or raise the limit `target_concurrency` or `target_queue`",
            code=BACKPRESSURE,
            retry_after=_RETRY_AFTER,
            details={"depth": depth, "capacity": self._most},
        )
