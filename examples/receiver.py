"""A small web server on a free local port, so that the examples need no network."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(routes: Mapping[str, Handler]) -> AsyncIterator[str]:
    """Answer `{"GET /data": handler}` while the block runs; yields the address, "127.0.0.1:port".

    Requests to private addresses are refused unless the engine lists them, so hand this one to it:
    `Engine(allow=[address])`.
    """
    app = web.Application()
    for route, handler in routes.items():
        method, path = route.split()
        app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"{host}:{port}"
    finally:
        await runner.cleanup()
