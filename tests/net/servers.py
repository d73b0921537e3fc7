"""Handlers, look-ups and requests that several tests of the client share."""

import asyncio
import threading
from collections.abc import Awaitable
from typing import Any

import pytest
from aiohttp import web
from yarl import URL

from openrun.core.errors import StepError
from openrun.net.http import HttpRequest

MIB = 2**20
SOON = 0.05
PATIENCE = 10


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    return web.json_response(
        {
            "method": request.method,
            "path": request.raw_path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body.decode(),
        }
    )


class Recorder:
    """A handler that keeps the requests it was sent, and where they came from."""

    def __init__(self, status: int = 200, location: str | URL | None = None) -> None:
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.connections: set[Any] = set()
        self._status = status
        self._headers = {} if location is None else {"Location": str(location)}

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append((request.method, headers, await request.read()))
        assert request.transport is not None
        self.connections.add(request.transport.get_extra_info("peername"))
        return web.Response(status=self._status, headers=self._headers)


class Stuck:
    """A handler that answers nothing more, and tells when it was reached and when it was left."""

    def __init__(self, *, headers_first: bool = False) -> None:
        self.reached = asyncio.Event()
        self.left = asyncio.Event()
        self._headers_first = headers_first

    async def handle(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        try:
            if self._headers_first:
                await response.prepare(request)
                await response.write(b"some")
            self.reached.set()
            await asyncio.Event().wait()
        finally:
            self.left.set()
        return response


class StuckLookup:
    """A look-up that finds nothing until it is let go."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.released = threading.Event()
        self._loop = asyncio.get_running_loop()

    def __call__(self, *_args: Any, **_hints: Any) -> list[tuple[Any, ...]]:
        self._loop.call_soon_threadsafe(self.reached.set)
        self.released.wait(PATIENCE)
        return []


def a_request(url: URL | str, method: str = "GET", **parts: Any) -> HttpRequest:
    timeout = parts.pop("timeout", PATIENCE)
    return HttpRequest(method=method, url=str(url), timeout=timeout, **parts)


async def code_of(sending: Awaitable[object]) -> str:
    with pytest.raises(StepError) as caught:
        await sending
    return caught.value.error.code
