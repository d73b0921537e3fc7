"""The server: one process that listens, with the API, the webhooks and what they share."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import Self

from aiohttp import web
from structlog.contextvars import bound_contextvars

from openrun.app import App
from openrun.runtime.ids import new_request_id
from openrun.server import health
from openrun.server.browsers import check_host
from openrun.server.config import ServerConfig
from openrun.server.connections import ConnectionLimits, Listening, serve_connections
from openrun.server.dispatch import Dispatcher, refusal
from openrun.server.hooks import PREFIX, Hooks
from openrun.server.keyring import Keyring
from openrun.server.lasting import Lasting
from openrun.server.mounting import Mounting
from openrun.server.problem import Problem
from openrun.server.route import PROBES, REQUEST_ID, Route
from openrun.server.translation import OVERLOADED, problem_of
from openrun.space import Space
from openrun.telemetry.metrics import Metrics

_log = logging.getLogger("openrun.server")

_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
_HOOKS = "/hooks"
_MOST_SPACES = 1_000


class Server:
    """Serves an app that is open: `async with App(...) as app, Server(app, config) as server`."""

    def __init__(
        self,
        app: App,
        config: ServerConfig | None = None,
        *,
        metrics: Metrics | None = None,
        limits: ConnectionLimits | None = None,
        routes: Sequence[Route] = (),
    ) -> None:
        """`metrics` should be one of the app's observers, or it hears of requests alone."""
        self.app = app
        self.config = config or ServerConfig()
        self.metrics = metrics or Metrics()
        self.keyring = Keyring(app.store, app.clock, app.around.new_run_id)
        self.stopped = asyncio.Event()
        self.mounting = Mounting(app, self.config.refresh)
        self.routes: Sequence[Route] = (*health.routes(app.clock), *routes)
        self._limits = limits or ConnectionLimits(proxies=self.config.proxies)
        self.lasting = Lasting(self._limits.connections // 2, self.config.lasting_per_address)
        self._spaces: dict[str, Space] = {}
        self._dispatcher = Dispatcher(self)
        self._hooks = Hooks(self, self.mounting)
        self._listening: Listening | None = None

    # -- life -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.mounting.start()
        self._listening = await serve_connections(
            self._respond, limits=self._limits, host=self.config.host, port=self.config.port
        )
        # Those in force: the process may be allowed fewer connections than were asked for.
        self.lasting = Lasting(self._listening.limits.connections // 2, self.config.lasting_per_address)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that it listens at."""
        assert self._listening is not None, "the server has not been started"
        return self._listening.addresses[0]

    @property
    def url(self) -> str:
        """Such as "http://127.0.0.1:8600"."""
        host, port = self.address
        shown = "127.0.0.1" if host == "0.0.0.0" else "[::1]" if host == "::" else host  # noqa: S104
        return f"http://[{shown}]:{port}" if ":" in shown and "[" not in shown else f"http://{shown}:{port}"

    @property
    def listening(self) -> Listening:
        assert self._listening is not None, "the server has not been started"
        return self._listening

    async def stop(self) -> None:
        """Accept nothing more, end what lasts, and let requests under way come to their answer within the grace."""
        self.stopped.set()
        # Whoever waits for a run gets its id while there is time to send it.
        giving_up = asyncio.get_running_loop().call_later(self.config.grace / 2, self._hooks.give_up)
        if self._listening is not None:
            await self._listening.stop(self.config.grace)
        giving_up.cancel()
        await self.mounting.stop()

    # -- what calls ask for -----------------------------------------------------------------------

    def space(self, namespace: str) -> Space:
        """The flows and runs of a namespace alone."""
        known = self._spaces.get(namespace)
        if known is None:
            if len(self._spaces) >= _MOST_SPACES:
                self._spaces.clear()
            known = self._spaces[namespace] = self.app.space(namespace)
        return known

    async def flows_changed(self) -> None:
        """A flow was kept, enabled or disabled: mount the webhooks anew."""
        self.app.listening.triggers.forget()
        await self.mounting.look()

    # -- answering --------------------------------------------------------------------------------

    async def _respond(self, request: web.BaseRequest) -> web.StreamResponse:
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else new_request_id()
        request[REQUEST_ID] = request_id
        began = self.app.clock.monotonic()
        route = "other"
        with bound_contextvars(request_id=request_id):
            try:
                route, response = await self._answer(request, request_id)
            except Exception as error:  # noqa: BLE001 (whatever it is, whoever asked gets an answer)
                response = self._refused(error, request_id)
        if not response.prepared:
            response.headers.setdefault("X-Content-Type-Options", "nosniff")
            response.headers["X-Request-ID"] = request_id
        seconds = self.app.clock.monotonic() - began
        self.metrics.request(request.method, route, response.status, seconds)
        return response

    async def _answer(self, request: web.BaseRequest, request_id: str) -> tuple[str, web.StreamResponse]:
        path = request.raw_path.partition("?")[0]
        if path == PREFIX or path.startswith(f"{PREFIX}/"):
            return _HOOKS, await self._hooks.answer(request)
        if path not in PROBES:
            check_host(self.config, request)
        return await self._dispatcher.answer(request, path, request_id)

    def _refused(self, error: Exception, request_id: str) -> web.StreamResponse:
        problem = error if isinstance(error, Problem) else problem_of(error)
        if isinstance(error, ConnectionError):
            # Nobody is there to read it.
            problem = Problem(400, "the connection was lost")
        if problem is None:
            _log.error("a request could not be answered", exc_info=error)
            problem = Problem(500, "this is our fault; the log says more under this request_id")
        if problem.slug == OVERLOADED:
            self.metrics.turned_away("start_queue")
        return refusal(problem, request_id)
