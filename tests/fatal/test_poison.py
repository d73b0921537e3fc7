"""A run that kills whoever runs it hurts itself alone."""

import asyncio
from pathlib import Path

from openrun.core.events import ReviewRequested
from openrun.core.types import RunStatus

from .fleet import Fleet, Member
from .flows import a_row, call, calls


async def kept_alive(fleet: Fleet) -> None:
    """A worker, and another one whenever it dies."""
    while True:
        member: Member = await fleet.worker()
        await member.ended()


async def test_a_run_that_kills_five_workers_is_held_while_others_go_on(fleet: Fleet, tmp_path: Path) -> None:
    cure = tmp_path / "cure"
    here = fleet.receiver.address
    deadly = {"id": "deadly", "type": "deadly", "config": {"cure": str(cure)}}
    bad = await fleet.start(a_row("bad", call(here, "one"), deadly, call(here, "two")))
    good = [await fleet.start(calls(here, "other")) for _ in range(10)]
    keeper = asyncio.ensure_future(kept_alive(fleet))
    row = await fleet.stands(bad, RunStatus.NEEDS_REVIEW)
    assert (await fleet.has(bad, ReviewRequested)).reason == "poison"
    ended = [await fleet.ended(run) for run in good]
    assert {each.status for each in ended} == {RunStatus.SUCCEEDED}
    assert fleet.receiver.paths["one"] == 1
    assert row.fence == 6
    # It is under suspicion, and runs alone, once it has crashed twice: so long may others be in flight beside it.
    assert max(fleet.receiver.keys.values()) <= 3

    cure.touch()
    await fleet.app.resume(bad.run_id)
    assert (await fleet.ended(bad)).status is RunStatus.SUCCEEDED
    assert (fleet.receiver.paths["one"], fleet.receiver.paths["two"]) == (1, 1)
    assert not keeper.done()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)
    await fleet.check()
