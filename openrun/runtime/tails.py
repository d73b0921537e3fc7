"""Following runs as they go on, here or in another process: what is on disk, without a gap.

Whoever follows reads from the store, so that nothing is missed and nothing is kept for those who are slow. Commits
of this process wake them at once; those of others are found by one query for all runs that are followed.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from openrun.core.events import Shown, StepProgress
from openrun.core.types import FINAL, RunStatus
from openrun.runtime.observer import Seen
from openrun.store.base import Records, StoreUnavailable
from openrun.store.rows import EventRow, HeadRow, ProgressRow

_POLL = 0.5
PAGE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What came next of a run; after the page that is `over` nothing follows."""

    events: Sequence[EventRow]
    progress: Sequence[ProgressRow]
    over: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """How far somebody has read: the seq of the last event, the number of the last progress."""

    seq: int = 0
    progress: int = 0


_BEGINNING = Reached()


class _Watched:
    """One run that is followed, by any number."""

    __slots__ = ("followers", "head", "news", "reads")

    def __init__(self) -> None:
        self.followers = 0
        self.head: HeadRow | None = None
        self.news = asyncio.Event()
        self.reads: dict[Reached, asyncio.Task[Page]] = {}
        """Reads under way: those who have read as far share one."""

    def wake(self) -> None:
        self.news.set()
        # Who waits from now on waits for the next.
        self.news = asyncio.Event()


class Tails:
    """An observer of this process's runs that wakes those who follow them."""

    def __init__(self, store: Records, *, poll: float = _POLL) -> None:
        self._store = store
        self._poll = poll
        self._watched: dict[str, _Watched] = {}
        self._polling: asyncio.Task[None] | None = None

    @property
    def followers(self) -> int:
        """How many follow runs at the moment."""
        return sum(each.followers for each in self._watched.values())

    async def close(self) -> None:
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.wait([self._polling])

    # -- following --------------------------------------------------------------------------------

    async def follow(self, run_id: str, after: Reached = _BEGINNING) -> AsyncGenerator[Page, None]:
        """Page by page what a run has done after this and does from now on; ends after the run's last event.

        Of a run that is not there comes one page, which is empty and `over`. Raises `StoreUnavailable`.
        """
        at = after
        with self._watching(run_id) as watched:
            while True:
                news = watched.news
                page = await self._read(run_id, watched, at)
                if page.events or page.progress or page.over:
                    yield page
                if page.over:
                    return
                at = _behind(at, page)
                if len(page.events) < PAGE and len(page.progress) < PAGE:
                    await news.wait()

    async def until_ended(self, run_id: str) -> RunStatus | None:
        """Wait until a run has ended; None when it is not there (any more)."""
        with self._watching(run_id) as watched:
            while True:
                news = watched.news
                head = next(iter(await self._store.heads([run_id])), None)
                if head is None or head.status in FINAL:
                    return None if head is None else head.status
                await news.wait()

    @contextlib.contextmanager
    def _watching(self, run_id: str) -> Iterator[_Watched]:
        watched = self._watched.setdefault(run_id, _Watched())
        watched.followers += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.get_running_loop().create_task(self._poll_for_news())
        try:
            yield watched
        finally:
            watched.followers -= 1
            if not watched.followers:
                del self._watched[run_id]

    async def _read(self, run_id: str, watched: _Watched, at: Reached) -> Page:
        reading = watched.reads.get(at)
        if reading is None:
            reading = asyncio.get_running_loop().create_task(self._page(run_id, watched, at))
            watched.reads[at] = reading
            reading.add_done_callback(lambda _: watched.reads.pop(at, None))
        return await asyncio.shield(reading)

    async def _page(self, run_id: str, watched: _Watched, at: Reached) -> Page:
        # Progress first: what is reported before the last event is in the page of the last event, or before it.
        heads = await self._store.heads([run_id])
        if not heads:
            return Page(events=(), progress=(), over=True)
        (head,) = heads
        watched.head = head
        events = await self._store.events(run_id, at.seq, PAGE) if head.seq > at.seq else []
        behind = head.progress > at.progress
        progress = await self._store.progress(run_id, after=at.progress, limit=PAGE) if behind else []
        read_all = len(events) < PAGE and len(progress) < PAGE
        last = events[-1].seq if events else at.seq
        return Page(
            events=events, progress=progress, over=head.status in FINAL and read_all and last >= head.seq
        )

    # -- news -------------------------------------------------------------------------------------

    async def _poll_for_news(self) -> None:
        while self._watched:
            await asyncio.sleep(self._poll)
            with contextlib.suppress(StoreUnavailable):
                heads = {head.run_id: head for head in await self._store.heads(list(self._watched))}
                for run_id, watched in list(self._watched.items()):
                    head = heads.get(run_id)
                    if head != watched.head:
                        watched.head = head
                        watched.wake()

    def took(self, run: Seen) -> None:
        """Nothing new is on disk yet."""

    def heard(self, run: Seen, shown: Sequence[Shown]) -> None:
        """Wake those who follow the run."""
        if shown and all(type(each) is StepProgress for each in shown):
            # It is told of before it is on disk.
            return
        watched = self._watched.get(run.run_id)
        if watched is not None:
            watched.wake()

    def left(self, run: Seen, why: str) -> None:
        """Nothing is on disk that was not told of."""

    def trace(self, run: Seen, step_id: str, scope: str) -> None:
        """Whoever follows is not asked."""


def _behind(at: Reached, page: Page) -> Reached:
    return Reached(
        seq=page.events[-1].seq if page.events else at.seq,
        progress=page.progress[-1].number if page.progress else at.progress,
    )
