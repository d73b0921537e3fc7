"""What is asked: `python -m benchmarks.webhook_site bare|openrun FOLDER` listens and prints its port."""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

from openrun import Flow
from openrun.app import App
from openrun.cli.durable import share_the_interpreter
from openrun.server.api import ROUTES
from openrun.server.config import ServerConfig
from openrun.server.server import Server
from openrun.telemetry.metrics import Metrics

THREE_STEPS = {
    "id": "three",
    "name": "Three steps",
    "steps": [
        {"id": "hook", "type": "trigger_webhook", "config": {"path": "/accepted"}},
        {"id": "add", "type": "set_state", "config": {"key": "total", "value": "<<body.total>>"}},
        {"id": "say", "type": "reply", "config": {"body": {"total": "<<total>>"}}},
    ],
    "edges": [{"source": "hook", "target": "add"}, {"source": "add", "target": "say"}],
}


def answering() -> dict[str, object]:
    """The same flow, which keeps its caller until it replies."""
    document = json.loads(json.dumps(THREE_STEPS))
    document["id"] = "three-answered"
    document["steps"][0]["config"] = {"path": "/respond", "mode": "respond"}
    return document  # type: ignore[no-any-return]


async def bare() -> None:
    """A handler of aiohttp that reads JSON and answers JSON."""

    async def answer(request: web.Request) -> web.Response:
        body = await request.json()
        return web.json_response({"total": body["total"]})

    app = web.Application()
    app.router.add_post("/hooks/{name}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


async def openrun(folder: Path) -> None:
    """As `openrun serve` does it: SQLite with FULL, an embedded worker, metrics."""
    share_the_interpreter()
    metrics = Metrics()
    flows = [Flow.from_json(json.dumps(each)) for each in (THREE_STEPS, answering())]
    async with (
        App(folder / "openrun.db", flows=flows, observers=[metrics]) as app,
        Server(app, ServerConfig(port=0), metrics=metrics, routes=ROUTES) as server,
    ):
        print(server.address[1], flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(bare() if sys.argv[1] == "bare" else openrun(Path(sys.argv[2])))
