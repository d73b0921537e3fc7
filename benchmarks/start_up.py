"""`openrun serve` on a folder with one flow: from its start to its first answer, and what it takes in memory idle."""

import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cores import FIRST, line, memory, process
from benchmarks.measure import row

ROUNDS = 5
IDLE_SECONDS = 5.0
PATIENCE = 60.0
FLOW = {
    "id": "hello",
    "name": "Hello",
    "steps": [
        {"id": "hook", "type": "trigger_webhook", "config": {"path": "/hello", "mode": "respond"}},
        {"id": "say", "type": "reply", "config": {"body": {"hello": "world"}}},
    ],
    "edges": [{"source": "hook", "target": "say"}],
}
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
BARE = """
import socket
from aiohttp import web
async def answer(request):
    return web.json_response({"hello": "world"})
app = web.Application()
app.router.add_post("/hooks/hello", answer)
sock = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{sock.getsockname()[1]}", flush=True)
web.run_app(app, sock=sock, print=None, access_log=None)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds to the first answer, MiB when idle."""

    seconds: float
    memory: float


async def measure() -> list[str]:
    """Starts of a fresh store each, in turns with those of a bare aiohttp server."""
    ours: list[Start] = []
    bare: list[Start] = []
    serve = ("-m", "openrun", "serve", "flows", "--port", "0")
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as compiled:
        # As after an installation: what is imported has been compiled.
        await _start(compiled, *serve)
        for _ in range(ROUNDS):
            bare.append(await _start(compiled, "-c", BARE))
            ours.append(await _start(compiled, *serve))
    seconds, size = (statistics.median(each) for each in zip(*map(_figures, ours), strict=True))
    base, its_size = (statistics.median(each) for each in zip(*map(_figures, bare), strict=True))
    load = os.getloadavg()[0]
    return [
        f"bare aiohttp: {base:.2f} s to the first answer, {its_size:.0f} MiB idle; load average {load:.1f}",
        row(
            "openrun serve: start to first answer",
            f"{seconds:.2f} s",
            "< 1.5 s (aim 0.8 s)",
            held=seconds < 1.5,
        ),
        row(
            f"openrun serve: memory {IDLE_SECONDS:g} s later, idle",
            f"{size:.0f} MiB",
            "< 100 MiB (aim 70 MiB)",
            held=size < 100,
        ),
    ]


def _figures(start: Start) -> tuple[float, float]:
    return start.seconds, start.memory


async def _start(compiled: str, *arguments: str) -> Start:
    """Start Python where there is a folder `flows`; it has to print what it listens to."""
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as folder:
        (Path(folder) / "flows").mkdir()
        (Path(folder) / "flows" / "hello.json").write_text(json.dumps(FLOW))
        environment = {
            **{name: its for name, its in os.environ.items() if not name.startswith("PYTHON")},
            "PYTHONPATH": str(Path(__file__).parent.parent),
            "PYTHONPYCACHEPREFIX": compiled,
        }
        began = time.perf_counter()
        async with (
            process(
                FIRST, sys.executable, *arguments, cwd=folder, env=environment, stdout=PIPE, stderr=DEVNULL
            ) as started,
            asyncio.timeout(PATIENCE),
        ):
            address = _ADDRESS.search(await line(started))
            assert address is not None, "the first line says no address"
            await _answer(int(address[1]))
            seconds = time.perf_counter() - began
            await asyncio.sleep(IDLE_SECONDS)
            return Start(seconds=seconds, memory=memory(started))


async def _answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST /hooks/hello HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    said = await reader.read()
    writer.close()
    assert said.startswith(b"HTTP/1.1 2"), said
