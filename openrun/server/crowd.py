"""All connections of a server: who may come in, who has to go, and how many there were.

Theory. A connection is idle until the first byte of a request, then in its headers, then busy until the whole
response is written. Only busy ones have a claim: when a cap is reached, room is made by closing the longest idle
connection, or else the one longest in its headers; a newcomer is refused only if all are busy. So a crowd that
asks for nothing costs the others nothing. A connection that has just come or was just answered does not count
as idle yet: where a crowd of unfinished headers fills the room, its oldest member goes, not the newcomer.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """Bounds on connections and on the headers of a request. Times in seconds, sizes in bytes.

    `headers` runs from the start of a connection, and from the first byte of each later request, until its
    headers are complete. `idle` is how long a connection is kept between requests, `send` how long a client may
    take none of a response, `linger` how long the rest of a refused body is read and thrown away.
    """

    connections: int = 2_000
    per_address: int | None = 200
    """Of one IPv4 address or one IPv6 /64; None for no cap."""
    proxies: frozenset[str] = field(default_factory=frozenset)
    """Addresses in front of many clients, which `per_address` leaves alone."""
    headers: float = 10.0
    idle: float = 75.0
    hesitation: float = 1.0
    """In which an idle connection is left alone if one in the middle of its headers can go instead."""
    send: float = 30.0
    linger: float = 3.0
    line_bytes: int = 8 * 2**10
    field_bytes: int = 8 * 2**10
    header_bytes: int = 32 * 2**10
    """Of all headers of a request together."""
    fields: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCounts:
    """Connections `open` and `busy` now; the others are totals since the start.

    `refused` were turned away at a cap, `evicted` made room for others while they were not busy, `timed_out`
    missed a deadline other than `idle`, `malformed` sent what is not HTTP.
    """

    open: int
    busy: int
    accepted: int
    refused: int
    evicted: int
    timed_out: int
    malformed: int


class Phase(Enum):
    IDLE = auto()
    HEADERS = auto()
    BUSY = auto()


class Guest(Protocol):
    """A connection, to the crowd that it is in."""

    phase: Phase
    since: float
    """When it entered its phase, by the clock of the loop."""
    rooms: "tuple[Room, ...]"
    address: str

    def make_room(self) -> None:
        """Close at once; not while busy."""

    def take_leave(self) -> None:
        """Close once answered, or now if nothing is asked."""

    def abort(self) -> None:
        """Close at once and cancel the handler."""


class Room:
    """Connections that share a cap; those that could leave, longest in their phase first."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.taken = 0
        self._idle: OrderedDict[Guest, None] = OrderedDict()
        self._begun: OrderedDict[Guest, None] = OrderedDict()

    def move(self, connection: Guest, phase: Phase | None) -> None:
        left, entered = self._queue(connection.phase), self._queue(phase)
        if left is not None:
            left.pop(connection, None)
        if entered is not None:
            entered[connection] = None

    def _queue(self, phase: Phase | None) -> "OrderedDict[Guest, None] | None":
        if phase is Phase.IDLE:
            return self._idle
        return self._begun if phase is Phase.HEADERS else None

    @property
    def busy(self) -> int:
        return self.taken - len(self._idle) - len(self._begun)

    def first_to_go(self, idle_since: float) -> Guest | None:
        """Who has to make room; those idle since a later time only if nobody else can."""
        idle, begun = next(iter(self._idle), None), next(iter(self._begun), None)
        if idle is not None and (begun is None or idle.since <= idle_since):
            return idle
        return begun


class Crowd:
    """All connections of a server: who may come in, who has to go, and how many there were."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.leaving = False
        self.accepted = self.refused = self.evicted = self.timed_out = self.malformed = 0
        self.farewells: set[asyncio.Transport] = set()
        self._present: set[Guest] = set()
        self._everybody = Room(limits.connections)
        self._addresses: dict[str, Room] = {}
        self._held = 0
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def counts(self) -> ConnectionCounts:
        return ConnectionCounts(
            open=self._everybody.taken,
            busy=self._everybody.busy,
            accepted=self.accepted,
            refused=self.refused,
            evicted=self.evicted,
            timed_out=self.timed_out,
            malformed=self.malformed,
        )

    def admit(self, connection: Guest, address: str) -> bool:
        """Give the connection its place, closing others if it takes that; False if there is none."""
        rooms = [self._everybody]
        if address and self.limits.per_address is not None and address not in self.limits.proxies:
            rooms.insert(0, self._addresses.get(address) or Room(self.limits.per_address))
        for room in rooms:
            if room.taken >= room.most and not self._make_place(room):
                self.refused += 1
                return False
        self.accepted += 1
        if len(rooms) > 1:
            self._addresses[address] = rooms[0]
        for room in rooms:
            room.taken += 1
        connection.address, connection.rooms = address, tuple(rooms)
        self._present.add(connection)
        return True

    def _make_place(self, room: Room) -> bool:
        now = asyncio.get_running_loop().time()
        connection = room.first_to_go(now - self.limits.hesitation)
        if connection is None:
            return False
        self.evicted += 1
        connection.make_room()
        return True

    def forget(self, connection: Guest) -> None:
        """Take back the place of a connection that ends; may be called again."""
        for room in connection.rooms:
            room.move(connection, None)
            room.taken -= 1
            if not room.taken and self._addresses.get(connection.address) is room:
                del self._addresses[connection.address]
        connection.rooms = ()

    def hold(self) -> None:
        """A socket or a task is there that `leave` has to wait for, until `release`."""
        self._held += 1
        self._empty.clear()

    def release(self) -> None:
        self._held -= 1
        if not self._held:
            self._empty.set()

    def lost(self, connection: Guest) -> None:
        self.forget(connection)
        self._present.discard(connection)

    async def leave(self, grace: float) -> None:
        """Close all that are not busy now, and the others once answered or after `grace` seconds."""
        self.leaving = True
        # One turn of the loop: a request that has already arrived is answered.
        await asyncio.sleep(0)
        for connection in list(self._present):
            connection.take_leave()
        for transport in list(self.farewells):
            transport.abort()
        try:
            async with asyncio.timeout(grace):
                await self._empty.wait()
        except TimeoutError:
            for connection in list(self._present):
                connection.abort()
            await self._empty.wait()


def counted_by(peer: Any) -> str:
    """What `per_address` counts by; "" where there is nothing to count by."""
    if not isinstance(peer, tuple):
        return ""
    ip = ip_address(peer[0].partition("%")[0])
    if isinstance(ip, IPv4Address):
        return str(ip)
    # A client of IPv6 has a whole /64 to itself.
    return str(ip.ipv4_mapped or IPv6Network((ip, 64), strict=False).network_address)
