"""Runs that survive: a program goes away in the middle of a run, and another one goes on with it.

A store is a SQLite file. Once `start` has returned, the run exists whatever happens, and whoever opens the
store works on it. A key makes a start happen once, however often it is asked for.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from openrun import Flow, StepDelay, StepReply, StepTransform, TriggerManual
from openrun.app import App
from openrun.core.events import Fact, StepCompleted, TimerFired
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.reply import StepReplyConfig
from openrun.steps.execution.transform import StepTransformConfig


def reminder() -> Flow:
    """Works out what is owed, waits, and reminds."""
    start = TriggerManual(id="start")
    total = StepTransform(id="total", config=StepTransformConfig(value="{{ body.price * body.count }}"))
    wait = StepDelay(id="wait", config=StepDelayConfig(seconds="500ms"))
    remind = StepReply(id="remind", config=StepReplyConfig(body="{{ body.name }} owes {{ steps.total }}"))
    return Flow(name="Reminder").add(start >> total >> wait >> remind)


async def order(file: Path) -> str:
    """Start a run twice under one key, and leave while it waits."""
    async with App(file, flows=[reminder()]) as app:
        owed = {"body": {"name": "Ada", "price": 12, "count": 3}}
        first = await app.start("reminder", input=owed, key="order-7")
        again = await app.start("reminder", input=owed, key="order-7")
        print(f"started twice, one run: {first.run_id == again.run_id}")
        return first.run_id


async def go_on(file: Path, run_id: str) -> None:
    """Another process, later: the store has the run, and the flow too."""
    async with App(file) as app:
        row = await app.ended(run_id)
        print(f"the run {row.status}")
        for fact in await app.facts(run_id):
            tell(fact)


def tell(fact: Fact) -> None:
    match fact:
        case StepCompleted(step_id=step_id, result=result) if result.output is not None:
            print(f"  {step_id}: {result.output}")
        case TimerFired(step_id=step_id):
            print(f"  {step_id}: its time has come")
        case _:
            pass


def main() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "openrun.db"
        run_id = asyncio.run(order(file))
        print("the first program is gone")
        asyncio.run(go_on(file, run_id))


if __name__ == "__main__":
    main()
