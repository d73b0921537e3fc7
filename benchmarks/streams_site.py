"""A server whose runs can be watched: `python -m benchmarks.streams_site FOLDER RUNS`.

It starts so many runs that report something once a second, and prints its port, a key and the ids of these runs.
"""

import asyncio
import json
import random
import sys
from pathlib import Path

from benchmarks.webhook_site import THREE_STEPS, answering
from openrun import Flow, StepContext, step
from openrun.app import App
from openrun.cli.durable import share_the_interpreter
from openrun.runtime.worker import WorkerOptions
from openrun.server.access import ALL_NAMESPACES, Role
from openrun.server.api import ROUTES
from openrun.server.config import ServerConfig
from openrun.server.server import Server
from openrun.steps.catalog import StepCatalog
from openrun.telemetry.metrics import Metrics

TICKS = 280
TICKING = {
    "id": "ticking",
    "name": "Ticking",
    "steps": [{"id": "start", "type": "trigger_manual"}, {"id": "tick", "type": "tick"}],
    "edges": [{"source": "start", "target": "tick"}],
}


@step(effect="idempotent")
async def tick(context: StepContext) -> int:
    """Report something once a second."""
    await asyncio.sleep(random.random())  # noqa: S311
    for number in range(TICKS):
        context.emit({"number": number})
        await asyncio.sleep(1)
    return TICKS


async def main(folder: Path, runs: int) -> None:
    """As `openrun serve` does it, with as many steps at once as it takes."""
    metrics = Metrics()
    catalog = StepCatalog.builtin()
    catalog.add("tick", tick)
    documents = (THREE_STEPS, answering(), TICKING)
    flows = [Flow.from_json(json.dumps(each), catalog=catalog) for each in documents]
    options = WorkerOptions(steps=runs + 200, runs=runs + 1_000)
    async with (
        App(folder / "openrun.db", flows=flows, catalog=catalog, options=options, observers=[metrics]) as app,
        Server(app, ServerConfig(port=0), metrics=metrics, routes=ROUTES) as server,
    ):
        _, key = await server.keyring.create("bench", Role.ADMIN, ALL_NAMESPACES)
        started = await asyncio.gather(*(app.start("ticking") for _ in range(runs)))
        print(json.dumps([server.address[1], key, [run.run_id for run in started]]), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    share_the_interpreter()
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
