"""A server in another process: it listens and works until SIGTERM, or dies.

`python -m tests.fatal.server_process STORE PORT` is one that is started by hand: with a webhook at /hooks/work,
it prints its address and the key of an admin.
"""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Literal

from openrun.app import App
from openrun.core.types import Json
from openrun.flow import Flow
from openrun.server.access import ALL_NAMESPACES, Role
from openrun.server.api import ROUTES
from openrun.server.config import ServerConfig
from openrun.server.connections import ConnectionLimits
from openrun.server.server import Server
from openrun.store.base import Store
from openrun.store.rows import Slice, Verdict
from openrun.telemetry.metrics import Metrics

from .process import DIED, Orders, an_app, catalog

MOST_FILES = 8_192


def open_files(count: int) -> int:
    """Let this process open so many files, if it may; how many it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOrders:
    """How a server is to be; times in seconds."""

    port: int = 0
    work: bool = True
    grace: float = 10.0
    body_seconds: float = 30.0
    limits: ConnectionLimits = field(default_factory=ConnectionLimits)
    dies: Literal["before", "after"] | None = None
    """The process is gone right before, or right after, the commit that keeps its first delivery."""


def serve(orders: Orders, ear: Connection, its: ServerOrders) -> None:
    """Serve until SIGTERM; tell the address first, at the end how many commits."""
    asyncio.run(_serve(orders, ear, its))


async def _serve(orders: Orders, ear: Connection, its: ServerOrders) -> None:
    open_files(MOST_FILES)
    app = an_app(orders, work=its.work)
    if its.dies is not None:
        _die(app.store, its.dies)
    async with app, _until_asked(app, its) as server:
        ear.send(server.address)
    ear.send(app.journal.commits)


@asynccontextmanager
async def _until_asked(app: App, its: ServerOrders) -> AsyncIterator[Server]:
    """A server that stays, once its address was told, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = ServerConfig(port=its.port, grace=its.grace, body_seconds=its.body_seconds, refresh=0.05)
    async with Server(app, config, metrics=Metrics(), limits=its.limits, routes=ROUTES) as server:
        yield server
        await stop.wait()


def _die(store: Store, when: Literal["before", "after"]) -> None:
    real = store.commit

    async def commit(slices: Sequence[Slice]) -> list[Verdict]:
        keeps = any(each.birth is not None and each.birth.delivery is not None for each in slices)
        if keeps and when == "before":
            os._exit(DIED)
        verdicts = await real(slices)
        if keeps:
            os._exit(DIED)
        return verdicts

    store.commit = commit  # type: ignore[method-assign]


def hooked(flow_id: str, *parts: dict[str, Json], **config: Json) -> Flow:
    """A webhook at a path of the flow's name, and these steps one after another."""
    hook: dict[str, Json] = {
        "id": "hook",
        "type": "trigger_webhook",
        "config": {"path": f"/{flow_id}", **config},
    }
    ids = ["hook", *(str(each["id"]) for each in parts)]
    edges = [{"source": before, "target": after} for before, after in pairwise(ids)]
    document = {"id": flow_id, "name": flow_id, "steps": [hook, *parts], "edges": edges}
    return Flow.from_dict(document, catalog=catalog())


def pure(*, delay: float = 0.0) -> list[dict[str, Json]]:
    """Steps that call nobody, with a rest between them."""
    keep: dict[str, Json] = {
        "id": "keep",
        "type": "set_state",
        "config": {"key": "n", "value": "<<body.n ?? 0>>"},
    }
    rest: dict[str, Json] = {"id": "rest", "type": "delay", "config": {"seconds": delay}}
    say: dict[str, Json] = {"id": "say", "type": "reply", "config": {"body": {"n": "<<n>>"}}}
    return [keep, rest, say] if delay else [keep, say]


async def _by_hand(store: str, port: int) -> None:
    orders = Orders(store=store, receiver="127.0.0.1:1", grace=0.5)
    async with an_app(orders, work=True) as app:
        await app.add_flow(hooked("work", *pure()))
        async with _until_asked(app, ServerOrders(port=port, grace=0.5)) as server:
            _, key = await server.keyring.create("admin", Role.ADMIN, ALL_NAMESPACES)
            host, taken = server.address
            sys.stdout.write(f"{host} {taken} {key}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_by_hand(sys.argv[1], int(sys.argv[2])))
