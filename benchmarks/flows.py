"""The flows that are measured."""

from openrun import (
    Flow,
    JoinMode,
    StateContainer,
    Step,
    StepConfig,
    StepRunResult,
    StepSetState,
    TriggerManual,
)
from openrun.runtime.engine import Engine
from openrun.steps.execution.set_state import StepSetStateConfig


class Trivial(Step):
    """A custom step that does nothing."""

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        return StepRunResult.success(step_id=self.id)


def chain(count: int, make: type[Step] = Trivial) -> Flow:
    """A trigger and `count` steps in a row; set_state steps write a constant each."""
    flow = Flow(name="chain")
    last: Step = flow.add_step(TriggerManual())
    for at in range(count):
        step = (
            StepSetState(config=StepSetStateConfig(key=f"k{at % 10}", value=at))
            if make is StepSetState
            else make()
        )
        flow.add_edge(last, step)
        last = step
    return flow


def fan_out(count: int) -> Flow:
    """A trigger, `count` branches and a join."""
    flow = Flow(name="fan")
    hook = flow.add_step(TriggerManual())
    join = Trivial(id="join", join_mode=JoinMode.ALL_SUCCESS)
    for _ in range(count):
        branch = Trivial()
        flow.add_edge(hook, branch)
        flow.add_edge(branch, join)
    return flow


async def drain(flow: Flow, engine: Engine) -> None:
    """Run with the event stream on."""
    async for _event in flow.run(engine=engine):
        pass
