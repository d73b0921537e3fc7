"""A receiver of requests that counts them, and answers some of them only when it is told to."""

import asyncio
from collections import Counter
from typing import Any, Self

from aiohttp import web

PATIENCE = 60
SAME_FOR_ALL = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT", "Server": "receiver"}


class Receiver:
    """Answers 200, always with the same bytes, but for paths that fail first or are held."""

    def __init__(self) -> None:
        self.paths: Counter[str] = Counter()
        self.keys: Counter[str] = Counter()
        """By idempotency key."""
        self.calls: list[tuple[str, str]] = []
        """Path and idempotency key of all, in order."""
        self.says: dict[str, Any] = {}
        """What paths that are not held are answered, in place of "done"."""
        self.waiting: dict[str, list[asyncio.Future[Any]]] = {}
        self._failures: Counter[str] = Counter()
        self._held: set[str] = set()
        self._news = asyncio.Condition()
        self._runner: web.AppRunner

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    def fail(self, path: str, times: int = 1) -> None:
        """Answer so many requests by 503 first."""
        self._failures[path] = times

    def hold(self, *paths: str) -> None:
        """Answer these only when told to."""
        self._held.update(paths)

    def keys_of(self, path: str) -> list[str]:
        """The idempotency keys of the requests to this path, in order."""
        return [key for called, key in self.calls if called == path]

    def answer(self, path: str, with_what: Any = "done", number: int = -1) -> None:
        """Answer a held request, the last one or that of a number from 0."""
        self.waiting[path][number].set_result(with_what)

    async def reached(self, path: str, times: int = 1) -> None:
        """Wait for this many requests in all."""
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self.paths[path] >= times)

    async def reached_in_all(self, times: int) -> None:
        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(lambda: self.paths.total() >= times)

    async def _answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/")
        async with self._news:
            self.paths[path] += 1
            key = request.headers.get("Idempotency-Key", "").strip('"')
            self.keys[key] += 1
            self.calls.append((path, key))
            held = asyncio.get_running_loop().create_future() if path in self._held else None
            if held is not None:
                self.waiting.setdefault(path, []).append(held)
            self._news.notify_all()
        said = self.says.get(path, "done") if held is None else await held
        status = 503 if self.paths[path] <= self._failures[path] else 200
        return web.json_response(said, status=status, headers=SAME_FOR_ALL)
