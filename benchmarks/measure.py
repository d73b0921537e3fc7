"""Timing two things against each other on a noisy machine: interleaved rounds, the median of the ratios."""

import asyncio
import gc
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

REPEATS = 10
Work = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """`ours` and `theirs` are median seconds per unit; `ratio` is the median of the rounds' ratios."""

    ours: float
    theirs: float
    ratio: float


async def compare(ours: Work, theirs: Work, *, units: int, rounds: int = 21) -> Ratio:
    """Run both in turns, so that whatever slows the machine slows both."""
    await ours()
    await theirs()
    mine: list[float] = []
    base: list[float] = []
    for _ in range(rounds):
        base.append(await _seconds(theirs) / units)
        mine.append(await _seconds(ours) / units)
    return Ratio(
        ours=statistics.median(mine),
        theirs=statistics.median(base),
        ratio=statistics.median(own / other for own, other in zip(mine, base, strict=True)),
    )


async def _seconds(work: Work) -> float:
    gc.collect()
    begun = time.perf_counter()
    await work()
    return time.perf_counter() - begun


def repeated(work: Work) -> Work:
    """The same several times over, so that a round is long against the clock's and the collector's noise."""

    async def again() -> None:
        for _ in range(REPEATS):
            await work()

    return again


async def nothing() -> int:
    """The least a step can do."""
    return 1


async def bare_tasks(count: int) -> None:
    """The ceiling of a chain: one asyncio task after another."""
    for _ in range(count):
        await asyncio.create_task(nothing())


async def gathered_tasks(count: int) -> None:
    """The ceiling of a fan-out: all asyncio tasks at once."""
    await asyncio.gather(*[asyncio.create_task(nothing()) for _ in range(count)])


def row(what: str, value: str, bar: str, *, held: bool) -> str:
    return f"{'ok  ' if held else 'OVER'} {what:<62} {value:>22}   bar {bar}"
