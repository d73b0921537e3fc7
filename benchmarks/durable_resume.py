"""A run with a long journal, killed in the midst of it, goes on in another process."""

import statistics
import tempfile
from pathlib import Path

from benchmarks.durable_child import LONG
from benchmarks.durable_process import ask
from benchmarks.measure import row

_TIMES = 3


async def measure() -> list[str]:
    """From the claim until the run's next event is on disk: reading, checking and folding the journal lie between."""
    found = []
    for _ in range(_TIMES):
        with tempfile.TemporaryDirectory(prefix="openrun-bench-") as home:
            file = Path(home) / "openrun.db"
            await ask("loop", file, kill=True)
            found.append((await ask("resume", file)).found)
    seconds = statistics.median(each["seconds"] for each in found)
    events = min(each["events"] for each in found)
    if events < LONG:
        raise RuntimeError(f"the journal has only {events} events")
    return [row(f"a run of {events:,} events resumes", f"{seconds:.2f} s", "< 1 s", held=seconds < 1)]
