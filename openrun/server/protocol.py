"""One connection, with the deadlines that aiohttp lacks; and the word to a newcomer who finds no place."""

import asyncio
import logging
from math import inf

from aiohttp import EMPTY_PAYLOAD, StreamReader, web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong

from openrun.server.crowd import Crowd, Phase, Room, counted_by
from openrun.server.door import NO_PLACE, NOT_HTTP, OUR_FAULT, STOPPING, TOO_LARGE, TOO_SLOW, response, wire
from openrun.server.problem import Problem

FAREWELLS = 64
READ_BYTES = 64 * 2**10

_log = logging.getLogger("openrun.server")


class Connection(web.RequestHandler):
    """One connection, with the deadlines that aiohttp lacks.

    aiohttp offers no hook for them but its protocol class. Of that only methods that asyncio or its own
    documentation names are overridden; `_messages`, the requests parsed and not yet begun, is the one private
    name read, for nothing else says that the headers of a request are complete.
    """

    __slots__ = (
        "_asked",
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
        "since",
    )

    def __init__(self, server: web.Server, crowd: Crowd) -> None:
        limits = crowd.limits
        super().__init__(
            server,
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
        self.since = 0.0
        self._asked = self._begun = self._deaf = self._half_closed = False
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
            if self._wire is not None:
                # Whoever does not fetch the last of a response has to go as well.
                self._enter(Phase.IDLE, self._loop.time() + self._limits.send)
            self._crowd.release()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if self._crowd.leaving:
            transport.abort()
        elif not self._crowd.admit(self, counted_by(transport.get_extra_info("peername"))):
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
        self._wire = self.asking = None
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
                self._payload, self._header_bytes, self._begun, self._asked = payload, 0, False, True
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
                self.hang_up(TOO_LARGE)

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
        elif self._crowd.leaving:
            self.close()
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
            return response(TOO_LARGE if garbled else NOT_HTTP)
        if isinstance(exc, ConnectionError) and (self.transport is None or self.transport.is_closing()):
            raise exc
        self.log_exception("a handler failed", exc_info=exc or True)
        if request.writer.output_size > 0:
            raise ConnectionResetError("the response has begun and cannot be taken back")
        return response(OUR_FAULT)

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
        self.phase, self.since = phase, self._loop.time()
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
            self._crowd.timed_out += self.phase is Phase.HEADERS or not self._asked
            self.dismiss(TOO_SLOW)

    def dismiss(self, problem: Problem) -> None:
        """Close at once; a client that has begun a request is told the problem. Not for busy ones."""
        self._crowd.forget(self)
        self._deaf = True
        transport = self._wire
        if transport is not None:
            if self.phase is Phase.HEADERS and not transport.is_closing():
                transport.write(wire(problem))
            if transport.get_write_buffer_size():
                # Whoever reads nothing would keep the socket.
                transport.abort()
        self.force_close()

    def hang_up(self, problem: Problem) -> None:
        """Say the problem, outside of any response, and close at once."""
        self._enter(Phase.HEADERS, inf)
        self.dismiss(problem)

    def make_room(self) -> None:
        self.dismiss(NO_PLACE)

    def take_leave(self) -> None:
        # aiohttp's `close` would lose the rest of a body that is being read.
        if self.phase is not Phase.BUSY:
            self.dismiss(STOPPING)

    def abort(self) -> None:
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
        transport.write(wire(NO_PLACE))
        transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(self._crowd.limits.linger, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._transport is not None and self._timer is not None:
            self._timer.cancel()
            self._crowd.farewells.discard(self._transport)
        self._crowd.release()
