"""Processes on cores of their own: what is measured on the first, who measures on the last."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_CORES = sorted(os.sched_getaffinity(0))
FIRST, LAST = _CORES[0], _CORES[-1]


@asynccontextmanager
async def process(core: int, *command: str, **more: Any) -> AsyncIterator[Process]:
    """A process on this core, that is killed in the end."""
    started = await asyncio.create_subprocess_exec("taskset", "-c", str(core), *command, **more)
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


@asynccontextmanager
async def module(core: int, name: str, *arguments: str, **more: Any) -> AsyncIterator[Process]:
    """A module of ours, whose stdout (and stdin) can be read (and written)."""
    command = (sys.executable, "-m", name, *arguments)
    async with process(core, *command, stdout=PIPE, stdin=PIPE, **more) as started:
        yield started


async def line(started: Process) -> str:
    """The next line that a process prints."""
    assert started.stdout is not None
    told = await started.stdout.readline()
    if not told:
        raise RuntimeError(f"a process ended with {await started.wait()} and said nothing")
    return told.decode().strip()


def memory(started: Process) -> float:
    """What a process has in memory, in MiB."""
    for each in Path(f"/proc/{started.pid}/status").read_text().splitlines():
        if each.startswith("VmRSS:"):
            return int(each.split()[1]) / 1_024
    raise RuntimeError(f"process {started.pid} has no memory")
