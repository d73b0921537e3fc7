"""Steps that the runtime's tests run."""

import asyncio
import contextvars
from typing import Any

from pydantic import Field

from openrun import (
    Flow,
    StateContainer,
    Step,
    StepConfig,
    StepContext,
    StepRunResult,
    StepWait,
    TriggerManual,
    step,
)
from openrun.steps.catalog import StepCatalog
from openrun.steps.execution.wait import StepWaitConfig

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


class Outside:
    """The other side of calls: what each comes to is said in advance, and after that they bring "done"."""

    def __init__(self, *outcomes: Any) -> None:
        self._outcomes = list(outcomes)
        self.keys: list[str] = []
        """The idempotency keys that it was called with."""
        self.inside = asyncio.Event()
        """A call has come that waits for the door."""
        self.door = asyncio.Event()

    @property
    def calls(self) -> int:
        return len(self.keys)

    async def call(self, *_args: Any, idempotency_key: str) -> Any:
        self.keys.append(idempotency_key)
        outcome = self._outcomes.pop(0) if self._outcomes else "done"
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def wait(self, *_args: Any, idempotency_key: str) -> Any:
        """The same, once the door is open."""
        self.inside.set()
        await self.door.wait()
        return await self.call(idempotency_key=idempotency_key)


def catalog_of(**steps: Any) -> StepCatalog:
    """The catalogue with these steps of a test beside the built-in ones; bodies need it."""
    catalog = StepCatalog.builtin()
    for key, each in steps.items():
        catalog.add(key, each)
    return catalog


def body_of(*steps: Step) -> Flow:
    """These steps in a row, for a foreach."""
    flow = Flow(name="body")
    last = flow.add_step(steps[0])
    for each in steps[1:]:
        flow.add_edge(last, each, last.ports[0])
        last = each
    return flow


def flow_of(*steps: Step, name: str = "test", **settings: Any) -> Flow:
    """A manual trigger and these steps in a row, each behind the first port of the one before."""
    flow = Flow(name=name, **settings)
    last: Step = flow.add_step(TriggerManual(id="start"))
    for each in steps:
        flow.add_edge(last, each, last.ports[0])
        last = each
    return flow


class Book:
    """Steps that write down that they were undone, by their number."""

    def __init__(self) -> None:
        self.undone: list[Any] = []

        @step
        async def writes(number: Any) -> Any:
            return number

        @writes.compensation
        async def erases(number: Any) -> None:
            self.undone.append(number)

        self.writes = writes

    def step(self, number: Any, step_id: str = "", **settings: Any) -> Step:
        return self.writes(id=step_id or f"w{number}", number=number, **settings)


@step
async def breaks() -> None:
    """Fails for good."""
    raise ValueError("broken")


def signal(step_id: str, name: str = "go", **settings: Any) -> StepWait:
    return StepWait(id=step_id, config=StepWaitConfig(signal=name), **settings)
