"""Is the process alive, may it be sent requests, and what does it count."""

import asyncio
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from openrun.runtime.clock import Clock
from openrun.server.access import ALL_NAMESPACES, Scope
from openrun.server.problem import Problem
from openrun.server.route import Answer, Call, House, Route
from openrun.store.base import StoreError

_PATIENCE = 2.0
_SURVEYED = 5.0


class HealthQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")

    verbose: str | None = Field(default=None, description="Given, with or without a value: list the checks.")


class Health(BaseModel):
    """`status` is "ok" or "unavailable"."""

    status: str = Field(description="Whether requests may be sent here.", examples=["ok"])
    checks: dict[str, str] | None = Field(
        default=None, description="Each check, and what came of it.", examples=[{"store": "ok"}]
    )


async def live(call: Call) -> Answer:
    """The event loop turns; nothing else is asked."""
    checks = {"loop": "ok"} if call.query.verbose is not None else None
    return Answer(body=_shown(Health(status="ok", checks=checks)))


async def ready(call: Call) -> Answer:
    """Whether requests may be sent here: the store answers, and the worker holds its lease."""
    checks = await checks_of(call.house)
    fine = all(found == "ok" for found in checks.values())
    # Nothing depends on it: without Redis, the store hands out events.
    away = call.house.app.listening.bus.trouble is not None
    shown = {**checks, "bus": "Redis is away, events come from the store" if away else "ok"}
    health = Health(
        status="ok" if fine else "unavailable", checks=shown if call.query.verbose is not None else None
    )
    return Answer(body=_shown(health), status=200 if fine else 503)


def _shown(health: Health) -> dict[str, Any]:
    return health.model_dump(exclude_none=True)


async def checks_of(house: House) -> dict[str, str]:
    """What readiness depends on; each is "ok" or says in a word why not."""
    trouble = house.app.journal.trouble
    worker = house.app.worker
    return {
        "server": "stopping" if house.stopped.is_set() else "ok",
        "store": await _store(house),
        "journal": "ok" if trouble is None else "waits for the store",
        "worker": "ok" if worker is None or worker.lease.safe else "without a lease",
    }


async def _store(house: House) -> str:
    try:
        async with asyncio.timeout(_PATIENCE):
            await house.app.store.now()
    except TimeoutError:
        return "does not answer"
    except StoreError:
        return "unavailable"
    return "ok"


class Scrapes:
    """Looks at the store for metrics, but not at each scrape."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._at: float | None = None

    async def __call__(self, call: Call) -> web.StreamResponse:
        if call.principal.namespace != ALL_NAMESPACES:
            raise Problem(403, "metrics tell of all namespaces: they need a key for all of them ('*')")
        now = self._clock.monotonic()
        if self._at is None or now - self._at > _SURVEYED:
            self._at = now
            await call.house.metrics.survey(call.house.app.store)
        content_type, body = call.house.metrics.render(call.request.headers.get("Accept"))
        return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


def routes(clock: Clock) -> tuple[Route, ...]:
    probes = tuple(
        Route(
            method="GET",
            path=path,
            operation=operation,
            summary=summary,
            tag="Health",
            scope=None,
            handler=handler,
            query=HealthQuery,
            answer=Health,
            problems=problems,
        )
        for path, operation, summary, handler, problems in (
            ("/livez", "health.live", "Whether the process is alive", live, ()),
            ("/readyz", "health.ready", "Whether requests may be sent here", ready, (503,)),
            ("/healthz", "health.health", "The same as /readyz", ready, (503,)),
        )
    )
    metrics = Route(
        method="GET",
        path="/metrics",
        operation="metrics.read",
        summary="Metrics for Prometheus",
        tag="Health",
        scope=Scope.METRICS_READ,
        handler=Scrapes(clock),
        answer=str,
        answer_types=("text/plain", "application/openmetrics-text"),
    )
    return (*probes, metrics)
