"""Delivers notifications: takes those that are due, makes attempts, and writes down what became of them.

Each subscription has a lane of its own, with few attempts under way at once and a single one while its receiver fails: a
dead receiver holds up nobody else. What is taken comes back by itself after the lease, so that a crash delays a
notification and loses none; whoever has seen it then sees it again under the same id.
"""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from dataclasses import dataclass

from msgspec.structs import replace

from openrun.runtime.clock import Clock
from openrun.runtime.outgoing import Outgoing
from openrun.runtime.redelivery import GONE, Attempted, settled
from openrun.store.base import Store, StoreError, StoreUnavailable
from openrun.store.outbox import NotificationRow, SubscriptionRow
from openrun.store.projection import in_ms

_log = logging.getLogger("openrun.notifier")

_LONGEST_PAUSE = 10.0
_MOST_KNOWN = 10_000
_FORGET = 10_000
_SHARE, _PORTION = 2, 4
"""A namespace has half of the attempts at most, or about, and a quarter of them is taken at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifierOptions:
    """Times in seconds."""

    poll: float = 0.5
    each: int = 4
    """Most attempts under way at once of one subscription."""
    most: int = 200
    """Most of all, or about; fewer than the HTTP client has connections."""
    lease: float = 120.0
    """Longer than those taken at once for one subscription may take one after the other."""
    grace: float = 2.0
    """What attempts under way are given when it stops."""
    keep: float = 7 * 86_400.0
    """How long those that were delivered are kept."""
    sweep: float = 3_600.0
    """How often older ones are removed."""


class _Lane:
    """The notifications of one subscription that are in hand."""

    __slots__ = ("queue", "running", "subscription")

    def __init__(self, subscription: SubscriptionRow) -> None:
        self.subscription = subscription
        self.queue: deque[NotificationRow] = deque()
        self.running: dict[asyncio.Task[Attempted], NotificationRow] = {}

    @property
    def load(self) -> int:
        return len(self.queue) + len(self.running)


class Notifier:
    """A listener to the outbox of a store."""

    def __init__(
        self, store: Store, outgoing: Outgoing, clock: Clock, options: NotifierOptions | None = None
    ) -> None:
        self._store = store
        self._outgoing = outgoing
        self._clock = clock
        self._options = options or NotifierOptions()
        self._lanes: dict[str, _Lane] = {}
        self._known: dict[str, SubscriptionRow] = {}
        """Subscriptions by id: what counts of them here never changes."""
        self._failing: set[str] = set()
        """Subscriptions whose last attempt failed."""
        self._gone: dict[str, str] = {}
        """Subscriptions that are to be disabled, and why."""
        self._ended: list[NotificationRow] = []
        """What is to be written down."""
        self._swept_at: float | None = None
        self._ahead = 0
        """Milliseconds that the store's clock is ahead of ours."""
        self._stopping = False
        self._news = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to deliver."""
        self._work = asyncio.get_running_loop().create_task(self._work_for_ever())

    async def stop(self) -> None:
        """Take nothing more, let attempts under way end within the grace, and hand back the rest."""
        self._stopping = True
        self._news.set()
        if self._work is not None:
            # Not cancelled at once: what a call that was cut off has taken would have to wait for its lease.
            await asyncio.wait([self._work], timeout=self._options.grace)
            self._work.cancel()
            await asyncio.wait([self._work])
        running = [task for lane in self._lanes.values() for task in lane.running]
        if running:
            await asyncio.wait(running, timeout=self._options.grace)
        self._hand_back()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        # What cannot be written now comes back after the lease.
        with contextlib.suppress(StoreError):
            await self._write()

    def hint(self) -> None:
        """There may be something to deliver."""
        self._news.set()

    @property
    def under_way(self) -> int:
        """How many attempts are being made."""
        # Those that wait behind a receiver that fails must not count: they would keep the others out.
        return sum(len(lane.running) for lane in self._lanes.values())

    def _hand_back(self) -> None:
        now = self._now()
        lanes = list(self._lanes.values())
        self._lanes.clear()
        for lane in lanes:
            unfinished = [row for task, row in lane.running.items() if not task.done()]
            self._ended += [replace(row, due_at=now) for row in (*unfinished, *lane.queue)]

    async def _work_for_ever(self) -> None:
        pause = self._options.poll
        while not self._stopping:
            try:
                await self._round()
            except StoreUnavailable:
                pause = min(pause * 2, _LONGEST_PAUSE)
            except Exception:  # noqa: BLE001
                pause = min(pause * 2, _LONGEST_PAUSE)
                _log.exception("the notifier goes on after a fault")
            else:
                pause = self._options.poll
            await self._pause(pause)

    async def _pause(self, seconds: float) -> None:
        if not self._stopping:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            self._news.clear()

    def _now(self) -> int:
        """The store's time, in ms: clocks of several processes may differ, and leases must not."""
        return in_ms(self._clock.now()) + self._ahead

    async def _round(self) -> None:
        self._ahead = await self._store.now() - in_ms(self._clock.now())
        await self._write()
        while not self._stopping and await self._take():
            pass
        await self._sweep()

    # -- taking -----------------------------------------------------------------------------------

    async def _take(self) -> bool:
        """Take what is due and fits; say whether there may be more."""
        options = self._options
        room = min(options.most - self.under_way, max(1, options.most // _PORTION))
        if room <= 0:
            return False
        rows = await self._store.take_notifications(
            self._now(), room, options.each, round(options.lease * 1_000), without=await self._full()
        )
        try:
            known = {name: await self._subscription(name) for name in {row.subscription_id for row in rows}}
        except StoreUnavailable:
            self._ended += [replace(row, due_at=self._now()) for row in rows]
            raise
        for row in rows:
            subscription = known[row.subscription_id]
            # Whoever removes one removes its notifications, too.
            if subscription is not None:
                self._lanes.setdefault(row.subscription_id, _Lane(subscription)).queue.append(row)
        for name in known.keys() & self._lanes.keys():
            self._pump(self._lanes[name])
        return bool(rows)

    async def _full(self) -> list[str]:
        """Subscriptions that have enough in hand, and all of the namespaces that have."""
        full = [name for name, lane in self._lanes.items() if lane.load >= self._width(name)]
        running = Counter[str]()
        for lane in self._lanes.values():
            running[lane.subscription.namespace] += len(lane.running)
        for namespace, count in running.items():
            # Else one with many receivers that hang would keep out the others.
            if count >= max(1, self._options.most // _SHARE):
                full += [each.subscription_id for each in await self._store.subscriptions(namespace)]
        return full

    async def _subscription(self, subscription_id: str) -> SubscriptionRow | None:
        known = self._known.get(subscription_id)
        if known is None:
            known = await self._store.subscription(subscription_id)
            if known is not None:
                if len(self._known) >= _MOST_KNOWN:
                    self._known.clear()
                self._known[subscription_id] = known
        return known

    def _width(self, subscription_id: str) -> int:
        return 1 if subscription_id in self._failing else self._options.each

    # -- trying -----------------------------------------------------------------------------------

    def _pump(self, lane: _Lane) -> None:
        """Begin attempts while there is room."""
        name = lane.subscription.subscription_id
        loop = asyncio.get_running_loop()
        now = self._now()
        while lane.queue and len(lane.running) < self._width(name):
            row = lane.queue.popleft()
            if name in self._gone:
                self._ended.append(replace(row, due_at=now))
            elif (row.due_at or 0) - now > self._outgoing.timeout * 1_000:
                task = loop.create_task(self._outgoing.attempt(row, lane.subscription))
                lane.running[task] = row
                task.add_done_callback(lambda task, row=row: self._tried(lane, row, task))  # type: ignore[misc]
            # One whose lease is all but over is left to whoever takes it next.
        if not lane.load:
            self._lanes.pop(name, None)

    def _tried(self, lane: _Lane, row: NotificationRow, task: "asyncio.Task[Attempted]") -> None:
        lane.running.pop(task)
        if task.cancelled():
            return
        fault = task.exception()
        if fault is not None:
            _log.error("notification %s: an attempt broke", row.notification_id, exc_info=fault)
        how = task.result() if fault is None else Attempted(error=f"{type(fault).__name__}: {fault}")
        self._note(row, how)
        if self._lanes.get(row.subscription_id) is lane:
            self._pump(lane)
        self._news.set()

    def _note(self, row: NotificationRow, how: Attempted) -> None:
        after = settled(row, how, self._now())
        self._ended.append(after)
        if how.error is None:
            self._failing.discard(row.subscription_id)
            return
        self._failing.add(row.subscription_id)
        if how.status == GONE:
            self._gone[row.subscription_id] = how.error
        if after.dead_at is not None:
            _log.warning(
                "notification %s is given up after %d attempts: %s",
                row.notification_id,
                row.attempts,
                after.error,
            )

    # -- writing ----------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Write down what became of attempts; what cannot be written stays to be."""
        for name, reason in list(self._gone.items()):
            await self._store.disable_subscription(name, at=self._now(), reason=reason)
            del self._gone[name]
        rows, self._ended = self._ended, []
        if not rows:
            return
        try:
            await self._store.settle_notifications(rows)
        except BaseException:
            self._ended = [*rows, *self._ended]
            raise

    async def _sweep(self) -> None:
        now = self._clock.monotonic()
        if self._swept_at is not None and now - self._swept_at < self._options.sweep:
            return
        before = self._now() - round(self._options.keep * 1_000)
        while await self._store.forget_notifications(before, _FORGET) == _FORGET:
            pass
        self._swept_at = now
