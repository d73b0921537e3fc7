"""How cost grows with the size of a flow."""

import statistics
import time

from benchmarks.flows import Trivial, chain, drain
from benchmarks.measure import REPEATS, compare, repeated, row
from openrun import Engine, Flow, StepCompleted, TriggerManual

_ROUNDS = 500


async def measure() -> list[str]:
    """Per step on a chain of 1,000 against 100; an event on a 10,000-step flow against a 10-step one."""
    async with Engine() as engine:
        long, short = chain(1_000), chain(100)
        found = await compare(
            lambda: drain(long, engine), repeated(lambda: drain(short, engine)), units=100 * REPEATS
        )
        large, small = _looping(10_000), _looping(10)
        pairs = [(await _per_event(large, engine), await _per_event(small, engine)) for _ in range(15)]
        ratio = statistics.median(big / little for big, little in pairs)
    return [
        row(
            "per step on a chain of 1,000 / of 100", f"{found.ratio:.2f}x", "<= 1.2x", held=found.ratio <= 1.2
        ),
        row(
            "an event on a 10,000-step flow / on a 10-step one", f"{ratio:.2f}x", "<= 1.5x", held=ratio <= 1.5
        ),
    ]


def _looping(size: int) -> Flow:
    """A loop of two steps that goes round, in a flow padded to `size` steps that hang off it."""
    flow = Flow(name="padded")
    start = TriggerManual(id="start")
    first, second = (
        Trivial(id="first", max_iterations=_ROUNDS),
        Trivial(id="second", ports=("default", "done")),
    )
    flow.add_edge(start, first)
    flow.add_edge(first, second)
    flow.add_edge(second, first)
    last, port = second, "done"
    for at in range(size - 3):
        step = Trivial(id=f"pad_{at}")
        flow.add_edge(last, step, source_port=port)
        last, port = step, "default"
    return flow


async def _per_event(flow: Flow, engine: Engine) -> float:
    """Seconds per completed step while the loop goes round; the start and the end of the run do not count."""
    seen = [
        time.perf_counter()
        async for event in flow.run("start", engine=engine)
        if isinstance(event, StepCompleted) and event.step_id == "second"
    ]
    # The last rounds are left out: the reader sees them only after the loop's exits have died, all the way down.
    return (seen[_ROUNDS - 50] - seen[10]) / (_ROUNDS - 60)
