"""Fires schedules: looks at those that are due, decides, and writes ticks and runs down in one transaction.

What there is to do is in the store, and so is the time that counts; the alarm only spares waiting for the next look.
Several schedulers at one store do not disturb each other: what one has decided meanwhile, the store refuses another.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from openrun.core.errors import OpenRunError
from openrun.steps.triggers.ticks import Ticks, delay
from openrun.store.base import StoreUnavailable
from openrun.store.timetable import Move, ScheduleRow, Timetable
from openrun.triggers.alarm import Alarm
from openrun.triggers.decision import KEPT_MS, decide
from openrun.triggers.moves import Bear, MakeRoom, config_of, missed, move_of, tick_row

_log = logging.getLogger("openrun.schedules")

_BATCH = 100
"""Schedules, and about as many runs, that are written at once."""
_MOST_TICKS = 200
"""Of one schedule at one look, so that a backlog does not hold up the others."""
_LEFT_SECONDS = 5.0
"""For how long a schedule that cannot be fired here is left to others."""
_SWEEP_SECONDS = 3_600.0
_GATHER = 0.05
"""Seconds within which those that become due share a transaction."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

Place = tuple[str, str, str]


class Told(Protocol):
    """Is told what became of a tick, and how many seconds after its time that was decided."""

    def __call__(self, outcome: str, lag_seconds: float) -> None: ...


@runtime_checkable
class Ticked(Protocol):
    """An observer that wants to hear of ticks, too."""

    def ticked(self, outcome: str, lag_seconds: float) -> None:
        """As `Told`."""


class Store(Timetable, Protocol):
    """The timetable, and what time it is there."""

    async def now(self) -> int: ...


def telling(observers: Iterable[object]) -> Told:
    """Tells those of the observers that want to hear of ticks."""
    ears = [each.ticked for each in observers if isinstance(each, Ticked)]

    def told(outcome: str, lag_seconds: float) -> None:
        for ear in ears:
            ear(outcome, lag_seconds)

    return told


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What a scheduler reaches of the engine.

    `bear` makes runs, `make_room` asks one to end, `woke` is called when there are new ones, `now` is the machine's
    clock, and `told` hears of each tick.
    """

    bear: Bear
    make_room: MakeRoom
    now: Callable[[], datetime]
    woke: Callable[[], None] = lambda: None
    told: Told = field(default_factory=lambda: telling(()))


class Scheduler:
    """Listens to the clock."""

    def __init__(self, store: Store, wiring: Wiring, *, poll: float = 1.0) -> None:
        """`poll` is how often, in seconds, it looks when nothing tells it to: others add schedules, clocks jump."""
        self._store = store
        self._wiring = wiring
        self.bear = wiring.bear
        self._poll = poll
        self._news = asyncio.Event()
        self._alarm = Alarm(self._news.set, wiring.now)
        self._left: dict[Place, float] = {}
        self._complained: set[tuple[str, str]] = set()
        self._swept = float("-inf")
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to fire."""
        self._alarm.start()
        self._loop = asyncio.get_running_loop().create_task(self._fire_for_ever())

    async def stop(self) -> None:
        """Fire nothing more; what is being written is written whole, or not at all."""
        self._alarm.stop()
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.wait([self._loop])
            self._loop = None

    def hint(self) -> None:
        """There may be schedules that are due."""
        self._news.set()

    async def look(self) -> int:
        """Decide all that is due now, as far as it can be here; how many schedules moved. Raises `StoreUnavailable`."""
        moved = 0
        while True:
            now = await self._store.now()
            left = self._leave()
            due = await self._store.due_schedules(now, _BATCH + len(left))
            due = [row for row in due if _place(row) not in left]
            kept = await self._settle(due, now)
            if not kept:
                return moved
            moved += kept

    async def _fire_for_ever(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            self._news.clear()
            try:
                await self.look()
                await self._set_alarm()
                await self._sweep()
                pause = _FIRST_PAUSE
                wait = self._poll
            except Exception as error:  # noqa: BLE001
                # Whatever happens, there are other schedules, and there is another day.
                known = isinstance(error, StoreUnavailable)
                _log.warning("schedules cannot be looked at: %s", error, exc_info=not known)
                await asyncio.sleep(pause)
                wait, pause = 0.0, min(pause * 2, _LONGEST_PAUSE)
            if wait:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), wait)

    async def _set_alarm(self) -> None:
        due = await self._store.next_schedule()
        if due is None:
            return
        seconds = (due - await self._store.now()) / 1_000
        # What is due and did not move is somebody else's, or left to others: the next look will tell.
        if seconds > 0 or not self._left:
            self._alarm.set(max(seconds, _GATHER))

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._swept >= _SWEEP_SECONDS:
            before = await self._store.now() - KEPT_MS
            removed = 1
            while removed:
                removed = await self._store.forget_ticks(before)
            self._swept = now

    # -- deciding ---------------------------------------------------------------------------------

    async def _settle(self, due: Sequence[ScheduleRow], now: int) -> int:
        """Decide about these, and write it down in batches; how many were kept."""
        kept, batch, births = 0, list[tuple[ScheduleRow, Move]](), 0
        for row in due:
            its = await self._move(row, now)
            if its is not None:
                batch.append((row, its))
                births += len(its.births)
            if births >= _BATCH:
                kept += await self._write(batch)
                batch, births = [], 0
        return kept + await self._write(batch)

    async def _move(self, row: ScheduleRow, now: int) -> Move | None:
        try:
            config = config_of(row.spec)
            decision = decide(row, config, Ticks.of(config), now, _MOST_TICKS)
            return await move_of(row, decision, self._wiring.bear, self._wiring.make_room, now)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001
            # Whatever is wrong with one of them is not to stop those of others.
            known = isinstance(error, OpenRunError | ValueError)
            self._left[_place(row)] = asyncio.get_running_loop().time() + _LEFT_SECONDS
            if (row.flow_id, row.version) not in self._complained:
                self._complained.add((row.flow_id, row.version))
                _log.warning(
                    "schedules of flow %r are left to others: %s", row.flow_id, error, exc_info=not known
                )
            return None

    def _leave(self) -> dict[Place, float]:
        now = asyncio.get_running_loop().time()
        self._left = {place: until for place, until in self._left.items() if until > now}
        return self._left

    async def _write(self, batch: Sequence[tuple[ScheduleRow, Move]]) -> int:
        if not batch:
            return 0
        try:
            kept = await self._store.move([its for _, its in batch])
        except StoreUnavailable:
            raise
        except OpenRunError as error:
            return await self._one_by_one(batch, error)
        if any(its.births and ok for (_, its), ok in zip(batch, kept, strict=True)):
            self._wiring.woke()
        for (row, its), ok in zip(batch, kept, strict=True):
            if ok:
                self._tell(row, its)
        return sum(kept)

    async def _one_by_one(self, batch: Sequence[tuple[ScheduleRow, Move]], error: OpenRunError) -> int:
        """One of them cannot be written; which one, only trying each alone can tell."""
        if len(batch) > 1:
            return sum([await self._write([each]) for each in batch])
        ((row, its),) = batch
        _log.error("a run of flow %r cannot be started by its schedule: %s", row.flow_id, error)
        ticks = [
            tick if tick.run_id is None else tick_row(row, missed(tick.tick, error), tick.decided_at)
            for tick in its.ticks
        ]
        bare = Move(
            namespace=its.namespace,
            flow_id=its.flow_id,
            trigger=its.trigger,
            revision=its.revision,
            cursor=its.cursor,
            due_at=its.due_at,
            ticks=tuple(ticks),
        )
        return sum(await self._store.move([bare]))

    def _tell(self, row: ScheduleRow, its: Move) -> None:
        jitter = config_of(row.spec).jitter
        for each in its.ticks:
            late = each.decided_at - each.tick - delay(jitter, _place(row), each.tick)
            self._wiring.told(each.outcome.value, late / 1_000)


def _place(row: ScheduleRow) -> Place:
    return row.namespace, row.flow_id, row.trigger
