"""What 1,000 readers of event streams cost the others: webhooks with and without them, in turns.

Half of the readers watch one run, half a run each; every run reports something once a second, watched or not.
"""

import json
import os
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.cores import FIRST, LAST, line, module
from benchmarks.measure import row
from benchmarks.webhook import Seen, ask

READERS = 1_000
RUNS = READERS // 2
STEADY = 200
"""Webhooks a second, as long as they come steadily."""
SECONDS = 4.0
ROUNDS = 7
PATH = "/hooks/respond"


async def measure() -> list[str]:
    """Rounds with readers and without, with steady webhooks and with as many as can be."""
    seen: dict[tuple[str, bool], list[Seen]] = {
        (how, there): [] for how in _ASKING for there in (False, True)
    }
    events: list[float] = []
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as folder:
        async with module(FIRST, "benchmarks.streams_site", folder, str(RUNS + 1)) as site:
            port, key, runs = json.loads(await line(site))
            await ask(port, PATH, 1.0)
            for _ in range(ROUNDS):
                for how, asked in _ASKING.items():
                    seen[how, False].append(await asked(port))
                    async with _readers(port, key, runs, events):
                        seen[how, True].append(await asked(port))
    return list(_lines(seen, events))


async def _steadily(port: int) -> Seen:
    async with module(LAST, "benchmarks.steady_client", str(port), PATH, str(STEADY), str(SECONDS)) as client:
        return Seen(**json.loads(await line(client)))


async def _as_fast_as_can_be(port: int) -> Seen:
    return await ask(port, PATH, SECONDS)


_ASKING = {"steady": _steadily, "most": _as_fast_as_can_be}


@asynccontextmanager
async def _readers(port: int, key: str, runs: list[str], events: list[float]) -> AsyncIterator[None]:
    """All readers, once each has got an event; their rate of events is told at the end."""
    watched = [*runs[1:], *[runs[0]] * (READERS - len(runs) + 1)]
    async with module(LAST, "benchmarks.streams_client", str(port), key) as readers:
        assert readers.stdin is not None
        readers.stdin.write(json.dumps(watched).encode() + b"\n")
        assert await line(readers) == "here"
        yield
        readers.stdin.write(b"\n")
        told: dict[str, Any] = json.loads(await line(readers))
        assert told["lost"] == 0, f"{told['lost']} readers were cut off"
        events.append(told["rate"])


def _lines(seen: dict[tuple[str, bool], list[Seen]], events: list[float]) -> list[str]:
    middle = {what: statistics.median(each.rate for each in rounds) for what, rounds in seen.items()}
    kept = _ratio([each.rate for each in seen["most", True]], [each.rate for each in seen["most", False]])
    steady = {there: seen["steady", there] for there in (False, True)}
    late = _ratio([each.median_ms for each in steady[True]], [each.median_ms for each in steady[False]])
    times = {there: statistics.median(each.median_ms for each in steady[there]) for there in steady}
    tails = {there: statistics.median(each.p99_ms for each in steady[there]) for there in steady}
    faults = sum(each.faults for rounds in seen.values() for each in rounds)
    rate = statistics.median(events)
    return [
        f"{READERS} readers of {RUNS + 1} runs: {rate:,.0f} events a second; {faults} faults of others",
        f"load average {os.getloadavg()[0]:.1f}; at {STEADY} webhooks a second:",
        f"  with readers    {times[True]:.1f} ms, p99 {tails[True]:.0f} ms (median {late - 1:+.0%})",
        f"  without readers {times[False]:.1f} ms, p99 {tails[False]:.0f} ms",
        row(
            f"as many webhooks as can be: {middle['most', True]:,.0f} a second of {middle['most', False]:,.0f}",
            f"{1 - kept:.1%} slower",
            "< 10 %",
            held=kept > 0.9,
        ),
    ]


def _ratio(some: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(some, others, strict=True))
