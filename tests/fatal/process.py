"""What another process does to a store: it works, until it is asked to stop or dies."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, TypeVar

from openrun.app import App
from openrun.core.past import Replayer
from openrun.runtime.held import HeldRun, Left
from openrun.runtime.worker import WorkerOptions
from openrun.steps.catalog import StepCatalog

from .steps import bare, deadly, errands

Given = TypeVar("Given")
T = TypeVar("T")

POLL = 0.05
DIED = 99
"""What a process exits with that dies by its own hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The process is gone right before, or right after, its commit of this number, counted from 1."""

    when: Literal["before", "after"]
    commit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """How a worker is to be; times in seconds."""

    store: str
    receiver: str
    lease: float = 1.0
    grace: float = 10.0
    patience: float = 0.1
    death: Death | None = None
    knows: bool = True
    """Whether it has the step types of its own."""


def catalog(*, knows: bool = True) -> StepCatalog:
    found = StepCatalog.builtin()
    if knows:
        for each in (bare, deadly, errands):
            found.add(each.__name__, each)
    return found


def an_app(orders: Orders, *, work: bool) -> App:
    options = WorkerOptions(
        lease=orders.lease, poll=POLL, grace=orders.grace, patience=orders.patience, missing_code=0.5
    )
    known = catalog(knows=orders.knows)
    return App(orders.store, catalog=known, allow=[orders.receiver], work=work, options=options)


def work(orders: Orders, ear: Connection) -> None:
    """Work until SIGTERM; tell the worker's name first, then of every run that was lost, at the end how many commits."""
    asyncio.run(_work(orders, ear))


def replay(orders: Orders, ear: Connection, run_id: str) -> None:
    """Replay a run with everything shut that leads outside; tell its last state and how it ended."""
    facts, graph = asyncio.run(_read(orders, run_id))
    sys.addaudithook(_refuse)
    replayer = Replayer(graph, facts)
    *_, (_, state) = replayer.states()
    replayer.timeline()
    replayer.standing(len(facts))
    ear.send((state, replayer.final()))


def start(orders: Orders, ear: Connection, count: int, key: str, given: dict[str, Any]) -> None:
    """On a word, start the flow `short` so often at once under one key; tell the run ids."""
    ear.send(asyncio.run(_start(orders, ear, (count, key, given))))


async def _work(orders: Orders, ear: Connection) -> None:
    app = an_app(orders, work=True)
    if orders.death is not None:
        app.store.commit = mortal(app.store.commit, orders.death)  # type: ignore[method-assign, assignment]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with app:
        assert app.worker is not None
        known = app.worker.on_left

        def left(run: HeldRun, how: Left) -> None:
            known(run, how)
            if how.lost is not None:
                ear.send(("lost", run.run_id))

        app.worker.on_left = left
        ear.send(app.worker.name)
        await stop.wait()
    ear.send(app.journal.commits)


def mortal(real: Callable[[Given], Awaitable[T]], death: Death) -> Callable[[Given], Coroutine[Any, Any, T]]:
    """What writes, and ends the process at its call of that number."""
    count = 0

    async def call(given: Given) -> T:
        nonlocal count
        count += 1
        if (death.when, death.commit) == ("before", count):
            os._exit(DIED)
        made = await real(given)
        if (death.when, death.commit) == ("after", count):
            os._exit(DIED)
        return made

    return call


async def _read(orders: Orders, run_id: str) -> tuple[Any, Any]:
    async with an_app(orders, work=False) as app:
        row = await app.row(run_id)
        program = await app.library.program(row.flow_id, row.version)
        return await app.facts(run_id), program.graph


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(("socket.", "subprocess.", "os.", "sqlite3.", "open", "urllib.")):
        raise PermissionError(f"a replay wants {event}")


async def _start(orders: Orders, ear: Connection, asked: tuple[int, str, dict[str, Any]]) -> list[str]:
    count, key, given = asked
    async with an_app(orders, work=True) as app:
        ear.send("here")
        await asyncio.to_thread(ear.recv)
        starts = (app.start("short", key=key, input={"body": given}) for _ in range(count))
        return [run.run_id for run in await asyncio.gather(*starts)]
