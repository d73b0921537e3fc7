"""Clients that speak to a server over raw sockets, as badly as a test wants, and the server they speak to."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from openrun.server.connections import ConnectionLimits, Listening, Respond, serve_connections

Address = tuple[str, int]

PATIENCE = 20
"""Seconds after which a test that waits for a signal has failed."""
SOON = 0.2
"""Seconds of a deadline that a test waits out."""
SOURCES = tuple(f"127.0.0.{last}" for last in range(2, 10))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One response; its `headers` have lower-case names."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        """The problem that the response is, whole and in its own media type."""
        assert self.headers["content-type"] == "application/problem+json"
        problem: dict[str, Any] = json.loads(self.body)
        assert {"type", "title", "status", "detail"} <= set(problem)
        assert problem["status"] == self.status
        return problem


class Wire:
    """One connection, that sends the bytes it is given and nothing else."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._heard = bytearray()
        self._ended = False

    @classmethod
    async def open(cls, address: Address, source: str = "127.0.0.1") -> Self:
        sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        sock.setblocking(False)
        try:
            sock.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(sock, address)
        except BaseException:
            sock.close()
            raise
        return cls(sock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Drop the connection without the usual end."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def end(self) -> None:
        """Send no more, and go on reading."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    @property
    def is_closed(self) -> bool:
        """The server has closed its side of the connection, orderly or not."""
        while not self._ended:
            try:
                self._hear(self._socket.recv(2**16))
            except BlockingIOError:
                break
            except ConnectionError:
                self._hear(b"")
        return self._ended

    def _hear(self, piece: bytes) -> None:
        self._heard += piece
        self._ended = not piece

    async def send(self, data: bytes) -> None:
        """Send these bytes; into a connection that the server has closed they go unnoticed."""
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE):
                await self._loop.sock_sendall(self._socket, data)

    async def _more(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                self._hear(await self._loop.sock_recv(self._socket, 2**16))
        except ConnectionError:
            self._hear(b"")

    def _take(self, size: int) -> bytes:
        taken = bytes(self._heard[:size])
        del self._heard[:size]
        return taken

    async def until(self, mark: bytes) -> bytes:
        """What comes, up to and with the mark."""
        while mark not in self._heard:
            assert not self._ended, f"the connection was closed after {bytes(self._heard)!r}"
            await self._more()
        return self._take(self._heard.index(mark) + len(mark))

    async def _exactly(self, size: int) -> bytes:
        while len(self._heard) < size:
            assert not self._ended, f"the connection was closed after {bytes(self._heard)!r}"
            await self._more()
        return self._take(size)

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection, orderly or not."""
        while not self._ended:
            await self._more()
        return self._take(len(self._heard))

    async def reply(self) -> Reply:
        """The next response, whole."""
        lines = (await self.until(b"\r\n\r\n")).decode().split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1"), lines[0]
        pairs = (line.split(": ", 1) for line in lines[1:-2])
        headers = {name.lower(): value for name, value in pairs}
        return Reply(status=int(status), headers=headers, body=await self._body(int(status), headers))

    async def _body(self, status: int, headers: dict[str, str]) -> bytes:
        if status in (100, 204, 304):
            return b""
        if headers.get("transfer-encoding") != "chunked":
            return await self._exactly(int(headers["content-length"]))
        body = b""
        while size := int(await self.until(b"\r\n"), 16):
            body += await self._exactly(size)
            await self.until(b"\r\n")
        await self.until(b"\r\n")
        return body


def request(method: str = "GET", path: str = "/", body: bytes = b"", **headers: str) -> bytes:
    """A request without fault; header names have `_` for `-`."""
    fields = {"Host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
    if body:
        fields.setdefault("Content-Length", str(len(body)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes, path: str = "/") -> bytes:
    """A POST whose body comes in these chunks."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return request("POST", path, Transfer_Encoding="chunked") + chunks + b"0\r\n\r\n"


async def ask(address: Address, data: bytes = request(), source: str = "127.0.0.1") -> Reply:
    """The response to one request on a connection of its own: what a client without fault gets."""
    async with await Wire.open(address, source) as wire:
        await wire.send(data)
        return await wire.reply()


@asynccontextmanager
async def wires(count: int, address: Address, *sources: str) -> AsyncIterator[list[Wire]]:
    """So many connections at once, spread over the sources."""
    froms = sources or ("127.0.0.1",)
    opened = [await Wire.open(address, froms[number % len(froms)]) for number in range(count)]
    try:
        yield opened
    finally:
        for wire in opened:
            wire.close()


@asynccontextmanager
async def serving(respond: Respond, **limits: Any) -> AsyncIterator[Listening]:
    """A server on loopback; nothing of it is left at the end."""
    before = asyncio.all_tasks()
    listening = await serve_connections(respond, limits=ConnectionLimits(**limits), host="127.0.0.1", port=0)
    try:
        yield listening
    finally:
        await listening.stop(PATIENCE)
        assert listening.counts.open == 0
        left = asyncio.all_tasks() - before
        if left:
            # asyncio's own task of a connection just accepted ends by itself; any other would not.
            _, left = await asyncio.wait(left, timeout=SOON)
        assert not left, left


async def hello(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello")


async def path_of(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=request.path)
