"""Another process at the same SQLite file: `python -m tests.store.sqlite_process claim|hold|open FILE WORKER`."""

import asyncio
import sys

from openrun.store.sqlite import SqliteStore


async def main(act: str, path: str, worker: str) -> None:
    store = SqliteStore(path)
    tell("here")
    await heard()
    await store.open()
    if act != "open":
        await store.enlist(worker, 600, host="here", pid=1)
        await claim(store, worker)
    if act == "hold":
        await heard()
    await store.close()


async def claim(store: SqliteStore, worker: str) -> None:
    """Claim until there is nothing, and tell what it was."""
    while claims := await store.claim(worker, 5, alone=False):
        for each in claims:
            tell(each.run_id)
    tell("done")


async def heard() -> None:
    """Wait for a word."""
    await asyncio.to_thread(sys.stdin.readline)


def tell(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
