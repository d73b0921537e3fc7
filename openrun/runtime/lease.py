"""A worker's lease: kept alive from a thread of its own, trusted only while it is surely good.

The thread stops renewing when the event loop has not ticked for five minutes: a process that hangs must not
keep its runs for ever.
"""

import asyncio
import threading
import time
from collections.abc import Callable

from openrun.store.base import Renewer, Store, StoreError

_HUNG = 300.0
_RETRY = 0.25


class Lease:
    """The right of this process to act on the runs it holds."""

    def __init__(self, store: Store, worker: str, seconds: float) -> None:
        self._store = store
        self._worker = worker
        self.seconds = seconds
        self._margin = min(5.0, seconds / 6)
        self._loop = asyncio.get_running_loop()
        self._safe_until = 0.0
        self._secured = asyncio.Event()
        self._ended = asyncio.Event()
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._ticked = uptime()
        self._tick: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    async def start(self, *, host: str, pid: int) -> None:
        """Enlist, and keep renewing."""
        begun = uptime()
        await self._store.enlist(self._worker, self.seconds, host=host, pid=pid)
        self._renewed(begun)
        self._beat()
        self._thread = threading.Thread(target=self._keep, name=f"lease {self._worker}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._stop.set()
        self._wake.set()
        if self._tick is not None:
            self._tick.cancel()

    async def join(self) -> None:
        """Wait for the thread to end, after `stop`."""
        if self._thread is not None:
            await self._ended.wait()

    @property
    def safe(self) -> bool:
        """The lease is good, with something to spare."""
        return uptime() < self._safe_until

    def doubt(self) -> None:
        """The store has refused us: trust the lease again only once it is renewed."""
        self._safe_until = 0.0

    async def secured(self) -> None:
        """Wait until the lease is safe."""
        while not self.safe:
            self._secured.clear()
            self._wake.set()
            await self._secured.wait()

    def _beat(self) -> None:
        self._ticked = uptime()
        self._tick = self._loop.call_later(1.0, self._beat)

    def _renewed(self, begun: float) -> None:
        # Counted from before the call: the store's clock may have begun the lease at any time since.
        self._safe_until = begun + self.seconds - self._margin
        self._secured.set()

    def _keep(self) -> None:
        """The body of the thread."""
        renewer: Renewer | None = None
        wait = self.seconds / 3
        while not self._pause(wait):
            if uptime() - self._ticked > _HUNG:
                wait = 1.0
                continue
            begun = uptime()
            try:
                renewer = renewer or self._store.renewer()
                renewer.renew(self._worker, self.seconds)
            except StoreError:
                wait = _RETRY
            else:
                wait = self.seconds / 3
                self._tell(lambda begun=begun: self._renewed(begun))  # type: ignore[misc]
        if renewer is not None:
            renewer.close()
        self._tell(self._ended.set)

    def _pause(self, seconds: float) -> bool:
        self._wake.wait(seconds)
        self._wake.clear()
        return self._stop.is_set()

    def _tell(self, act: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(act)
        except RuntimeError:
            # The loop is closed: nobody needs the lease any more.
            self._stop.set()


def uptime() -> float:
    """Seconds since boot, those the machine slept included, as the lease's own clock counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
