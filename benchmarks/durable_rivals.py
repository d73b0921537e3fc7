"""The durable five-step flow on other engines, 100 in flight; needs the `bench` group."""

import statistics
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypedDict

from dbos import DBOS, DBOSConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph

from benchmarks.durable_bed import (
    FIVE,
    NO_POSTGRES,
    STEPS,
    Ends,
    Sitting,
    five_steps,
    in_turns,
    median_ratio,
    postgres,
    rate,
)
from benchmarks.measure import row
from openrun.app import App

_RUNS = 2_000
_THEIR_RUNS = 300
_ROUNDS = 3


class Counter(TypedDict):
    count: int


async def measure() -> list[str]:
    """LangGraph with its SQLite saver, DBOS with a system database on SQLite and on Postgres, each as it comes."""
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as home:
        lines = await _on_sqlite(Path(home))
    with postgres() as server:
        if server is None:
            return [*lines, NO_POSTGRES]
        return [*lines, await _on_postgres(server.create_database(), server.create_database())]


async def _on_sqlite(home: Path) -> list[str]:
    async with (
        _ours(str(home / "openrun.db")) as ours,
        _langgraph(home / "langgraph.db") as langgraph,
        _dbos(f"sqlite:///{home / 'dbos.db'}") as dbos,
    ):
        mine, graphs, workflows = await in_turns(ours, langgraph, dbos, rounds=_ROUNDS)
    return [_line("LangGraph on SQLite", mine, graphs, 10.0), _line("DBOS on SQLite", mine, workflows, 20.0)]


async def _on_postgres(own_url: str, their_url: str) -> str:
    async with _ours(own_url) as ours, _dbos(their_url) as dbos:
        mine, workflows = await in_turns(ours, dbos, rounds=_ROUNDS)
    return _line("DBOS on Postgres", mine, workflows, 20.0)


def _line(name: str, mine: list[float], theirs: list[float], bar: float) -> str:
    times = median_ratio(mine, theirs)
    rates = f"{times:.0f}x ({statistics.median(mine):,.0f}/{statistics.median(theirs):,.0f} a s)"
    return row(f"durable five-step runs, against {name}", rates, f">= {bar:g}x", held=times >= bar)


@asynccontextmanager
async def _ours(store: str) -> AsyncIterator[Sitting]:
    async with App(store, flows=[five_steps()]) as app:
        ends = Ends(app)

        async def one() -> None:
            await ends.of((await app.start(FIVE)).run_id)

        yield lambda: rate(one, _RUNS)


@asynccontextmanager
async def _langgraph(file: Path) -> AsyncIterator[Sitting]:
    """Five nodes in a row, a checkpoint after each."""

    async def node(state: Counter) -> dict[str, Any]:
        return {"count": state["count"] + 1}

    graph = StateGraph(Counter)
    names = [f"s{at}" for at in range(STEPS)]
    for name in names:
        graph.add_node(name, node)
    for source, target in pairwise([START, *names, END]):
        graph.add_edge(source, target)
    async with AsyncSqliteSaver.from_conn_string(str(file)) as saver:
        await saver.setup()
        compiled = graph.compile(checkpointer=saver)

        async def one() -> None:
            await compiled.ainvoke({"count": 0}, {"configurable": {"thread_id": uuid.uuid4().hex}})

        yield lambda: rate(one, _THEIR_RUNS)


@asynccontextmanager
async def _dbos(url: str) -> AsyncIterator[Sitting]:
    """A workflow of five steps."""
    config = DBOSConfig(name=FIVE, system_database_url=url, log_level="ERROR")
    DBOS(config=config)

    @DBOS.step()
    async def step(count: int) -> int:
        return count + 1

    @DBOS.workflow()
    async def five() -> int:
        count = 0
        for _ in range(STEPS):
            count = await step(count)
        return count

    DBOS.launch()
    try:

        async def one() -> None:
            handle = await DBOS.start_workflow_async(five)
            await handle.get_result()

        yield lambda: rate(one, _THEIR_RUNS)
    finally:
        DBOS.destroy(destroy_registry=True)
