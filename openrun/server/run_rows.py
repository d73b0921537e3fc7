"""The run that a path names, or why there is none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from openrun.core.events import Fact, FlowCompleted, decode_fact
from openrun.core.types import FINAL
from openrun.runtime.errors import UnknownRun
from openrun.server.instants import instant
from openrun.server.problem import Problem
from openrun.server.route import Call
from openrun.store.rows import ActivationRow, RunRow

_LONGEST = 200
_PAGE = 1_000
_SHORT = 1_000

T = TypeVar("T")


async def run_of(call: Call) -> RunRow:
    """The run of the path's `run_id`. Raises `UnknownRun`, and `Problem` (410) for one that was removed."""
    run_id = call.path["run_id"]
    if len(run_id) > _LONGEST or not run_id.isprintable():
        raise UnknownRun("the store has no such run")
    row = await call.space.records.run(run_id)
    if row is not None:
        return row
    grave = await call.space.records.tombstone(run_id)
    if grave is None:
        raise UnknownRun(f"the store has no run {run_id!r}")
    raise Problem(
        410,
        f"run {run_id} was removed: it had ended long before",
        tombstone={
            "run_id": grave.run_id,
            "flow": grave.flow_id,
            "status": grave.status.value,
            "events": grave.events,
            "hash": grave.hash,
            "removed_at": instant(grave.removed_at).isoformat().replace("+00:00", "Z"),
        },
    )


async def end_of(call: Call, row: RunRow) -> FlowCompleted | None:
    """How a run ended; None for one that has not."""
    if row.status not in FINAL:
        return None
    for last in await call.space.records.events(row.run_id, row.seq - 1):
        fact = decode_fact(last.body)
        return fact if isinstance(fact, FlowCompleted) else None
    return None


async def facts_of(call: Call, run_id: str) -> list[Fact]:
    """The journal of a run. Raises `UnknownRun`."""
    rows = await call.space.records.events(run_id)
    if not rows:
        raise UnknownRun(f"the store has no run {run_id!r}")
    return await apart(len(rows), lambda: [decode_fact(row.body) for row in rows])


async def apart(events: int, work: Callable[[], T]) -> T:
    """What is worked out from this many events; many are left to a thread, so that others are answered meanwhile."""
    return work() if events <= _SHORT else await asyncio.to_thread(work)


async def activations_of(call: Call, run_id: str) -> AsyncIterator[ActivationRow]:
    """Every activation of a run."""
    after = 0
    while page := await call.space.records.activations(run_id, after=after, limit=_PAGE):
        for row in page:
            yield row
        after = page[-1].seq
