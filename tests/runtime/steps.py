"""Steps that the runtime's tests run."""

import asyncio
import contextvars
from typing import Any

from pydantic import Field

from openrun import Flow, StateContainer, Step, StepConfig, StepContext, StepRunResult, TriggerManual

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


class Nothing(Step):
    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        return StepRunResult.success(step_id=self.id)


class Stuck(Step):
    """Never ends by itself; remembers that it was told to stop."""

    entered: Any = Field(default_factory=asyncio.Event)
    left: Any = Field(default_factory=asyncio.Event)
    stopped: list[str] = []

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        self.entered.set()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.stopped.append(self.id)
            self.left.set()
            raise
        return StepRunResult.success()


class Stubborn(Step):
    """Goes on though it is told to stop."""

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        while True:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                continue


class SelfCancelling(Step):
    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        raise asyncio.CancelledError


class Raising(Step):
    error: Any = None

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        raise self.error


class Painter(Step):
    """Sets a context variable and says what it found."""

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        found = COLOUR.get()
        COLOUR.set(self.id)
        return StepRunResult.success(output=found)


class Chatty(Step):
    times: int = 1
    size: int = 1

    async def run(self, state: StateContainer, config: StepConfig, context: StepContext) -> StepRunResult:
        for at in range(self.times):
            context.emit({"at": at, "text": "x" * self.size})
        return StepRunResult.success()


class WaitsInline(Step):
    """Breaks the promise of an inline step."""

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        await asyncio.sleep(0)
        return StepRunResult.success()


WaitsInline.inline = True


def flow_of(*steps: Step, name: str = "test", **settings: Any) -> Flow:
    """A manual trigger and these steps in a row."""
    flow = Flow(name=name, **settings)
    last: Step = flow.add_step(TriggerManual(id="start"))
    for step in steps:
        flow.add_edge(last, step)
        last = step
    return flow
