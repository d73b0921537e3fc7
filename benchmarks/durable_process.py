"""Another process that does one thing, and what it says about it."""

import asyncio
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """What a process said, and when it was started, by the wall clock that it shares with us."""

    begun_at: float
    found: dict[str, Any]


async def ask(what: str, file: Path, *, kill: bool = False) -> Told:
    """What a process says; then it ends by itself, or is killed on the spot."""
    begun_at = time.time()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.durable_child", what, str(file), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{what!r} ended with {await process.wait()} and said nothing")
        if not kill:
            await process.wait()
        return Told(begun_at, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
