"""What the bus asks of Redis (or Valkey; commands of 6.2 only), and the one place that knows its client.

Reading blocks, on a connection of its own; all else goes through a small pool. No command is cancelled midway: it is
answered in time, or its connection is given up.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from openrun.bus.redis_place import RedisPlace
from openrun.core.errors import OpenRunError

_CONNECT_SECONDS = 1.0
_ANSWER_SECONDS = 2.0
_BLOCK_MS = 500
_CONNECTIONS = 4
_DEAD_KEPT = 10_000
_MOST_PENDING = 1_000
_GONE = ("NOGROUP", "UNBLOCKED")

Fields = Mapping[str, bytes]


class RedisAway(OpenRunError):
    """Redis cannot be reached, does not answer in time, or refuses; whether the last command took effect is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An entry of the stream; `deliveries` is how often it was handed out, as far as that was asked."""

    id: str
    fields: Fields
    deliveries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """What is to be written: an entry of the stream, one of the dead letters, an acknowledgement, or several of these."""

    entry: Mapping[str, str | bytes] | None = None
    letter: Mapping[str, str | bytes] | None = None
    done: str | None = None
    """The id of a message that need not come again."""


class RedisLink:
    """One consumer of a group. Every call raises `RedisAway`."""

    def __init__(self, place: RedisPlace, consumer: str) -> None:
        self._place = place
        self.consumer = consumer
        self._pooled = _client(place.url, _CONNECTIONS)
        self._reading = _client(place.url, 1)

    async def read(self, most: int) -> list[Message]:
        """New messages, or none after half a second."""
        place = self._place
        streams: dict[Any, Any] = {place.stream: ">"}
        answer = await self._grouped(
            lambda: self._reading.xreadgroup(place.group, self.consumer, streams, count=most, block=_BLOCK_MS)
        )
        return [_message(*each) for _, entries in answer or () for each in entries]

    async def abandoned(self, most: int) -> list[Message]:
        """Messages that somebody was handed and did not acknowledge in time; they are ours now."""
        place = self._place
        claimed = await self._grouped(
            lambda: self._pooled.xautoclaim(
                place.stream, place.group, self.consumer, min_idle_time=int(place.idle * 1_000), count=most
            )
        )
        # Servers of 6.2 answer with nothing in place of an entry that is gone.
        messages = [_message(*each) for each in claimed[1] if each[0] is not None]
        if not messages:
            return []
        first, last = messages[0].id, messages[-1].id
        pending = await self._grouped(
            lambda: self._pooled.xpending_range(
                place.stream,
                place.group,
                min=first,
                max=last,
                count=_MOST_PENDING,
                consumername=self.consumer,
            )
        )
        counts = {each["message_id"].decode(): each["times_delivered"] for each in pending}
        return [
            Message(id=each.id, fields=each.fields, deliveries=counts.get(each.id, 1)) for each in messages
        ]

    async def write(self, outgoing: Sequence[Outgoing]) -> None:
        """Write all of these in one trip."""
        place = self._place
        async with self._pooled.pipeline(transaction=False) as pipe:
            for each in outgoing:
                if each.entry is not None:
                    pipe.xadd(place.stream, _fields(each.entry), maxlen=place.kept, approximate=True)
                if each.letter is not None:
                    pipe.xadd(place.dead_stream, _fields(each.letter), maxlen=_DEAD_KEPT, approximate=True)
                if each.done is not None:
                    pipe.xack(place.stream, place.group, each.done)
            try:
                await pipe.execute()
            except (RedisError, OSError) as error:
                raise _away(error) from error

    async def ping(self) -> None:
        try:
            await self._pooled.ping()
        except (RedisError, OSError) as error:
            raise _away(error) from error

    async def leave(self) -> None:
        """Leave the group, unless something was handed to this consumer and not acknowledged."""
        place = self._place
        try:
            pending = await self._pooled.xpending_range(
                place.stream, place.group, min="-", max="+", count=1, consumername=self.consumer
            )
            if not pending:
                await self._pooled.xgroup_delconsumer(place.stream, place.group, self.consumer)
        except (RedisError, OSError) as error:
            raise _away(error) from error

    async def close(self) -> None:
        await self._reading.aclose()
        await self._pooled.aclose()

    async def _grouped(self, command: Callable[[], Awaitable[Any]]) -> Any:
        """Its answer; where the group is gone, it is made again, to begin with the oldest message that there is."""
        try:
            try:
                return await command()
            except ResponseError as error:
                if not str(error).startswith(_GONE):
                    raise
                await self._make_group()
                return await command()
        except (RedisError, OSError) as error:
            raise _away(error) from error

    async def _make_group(self) -> None:
        try:
            await self._pooled.xgroup_create(self._place.stream, self._place.group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise


def _client(url: str, connections: int) -> Redis:
    pool: BlockingConnectionPool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_ANSWER_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


def _fields(given: Mapping[str, str | bytes]) -> dict[Any, Any]:
    return dict(given)


def _message(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Message:
    decoded = {name.decode(errors="replace"): value for name, value in fields.items()}
    return Message(id=entry_id.decode(), fields=decoded)


def _away(error: Exception) -> RedisAway:
    return RedisAway(f"{type(error).__name__}: {error}")
