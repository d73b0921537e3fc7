"""A request step of an untrusted document, run by a real engine, never reaches a private address."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from openrun import Engine, Flow, InvalidFlow
from openrun.core.types import RunStatus
from openrun.net.http import HttpClient
from openrun.net.resolver import Lookup

ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
)


class Listener:
    """Listens on a loopback port, and counts whoever connects."""

    def __init__(self) -> None:
        self.connections = 0
        self.answer = ANSWER
        self.port = 0
        self._servers: list[asyncio.Server] = []

    async def start(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._servers.append(server)
        self.port = server.sockets[0].getsockname()[1]
        # Where the machine has IPv6, its loopback is watched, too.
        with contextlib.suppress(OSError):
            self._servers.append(await asyncio.start_server(self._connected, "::1", self.port))

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
            await server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    made = Listener()
    await made.start()
    yield made
    await made.stop()


def finding(*addresses: str) -> Lookup:
    """A look-up for which every name leads to these addresses."""

    def lookup(_host: str, port: int, **_hints: Any) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    return lookup


async def outcome(
    url: str, *, body: Any = None, allow: tuple[str, ...] = (), lookup: Lookup | None = None
) -> tuple[str, Any]:
    """How a document with a request to this URL ends: "refused", or the run's status; and why."""
    document = {
        "name": "fetch",
        "steps": [
            {"id": "start", "type": "trigger_manual"},
            {"id": "fetch", "type": "request", "config": {"url": url, "timeout": 10}},
        ],
        "edges": [{"source": "start", "target": "fetch"}],
    }
    try:
        flow = Flow.from_dict(document)
        flow.program()
    except InvalidFlow as error:
        return "refused", {fault.code for fault in error.errors}
    http = HttpClient(lookup=lookup) if lookup is not None else None
    async with Engine(allow=allow, http=http) as engine:
        run = await flow.execute(input={"body": body}, engine=engine)
    if http is not None:
        await http.close()
    return run.status.value, run.failures[0].error.code if run.failures else run.output


HOSTS = [
    "127.0.0.1",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST.",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "0",
    "0.0.0.0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
    "\uff11\uff12\uff17.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "user@127.0.0.1",
    "example.com@127.0.0.1",
    "example.com:80@127.0.0.1",
    "127.0.0.1#@example.com",
]


@pytest.mark.parametrize("host", HOSTS)
async def test_no_spelling_of_a_private_host_is_connected_to(host: str, listener: Listener) -> None:
    status, reason = await outcome(f"http://{host}:{listener.port}/")
    assert status in {"refused", RunStatus.FAILED}
    if status == RunStatus.FAILED:
        assert reason in {"ADDRESS_REFUSED", "INVALID_URL", "CONNECT_FAILED"}
    assert listener.connections == 0


@pytest.mark.parametrize("host", HOSTS)
async def test_nor_when_it_comes_out_of_a_template(host: str, listener: Listener) -> None:
    status, reason = await outcome("http://<<body.host>>/", body={"host": f"{host}:{listener.port}"})
    assert status == RunStatus.FAILED
    assert reason in {"ADDRESS_REFUSED", "INVALID_URL", "CONNECT_FAILED"}
    assert listener.connections == 0


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/",
        "ftp://127.0.0.1:{port}/",
        "HTTP:127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http:/127.0.0.1:{port}/",
        "http:\\\\127.0.0.1:{port}\\",
        "http://127.0.0.1:{port}\\@example.com/",
        "http://example.com\r\n@127.0.0.1:{port}/",
        "unix:/var/run/docker.sock",
        "data:text/plain,hello",
        "",
    ],
)
async def test_no_other_kind_of_url_is_followed(url: str, listener: Listener) -> None:
    status, _ = await outcome(url.format(port=listener.port))
    assert status in {"refused", RunStatus.FAILED}
    status, _ = await outcome("<<body>>", body=url.format(port=listener.port))
    assert status == RunStatus.FAILED
    assert listener.connections == 0


@pytest.mark.parametrize(
    "addresses", [("127.0.0.1",), ("::1", "127.0.0.1"), ("::ffff:127.0.0.1",), ("10.0.0.1", "127.0.0.1")]
)
async def test_no_name_that_leads_to_a_private_address_is_connected_to(
    addresses: tuple[str, ...], listener: Listener
) -> None:
    status, reason = await outcome(f"http://rebound.example:{listener.port}/", lookup=finding(*addresses))
    assert (status, reason) == (RunStatus.FAILED, "ADDRESS_REFUSED")
    assert listener.connections == 0


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_to_a_private_address(code: int, listener: Listener) -> None:
    origin = Listener()
    await origin.start()
    location = f"http://127.0.0.1:{listener.port}/latest/meta-data"
    origin.answer = f"HTTP/1.1 {code} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    allowed = f"127.0.0.1:{origin.port}"
    status, reason = await outcome(f"http://{allowed}/", allow=(allowed,))
    await origin.stop()
    assert (status, reason) == (RunStatus.FAILED, "ADDRESS_REFUSED")
    assert origin.connections == 1
    assert listener.connections == 0


async def test_what_the_operator_allows_is_reached(listener: Listener) -> None:
    allowed = f"127.0.0.1:{listener.port}"
    status, output = await outcome("http://<<body.host>>/", body={"host": allowed}, allow=(allowed,))
    assert status == RunStatus.SUCCEEDED
    assert output["status"] == 200
    assert listener.connections == 1
