"""The four join modes side by side, in four situations.

A step with several inbound edges decides by its `join_mode`. Here two branches, left and right, lead to four joins,
one per mode; the table shows what each join did. A branch that was not taken never blocks a join. A failure that
was handled elsewhere (`caught`) keeps an ALL_SUCCESS join from running, without failing it.
"""

import asyncio
from collections.abc import Iterable

from openrun import Flow, JoinMode, Step, StepConditional, StepFail, StepStarted, StepTransform, TriggerManual
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.fail import StepFailConfig
from openrun.steps.execution.transform import StepTransformConfig

SITUATIONS = [
    ("succeeds", "succeeds"),
    ("succeeds", "not taken"),
    ("succeeds", "fails"),
    ("succeeds", "caught"),
    ("not taken", "not taken"),
]


def add_branch(flow: Flow, start: Step, name: str, fate: str) -> Step:
    """A branch from `start` that ends in a step called `name`, to which this happens."""
    fine = StepTransform(id=name, config=StepTransformConfig(value=f"{name} is done"))
    broken = StepFail(id=name, config=StepFailConfig(message=f"{name} broke"))
    match fate:
        case "succeeds":
            flow.add(start >> fine)
            return fine
        case "not taken":
            never = StepConditional(id=f"{name}_never", config=StepConditionalConfig(left=1, right=2))
            flow.add(start >> never["true"] >> fine)
            return fine
        case "fails":
            flow.add(start >> broken)
            return broken
        case _:
            handler = StepTransform(id=f"{name}_handler", config=StepTransformConfig(value="reported"))
            flow.add(start >> broken["error"] >> handler)
            return broken


def build(fates: Iterable[str]) -> Flow:
    """Two branches and, behind both, one join per mode."""
    flow = Flow(name="Joins")
    start = TriggerManual(id="start")
    left, right = (
        add_branch(flow, start, name, fate) for name, fate in zip(("left", "right"), fates, strict=True)
    )
    for mode in JoinMode:
        join = StepTransform(id=mode.lower(), config=StepTransformConfig(value="joined"), join_mode=mode)
        flow.add(left >> join, right >> join)
    return flow


async def row(fates: tuple[str, str]) -> list[str]:
    """What each of the four joins did."""
    run = await build(fates).execute()
    cells = []
    for mode in JoinMode:
        times = sum(isinstance(event, StepStarted) and event.step_id == mode.lower() for event in run.events)
        verdict = run.explain(mode.lower())[0].verdict
        cells.append(f"ran {times} times" if times > 1 else verdict)
    return cells


async def main() -> None:
    columns = ["left", "right", *JoinMode]
    print("".join(f"{column:<15}" for column in columns).rstrip())
    for fates in SITUATIONS:
        print("".join(f"{cell:<15}" for cell in [*fates, *await row(fates)]).rstrip())


if __name__ == "__main__":
    asyncio.run(main())
