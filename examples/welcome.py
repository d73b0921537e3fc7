"""A tour in one run: branches side by side, a retry, a join, a decision, and why a step did not run.

It takes an order: stock is counted while the card is charged; both have to succeed before
the order is packed; a large order goes to a manager first. Read it from the bottom up, then change it.
"""

import asyncio
from textwrap import indent

from openrun import (
    Flow,
    FlowCompleted,
    JoinMode,
    RetryPolicy,
    StepCompleted,
    StepConditional,
    StepContext,
    StepReply,
    StepScheduled,
    StepSkipped,
    StepStarted,
    TransientError,
    TriggerManual,
    __version__,
    step,
)
from openrun.core.events import Shown
from openrun.steps.execution.conditional import StepConditionalConfig
from openrun.steps.execution.reply import StepReplyConfig

ORDER = {"item": "teapot", "count": 2, "total": 40}

PICTURE = """\
          ┌─ count_stock ─┐                  ┌─ true ── ask_manager ─┐
  order ──┤               ├── pack ── large ─┤                       ├── answer
          └─ charge ──────┘                  └─ false ── ship ───────┘
"""

NEXT = """
Try next:
  * set the total in examples/welcome.py to 400, and run it again
  * run a flow that is a JSON document:
      .venv/bin/openrun run examples/github_issues.json --input @examples/github_issues_delivery.json
  * write a flow of your own in five minutes: docs/start.md"""


@step
async def count_stock(item: str, count: int) -> str:
    """Look whether there is enough on the shelf."""
    await asyncio.sleep(0.6)
    return f"{count} of 12 {item}s set aside"


@step
async def charge(total: int, context: StepContext) -> str:
    """Charge the card; the terminal is busy at first."""
    await asyncio.sleep(0.2)
    if context.attempt == 1:
        raise TransientError("the card terminal is busy")
    return f"{total} paid"


@step
async def pack(item: str) -> str:
    return f"{item} packed"


@step
async def ship(item: str) -> str:
    await asyncio.sleep(0.2)
    return f"{item} on its way"


@step
async def ask_manager(total: int) -> str:
    return f"a manager looks at an order of {total}"


def build() -> Flow:
    """The flow of the picture."""
    order = TriggerManual(id="order")
    stock = count_stock(id="count_stock", item="<<body.item>>", count="<<body.count>>")
    paid = charge(id="charge", total="<<body.total>>", retry=RetryPolicy(max_attempts=3, base_ms=300))
    packed = pack(id="pack", item="<<body.item>>", join_mode=JoinMode.ALL_SUCCESS)
    large = StepConditional(
        id="large", config=StepConditionalConfig(left="<<body.total>>", operator="greater_than", right=100)
    )
    asked = ask_manager(id="ask_manager", total="<<body.total>>")
    shipped = ship(id="ship", item="<<body.item>>")
    answer = StepReply(
        id="answer",
        join_mode=JoinMode.ALL_SUCCESS,
        config=StepReplyConfig(body="{{steps.charge}}, {{steps.ship or steps.ask_manager}}"),
    )
    return Flow(name="Order").add(
        order >> stock >> packed >> large,
        order >> paid >> packed,
        large["true"] >> asked >> answer,
        large["false"] >> shipped >> answer,
    )


def told(event: Shown) -> str | None:
    """The event in a few words."""
    match event:
        case StepStarted(attempt=1):
            return f"{event.step_id:<12} starts"
        case StepStarted():
            return f"{event.step_id:<12} starts again, attempt {event.attempt}"
        case StepScheduled():
            wait = (event.not_before - event.timestamp).total_seconds()
            return f"{event.step_id:<12} failed: {event.error.message}; tries again in {wait:.1f} s"
        case StepCompleted():
            way = "".join(f", goes on by {port}" for port in event.result.ports if port != "default")
            said = f": {event.result.output}" if isinstance(event.result.output, str) else ""
            return f"{event.step_id:<12} done{way}{said}"
        case StepSkipped():
            return f"{event.step_id:<12} skipped"
        case FlowCompleted():
            return f"{'the run':<12} {event.status}: {event.output['body']}"
        case _:
            return None


async def main() -> None:
    print(f"OpenRun {__version__} takes an order: {ORDER}\n")
    print(PICTURE)
    events: list[Shown] = []
    running = build().run(input={"body": ORDER})
    async for event in running:
        events.append(event)
        line = told(event)
        if line:
            seconds = (event.timestamp - events[0].timestamp).total_seconds()
            print(f"  {seconds:4.1f} s  {line}")

    run = await running.finished()
    for skipped in [event.step_id for event in events if isinstance(event, StepSkipped)]:
        print(f"\nWhy did {skipped} not run?\n")
        for explanation in run.explain(skipped):
            print(indent(str(explanation), "  "))

    print(NEXT)


if __name__ == "__main__":
    asyncio.run(main())
