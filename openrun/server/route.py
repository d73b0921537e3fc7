"""What the API is made of: routes, the calls made to them, and their answers."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import web
from pydantic import BaseModel

from openrun.app import App
from openrun.net.trace_context import TraceContext
from openrun.server.access import Principal, Scope
from openrun.server.config import ServerConfig
from openrun.server.keyring import Keyring
from openrun.server.lasting import Lasting
from openrun.server.mounting import Mounting
from openrun.space import Space
from openrun.telemetry.metrics import Metrics

REQUEST_ID = web.RequestKey("request_id", str)
"""Under which a request has its name."""

_PARAMETER = re.compile(r"\{([a-z_]+)\}")


class House(Protocol):
    """What calls reach the engine through."""

    @property
    def app(self) -> App: ...

    @property
    def keyring(self) -> Keyring: ...

    @property
    def config(self) -> ServerConfig: ...

    @property
    def metrics(self) -> Metrics: ...

    @property
    def routes(self) -> "Sequence[Route]": ...

    @property
    def stopped(self) -> asyncio.Event:
        """Set once the server stops: what lasts has to end."""

    def space(self, namespace: str) -> Space: ...

    @property
    def lasting(self) -> Lasting:
        """Room for answers that last."""

    @property
    def mounting(self) -> Mounting:
        """Which webhooks there are."""

    async def flows_changed(self) -> None:
        """A flow was kept, enabled or disabled: webhooks follow from that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a route, let in: its principal has the route's scope, and what it sent is valid."""

    house: House
    request: web.BaseRequest
    request_id: str
    principal: Principal
    """`ANYBODY` on a public route that was called without a key."""
    space: Space
    """The namespace that is asked about; nothing else can be reached through it."""
    path: Mapping[str, str]
    query: Any
    """An instance of the route's `query`."""
    body: Any
    """An instance of the route's `body`."""
    key: str | None = None
    """The Idempotency-Key that came along."""
    trace: TraceContext | None = None

    @property
    def own_key(self) -> str | None:
        """The key for what the call makes: it is the principal's, whoever else sends the same."""
        return None if self.key is None else f"{self.principal.key_id}:{self.key}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a call is answered with: a resource, or a list of them."""

    body: BaseModel | Sequence[BaseModel] | Mapping[str, Any] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    resource: str = ""
    """What was changed, for the audit log: such as "run/0192…"."""


Handler = Callable[[Call], Awaitable[Answer | web.StreamResponse]]


class Nothing(BaseModel, extra="forbid"):
    """A query or a body with nothing in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the API; it is in the dispatcher, in the OpenAPI document and in the audit log as it says here."""

    method: str
    path: str
    """Such as "/v1/runs/{run_id}"."""
    operation: str
    """`operationId`, and the action in the audit log: such as "runs.cancel"."""
    summary: str
    description: str = ""
    tag: str
    scope: Scope | None
    """None lets in whoever has a key, and on a path in `PUBLIC` everybody."""
    handler: Handler
    query: type[BaseModel] = Nothing
    body: type[BaseModel] | None = None
    body_types: tuple[str, ...] = ("application/json",)
    raw_with: str | None = None
    """Name of a header with which the body may be of any type, and of no; the handler gets the bytes as they are."""
    body_required: bool = True
    answer: Any = None
    """What a success looks like, as pydantic understands it; None has no content."""
    status: int = 200
    answer_types: tuple[str, ...] = ("application/json",)
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    """Names and descriptions."""
    answers: Mapping[int, str] = field(default_factory=dict)
    """Successes beside `status`, and when they are given; 204 and 304 have no body."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of a request that count here, and what for."""
    problems: tuple[int, ...] = ()
    """Statuses beside those that every route may have."""
    large: bool = False
    """The body may be as large as a flow document."""
    idempotent: bool = True
    """A POST whose repetition under an Idempotency-Key gets the answer that is kept."""

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.path))

    @property
    def mutates(self) -> bool:
        return self.method not in ("GET", "HEAD")


PROBES = frozenset({"/livez", "/readyz", "/healthz"})
"""What may be asked under any name of the host: probes know but its address."""
PUBLIC = PROBES | {"/openapi.json", "/asyncapi.json", "/docs"}
"""Paths that need no key; beside them webhooks, which have signatures."""


class Table:
    """Routes by method and path."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[str, dict[str, Route]] = {}
        self._shaped: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in routes:
            by_method = self._at(route.path)
            if route.method in by_method:
                raise ValueError(f"two routes for {route.method} {route.path}")
            by_method[route.method] = route

    def _at(self, path: str) -> dict[str, Route]:
        if "{" not in path:
            return self._exact.setdefault(path, {})
        shape = tuple(path.split("/"))
        shapes = self._shaped.setdefault(len(shape), [])
        for known, by_method in shapes:
            if known == shape:
                return by_method
        shapes.append((shape, {}))
        return shapes[-1][1]

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | frozenset[str]:
        """The route of a raw path and the segments it names; else the methods that the path has, if any."""
        allowed: set[str] = set()
        for by_method, named in self._candidates(path):
            taken = "GET" if method == "HEAD" and "HEAD" not in by_method else method
            if taken in by_method:
                return by_method[taken], named
            allowed.update(by_method)
        return frozenset(allowed)

    def _candidates(self, path: str) -> Iterator[tuple[Mapping[str, Route], Mapping[str, str]]]:
        """Routes by method, the exact ones first: what is no word of ours is somebody's id."""
        exact = self._exact.get(path)
        if exact is not None:
            yield exact, {}
        given = path.split("/")
        for shape, by_method in self._shaped.get(len(given), ()):
            named = _named(shape, given)
            if named is not None:
                yield by_method, named


def _named(shape: Sequence[str], given: Sequence[str]) -> dict[str, str] | None:
    named: dict[str, str] = {}
    for wanted, segment in zip(shape, given, strict=True):
        if wanted.startswith("{"):
            if not segment:
                return None
            named[wanted[1:-1]] = segment
        elif wanted != segment:
            return None
    return named
