"""An order pipeline over events: flows that know nothing of each other, and what happens between them.

The shop tells that an order was placed, and waits to hear that it was sent. Paying and packing both begin with that event,
side by side; sending begins once both are done for the same order. A filter lets a fourth flow look at large
orders alone. Everything belongs together by the order's number, which the events hand on.
"""

import asyncio

from openrun import Flow, StepEmit, StepReply, StepTransform, StepWait, TriggerEvent, TriggerManual
from openrun.app import App, DurableRun
from openrun.steps.execution.emit import StepEmitConfig
from openrun.steps.execution.reply import StepReplyConfig
from openrun.steps.execution.transform import StepTransformConfig
from openrun.steps.execution.wait import StepWaitConfig
from openrun.steps.triggers.event import TriggerEventConfig
from openrun.store.rows import RunFilter

ORDERS = ({"id": "7", "total": 40}, {"id": "8", "total": 900})


def shop() -> Flow:
    """Waits beside telling: whoever waits first cannot miss the answer."""
    order = TriggerManual(id="order")
    wait = StepWait(
        id="sent", config=StepWaitConfig(event="order.sent", correlation="<<body.id>>", timeout="1h")
    )
    tell = StepEmit(
        id="tell",
        config=StepEmitConfig(event_type="order.placed", data="<<body>>", correlation="<<body.id>>"),
    )
    done = StepReply(id="done", config=StepReplyConfig(body="<<steps.sent.value.parcel>>"))
    return Flow(name="Shop").add(order >> [wait["received"] >> done, tell])


def pay() -> Flow:
    placed = TriggerEvent(id="placed", config=TriggerEventConfig(event_type="order.placed"))
    tell = StepEmit(
        id="tell", config=StepEmitConfig(event_type="order.paid", data={"order": "<<event_data.id>>"})
    )
    return Flow(name="Pay").add(placed >> tell)


def pack() -> Flow:
    placed = TriggerEvent(id="placed", config=TriggerEventConfig(event_type="order.placed"))
    parcel = StepTransform(
        id="parcel", config=StepTransformConfig(value="parcel of order {{ event_data.id }}")
    )
    tell = StepEmit(
        id="tell",
        config=StepEmitConfig(
            event_type="order.packed", data={"order": "<<event_data.id>>", "parcel": "<<steps.parcel>>"}
        ),
    )
    return Flow(name="Pack").add(placed >> parcel >> tell)


def send() -> Flow:
    """Once an order is both paid and packed, in whatever order."""
    both = TriggerEvent(
        id="both",
        config=TriggerEventConfig(
            all_of=({"event_type": "order.paid"}, {"event_type": "order.packed"}),
            within="1d",
            correlation="<<event_data.order>>",
        ),
    )
    tell = StepEmit(
        id="tell",
        config=StepEmitConfig(event_type="order.sent", data={"parcel": "<<events.1.data.parcel>>"}),
    )
    return Flow(name="Send").add(both >> tell)


def look() -> Flow:
    """A person's work, for large orders alone."""
    large = TriggerEvent(
        id="large",
        config=TriggerEventConfig(event_type="order.placed", filter="{{ event_data.total > 500 }}"),
    )
    note = StepReply(id="note", config=StepReplyConfig(body="order {{ event_data.id }} is a large one"))
    return Flow(name="Look").add(large >> note)


async def main() -> None:
    async with App(":memory:", flows=[shop(), pay(), pack(), send(), look()]) as app:
        runs = [await app.start("shop", input={"body": order}) for order in ORDERS]
        for order, run in zip(ORDERS, runs, strict=True):
            answer = await run.output()
            print(f"order {order['id']}: {answer['body']} was sent")
        for row in await app.records.runs(RunFilter(flow_id="look")):
            note = await DurableRun(app, row.run_id).output()
            print(note["body"])
        events = [row.type for row in await app.events.list()]
        print(f"{len(events)} events: {', '.join(sorted(set(events)))}")


if __name__ == "__main__":
    asyncio.run(main())
