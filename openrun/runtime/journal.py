"""The one writer of a process: takes what all runs have pending and commits it as one transaction.

While a commit is under way the next batch gathers, so that many runs share one. What somebody waits for is
written at once, the rest with it, or after 20 ms at the latest. A commit whose outcome is not known is offered
again until the store answers; each slice is accepted or refused for itself.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from openrun.runtime.clock import Clock
from openrun.store.base import Store, StoreUnavailable
from openrun.store.rows import Slice, Verdict

_LINGER = 0.02
_MOST_EVENTS = 5_000
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5


class Source(Protocol):
    """Has something to write from time to time."""

    @property
    def pending(self) -> int:
        """How many events it would write."""

    def slice(self) -> Slice | None:
        """What it has to write, all of it; none when it changed its mind."""

    def settled(self, verdict: Verdict) -> None:
        """What became of the last slice."""

    def failed(self, fault: Exception) -> None:
        """The last slice cannot be written, today or later."""


class Secure(Protocol):
    """Says when the process may write."""

    async def secured(self) -> None:
        """Wait until the lease is good for some seconds to come."""


class Journal:
    """Group commit over one store."""

    def __init__(self, store: Store, clock: Clock, lease: Secure | None = None) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._dirty: dict[Source, None] = {}
        self._urgent = False
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._held = False
        self._closed = False
        self.commits = 0
        """Transactions so far."""
        self.trouble: StoreUnavailable | None = None
        """Why the store takes nothing at the moment."""

    def touch(self, source: Source, *, urgent: bool) -> None:
        """This source has something to write; `urgent` when somebody waits for it."""
        self._dirty[source] = None
        if not self._held:
            self._held = True
            self._clock.hold()
        if self._writing is not None:
            self._urgent = self._urgent or urgent
        elif urgent:
            self._start()
        elif self._timer is None:
            self._timer = self._loop.call_later(_LINGER, self._start)

    async def write(self, part: Slice) -> Verdict:
        """Write a single slice of somebody who has no more to say."""
        source = _OneOff(part)
        self.touch(source, urgent=True)
        return await source.verdict

    async def close(self) -> None:
        """Stop at once; what is not written is left to whoever claims the runs."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._writing is None and not self._closed:
            self._writing = self._loop.create_task(self._write())
            self._writing.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        if not task.cancelled() and (fault := task.exception()) is not None:
            raise fault
        if not self._dirty:
            self._held = False
            self._clock.release()
        elif self._urgent:
            self._start()
        elif not self._closed:
            self._timer = self._loop.call_later(_LINGER, self._start)

    async def _write(self) -> None:
        # One more round of the loop, so that all who have something to say now are in it.
        await asyncio.sleep(0)
        while self._dirty:
            if self._lease is not None:
                await self._lease.secured()
            self._urgent = False
            sources, slices = self._take()
            if slices:
                await self._commit(sources, slices)
            if not self._urgent:
                return

    def _take(self) -> tuple[list[Source], list[Slice]]:
        sources, slices, events = [], [], 0
        while self._dirty and events < _MOST_EVENTS:
            source = next(iter(self._dirty))
            del self._dirty[source]
            events += source.pending
            try:
                part = source.slice()
            except Exception as fault:  # noqa: BLE001
                # What one run has to say cannot be put into bytes; that hurts it alone.
                source.failed(fault)
                continue
            if part is not None:
                sources.append(source)
                slices.append(part)
        self._urgent = self._urgent or bool(self._dirty)
        return sources, slices

    async def _commit(self, sources: Sequence[Source], slices: Sequence[Slice]) -> None:
        try:
            verdicts = await self._offer(slices)
        except Exception as fault:  # noqa: BLE001
            # One of them cannot be written; which one, only trying each alone can tell.
            await self._one_by_one(sources, slices, fault)
            return
        if self._lease is not None:
            # What waits for this commit may act only while the lease is good.
            await self._lease.secured()
        for source, verdict in zip(sources, verdicts, strict=True):
            source.settled(verdict)

    async def _one_by_one(self, sources: Sequence[Source], slices: Sequence[Slice], fault: Exception) -> None:
        if len(slices) == 1:
            sources[0].failed(fault)
            return
        for source, part in zip(sources, slices, strict=True):
            await self._commit([source], [part])

    async def _offer(self, slices: Sequence[Slice]) -> list[Verdict]:
        pause = _FIRST_PAUSE
        while True:
            try:
                verdicts = await self._store.commit(slices)
            except StoreUnavailable as trouble:
                self.trouble = trouble
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
                if self._lease is not None:
                    # The store may have been away for longer than the lease.
                    await self._lease.secured()
            else:
                self.trouble = None
                self.commits += 1
                return verdicts


class _OneOff:
    """A single slice from somebody who holds no run."""

    def __init__(self, part: Slice) -> None:
        self._part = part
        self.pending = len(part.events)
        self.verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

    def slice(self) -> Slice | None:
        return self._part

    def settled(self, verdict: Verdict) -> None:
        if not self.verdict.done():
            self.verdict.set_result(verdict)

    def failed(self, fault: Exception) -> None:
        if not self.verdict.done():
            self.verdict.set_exception(fault)
