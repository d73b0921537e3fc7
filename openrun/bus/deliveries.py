"""The events that are in this process's hands, from being taken until the store knows what became of them.

An event is taken under a lease, which is renewed here for as long as it is being handled. One that comes for a third time may
have ended the processes that had it: such suspects are handled one at a time, and that this is about to be done is
written down first. So an event is given up for ending its process only if it was the one suspect in hand at
the time, and never for what was handled beside it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Container, Sequence
from contextlib import suppress

from msgspec.structs import replace

from openrun.bus.base import BusOptions, Handle, Now
from openrun.core.errors import OpenRunError
from openrun.store.base import Store, StoreError, StoreUnavailable
from openrun.store.bus_events import BusEventRow

UNFINISHED = "the process that handled it ended before it was done"
"""The error of a suspect while it is in hand."""

_log = logging.getLogger("openrun.bus")
_SUSPECT = 3
_MOST_SUSPECTS = 20
_REST_MS = 2_000
"""How long a suspect rests for which there is no room."""
_KEEP_SECONDS = 0.5
_LINGER_SECONDS = 0.02
_GATHER_SECONDS = 0.1
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
_ERROR_CHARACTERS = 1_000

Settled = Callable[[BusEventRow], None]
"""Told of an event once the store knows that it was handled, failed or was given up; `dead_at` tells which."""


class Deliveries:
    """Handles events, and writes down what became of them."""

    def __init__(self, store: Store, handle: Handle, now: Now, options: BusOptions, settled: Settled) -> None:
        self._store = store
        self._handle = handle
        self._now = now
        self._options = options
        self._settled = settled
        self._rows: dict[int, BusEventRow] = {}
        """All that are in hand, `due_at` being when the lease ends."""
        self._handling: dict[asyncio.Task[None], BusEventRow] = {}
        self._suspects: deque[BusEventRow] = deque()
        self._handled: list[BusEventRow] = []
        self._changed: list[BusEventRow] = []
        self._work = asyncio.Event()
        self._freed = asyncio.Event()
        self._suspected = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    # -- life -------------------------------------------------------------------------------------

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._write_for_ever()), loop.create_task(self._try_suspects())]

    async def stop(self) -> None:
        """Let what is being handled end within the grace; the rest is due again at once, for others."""
        if not self._loops:
            return
        writing, trying = self._loops
        self._loops = []
        handling = [*self._handling]
        if handling:
            await asyncio.wait(handling, timeout=self._options.grace)
        tried = {row.number for row in self._handling.values()}
        tasks = (*self._handling, trying, writing)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._hand_back(tried)
        with suppress(StoreError):
            await self._write()

    def _hand_back(self, tried: Container[int]) -> None:
        """What has not ended is due at once, as if it had not been taken."""
        ended = {each.number for each in (*self._handled, *self._changed)}
        for number, row in self._rows.items():
            if number not in ended:
                error = None if number in tried and row.error == UNFINISHED else row.error
                attempts = max(0, row.attempts - 1)
                self._changed.append(replace(row, due_at=self._now(), attempts=attempts, error=error))

    # -- taking -----------------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more may be given."""
        return max(0, self._options.at_once - len(self._rows))

    async def until_room(self) -> int:
        """How many more may be given: at least one, and rather half of them than a few."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_GATHER_SECONDS):
                await self._until_free(self._options.at_once // 2)
        await self._until_free(1)
        return self.room

    async def _until_free(self, room: int) -> None:
        while self.room < room:
            self._freed.clear()
            await self._freed.wait()

    def give(self, rows: Sequence[BusEventRow]) -> None:
        """Handle these, which were taken under a lease until their `due_at`."""
        for row in rows:
            if row.number in self._rows:
                continue
            self._rows[row.number] = row
            if row.attempts < _SUSPECT:
                self._begin(row)
            elif len(self._suspects) >= min(_MOST_SUSPECTS, max(1, self._options.at_once // 2)):
                # Else many of them would leave no place to others.
                due_at = self._now() + _REST_MS
                self._changed.append(replace(row, due_at=due_at, attempts=row.attempts - 1))
                self._work.set()
            elif row.error == UNFINISHED:
                self._suspects.append(row)
            else:
                # The others' turn does not come if one of those who are known to end processes goes first.
                self._suspects.appendleft(row)
        if self._suspects:
            self._suspected.set()

    # -- handling ---------------------------------------------------------------------------------

    def _begin(self, row: BusEventRow) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(row))
        self._handling[task] = row
        task.add_done_callback(self._handling.pop)

    async def _deliver(self, row: BusEventRow) -> None:
        try:
            await self._patiently(row)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._failed(row, "it was cancelled from within")
        except Exception as fault:  # noqa: BLE001
            _log.warning(
                "event %s failed: %s", _name(row), fault, exc_info=not isinstance(fault, OpenRunError)
            )
            self._failed(row, f"{type(fault).__name__}: {fault}")
        else:
            self._handled.append(row)
        self._work.set()

    async def _patiently(self, row: BusEventRow) -> None:
        """That the store is away is no fault of the event's, and no delivery more."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._handle(row)
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return

    def _failed(self, row: BusEventRow, error: str) -> None:
        now, back_off = self._now(), self._options.back_off
        error = error[:_ERROR_CHARACTERS]
        if row.attempts >= self._options.deliveries:
            self._give_up(row, error)
            return
        seconds = back_off[min(max(row.attempts, 1), len(back_off)) - 1]
        self._changed.append(replace(row, due_at=now + int(seconds * 1_000), error=error))

    def _give_up(self, row: BusEventRow, error: str) -> None:
        _log.error("event %s is given up after %d deliveries: %s", _name(row), row.attempts, error)
        self._changed.append(replace(row, due_at=None, dead_at=self._now(), error=error))
        self._work.set()

    async def _try_suspects(self) -> None:
        while True:
            await self._suspected.wait()
            self._suspected.clear()
            while self._suspects:
                await self._try_suspect(self._suspects.popleft())

    async def _try_suspect(self, row: BusEventRow) -> None:
        if row.attempts > self._options.deliveries and row.error == UNFINISHED:
            self._give_up(replace(row, attempts=self._options.deliveries), UNFINISHED)
            return
        marked = self._leased(replace(row, error=UNFINISHED))
        self._rows[row.number] = marked
        if await self._surely(marked):
            self._begin(marked)
            # Not the next one before this one's mark is gone.
            while row.number in self._rows:
                self._freed.clear()
                await self._freed.wait()

    async def _surely(self, row: BusEventRow) -> bool:
        """Write this one, however long it takes; False when the store refuses."""
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._store.bus_events_failed([row])
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except StoreError as error:
                _log.warning("event %s is left to others, the store refused: %s", _name(row), error)
                self._rows.pop(row.number, None)
                return False
            else:
                return True

    # -- writing ----------------------------------------------------------------------------------

    async def _write_for_ever(self) -> None:
        """The only one who writes what became of events, and who renews leases: so neither undoes the other."""
        pause = _FIRST_PAUSE
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_KEEP_SECONDS, self._options.lease / 6)):
                    await self._work.wait()
                # Nobody waits for this, and many share a transaction.
                await asyncio.sleep(_LINGER_SECONDS)
            self._work.clear()
            try:
                await self._write()
                await self._renew()
                pause = _FIRST_PAUSE
            except StoreError as error:
                if not isinstance(error, StoreUnavailable):
                    _log.warning("the store refused what became of events: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                self._work.set()
            except Exception:  # noqa: BLE001
                _log.exception("the bus goes on after a fault")
                await asyncio.sleep(_LONGEST_PAUSE)

    async def _write(self) -> None:
        handled, changed = [*self._handled], [*self._changed]
        finished = [replace(row, error=None) for row in handled if row.error == UNFINISHED]
        if changed or finished:
            await self._store.bus_events_failed([*changed, *finished])
            del self._changed[: len(changed)]
            self._gone(changed)
        if handled:
            await self._store.bus_events_handled([row.number for row in handled], self._now())
            del self._handled[: len(handled)]
            self._gone(handled)

    async def _renew(self) -> None:
        ended = {each.number for each in (*self._handled, *self._changed)}
        soon = self._now() + int(self._options.lease * 500)
        rows = [row for row in self._rows.values() if (row.due_at or 0) < soon and row.number not in ended]
        if not rows:
            return
        longer = [self._leased(row) for row in rows]
        await self._store.bus_events_failed(longer)
        for row in longer:
            if row.number in self._rows:
                self._rows[row.number] = row

    def _leased(self, row: BusEventRow) -> BusEventRow:
        return replace(row, due_at=self._now() + int(self._options.lease * 1_000))

    def _gone(self, rows: Sequence[BusEventRow]) -> None:
        for row in rows:
            self._rows.pop(row.number, None)
            self._settled(row)
        self._freed.set()


def _name(row: BusEventRow) -> str:
    return f"{row.number} ({row.type} of {row.source}, id {row.event_id})"
