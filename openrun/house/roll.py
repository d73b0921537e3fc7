"""All runs of a store, page by page."""

from collections.abc import AsyncIterator

from msgspec.structs import replace

from openrun.core.types import FINAL, RunStatus
from openrun.store.base import Store
from openrun.store.rows import RunFilter, RunRow

UNENDED = tuple(status for status in RunStatus if status not in FINAL)
_PAGE = 500


async def every_run(store: Store, wanted: RunFilter | None = None) -> AsyncIterator[list[RunRow]]:
    """Pages of the runs that are wanted, newest first; runs that begin meanwhile are in none."""
    asked = replace(wanted or RunFilter(), limit=_PAGE)
    while True:
        page = await store.runs(asked)
        if page:
            yield page
        if len(page) < _PAGE:
            return
        asked = replace(asked, before=page[-1].run_id)
