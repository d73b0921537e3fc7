"""A flow inside a flow: one flow runs another as a step, and goes on with its output.

The engine knows flows by their ids. A subflow step starts a run of its own, hands it an input (the `body` of the
other flow's trigger) and waits. If that run fails, the step fails with SUBFLOW_FAILED, here caught by
the `error` port.
"""

import asyncio

from openrun import (
    Engine,
    Flow,
    StepConditional,
    StepFail,
    StepReply,
    StepSubflow,
    StepTransform,
    TriggerManual,
)
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.fail import StepFailConfig
from openrun.steps.execution.reply import StepReplyConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.steps.execution.transform import StepTransformConfig

PRICES = {"teapot": 20, "cup": 4}


def pricing() -> Flow:
    """A flow that other flows can use: the price of an item, times the count."""
    start = TriggerManual(id="start")
    known = StepConditional(
        id="known",
        config=StepConditionalConfig(left="{{ prices[body.item] }}", operator="exists"),
    )
    price = StepTransform(
        id="price", config=StepTransformConfig(value="{{ prices[body.item] * body.count }}")
    )
    unknown = StepFail(
        id="unknown", config=StepFailConfig(message="we sell no {{body.item}}", code="NOT_SOLD")
    )
    prices = StepTransform(id="prices", config=StepTransformConfig(key="prices", value=PRICES))
    return Flow(name="Pricing").add(
        start >> prices >> known,
        known["true"] >> price,
        known["false"] >> unknown,
    )


def ordering() -> Flow:
    """The flow around it."""
    start = TriggerManual(id="start")
    price = StepSubflow(id="price", config=StepSubflowConfig(flow="pricing", input="<<body>>"))
    offer = StepReply(
        id="offer", config=StepReplyConfig(body="{{body.count}} {{body.item}}s make {{steps.price}}")
    )
    sorry = StepReply(id="sorry", config=StepReplyConfig(status=404, body="sorry: {{steps.price.message}}"))
    return Flow(name="Ordering").add(
        start >> price >> offer,
        price["error"] >> sorry,
    )


async def main() -> None:
    async with Engine(flows=[pricing()]) as engine:
        for order in ({"item": "cup", "count": 6}, {"item": "samovar", "count": 1}):
            run = await ordering().execute(input={"body": order}, engine=engine)
            print(f"{run.output['status']}: {run.output['body']}")


if __name__ == "__main__":
    asyncio.run(main())
