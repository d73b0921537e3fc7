"""A receiver of notifications: a real server on the loopback, which answers as it is told to."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
PATIENCE = 20


@dataclass(frozen=True, slots=True)
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    """With lower-case names."""
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def type(self) -> str:
        return str(self.json["type"])

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.json["data"]
        return found

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.body)
        return found

    def verified(self, secret: str = SECRET) -> Any:
        """What the package of Standard Webhooks makes of it; raises if the signature is none."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass(frozen=True, slots=True)
class Says:
    """An answer."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Hearer:
    """Answers 204, but for what it is told; a path that is `held` is answered only by `let_go`."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: dict[str, deque[Says]] = {}
        """Those to come, by path; the last one stays."""
        self.held: set[str] = set()
        self._open = asyncio.Event()
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
        self._open.set()
        await self._runner.cleanup()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    def url(self, path: str = "/hook") -> str:
        return f"http://{self.address}{path}"

    def says(self, *answers: Says, path: str = "/hook") -> None:
        """Answer so, one after the other."""
        self.answers[path] = deque(answers)

    def let_go(self) -> None:
        """Answer what is held."""
        self._open.set()

    async def reached(self, times: int, path: str | None = None) -> list[Heard]:
        """Wait for so many requests; all there were."""

        def there() -> bool:
            return len(self.on(path)) >= times

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(there)
        return self.on(path)

    def on(self, path: str | None = None) -> list[Heard]:
        """Requests to a path, in order."""
        return [each for each in self.heard if path is None or each.path == path]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        async with self._news:
            self.heard.append(Heard(request.path, headers, body))
            self._news.notify_all()
        if request.path in self.held:
            await self._open.wait()
        left = self.answers.get(request.path)
        says = Says() if not left else left[0] if len(left) == 1 else left.popleft()
        return web.Response(status=says.status, headers=says.headers, body=says.body)
