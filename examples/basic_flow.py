"""A first flow: a webhook starts it, a request fetches data, and the answer goes into the state.

A flow is a graph: steps, and edges between their ports. `flow.run` streams what happens as events. Here the flow
is started by hand, with what the webhook would have delivered.
"""

import asyncio

from aiohttp import web
from receiver import serving

from openrun import Engine, Flow, FlowCompleted, StepCompleted, StepRequest, StepSetState, TriggerWebhook
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.steps.triggers.webhook import TriggerWebhookConfig


def build(address: str) -> Flow:
    """The flow, against the server at this address."""
    flow = Flow(name="Fetch Data")
    trigger = TriggerWebhook(id="trigger", config=TriggerWebhookConfig(path="/fetch"))
    fetch = StepRequest(
        id="fetch",
        config=StepRequestConfig(url=f"http://{address}/data", query={"user": "<<body.user>>"}),
    )
    store = StepSetState(id="store", config=StepSetStateConfig(key="result", value="{{response.body}}"))

    flow.add_step(trigger)
    flow.add_step(fetch)
    flow.add_step(store)
    flow.add_edge(trigger, fetch)
    flow.add_edge(fetch, store)
    return flow


async def data(request: web.Request) -> web.Response:
    return web.json_response({"user": request.query["user"], "points": 42})


async def main() -> None:
    async with serving({"GET /data": data}) as address, Engine(allow=[address]) as engine:
        async for event in build(address).run(input={"body": {"user": "ada"}}, engine=engine):
            match event:
                case StepCompleted():
                    print(f"{event.step_id}: {event.result.status}")
                case FlowCompleted():
                    print(f"the run {event.status}; result = {event.state_snapshot['result']}")


if __name__ == "__main__":
    asyncio.run(main())
