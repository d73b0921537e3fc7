"""When things fail: retries, an error path, and a step that runs whatever happens.

`charge` is tried again while the server says it is busy. `ship` fails for good; because its `error` port is
wired, `refund` runs with the error at hand, and the failure counts as handled. `unlock` is marked
`always`: it runs once everything before it has ended, as a `finally` block would.
"""

import asyncio
from itertools import count

from aiohttp import web
from receiver import serving

from openrun import (
    Engine,
    Flow,
    RetryPolicy,
    StepCompleted,
    StepRequest,
    StepScheduled,
    StepSkipped,
    StepTransform,
    TriggerManual,
)
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.transform import StepTransformConfig

BUSY_AT_FIRST = 2


def build(address: str) -> Flow:
    """charge, then ship, then thank; a failed shipment is refunded; unlock comes last."""
    start = TriggerManual(id="start")
    charge = StepRequest(
        id="charge",
        config=StepRequestConfig(url=f"http://{address}/charge", method="POST"),
        retry=RetryPolicy(max_attempts=5, base_ms=20),
    )
    ship = StepRequest(id="ship", config=StepRequestConfig(url=f"http://{address}/ship", method="POST"))
    thank = StepTransform(id="thank", config=StepTransformConfig(value="thank you"))
    refund = StepTransform(
        id="refund",
        config=StepTransformConfig(value="refunded, since {{steps.ship.code}}: {{steps.ship.details.body}}"),
    )
    unlock = StepTransform(id="unlock", config=StepTransformConfig(value="unlocked"), always=True)
    return Flow(name="Order").add(
        start >> charge >> ship >> thank >> unlock,
        ship["error"] >> refund >> unlock,
    )


async def main() -> None:
    calls = count(1)

    async def charge(_request: web.Request) -> web.Response:
        return web.Response(status=503 if next(calls) <= BUSY_AT_FIRST else 200)

    async def ship(_request: web.Request) -> web.Response:
        return web.Response(status=409, text="out of stock")

    routes = {"POST /charge": charge, "POST /ship": ship}
    async with serving(routes) as address, Engine(allow=[address]) as engine:
        async for event in (run := build(address).run(engine=engine)):
            match event:
                case StepScheduled():
                    print(f"{event.step_id}: {event.error.code}, so attempt {event.attempt} follows")
                case StepSkipped():
                    print(f"{event.step_id}: skipped, {event.reason}")
                case StepCompleted(step_id="refund" | "unlock"):
                    print(f"{event.step_id}: {event.result.output}")
                case StepCompleted():
                    print(f"{event.step_id}: {event.result.status}")
        finished = await run.finished()

    print(f"the run {finished.status}")
    for failure in finished.failures:
        print(f"{failure.step_id} failed with {failure.error.code}, handled: {failure.handled}")


if __name__ == "__main__":
    asyncio.run(main())
