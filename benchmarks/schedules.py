"""100,000 schedules that are due within ten minutes: how long they take to be kept, how much memory, how late they fire.

1,000 flows have 100 schedules each: every ten minutes, spread by their jitter. A process of its own fires them, and
leaves the runs to workers elsewhere; the module, run as a script, is that process.
"""

import asyncio
import gc
import json
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import row
from openrun import Flow, StepSetState
from openrun.app import App
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.steps.triggers.schedule import TriggerSchedule, TriggerScheduleConfig

FLOWS = 1_000
EACH = 100
SPREAD = 600
WINDOW = 60.0
_AT_ONCE = 8
_BAR_LOAD, _BAR_MIB, _BAR_LATE = 10.0, 150, 1.0


@dataclass
class Ear:
    """An observer that notes how late ticks are decided, in seconds."""

    late: list[float] = field(default_factory=list)

    def ticked(self, outcome: str, lag_seconds: float) -> None:
        assert outcome == "fired"
        self.late.append(lag_seconds)


async def measure() -> list[str]:
    """Keeping all flows in this process, and firing for a minute in another."""
    with tempfile.TemporaryDirectory(prefix="openrun-bench-") as home:
        path = Path(home) / "schedules.db"
        seconds, cpu = await _load(path)
        said = await _fire(path)
    enough = said["fired"] > FLOWS * EACH * WINDOW / SPREAD / 2
    found = (
        f"     loading took {cpu:.1f} s of CPU; {said['fired']:,} fired in {said['seconds']:.0f} s, half of them at most "
        f"{said['half'] * 1_000:.0f} ms late, with {said['cpu'] / said['seconds']:.0%} of a core"
    )
    what = f"{FLOWS * EACH:,} schedules in {FLOWS:,} flows"
    return [
        row(f"{what}: load", f"{seconds:.2f} s", f"< {_BAR_LOAD:.0f} s", held=seconds < _BAR_LOAD),
        row(
            f"{what}: memory of the process",
            f"{said['peak']:.0f} MiB",
            f"< {_BAR_MIB} MiB",
            held=said["peak"] < _BAR_MIB,
        ),
        row(
            f"{what}: lateness p99",
            f"{said['p99'] * 1_000:.0f} ms",
            f"< {_BAR_LATE:.0f} s",
            held=said["p99"] < _BAR_LATE and enough,
        ),
        found,
    ]


async def _load(path: Path) -> tuple[float, float]:
    async with App(path, work=False) as app:
        flows = [_flow(number) for number in range(FLOWS)]
        left = iter(flows)

        async def keep() -> None:
            for flow in left:
                await app.add_flow(flow)

        gc.collect()
        # The flows are the clients', not the engine's.
        gc.freeze()
        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*[keep() for _ in range(_AT_ONCE)])
        return time.perf_counter() - begun, time.process_time() - cpu


def _flow(number: int) -> Flow:
    flow = Flow(name=f"flow-{number}")
    done = StepSetState(id="done", config=StepSetStateConfig(values={"done": True}))
    every = TriggerScheduleConfig(interval=SPREAD, jitter=SPREAD)
    for at in range(EACH):
        flow.add_edge(TriggerSchedule(id=f"s{at}", config=every), done)
    return flow


async def _fire(path: Path) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.schedules", str(path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            raise RuntimeError(f"it ended with {await process.wait()} and said nothing")
        await process.wait()
        said: dict[str, Any] = json.loads(line)
        return said
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _child(path: Path) -> None:
    ear = Ear()
    async with App(path, work=False, observers=[ear]) as app:  # type: ignore[list-item]
        await _forward(app)
        begun, cpu = time.perf_counter(), time.process_time()
        await app.listening.scheduler.start()
        await asyncio.sleep(WINDOW)
        await app.listening.scheduler.stop()
        seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    late = sorted(ear.late)
    found = {
        "fired": len(late),
        "half": late[len(late) // 2],
        "p99": late[int(len(late) * 0.99)],
        "peak": _peak(),
        "seconds": seconds,
        "cpu": spent,
    }
    print(json.dumps(found), flush=True)


async def _forward(app: App) -> None:
    """Put the store's clock forward to the next ten minutes: until then nothing is due."""
    real, span = app.store.now, SPREAD * 1_000
    ahead = span - await real() % span

    async def now() -> int:
        return await real() + ahead

    app.store.now = now  # type: ignore[method-assign]


def _peak() -> float:
    # Not ru_maxrss: that begins with what the parent had.
    (line,) = (
        each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM")
    )
    return int(line.split()[1]) / 2**10


if __name__ == "__main__":
    asyncio.run(_child(Path(sys.argv[1])))
