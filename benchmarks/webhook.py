"""Webhook to durable run to answer, against a bare aiohttp handler: the server on one core, who asks on the other."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.measure import row

CONNECTIONS = 50
SECONDS = 4.0
ROUNDS = 3
_CORES = sorted(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What one round came to; times in ms."""

    rate: float
    median_ms: float
    p99_ms: float
    faults: int


@asynccontextmanager
async def site(kind: str, folder: str) -> AsyncIterator[int]:
    """The port of a server in a process of its own, on the first core."""
    process = await asyncio.create_subprocess_exec(
        *_on(_CORES[0]),
        sys.executable,
        "-m",
        "benchmarks.webhook_site",
        kind,
        folder,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.kill()
        await process.wait()


async def ask(port: int, path: str, seconds: float = SECONDS) -> Seen:
    """Ask as fast as answers come, from the last core."""
    process = await asyncio.create_subprocess_exec(
        *_on(_CORES[-1]),
        *(sys.executable, "-m", "benchmarks.webhook_client"),
        *(str(port), path, str(CONNECTIONS), str(seconds)),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    return Seen(**json.loads(out))


def _on(core: int) -> Sequence[str]:
    return ("taskset", "-c", str(core))


async def measure() -> list[str]:
    """Interleaved rounds of the bare handler and of both ways in which a flow answers."""
    rounds: dict[str, list[Seen]] = {"bare": [], "accepted": [], "respond": []}
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as folder:
        async with site("bare", folder) as bare, site("openrun", folder) as ours:
            await ask(ours, "/hooks/accepted", 1.0)
            for _ in range(ROUNDS):
                rounds["bare"].append(await ask(bare, "/hooks/any"))
                rounds["accepted"].append(await ask(ours, "/hooks/accepted"))
                rounds["respond"].append(await ask(ours, "/hooks/respond"))
    return list(_lines(rounds))


def _lines(rounds: dict[str, list[Seen]]) -> list[str]:
    middle = {name: sorted(seen, key=lambda each: each.rate)[len(seen) // 2] for name, seen in rounds.items()}
    bare = middle["bare"].rate
    lines = [f"bare aiohttp handler: {bare:,.0f} a second, p99 {middle['bare'].p99_ms:.1f} ms"]
    for name in ("accepted", "respond"):
        seen = middle[name]
        share = seen.rate / bare
        what = (
            f"webhook to durable three-step run, {name}: {seen.rate:,.0f} a second, p99 {seen.p99_ms:.0f} ms"
        )
        lines.append(
            row(
                what,
                f"{share:.1%} of bare, {seen.faults} faults",
                ">= 15 %, p99 <= 100 ms",
                held=share >= 0.15,
            )
        )
    return lines
