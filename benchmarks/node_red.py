"""Webhook to answer against Node-RED, which keeps nothing: both on the first core, beside a bare aiohttp handler.

Node-RED is installed from npm into a temporary folder.
"""

import asyncio
import json
import os
import shutil
import socket
import statistics
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, create_subprocess_exec
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.cores import FIRST, process
from benchmarks.webhook import Seen, ask, site
from benchmarks.webhook_client import BODY

ROUNDS = 5
SECONDS = 4.0
INSTALL_SECONDS = 300.0
PATIENCE = 60.0
PATH = "/hooks/node"
FLOWS = [
    {"id": "tab", "type": "tab", "label": "Hook"},
    {"id": "in", "type": "http in", "z": "tab", "url": PATH, "method": "post", "wires": [["do"]]},
    {
        "id": "do",
        "type": "function",
        "z": "tab",
        "func": "msg.payload = {total: msg.payload.total}; return msg;",
        "outputs": 1,
        "wires": [["out"]],
    },
    {"id": "out", "type": "http response", "z": "tab", "statusCode": "", "headers": {}, "wires": []},
]
SETTINGS = """
module.exports = {
    uiHost: "127.0.0.1", uiPort: PORT, flowFile: "flows.json", credentialSecret: false,
    httpAdminRoot: false, logging: {console: {level: "error"}}, telemetry: {enabled: false},
};
"""


async def measure() -> list[str]:
    """Interleaved rounds of the bare handler, of ours in both ways, and of Node-RED."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        return ["skipped: node_red (npm is not installed)"]
    rounds: dict[str, list[Seen]] = {"bare": [], "accepted": [], "respond": [], "Node-RED": []}
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as folder:
        said = await _install(Path(folder))
        if said is not None:
            return [f"skipped: node_red (npm could not install it: {said})"]
        async with site("bare", folder) as bare, site("openrun", folder) as ours, _node_red(folder) as node:
            asked = {
                "bare": (bare, "/hooks/any"),
                "accepted": (ours, "/hooks/accepted"),
                "respond": (ours, "/hooks/respond"),
                "Node-RED": (node, PATH),
            }
            for port, path in asked.values():
                await ask(port, path, 1.0)
            for _ in range(ROUNDS):
                for name, (port, path) in asked.items():
                    rounds[name].append(await ask(port, path, SECONDS))
    return list(_lines(rounds))


async def _install(folder: Path) -> str | None:
    """What npm had to say, if it failed."""
    command = ("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", "node-red")
    npm = await create_subprocess_exec(*command, cwd=folder, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT)
    try:
        async with asyncio.timeout(INSTALL_SECONDS):
            said, _ = await npm.communicate()
    except TimeoutError:
        npm.kill()
        await npm.wait()
        return f"not done after {INSTALL_SECONDS:g} seconds"
    return None if npm.returncode == 0 else said.decode(errors="replace").strip()[-300:]


@asynccontextmanager
async def _node_red(folder: str) -> AsyncIterator[int]:
    """The port of a Node-RED that answers."""
    home = Path(folder) / "home"
    home.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (home / "flows.json").write_text(json.dumps(FLOWS))
    (home / "settings.js").write_text(SETTINGS.replace("PORT", str(port)))
    program = Path(folder) / "node_modules" / "node-red" / "red.js"
    environment = {**os.environ, "NODE_ENV": "production"}
    async with process(
        FIRST, "node", str(program), "--userDir", str(home), env=environment, stdout=DEVNULL
    ) as node:
        async with asyncio.timeout(PATIENCE):
            while not await _answers(port):
                assert node.returncode is None, "Node-RED ended"
                await asyncio.sleep(0.2)
        yield port


async def _answers(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n"
    )
    writer.write(f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY)
    said = await reader.read()
    writer.close()
    return said.startswith(b"HTTP/1.1 200") and said.endswith(b'{"total":40}')


def _lines(rounds: dict[str, list[Seen]]) -> list[str]:
    lines = [f"load average {os.getloadavg()[0]:.1f}; medians of {ROUNDS} rounds, a second:"]
    for name, seen in rounds.items():
        rate = statistics.median(each.rate for each in seen)
        late = statistics.median(each.p99_ms for each in seen)
        faults = sum(each.faults for each in seen)
        lines.append(f"  {name:<10} {rate:>8,.0f}   p99 {late:.0f} ms, {faults} faults")
    for name in ("accepted", "respond"):
        pairs = zip(rounds[name], rounds["Node-RED"], strict=True)
        times = statistics.median(ours.rate / node.rate for ours, node in pairs)
        lines.append(f"durable run, {name}: {times:.2f}x Node-RED (aim >= 1x)")
    return lines
