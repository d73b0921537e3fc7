"""Event to durable run, beside webhook to durable run: a server of each kind on one core, in turns."""

import json
import statistics
import tempfile
from contextlib import suppress

from benchmarks.cores import FIRST, line, module
from benchmarks.measure import row
from benchmarks.webhook import ask, site
from tests.servers.redis import NoRedis, RedisServer

SECONDS = 4.0
ROUNDS = 3
BAR = 0.5


async def heard(folder: str, *bus: str) -> float:
    """Runs that events started a second, from a store that is new."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        async with module(FIRST, "benchmarks.events_site", place, str(SECONDS), *bus) as process:
            out = await line(process)
    rate: float = json.loads(out)["rate"]
    return rate


async def asked(folder: str) -> float:
    """Runs that webhooks started a second, as many as were asked for."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        async with site("openrun", place) as port:
            await ask(port, "/hooks/accepted", 1.0)
            return (await ask(port, "/hooks/accepted", SECONDS)).rate


async def measure() -> list[str]:
    """Interleaved rounds of webhooks, of events from the store, and of events from Redis where there is one."""
    rates: dict[str, list[float]] = {"webhooks": [], "the store": [], "Redis": []}
    redis: RedisServer | None = None
    with suppress(NoRedis):
        redis = RedisServer()
        redis.start()
    try:
        with tempfile.TemporaryDirectory(prefix="openrun-bench-") as folder:
            for number in range(ROUNDS):
                rates["webhooks"].append(await asked(folder))
                rates["the store"].append(await heard(folder))
                if redis is not None:
                    url = f"{redis.url}?stream=bench:{number}"
                    rates["Redis"].append(await heard(folder, url))
    finally:
        if redis is not None:
            redis.stop()
    return list(_lines(rates))


def _lines(rates: dict[str, list[float]]) -> list[str]:
    webhooks = rates.pop("webhooks")
    lines = [f"webhook to durable three-step run: {statistics.median(webhooks):,.0f} a second"]
    for name, seen in rates.items():
        if not seen:
            lines.append(f"skipped: events by {name} (there is no server)")
            continue
        share = statistics.median(mine / theirs for mine, theirs in zip(seen, webhooks, strict=True))
        what = f"event by {name} to durable three-step run: {statistics.median(seen):,.0f} a second"
        lines.append(row(what, f"{share:.0%} of webhooks", f">= {BAR:.0%}", held=share >= BAR))
    return lines
