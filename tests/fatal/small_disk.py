"""A server whose store lies on a small file system of its own."""

import asyncio
import errno
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.site import Got

from .receiver import PATIENCE

ROOT = Path(__file__).parent.parent.parent
PIECE = 64 * 2**10
ALONE = ("unshare", "--user", "--map-root-user", "--mount")
MOUNT = 'mount -t tmpfs -o size=8m none "$1" && exec "$2" -m tests.fatal.server_process "$1/openrun.db" 0'


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallDisk:
    """The server, a client, and the disk as the server sees it."""

    process: asyncio.subprocess.Process
    url: str
    key: str
    directory: Path
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Got:
        """With the key of an admin; a call that gets no answer in time fails the test."""
        sent = {"Authorization": f"Bearer {self.key}", **headers}
        async with self.http.request(method, self.url + path, json=body, headers=sent) as response:
            return Got(response.status, response.headers, await response.text())

    async def deliver(self, delivery_id: str, body: Any = None) -> Got:
        return await self.call("POST", "/hooks/work", body or {}, **{"Idempotency-Key": delivery_id})

    @property
    def _ballast(self) -> Path:
        return self.directory / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("ab", buffering=0) as file:
            for piece in (PIECE, 1):
                try:
                    while file.write(b"x" * piece):
                        pass
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def make_room(self) -> None:
        self._ballast.unlink()

    async def stop(self) -> int:
        """Ask it to stop; what it exits with."""
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


def _may_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode == 0  # noqa: S603


@asynccontextmanager
async def small_disk(directory: Path, seconds: float) -> AsyncIterator[SmallDisk]:
    """A server with a webhook at /hooks/work; `seconds` is how long any call may take."""
    if not await asyncio.to_thread(_may_mount):
        pytest.skip("NOT TESTED ON A FULL DISK: a small file system cannot be mounted here")
    process = await asyncio.create_subprocess_exec(
        *(*ALONE, "sh", "-c", MOUNT, "sh", str(directory), sys.executable),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            host, port, key = (await process.stdout.readline()).decode().split()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(seconds)) as http:
            yield SmallDisk(
                process=process,
                url=f"http://{host}:{port}",
                key=key,
                directory=Path(f"/proc/{process.pid}/root{directory}"),
                http=http,
            )
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
