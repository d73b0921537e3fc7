"""People in the loop: two of those who may say yes, a form for what they change, and a time after which it is too late.

A run that waits is a row in the store: the program that asked is gone while people think. An answer names the
wait, not the run, and is checked before the run hears of it.
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from openrun import Flow, FlowCompleted, StepWaiting
from openrun.app import App, InvalidAnswer, NotAllowed
from openrun.core.events import Shown

DOCUMENT = Path(__file__).with_suffix(".json")
CLAIMS: list[dict[str, Any]] = [
    {"who": "Ada", "what": "a teapot", "amount": 480, "patience": "3d"},
    {"who": "Bob", "what": "a yacht", "amount": 400, "patience": "3d"},
    {"who": "Eve", "what": "nothing much", "amount": 10, "patience": "2s"},
]


async def claim(file: Path) -> dict[str, str]:
    """Start a run per claim, and leave once all of them wait."""
    waiting = asyncio.Semaphore(0)

    def show(event: Shown) -> None:
        if isinstance(event, StepWaiting):
            waiting.release()

    runs = {}
    async with App(file, flows=[Flow.from_json(DOCUMENT.read_text())]) as app:
        for each in CLAIMS:
            run = await app.start("expense", input={"body": each}, show=show)
            runs[each["who"]] = run.run_id
            await waiting.acquire()
    return runs


async def decide(file: Path, runs: dict[str, str]) -> None:
    """Another program, later: it looks for what is open, and answers for three people."""
    async with App(file) as app:
        waits = {row.run_id: row for row in await app.waits.open(kind=["approval"])}
        for row in waits.values():
            print(f"open: {row.title}")
        teapot, yacht = waits[runs["Ada"]].wait_id, waits[runs["Bob"]].wait_id

        try:
            await app.waits.approve(teapot, by="ada")
        except NotAllowed:
            print("ada may not answer for herself")
        try:
            await app.waits.approve(teapot, {"amount": 600}, by="grace")
        except InvalidAnswer as error:
            print(f"grace approves 600: {error.faults[0][1]}")
        await app.waits.approve(teapot, {"amount": 450}, by="grace")
        again = await app.waits.approve(teapot, {"amount": 450}, by="grace")
        print(f"grace approves 450, and once more: repeated {again.repeated}")
        await app.waits.approve(teapot, by="hedy", roles=["finance"])
        await app.waits.reject(yacht, "the sea is far away", by="linus")

        for run_id in runs.values():
            await app.ended(run_id)
            end = (await app.facts(run_id))[-1]
            assert isinstance(end, FlowCompleted)
            print(f"  {end.output['body']}")


def main() -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "openrun.db"
        runs = asyncio.run(claim(file))
        asyncio.run(decide(file, runs))


if __name__ == "__main__":
    main()
