"""A real server on loopback over a store, and calls to it as a client makes them."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from openrun.app import App
from openrun.flow import Flow
from openrun.server.access import ALL_NAMESPACES, Role
from openrun.server.api import ROUTES
from openrun.server.config import ServerConfig
from openrun.server.connections import ConnectionLimits
from openrun.server.route import Route
from openrun.server.server import Server
from openrun.store.base import Store
from openrun.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Got:
    """An answer, read whole."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A server, an admin's key, and a client."""

    app: App
    server: Server
    key: str
    http: aiohttp.ClientSession

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str | None = "",
        body: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Got:
        """`key` is the admin's unless another is given; None sends none. `body` is sent as JSON, `data` as it is."""
        sent = dict(headers or {})
        if key is not None:
            sent["Authorization"] = f"Bearer {key or self.key}"
        if body is not None:
            data = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method, self.server.url + path, data=data, headers=sent, allow_redirects=False
        ) as response:
            return Got(response.status, response.headers, await response.text())

    async def hook(self, path: str, body: Any = None, **given: Any) -> Got:
        """Call a webhook, without a key."""
        return await self.call("POST", f"/hooks{path}", key=None, body=body, **given)

    async def key_for(self, role: Role, namespace: str = ALL_NAMESPACES) -> str:
        return (await self.server.keyring.create(role.value, role, namespace))[1]


@contextlib.asynccontextmanager
async def site(
    store: Store | str = ":memory:",
    *,
    flows: Iterable[Mapping[str, Any]] = (),
    config: ServerConfig | None = None,
    limits: ConnectionLimits | None = None,
    routes: Sequence[Route] = ROUTES,
    **given: Any,
) -> AsyncIterator[Site]:
    """A server over this store; `given` are further arguments of `App`."""
    metrics = Metrics()
    made = [Flow.from_json(json.dumps(each)) for each in flows]
    async with (
        App(store, flows=made, observers=[metrics], **given) as app,
        Server(
            app, config or ServerConfig(port=0, refresh=0.05), metrics=metrics, limits=limits, routes=routes
        ) as server,
        aiohttp.ClientSession() as http,
    ):
        row = await server.keyring.create("admin", Role.ADMIN, ALL_NAMESPACES)
        yield Site(app=app, server=server, key=row[1], http=http)


def hook_flow(path: str = "/greet/{name}", flow_id: str = "greet", **config: Any) -> dict[str, Any]:
    """A webhook, and a reply that greets by name."""
    return {
        "id": flow_id,
        "name": flow_id.title(),
        "steps": [
            {"id": "hook", "type": "trigger_webhook", "config": {"path": path, **config}},
            {
                "id": "say",
                "type": "reply",
                "config": {"status": 201, "body": {"hello": "<<path.name ?? null>>"}},
            },
        ],
        "edges": [{"source": "hook", "target": "say"}],
    }
