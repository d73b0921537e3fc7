"""The bus where there is Redis: it brings events at once, and the store keeps them.

An event is a row of the store first, due there after a safety time, and a message second. Whoever is handed the message handles
the row; when that is not to be (the message was lost, Redis is away, its process died), the row becomes due and
the store hands it out. So nothing depends on what Redis remembers, and a first delivery by Redis is one of the
row's deliveries: it is counted when the row is made.

A message of somebody else (a CloudEvent in the field `event`) is kept in the store before it is handled. So is one of another
group of servers, with another database: each group gets every event.
"""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

import msgspec
from msgspec.structs import replace

from openrun.bus.attributes import EventFault
from openrun.bus.base import BusOptions, Handle, Now, Published, row_of
from openrun.bus.cloud_event import CloudEvent, InvalidEvent
from openrun.bus.over_store import StoreBus
from openrun.bus.redis_link import Message, Outgoing, RedisAway, RedisLink
from openrun.bus.redis_place import RedisPlace
from openrun.bus.redis_writer import Pause, RedisWriter
from openrun.bus.unbroken import Unbroken
from openrun.store.base import Store, StoreError
from openrun.store.bus_events import BusEventRow
from openrun.store.rows import DEFAULT_NAMESPACE

_log = logging.getLogger("openrun.bus")
_MOST_READ = 100
_MOST_NAMESPACE = 200
_REPLACED = "\ufffd"
_MOST_REASON = 1_000
_MOST_DIGITS = 18


class _Names(msgspec.Struct, frozen=True):
    """What names an event."""

    source: str
    id: str


class RedisBus:
    """Hands out the events of one store as Redis brings them, and the rest as `StoreBus` does."""

    def __init__(
        self,
        store: Store,
        handle: Handle,
        *,
        now: Now,
        place: RedisPlace,
        consumer: str,
        options: BusOptions | None = None,
    ) -> None:
        self._store = store
        self._now = now
        self._place = place
        self._safety = int(place.safety * 1_000)
        self._options = options or BusOptions()
        self._inner = StoreBus(store, handle, now=now, options=self._options, settled=self._settled)
        self._link = RedisLink(place, consumer)
        self._writer = RedisWriter(self._link)
        self._arriving: Unbroken[list[Message]] = Unbroken()
        self._claiming: Unbroken[list[Message]] = Unbroken()
        self._messages: dict[int, str] = {}
        """Of the rows in hand, the ids of their messages."""
        self._loops: list[asyncio.Task[None]] = []
        self._trouble: str | None = None

    @property
    def trouble(self) -> str | None:
        """Why Redis is not used at the moment."""
        return self._trouble or self._writer.trouble

    # -- publishing -------------------------------------------------------------------------------

    async def publish(self, events: Sequence[Published]) -> list[bool]:
        now = self._now()
        if self.trouble is not None or self._writer.full:
            return await self._inner.publish(events)
        rows = [replace(row_of(each, now=now, due_at=now + self._safety), attempts=1) for each in events]
        numbers = await self._store.publish(rows)
        entries = [_entry(number, row) for number, row in zip(numbers, rows, strict=True) if number]
        self._writer.write(*(Outgoing(entry=entry) for entry in entries))
        return [number > 0 for number in numbers]

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        await self._inner.start()
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._read_for_ever()), loop.create_task(self._claim_for_ever())]

    async def stop(self) -> None:
        for task in self._loops:
            task.cancel()
        if self._loops:
            await asyncio.wait(self._loops)
        for fetching in (self._arriving, self._claiming):
            # What has just come is handled within the grace.
            with suppress(RedisAway, StoreError):
                await self._take(await fetching.rest() or ())
        await self._inner.stop()
        await self._writer.stop()
        if self._loops and self.trouble is None:
            with suppress(RedisAway):
                await self._link.leave()
        self._loops = []
        await self._link.close()

    def hint(self) -> None:
        self._inner.hint()

    # -- taking -----------------------------------------------------------------------------------

    async def _read_for_ever(self) -> None:
        pause = Pause(self._link.consumer)
        while True:
            room = await self._inner.deliveries.until_room()
            if await self._survives(self._read(room)):
                pause.over()
            else:
                await pause.wait()

    async def _claim_for_ever(self) -> None:
        """Take over what others were handed and did not acknowledge."""
        while True:
            await asyncio.sleep(self._place.idle / 3)
            await self._survives(self._claim())

    async def _survives(self, round_: Coroutine[Any, Any, None]) -> bool:
        try:
            await round_
        except RedisAway as away:
            if self._trouble is None:
                _log.warning("events come from the store alone, for Redis is away: %s", away)
            self._trouble = str(away)
        except StoreError as error:
            # The messages come again, and the store has the events.
            _log.warning("messages are left for later: %s", error)
        except Exception:  # noqa: BLE001
            _log.exception("the bus goes on after a fault")
        else:
            if self._trouble is not None:
                _log.warning("Redis brings events again")
            self._trouble = None
            return True
        return False

    async def _read(self, room: int) -> None:
        messages = await self._arriving.fetch(self._link.read(min(room, _MOST_READ)))
        await self._take(messages)

    async def _claim(self) -> None:
        messages = await self._claiming.fetch(self._link.abandoned(_MOST_READ))
        here = set(self._messages.values())
        worn = [each for each in messages if each.deliveries > self._options.deliveries]
        for each in worn:
            reason = f"given up after {self._options.deliveries} deliveries: those who read it ended before it was done"
            self._writer.write(Outgoing(letter=_letter(each, reason), done=each.id))
        await self._take([each for each in messages if each.id not in here and each not in worn], again=True)

    async def _take(self, messages: Sequence[Message], *, again: bool = False) -> None:
        """Handle what is ours to handle; of the others the store, or nobody, has need of the message."""
        rows = await asyncio.gather(*(self._known(each) for each in messages))
        strangers = []
        for message, row in zip(messages, rows, strict=True):
            if row is None:
                strangers.append(message)
            elif not again and self._untaken(row):
                self._give(message, row)
            else:
                self._writer.write(Outgoing(done=message.id))
        if strangers:
            await self._adopt(strangers)

    def _untaken(self, row: BusEventRow) -> bool:
        """It is as it was published, and its safety time is not over."""
        return row.due_at == row.received_at + self._safety > self._now()

    async def _known(self, message: Message) -> BusEventRow | None:
        """The row of this very event, if the store has it under the number that the message says."""
        number = message.fields.get("number", b"")
        if not number.isdigit() or len(number) > _MOST_DIGITS:
            return None
        row = await self._store.bus_event(int(number))
        try:
            names = msgspec.json.decode(message.fields.get("event", b""), type=_Names)
        except msgspec.MsgspecError:
            return None
        if row is None or (row.source, row.event_id) != (names.source, names.id):
            return None
        return row if row.namespace == _namespace(message) else None

    async def _adopt(self, messages: Sequence[Message]) -> None:
        """Keep events that somebody else published, and handle those that are new."""
        now = self._now()
        leased = now + int(self._options.lease * 1_000)
        rows: list[BusEventRow] = []
        sound: list[Message] = []
        for message in messages:
            try:
                published = _published(message)
            except InvalidEvent as error:
                _log.warning("message %s is no event: %s", message.id, error)
                letter = _letter(message, f"the field 'event' is no CloudEvent: {error}")
                self._writer.write(Outgoing(letter=letter, done=message.id))
            else:
                rows.append(replace(row_of(published, now=now, due_at=leased), attempts=1))
                sound.append(message)
        numbers = await self._store.publish(rows) if rows else []
        for message, row, number in zip(sound, rows, numbers, strict=True):
            if number:
                self._give(message, replace(row, number=number))
            else:
                self._writer.write(Outgoing(done=message.id))

    def _give(self, message: Message, row: BusEventRow) -> None:
        self._messages[row.number] = message.id
        self._inner.deliveries.give([row])

    def _settled(self, row: BusEventRow) -> None:
        done = self._messages.pop(row.number, None)
        letter = None
        if row.dead_at is not None:
            letter = {**_entry(row.number, row), "reason": (row.error or "")[:_MOST_REASON]}
        if done is not None or letter is not None:
            self._writer.write(Outgoing(letter=letter, done=done))


def _entry(number: int, row: BusEventRow) -> dict[str, str | bytes]:
    return {"number": str(number), "namespace": row.namespace, "event": row.body}


def _letter(message: Message, reason: str) -> dict[str, str | bytes]:
    return {**message.fields, "id": message.id, "reason": reason[:_MOST_REASON]}


def _published(message: Message) -> Published:
    """What somebody else wrote. Raises `InvalidEvent`."""
    event = CloudEvent.from_json(message.fields.get("event", b""))
    namespace = _namespace(message)
    # Stores that refuse such text would refuse all that came with it.
    if len(namespace) > _MOST_NAMESPACE or not namespace.isprintable() or _REPLACED in namespace:
        raise InvalidEvent([EventFault(attribute="namespace", message="is no name: use a-z, 0-9 and -")])
    return Published(namespace=namespace, event=event)


def _namespace(message: Message) -> str:
    return message.fields.get("namespace", b"").decode(errors="replace") or DEFAULT_NAMESPACE
