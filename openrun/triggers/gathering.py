"""Events that belong together: kept until all of them have come, and used once.

Theory. Events may be handed over more than once, several at a time, and by several servers. All of those see the same
sets, for a set is made of the oldest event of each part, and what comes later changes nothing about that: so whoever
finds a set complete asks for the same run under the same key, and the events are let go once the run is stored. An
event that is handed over again after that must not begin to wait anew: its use is on record, beside those that wait,
for as long as it might have waited.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from msgspec.structs import replace

from openrun.steps.spelling import seconds_in
from openrun.store.bus_events import BusEventRow, GatheredRow
from openrun.triggers.matching import EventTrigger, Match

_LOCKS = 64
_REMEMBERED_MS = 7 * 86_400_000
"""For how long after its time an event is known to have been used."""
_USED, _ASKED = -1, -2
"""Parts that no event has: that one was used, and that somebody asked whether it was."""

EventSet = Sequence[GatheredRow]
"""One of each part, in their order."""


class Gathered(Protocol):
    """Where events wait for each other."""

    async def gather(self, row: GatheredRow) -> list[GatheredRow]: ...

    async def ungather(self, rows: Sequence[GatheredRow]) -> None: ...


class Gathering:
    """Puts events together by trigger and key."""

    def __init__(self, store: Gathered) -> None:
        self._store = store
        # Two events of one key at a time would only ask for the same run twice.
        self._locks = [asyncio.Lock() for _ in range(_LOCKS)]

    async def add(
        self, match: Match, row: BusEventRow, key: str, start: Callable[[EventSet], Awaitable[object]]
    ) -> None:
        """Keep the event, and start a run for each set that is complete."""
        trigger = match.trigger
        place = (trigger.namespace, trigger.flow_id, trigger.step_id, key)
        async with self._locks[hash(place) % _LOCKS]:
            mine = gathered(trigger, match.part, row, f"={key}")
            if await self._was_used(mine):
                return
            waiting = await self._store.gather(mine)
            while events := complete(waiting, len(trigger.filters)):
                await start(events)
                for each in events:
                    await self._store.gather(_used(each))
                await self._store.ungather(events)
                gone = {(each.source, each.event_id) for each in events}
                waiting = [each for each in waiting if (each.source, each.event_id) not in gone]

    async def _was_used(self, mine: GatheredRow) -> bool:
        found = await self._store.gather(replace(_used(mine), part=_ASKED))
        return any(each.part == _USED for each in found)


def gathered(trigger: EventTrigger, part: int, row: BusEventRow, key: str) -> GatheredRow:
    """An event as it waits for the others."""
    within = seconds_in(trigger.config.within or 0)
    return GatheredRow(
        namespace=trigger.namespace,
        flow_id=trigger.flow_id,
        trigger=trigger.step_id,
        key=key,
        part=part,
        source=row.source,
        event_id=row.event_id,
        at=row.received_at,
        expires_at=row.received_at + int(within * 1_000),
        body=row.body,
    )


def complete(waiting: Sequence[GatheredRow], parts: int) -> EventSet:
    """The oldest event of each part that came in time, or nothing when one has none yet."""
    left = [each for each in waiting if each.part >= 0]
    while True:
        first: dict[int, GatheredRow] = {}
        for each in left:
            first.setdefault(each.part, each)
        if len(first) < parts:
            return []
        earliest = min(first.values(), key=lambda each: each.at)
        if max(each.at for each in first.values()) <= earliest.expires_at:
            return [first[part] for part in range(parts)]
        # Events may be handed over in another order than they came.
        left.remove(earliest)


def name_of(events: EventSet) -> str:
    """Names the set, whoever puts it together."""
    ids = "\n".join(f"{each.source}\n{each.event_id}" for each in events)
    return hashlib.sha256(ids.encode()).hexdigest()


def _used(row: GatheredRow) -> GatheredRow:
    """On record beside the events that wait, under a key of its own."""
    own = hashlib.sha256(f"{row.source}\n{row.event_id}".encode()).hexdigest()
    return replace(row, key=f"-{own}", part=_USED, body="", expires_at=row.expires_at + _REMEMBERED_MS)
