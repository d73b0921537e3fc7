"""A process that claims runs until there are none, and prints what it got: `python -m tests.store.claimant URL WORKER`."""

import asyncio
import sys

from openrun.store.postgres import PostgresStore


async def claim_all(url: str, worker: str) -> list[str]:
    store = PostgresStore(url)
    await store.open()
    await store.enlist(worker, 60, host="here", pid=1)
    got: list[str] = []
    while claims := await store.claim(worker, 7, alone=False):
        got += [each.run_id for each in claims]
    await store.close()
    return got


if __name__ == "__main__":
    sys.stdout.write("\n".join(asyncio.run(claim_all(*sys.argv[1:]))))
