"""The door of the server: which connections are kept, for how long, and what is refused before any route.

Theory. A connection is idle until the first byte of a request, then in its headers, then busy until the whole
response is written. Only busy ones have a claim: when a cap is reached, room is made by closing the longest idle
connection, then the one longest in its headers; a newcomer is refused only if all are busy. So a crowd that
asks for nothing costs the others nothing, and each phase has its own deadline. Bodies have theirs in `read_body`.

What is said at the door is application/problem+json and repeats nothing of what the client sent.
"""

import asyncio
import json
import logging
import resource
import socket
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from ipaddress import IPv4Address, IPv6Network, ip_address
from math import inf
from typing import Any

from aiohttp import EMPTY_PAYLOAD, HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong

from openrun.server.problem import PROBLEM_TYPE, Problem, title

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BACKLOG = 256
FAREWELLS = 64
READ_BYTES = 64 * 2**10
FILES_KEPT = 256
"""Open files left for all that is no connection: stores, logs, calls to the outside."""

_log = logging.getLogger("openrun.server")


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
    missed a deadline, `malformed` sent what is not HTTP.
    """

    open: int
    busy: int
    accepted: int
    refused: int
    evicted: int
    timed_out: int
    malformed: int


NOT_HTTP = Problem(400, "The request is not well-formed HTTP/1.1.")
TUNNEL = Problem(400, "CONNECT asks for a tunnel; this server is no proxy.")
VERSION = Problem(400, "Only HTTP/1.0 and HTTP/1.1 are spoken here.")
CODING = Problem(400, "The only transfer coding understood is chunked, in HTTP/1.1.")
NOT_TEXT = Problem(400, "A header field is not UTF-8.")
EXPECTATION = Problem(417, "The only expectation understood is 100-continue.", slug="unknown-expectation")
TOO_LARGE = Problem(
    431, "The request line, a header field, or all of them together are too large.", slug="headers-too-large"
)
TOO_SLOW = Problem(408, "The headers of the request were not complete in time; send it again.")
NO_PLACE = Problem(
    503, "The server has no room for another connection; try again shortly.", headers={"Retry-After": "1"}
)
STOPPING = Problem(503, "The server is stopping; try again shortly.", headers={"Retry-After": "1"})
OUR_FAULT = Problem(500, "The server failed to answer this request; its log says why.")


def _document(problem: Problem) -> bytes:
    document = problem.document(request_id="")
    # Nothing that is said here reached a request with an id.
    del document["request_id"]
    return json.dumps(document).encode()


def _response(problem: Problem) -> web.Response:
    response = web.Response(
        status=problem.status, body=_document(problem), content_type=PROBLEM_TYPE, headers=problem.headers
    )
    response.force_close()
    return response


def _wire(problem: Problem) -> bytes:
    """The response as it is sent where there is no request to respond to."""
    body = _document(problem)
    head = (
        f"HTTP/1.1 {problem.status} {title(problem.status)}",
        f"Content-Type: {PROBLEM_TYPE}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in problem.headers.items()),
    )
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Phase(Enum):
    IDLE = auto()
    HEADERS = auto()
    BUSY = auto()


class Room:
    """Connections that share a cap; those that could leave, longest in their phase first."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.taken = 0
        self._waiting: dict[Phase, OrderedDict[Connection, None]] = {
            Phase.IDLE: OrderedDict(),
            Phase.HEADERS: OrderedDict(),
        }

    def move(self, connection: "Connection", phase: Phase | None) -> None:
        if connection.phase in self._waiting:
            self._waiting[connection.phase].pop(connection, None)
        if phase in self._waiting:
            self._waiting[phase][connection] = None

    @property
    def busy(self) -> int:
        return self.taken - sum(map(len, self._waiting.values()))

    def first_to_go(self) -> "Connection | None":
        return next((each for queue in self._waiting.values() for each in queue), None)


class Crowd(web.Server):
    """All connections of a server: who may come in, who has to go, and how many there were."""

    def __init__(self, respond: Respond, limits: ConnectionLimits) -> None:
        super().__init__(_guarded(respond, self), handler_cancellation=True)
        self.limits = limits
        self.leaving = False
        self.accepted = self.refused = self.evicted = self.timed_out = self.malformed = 0
        self.farewells: set[asyncio.Transport] = set()
        self._present: set[Connection] = set()
        self._everybody = Room(limits.connections)
        self._addresses: dict[str, Room] = {}
        self._held = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def __call__(self) -> "Connection":
        return Connection(self)

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

    def admit(self, connection: "Connection", address: str) -> bool:
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
        connection = room.first_to_go()
        if connection is None:
            return False
        self.evicted += 1
        connection.dismiss(NO_PLACE)
        return True

    def forget(self, connection: "Connection") -> None:
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

    def lost(self, connection: "Connection") -> None:
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


class Connection(web.RequestHandler):
    """One connection, with the deadlines that aiohttp lacks.

    aiohttp offers no hook for them but its protocol class. Of that only methods that asyncio or its own
    documentation names are overridden; `_messages`, the requests parsed and not yet begun, is the one private
    name read, for nothing else says that the headers of a request are complete.
    """

    __slots__ = (
        "_begun",
        "_crowd",
        "_deaf",
        "_due",
        "_half_closed",
        "_header_bytes",
        "_limits",
        "_payload",
        "_stalled",
        "_timer",
        "_wire",
        "address",
        "asking",
        "phase",
        "rooms",
    )

    def __init__(self, crowd: Crowd) -> None:
        limits = crowd.limits
        super().__init__(
            crowd,
            loop=asyncio.get_running_loop(),
            # Never: it closes without a word in the middle of headers, and zero means at once.
            keepalive_timeout=10 * (limits.idle + limits.headers),
            lingering_time=limits.linger,
            logger=_log,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=limits.line_bytes,
            max_field_size=limits.field_bytes,
            max_headers=limits.fields,
        )
        self._crowd = crowd
        self._limits = limits
        self.address = ""
        self.asking: web.BaseRequest | None = None
        self.phase = Phase.IDLE
        self.rooms: tuple[Room, ...] = ()
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._header_bytes = 0
        self._begun = self._deaf = self._half_closed = False
        self._due = inf
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._wire: asyncio.Transport | None = None

    async def start(self) -> None:
        """Answer requests until the connection ends; aiohttp runs this as the connection's task."""
        self._crowd.hold()
        try:
            await super().start()
        finally:
            self._crowd.release()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._crowd.leaving:
            transport.abort()
        elif not self._crowd.admit(self, _address(transport.get_extra_info("peername"))):
            transport.set_protocol(Farewell(self._crowd))
            transport.get_protocol().connection_made(transport)
        else:
            self._wire = transport
            self._crowd.hold()
            super().connection_made(transport)
            self._enter(Phase.IDLE, self._loop.time() + self._limits.headers)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._wire is None:
            return
        self._wire = None
        self._within(inf)
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()
        self._crowd.lost(self)
        self._crowd.release()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        queued, between = len(self._messages), self._payload.is_eof()
        super().data_received(data)
        if len(self._messages) > queued:
            message, payload = self._messages[-1]
            if not isinstance(message, RawRequestMessage):
                self._garbled()
            else:
                self._payload, self._header_bytes, self._begun = payload, 0, False
            if self.phase is not Phase.BUSY:
                self._enter(Phase.BUSY, inf)
        elif between and data:
            self._headers_go_on(len(data))

    def _headers_go_on(self, size: int) -> None:
        self._header_bytes += size
        fits = self._header_bytes <= self._limits.header_bytes
        match self.phase:
            case Phase.BUSY if fits:
                self._begun = True
            case Phase.BUSY:
                self._deaf = True
                self.close()
            case Phase.IDLE if fits:
                self._enter(Phase.HEADERS, min(self._due, self._loop.time() + self._limits.headers))
            case _ if not fits:
                self._enter(Phase.HEADERS, inf)
                self.dismiss(TOO_LARGE)

    def _garbled(self) -> None:
        self._deaf = True
        self._crowd.malformed += 1
        if not self._payload.is_eof():
            # aiohttp leaves the reader of a body that turns out malformed waiting, and would respond twice.
            self._payload.set_exception(web.RequestPayloadError("the body is malformed"))
            self.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Keep a client that only ended its own side until it is answered; a stream ends with its reader."""
        streaming = self.asking is not None and self.asking.writer.output_size > 0
        self._half_closed = self.phase is Phase.BUSY and self._payload.is_eof() and not streaming
        return self._half_closed

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._loop.call_later(self._limits.send, self._not_taken)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()

    def _not_taken(self) -> None:
        self._crowd.timed_out += 1
        self.abort()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        outcome = await super().finish_response(request, resp, start_time)
        self.asking = None
        if self._deaf and not self._payload.is_eof():
            self.force_close()
        elif not self._messages:
            self._rest()
        return outcome

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Respond to what is not HTTP, or to a handler that failed, with a problem."""
        if status == 400:
            garbled = isinstance(exc, LineTooLong) or message == "Too many headers received"
            return _response(TOO_LARGE if garbled else NOT_HTTP)
        if isinstance(exc, ConnectionError) and self.transport is None:
            raise exc
        self.log_exception("a handler failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionResetError("the response has begun and cannot be taken back")
        return _response(OUR_FAULT)

    def _rest(self) -> None:
        now = self._loop.time()
        if self._half_closed:
            self.close()
        if self._begun:
            self._enter(Phase.HEADERS, now + self._limits.headers)
        else:
            self._enter(Phase.IDLE, now + self._limits.idle)

    def _enter(self, phase: Phase, due: float) -> None:
        for room in self.rooms:
            room.move(self, phase)
        self.phase = phase
        self._within(due)

    def _within(self, due: float) -> None:
        # One timer runs long and looks again when it goes off, so that requests seldom set one.
        self._due = due
        if due == inf or (self._timer is not None and self._timer.when() <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() < self._due:
            self._within(self._due)
        else:
            self._crowd.timed_out += 1
            self.dismiss(TOO_SLOW)

    def dismiss(self, problem: Problem) -> None:
        """Close at once; a client that has begun a request is told the problem. Not for busy ones."""
        self._crowd.forget(self)
        self._deaf = True
        wire = self._wire
        if wire is not None:
            if self.phase is Phase.HEADERS and not wire.is_closing():
                wire.write(_wire(problem))
            if wire.get_write_buffer_size():
                # Whoever reads nothing would keep the socket.
                wire.abort()
        self.force_close()

    def take_leave(self) -> None:
        """Close once answered, or now if nothing is asked."""
        if self.phase is Phase.BUSY:
            self.close()
        else:
            self.dismiss(STOPPING)

    def abort(self) -> None:
        """Close at once and cancel the handler."""
        if self._wire is not None:
            self._wire.abort()


class Farewell(asyncio.Protocol):
    """Turns a newcomer away: the client can read why before its socket is gone."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._crowd.hold()
        if len(self._crowd.farewells) >= FAREWELLS:
            transport.abort()
            return
        self._transport = transport
        self._crowd.farewells.add(transport)
        transport.write(_wire(NO_PLACE))
        transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(self._crowd.limits.linger, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._transport is not None and self._timer is not None:
            self._timer.cancel()
            self._crowd.farewells.discard(self._transport)
        self._crowd.release()


class Listening:
    """A server that listens; `addresses` are the (host, port) pairs it can be reached at."""

    def __init__(self, crowd: Crowd, servers: Sequence[asyncio.Server]) -> None:
        self._crowd = crowd
        self._servers = servers
        self.addresses: tuple[tuple[str, int], ...] = tuple(
            each.getsockname()[:2] for server in servers for each in server.sockets
        )

    @property
    def limits(self) -> ConnectionLimits:
        """Those in force: the process may be allowed fewer open files than were asked for."""
        return self._crowd.limits

    @property
    def counts(self) -> ConnectionCounts:
        return self._crowd.counts

    async def stop(self, grace: float) -> None:
        """Accept no more, close idle connections, and the others once answered.

        Handlers that are not done after `grace` seconds are cancelled, and waited for.
        """
        for server in self._servers:
            server.close()
        await self._crowd.leave(grace)
        for server in self._servers:
            await server.wait_closed()


async def serve_connections(
    respond: Respond,
    *,
    limits: ConnectionLimits,
    host: str | None = None,
    port: int = 0,
    sockets: Sequence[socket.socket] = (),
) -> Listening:
    """Answer every request on `host` and `port` (0 takes a free one), or on bound `sockets`, by `respond`.

    `respond` is cancelled when its client goes away, in whatever it waits for: shield what has to be finished.
    A client that only closes its sending side is still answered, unless the response is a stream that has
    begun. A Problem that it raises is the response, any other exception a 500. Bodies are as sent, never
    decompressed: read them with `read_body`.
    """
    crowd = Crowd(respond, _within_open_files(limits))
    loop = asyncio.get_running_loop()
    if sockets:
        servers = [await loop.create_server(crowd, sock=each, backlog=BACKLOG) for each in sockets]
    else:
        servers = [await loop.create_server(crowd, host, port, backlog=BACKLOG)]
    return Listening(crowd, servers)


def _within_open_files(limits: ConnectionLimits) -> ConnectionLimits:
    """As many connections as the process may have open files; past them even accepting would fail."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = max(1, allowed - FILES_KEPT - BACKLOG - FAREWELLS)
    if allowed == resource.RLIM_INFINITY or limits.connections <= room:
        return limits
    _log.warning(
        "only %d connections instead of %d: the process may open %d files; raise `ulimit -n`",
        room,
        limits.connections,
        allowed,
    )
    return replace(limits, connections=room)


def _guarded(respond: Respond, crowd: Crowd) -> Respond:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        connection.asking = request
        try:
            _check(request, crowd.limits)
            response = await respond(request)
        except Problem as problem:
            response = _response(problem)
        except web.HTTPException as refused:
            response = _response(Problem(refused.status, refused.reason))
        # Not which library, in which version.
        response.headers.setdefault("Server", "OpenRun")
        if crowd.leaving or not request.content.is_eof():
            response.force_close()
        return response

    return answer


def _check(request: web.BaseRequest, limits: ConnectionLimits) -> None:
    """Refuse what aiohttp lets through and this server does not speak."""
    if request.method == "CONNECT":
        raise TUNNEL
    if request.version not in (HttpVersion10, HttpVersion11):
        raise VERSION
    if sum(len(name) + len(value) + 4 for name, value in request.raw_headers) > limits.header_bytes:
        raise TOO_LARGE
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and (coding.lower() != "chunked" or request.version == HttpVersion10):
        raise CODING
    if request.headers.get("Expect", "100-continue").lower() != "100-continue":
        raise EXPECTATION
    if not all(_is_text(value) for _, value in request.raw_headers):
        raise NOT_TEXT


def _is_text(value: bytes) -> bool:
    if value.isascii():
        return True
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _address(peer: Any) -> str:
    """What `per_address` counts by; "" where there is nothing to count by."""
    if not isinstance(peer, tuple):
        return ""
    ip = ip_address(peer[0].partition("%")[0])
    if isinstance(ip, IPv4Address):
        return str(ip)
    # A client of IPv6 has a whole /64 to itself.
    return str(ip.ipv4_mapped or IPv6Network((ip, 64), strict=False).network_address)
