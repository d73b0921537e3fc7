"""What a step costs, against a bare asyncio task."""

from benchmarks.flows import chain, drain, fan_out
from benchmarks.measure import REPEATS, Ratio, bare_tasks, compare, gathered_tasks, repeated, row
from openrun import Engine, StepSetState


async def measure() -> list[str]:
    """Chain of custom steps, chain of built-in pure steps, fan-out with a join."""
    async with Engine() as engine:
        custom, pure, fan = chain(100), chain(100, StepSetState), fan_out(50)
        tasks, gathered = repeated(lambda: bare_tasks(100)), repeated(lambda: gathered_tasks(50))
        chained = await compare(repeated(lambda: drain(custom, engine)), tasks, units=100 * REPEATS)
        built_in = await compare(repeated(lambda: drain(pure, engine)), tasks, units=100 * REPEATS)
        fanned = await compare(repeated(lambda: drain(fan, engine)), gathered, units=50 * REPEATS)
    return [
        _line("chain of 100 custom steps, per step / bare task", chained, 3.0),
        _line("chain of 100 built-in pure steps, per step / bare task", built_in, 2.0),
        _line("fan-out of 50 with a join / gathering 50 tasks", fanned, 4.0),
    ]


def _line(what: str, found: Ratio, bar: float) -> str:
    return row(
        what,
        f"{found.ratio:.2f}x ({found.ours * 1e6:.1f}/{found.theirs * 1e6:.1f} us)",
        f"<= {bar:g}x",
        held=found.ratio <= bar,
    )
