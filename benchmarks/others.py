"""The same chain of 100 trivial steps on other engines, for scale; needs the `bench` group."""

from itertools import pairwise
from typing import Any, TypedDict

from burr.core import ApplicationBuilder, State, action
from langgraph.graph import END, START, StateGraph

from benchmarks.flows import chain, drain
from benchmarks.measure import Ratio, Work, compare, repeated, row
from openrun import Engine

_STEPS = 100


class Counter(TypedDict):
    count: int


async def measure() -> list[str]:
    """Our chain against Burr's and LangGraph's async graph, per step."""
    async with Engine() as engine:
        ours = chain(_STEPS)
        mine = repeated(lambda: drain(ours, engine))
        burr = await compare(mine, repeated(_burr), units=_STEPS, rounds=5)
        langgraph = await compare(mine, repeated(_langgraph()), units=_STEPS, rounds=5)
    return [_line("Burr", burr, 1.0), _line("LangGraph (async)", langgraph, 10.0)]


def _line(name: str, found: Ratio, bar: float) -> str:
    times = 1 / found.ratio
    detail = f"{times:.1f}x faster ({found.ours * 1e5:.1f}/{found.theirs * 1e5:.1f} us)"
    return row(
        f"chain of {_STEPS} steps, per step, against {name}", detail, f">= {bar:g}x", held=times >= bar
    )


@action(reads=["count"], writes=["count"])
async def _burr_step(state: State) -> State:
    return state.update(count=state["count"] + 1)


async def _burr() -> None:
    names = [f"s{at}" for at in range(_STEPS)]
    app = await (
        ApplicationBuilder()
        .with_actions(**dict.fromkeys(names, _burr_step))
        .with_transitions(*pairwise(names))
        .with_state(count=0)
        .with_entrypoint(names[0])
        .abuild()
    )
    async for _step in app.aiterate(halt_after=[names[-1]]):
        pass


def _langgraph() -> Work:
    async def step(state: Counter) -> dict[str, Any]:
        return {"count": state["count"] + 1}

    graph = StateGraph(Counter)
    names = [f"s{at}" for at in range(_STEPS)]
    for name in names:
        graph.add_node(name, step)
    for source, target in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(source, target)
    compiled = graph.compile()

    async def run() -> None:
        async for _event in compiled.astream({"count": 0}, {"recursion_limit": _STEPS + 10}):
            pass

    return run
