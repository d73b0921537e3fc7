"""Listening: a server on a port, whose connections are bounded in number, in time and in what they may say."""

import asyncio
import logging
import resource
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from aiohttp import HttpVersion10, HttpVersion11, hdrs, web

from openrun.server.crowd import ConnectionCounts, ConnectionLimits, Crowd
from openrun.server.door import SERVER, VERSION, check, response
from openrun.server.problem import Problem
from openrun.server.protocol import FAREWELLS, Connection

__all__ = ["ConnectionCounts", "ConnectionLimits", "Listening", "Respond", "serve_connections"]

Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

BACKLOG = 256
FILES_KEPT = 256
"""Open files left for all that is no connection: stores, logs, calls to the outside."""

_log = logging.getLogger("openrun.server")


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
    crowd = Crowd(_within_open_files(limits))
    server = _Server(respond, crowd)
    loop = asyncio.get_running_loop()
    if sockets:
        servers = [await loop.create_server(server, sock=each, backlog=BACKLOG) for each in sockets]
    else:
        servers = [await loop.create_server(server, host, port, backlog=BACKLOG)]
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


class _Server(web.Server):
    """Has aiohttp answer through our connections."""

    def __init__(self, respond: Respond, crowd: Crowd) -> None:
        super().__init__(_guarded(respond, crowd), handler_cancellation=True)
        self._crowd = crowd

    def __call__(self) -> Connection:
        return Connection(self, self._crowd)


def _guarded(respond: Respond, crowd: Crowd) -> Respond:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        connection = request.protocol
        assert isinstance(connection, Connection)
        if request.version not in (HttpVersion10, HttpVersion11):
            # aiohttp would respond in the same version.
            connection.hang_up(VERSION)
            raise ConnectionResetError("not HTTP/1.0 or HTTP/1.1")
        connection.asking = request
        try:
            check(request, crowd.limits)
            answered = await respond(request)
        except Problem as problem:
            answered = response(problem)
        except web.HTTPException as refused:
            answered = response(Problem(refused.status, refused.reason))
        answered.headers.setdefault("Server", SERVER)
        # Behind a request to upgrade, which is answered like any other, aiohttp parses beside the connection.
        if crowd.leaving or not request.content.is_eof() or hdrs.UPGRADE in request.headers:
            answered.force_close()
        return answered

    return answer
