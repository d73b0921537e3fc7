"""Starts and runs flows by an `App` in `openrun.db`: `python engine.py synchronous runs`, which is recorded.

Each run id is acknowledged once `start` has returned it. Ends without closing anything, as a process does whose
power fails.
"""

import asyncio
import os
import sys

from openrun import Flow
from openrun.app import App
from openrun.store.sqlite import SqliteStore

AT_ONCE = 16

DOCUMENT = {
    "id": "powered",
    "name": "Powered",
    "steps": [
        {"id": "start", "type": "trigger_manual"},
        {"id": "one", "type": "set_state", "config": {"key": "one", "value": "<<body.number>>"}},
        {"id": "nap", "type": "delay", "config": {"seconds": 0.01}},
        {"id": "two", "type": "set_state", "config": {"key": "two", "value": 2}},
    ],
    "edges": [
        {"source": "start", "target": "one"},
        {"source": "one", "target": "nap"},
        {"source": "nap", "target": "two"},
    ],
}


async def main(synchronous: str, runs: int) -> None:
    acks = os.open("acks", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = SqliteStore("openrun.db", synchronous=synchronous)  # type: ignore[arg-type]
    numbers = iter(range(runs))
    async with App(store, flows=[Flow.from_dict(DOCUMENT)]) as app:

        async def start_and_end() -> None:
            for number in numbers:
                run = await app.start("powered", input={"body": {"number": number}})
                os.write(acks, f"{run.run_id}\n".encode())
                row = await run.finished()
                os.write(acks, f"{run.run_id} {row.status.value}\n".encode())

        await asyncio.gather(*(start_and_end() for _ in range(AT_ONCE)))
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
