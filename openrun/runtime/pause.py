"""Waiting inside work that holds the clock, so that time may go on meanwhile."""

import asyncio

from openrun.runtime.clock import Clock


class Pause:
    """One wait of somebody who holds the clock: let go while waiting, held again as soon as it is ended.

    Held again by whoever ends it, not by the one who wakes: a virtual clock would jump in between.
    """

    __slots__ = ("_clock", "_told")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def ended(self) -> bool:
        """It was ended, whether or not the one who waits has noticed."""
        return self._told.done() and not self._told.cancelled()

    def end(self) -> None:
        """Let the one who waits go on, unless it has been cancelled."""
        if not self._told.done():
            self._clock.hold()
            self._told.set_result(None)

    async def wait(self) -> None:
        """Wait until it is ended; to be called once, and before it is."""
        self._clock.release()
        try:
            await self._told
        except BaseException:
            if not self.ended:
                self._told.cancel()
                self._clock.hold()
            raise


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait that long by this clock, which the caller holds."""
    pause = Pause(clock)
    timer = clock.call_at(clock.monotonic() + seconds, pause.end)
    try:
        await pause.wait()
    finally:
        timer.cancel()
