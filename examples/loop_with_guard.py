"""A loop: ask a server until a job is done, with a guard against asking for ever.

A loop is an edge that leads back. Every time round is an iteration with a scope of its own (`/poll:2` is the
second). `max_iterations` on the loop's first step is the guard: past it, the loop's exits carry the failure
LOOP_LIMIT out.
"""

import asyncio
from itertools import count

from aiohttp import web
from receiver import serving

from openrun import (
    Engine,
    Flow,
    FlowCompleted,
    StepConditional,
    StepDelay,
    StepRequest,
    StepStarted,
    StepTransform,
    TriggerManual,
)
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.transform import StepTransformConfig

ROUNDS_UNTIL_DONE = 3


def build(address: str, max_iterations: int) -> Flow:
    """From `done` the flow goes to the report or, after a pause, back to `poll`."""
    start = TriggerManual(id="start")
    poll = StepRequest(
        id="poll", config=StepRequestConfig(url=f"http://{address}/job"), max_iterations=max_iterations
    )
    done = StepConditional(
        id="done", config=StepConditionalConfig(left="<<steps.poll.data.status>>", right="done")
    )
    pause = StepDelay(id="pause", config=StepDelayConfig(seconds="50ms"))
    report = StepTransform(
        id="report", config=StepTransformConfig(value="the job is {{steps.poll.data.status}}")
    )
    return Flow(name="Poll").add(
        start >> poll >> done,
        done["false"] >> pause >> poll,
        done["true"] >> report,
    )


async def watch(flow: Flow, engine: Engine) -> None:
    async for event in flow.run(engine=engine):
        match event:
            case StepStarted(step_id="poll"):
                print(f"  asks, in {event.scope}")
            case FlowCompleted():
                print(f"  the run {event.status}: {event.output}")
                for failure in event.failures:
                    print(f"  {failure.error.code}: {failure.error.message}")


async def main() -> None:
    rounds = count(1)

    async def job(_request: web.Request) -> web.Response:
        done = next(rounds) % ROUNDS_UNTIL_DONE == 0
        return web.json_response({"status": "done" if done else "running"})

    async with serving({"GET /job": job}) as address, Engine(allow=[address]) as engine:
        print("With patience for 10 rounds:")
        await watch(build(address, max_iterations=10), engine)
        print("With patience for 2 rounds:")
        await watch(build(address, max_iterations=2), engine)


if __name__ == "__main__":
    asyncio.run(main())
