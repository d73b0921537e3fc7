"""Real servers on 127.0.0.1, and clients that may reach them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiohttp import web
from yarl import URL

from openrun.core.errors import StepError
from openrun.net.address import AllowList
from openrun.net.http import HttpClient, HttpRequest, HttpResponse
from openrun.net.resolver import Lookup

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class World:
    """Servers and clients of one test; all end with it."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    async def serve(self, handler: Handler) -> URL:
        """The base URL of a web server that answers every request by the handler."""

        async def answer(request: web.Request) -> web.StreamResponse:
            return await handler(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1], path="/")

    async def serve_bytes(
        self, answer: bytes, *, seen: list[bytes] | None = None, until: bytes = b"\r\n\r\n"
    ) -> URL:
        """The base URL of a server that answers what ends in `until` by these bytes, and hangs up."""

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(until)
            if seen is not None:
                seen.append(request)
            writer.write(answer)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self._stack.callback(server.close)
        return URL.build(scheme="http", host="127.0.0.1", port=server.sockets[0].getsockname()[1], path="/")

    def client(self, *origins: URL | str, lookup: Lookup | None = None) -> HttpClient:
        """A client whose operator lists these origins, or host:port texts."""
        allow = AllowList.parse(
            origin if isinstance(origin, str) else f"{origin.host}:{origin.port}" for origin in origins
        )
        client = HttpClient(allow=allow) if lookup is None else HttpClient(allow=allow, lookup=lookup)
        self._stack.push_async_callback(client.close)
        return client


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)


async def get(client: HttpClient, url: URL | str) -> HttpResponse:
    return await client.send(HttpRequest(method="GET", url=str(url), timeout=10))


async def failing(client: HttpClient, request: HttpRequest | URL | str) -> StepError:
    """The error that a request, or a GET of a URL, fails with."""
    if not isinstance(request, HttpRequest):
        request = HttpRequest(method="GET", url=str(request), timeout=10)
    with pytest.raises(StepError) as caught:
        await client.send(request)
    return caught.value
