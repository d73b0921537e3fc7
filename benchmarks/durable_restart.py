"""Restart with 10,000 waiting runs in the store: those at rest in it, and those a killed process held in memory."""

import tempfile
from pathlib import Path

from benchmarks.durable_child import WAITING
from benchmarks.durable_process import Told, ask
from benchmarks.measure import row

_BAR_SECONDS = 10
_BAR_MIB = 150


async def measure() -> list[str]:
    """From the start of the process until nothing more is to be claimed; memory against a worker with nothing to do."""
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as text:
        home = Path(text)
        idle = await ask("idle", home / "idle.db")
        parked = home / "parked.db"
        await ask("park", parked)
        rested = await ask("idle", parked)
        crashed = home / "crashed.db"
        await ask("hold", crashed, kill=True)
        taken = await ask("take_over", crashed)
    ready, over = _ready(rested), rested.found["peak"] - idle.found["peak"]
    what = f"restart with {WAITING:,} waiting runs"
    after_crash = (
        f"     {what}, held by a process that was killed: ready in {_ready(taken):.2f} s, all taken over and at rest "
        f"in {taken.found['parked_at'] - taken.begun_at:.1f} s, "
        f"at most {taken.found['peak'] - idle.found['peak']:.0f} MiB over an idle worker"
    )
    return [
        row(f"{what}: ready", f"{ready:.2f} s", f"< {_BAR_SECONDS} s", held=ready < _BAR_SECONDS),
        row(
            f"{what}: memory over an idle worker",
            f"{over:.1f} MiB (of {rested.found['peak']:.0f})",
            f"<= {_BAR_MIB} MiB",
            held=over <= _BAR_MIB,
        ),
        after_crash,
    ]


def _ready(told: Told) -> float:
    seconds: float = told.found["ready_at"] - told.begun_at
    return seconds
