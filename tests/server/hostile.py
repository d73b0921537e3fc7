"""Clients that speak to a server over raw sockets, as badly as a test wants, and the server they speak to."""

import asyncio
import json
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

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: Address, source: str = "127.0.0.1") -> Self:
        return cls(*await asyncio.open_connection(*address, local_addr=(source, 0)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    def reset(self) -> None:
        """Drop the connection without a word."""
        self._writer.transport.abort()

    def end(self) -> None:
        """Send no more, and go on reading."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        transport = self._writer.transport
        assert isinstance(transport, asyncio.ReadTransport)
        transport.pause_reading()

    @property
    def is_closed(self) -> bool:
        """The server has closed its side, and all that it said was read."""
        return self._reader.at_eof() or self._reader.exception() is not None

    async def send(self, data: bytes) -> None:
        """Send these bytes; into a connection that the server has closed they go unnoticed."""
        with suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def reply(self) -> Reply:
        """The next response, whole."""
        async with asyncio.timeout(PATIENCE):
            status, headers = await self._head()
            if status in (100, 204, 304):
                return Reply(status=status, headers=headers)
            return Reply(status=status, headers=headers, body=await self._body(headers))

    async def _head(self) -> tuple[int, dict[str, str]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        version, status, _ = lines[0].split(" ", 2)
        assert version in ("HTTP/1.0", "HTTP/1.1"), lines[0]
        pairs = (line.split(": ", 1) for line in lines[1:-2])
        return int(status), {name.lower(): value for name, value in pairs}

    async def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self._reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int(await self._reader.readline(), 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return body

    async def until(self, mark: bytes) -> bytes:
        """What comes, up to and with the mark."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(mark)

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection, orderly or not."""
        said = b""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while piece := await self._reader.read(2**16):
                    said += piece
        return said


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
        await asyncio.gather(*(wire.close() for wire in opened))


@asynccontextmanager
async def serving(respond: Respond, **limits: Any) -> AsyncIterator[Listening]:
    """A server on loopback; nothing of it is left at the end."""
    before = asyncio.all_tasks()
    listening = await serve_connections(
        respond, limits=ConnectionLimits(**limits), host="127.0.0.1", port=0
    )
    try:
        yield listening
    finally:
        await listening.stop(PATIENCE)
        assert listening.counts.open == 0
        assert asyncio.all_tasks() - before == set()


async def hello(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="hello")


async def path_of(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text=request.path)
