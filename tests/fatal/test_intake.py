"""Starts under one key, from several processes at once."""

import asyncio

import pytest

from openrun.app import KeyConflict
from openrun.core.types import RunStatus
from openrun.store.rows import RunFilter

from . import process
from .fleet import Fleet
from .flows import calls

PROCESSES, EACH = 5, 10


async def test_fifty_starts_under_one_key_make_one_run(fleet: Fleet) -> None:
    flow = calls(fleet.receiver.address, "one")
    await fleet.app.add_flow(flow)
    others = [fleet.member(process.start, {}, EACH, "k", {"n": 1}) for _ in range(PROCESSES)]
    assert [await each.heard() for each in others] == ["here"] * PROCESSES
    for each in others:
        each.tell("go")
    told = await asyncio.gather(*(each.heard() for each in others))
    (run_id,) = {run_id for ids in told for run_id in ids}
    assert [len(ids) for ids in told] == [EACH] * PROCESSES
    assert [row.run_id for row in await fleet.app.store.runs(RunFilter())] == [run_id]
    again = await fleet.app.start("short", key="k", input={"body": {"n": 1}})
    assert (again.run_id, again.replayed) == (run_id, True)
    with pytest.raises(KeyConflict, match=run_id):
        await fleet.app.start("short", key="k", input={"body": {"n": 2}})
    for each in others:
        assert await each.ended() == 0
    await fleet.worker()
    assert (await fleet.ended(again)).status is RunStatus.SUCCEEDED
    await fleet.check()
