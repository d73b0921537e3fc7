"""Money: a worker dies after the bank has taken the money, and before that is written down. Nobody is charged twice.

The charge is `at_most_once`. What became of it cannot be known from here, so that the run stops and asks. Every call
carries a key, under which the bank can be asked; then a person says what took place, and the run goes on.
"""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from aiohttp import web
from receiver import serving

from openrun import Flow, FlowCompleted, RunStatus, StepCatalog, StepContext, StepReply, TriggerManual, step
from openrun.app import App
from openrun.steps.execution.reply import StepReplyConfig


async def charge(bank: str, amount: int, idempotency_key: str) -> Any:
    """Ask the bank for money. An effect whose function has a parameter of this name is given its key."""
    async with aiohttp.ClientSession() as session:
        order = {"amount": amount, "key": idempotency_key}
        async with session.post(f"http://{bank}/charges", json=order) as response:
            return await response.json()


@step
async def pay(bank: str, amount: int, context: StepContext) -> dict[str, Any]:
    receipt = await context.effect("charge", charge, bank, amount, effect="at_most_once")
    return {"receipt": receipt["number"]}


def payment() -> Flow:
    start = TriggerManual(id="start")
    paying = pay(id="pay", bank="<<body.bank>>", amount="<<body.amount>>")
    thank = StepReply(id="thank", config=StepReplyConfig(body="paid, receipt {{steps.pay.receipt}}"))
    return Flow(name="Payment").add(start >> paying >> thank)


def engine(file: Path) -> App:
    catalog = StepCatalog.builtin()
    catalog.add("pay", pay)
    return App(file, flows=[payment()], catalog=catalog)


async def work(file: Path, bank: str) -> None:
    """What the other process does: it starts a run, and works on it for as long as it lives."""
    async with engine(file) as app:
        run = await app.start("payment", input={"body": {"bank": bank, "amount": 42}})
        print(run.run_id, flush=True)
        await run.finished()


class Bank:
    """The receiver. It takes the money, and whoever wants to hear of it is gone by then."""

    def __init__(self) -> None:
        self.book: dict[str, int] = {}
        self.calls = 0
        self.asked = asyncio.Event()
        self._gone = asyncio.Event()

    async def charge(self, request: web.Request) -> web.Response:
        order = await request.json()
        self.calls += 1
        self.book[order["key"]] = order["amount"]
        print(f"the bank takes {order['amount']}")
        self.asked.set()
        await self._gone.wait()
        return web.json_response({"number": len(self.book)})

    def hang_up(self) -> None:
        self._gone.set()


async def crash(file: Path, bank: Bank, address: str) -> str:
    """Run a worker in another process, and kill it while the bank has its money."""
    words = [sys.executable, __file__, str(file), address]
    worker = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    run_id = (await worker.stdout.readline()).decode().strip()
    await bank.asked.wait()
    worker.kill()
    await worker.wait()
    bank.hang_up()
    print("the worker is dead, before it could write down what the bank said")
    return run_id


async def settle(file: Path, bank: Bank, run_id: str) -> None:
    """Another worker comes to the run, and does not call again; a person looks, and says what took place."""
    async with engine(file) as app:
        while (await app.row(run_id)).status is not RunStatus.NEEDS_REVIEW:  # noqa: ASYNC110 (that is in the store)
            await asyncio.sleep(0.05)
        (effect,) = await app.ledger.effects(run_id=run_id)
        print(f"the run is needs_review: nobody here knows about the {effect.name}")

        taken = effect.key in bank.book
        print(f"the bank knows the key: {taken}")
        await app.ledger.resolve(effect.key, committed=taken, value={"number": 1}, by="ada")

        row = await app.ended(run_id)
        end = (await app.facts(run_id))[-1]
        assert isinstance(end, FlowCompleted)
        print(f"the run {row.status}: {end.output['body']}")
        print(f"the bank was asked for money {bank.calls} time")


async def main() -> None:
    bank = Bank()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "openrun.db"
        async with serving({"POST /charges": bank.charge}) as address:
            run_id = await crash(file, bank, address)
            await settle(file, bank, run_id)


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 1 else main())
