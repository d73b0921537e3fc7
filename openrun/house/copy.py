"""A copy of a store, opened and checked."""

from pathlib import Path

from openrun.house.verify import Verified, verify_newest
from openrun.store.base import Store
from openrun.store.sqlite import SqliteStore

_CHECKED = 100


async def back_up(store: Store, target: Path) -> Verified:
    """Write a consistent copy into a new file while work goes on, open it, and check its newest runs.

    Raises `StoreError` for a file that exists, and where the database has better tools.
    """
    await store.backup(target)
    copy = SqliteStore(target)
    await copy.open()
    try:
        return await verify_newest(copy, _CHECKED)
    finally:
        await copy.close()
