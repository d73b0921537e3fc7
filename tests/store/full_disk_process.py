"""A SQLite store on a disk that is full now and then: `python -m tests.store.full_disk_process DIRECTORY`.

To be started where DIRECTORY is all of a small file system.
"""

import asyncio
import os
import sys
from pathlib import Path

from openrun.store.base import StoreFull
from openrun.store.sqlite import SqliteStore
from tests.store.given import Told, accepted, enlisted

_STEP = 4_096


async def main(directory: Path) -> None:
    store = SqliteStore(directory / "openrun.db")
    await store.open()
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    for left in range(0, 16 * _STEP, _STEP):
        fill(directory / "ballast", left)
        await until_full(store, told)
        try:
            await SqliteStore(directory / f"other{left}.db").open()
        except StoreFull:
            sys.stdout.write("full\n")
        (directory / "ballast").unlink()
        await accepted(store, told.goes_on(note="z" * 3_000))
    await store.close()


async def until_full(store: SqliteStore, told: Told) -> None:
    """Goes on until there is no room; what was refused is not there, and all else can be read."""
    while True:
        before = told.copy()
        try:
            await accepted(store, told.goes_on(note="y" * 3_000))
        except StoreFull:
            told.seq, told.head = before.seq, before.head
            break
    assert [each.hash for each in await store.events("r1", after=told.seq - 1)] == [told.head]


def fill(ballast: Path, left: int) -> None:
    its = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        file.write(b"x" * max(0, its.f_bavail * its.f_frsize - left))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
