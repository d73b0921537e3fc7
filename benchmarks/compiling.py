"""What it takes to compile a large flow."""

import gc
import time

from benchmarks.measure import row
from openrun import Flow, StepCatalog, StepTransform, TriggerManual
from openrun.core.limits import DEFAULT_LIMITS
from openrun.steps.execution.transform import StepTransformConfig

_SIZE = 10_000


async def measure() -> list[str]:
    """Validate and compile a chain of 10,000 steps with a template each."""
    flow = Flow(name="large")
    last = flow.add_step(TriggerManual(id="start"))
    for at in range(_SIZE - 1):
        step = StepTransform(id=f"s{at}", config=StepTransformConfig(value="<<body>>"))
        flow.add_edge(last, step)
        last = step
    gc.collect()
    begun = time.perf_counter()
    flow.program(StepCatalog.builtin(), DEFAULT_LIMITS)
    seconds = time.perf_counter() - begun
    return [row(f"validate and compile {_SIZE:,} steps", f"{seconds:.2f} s", "< 2 s", held=seconds < 2)]
