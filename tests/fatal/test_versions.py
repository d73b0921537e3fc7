"""A run keeps the flow it began with, and waits for a worker that has its code."""

from pathlib import Path

from openrun.core.types import RunStatus

from .fleet import Fleet, until
from .flows import a_row, calls


async def test_a_run_keeps_its_flow_and_its_results_when_the_flow_changes_before_the_restart(
    fleet: Fleet,
) -> None:
    here = fleet.receiver.address
    fleet.receiver.hold("slow")
    old, new = calls(here, "one", "slow", "two"), calls(here, "uno", "slow", "due")
    before = await fleet.start(old)
    worker = await fleet.worker()
    await fleet.receiver.reached("slow")
    await worker.kill()
    after = await fleet.start(new)
    await fleet.worker()
    await fleet.receiver.reached("slow", 3)
    for number in (1, 2):
        fleet.receiver.answer("slow", number=number)
    rows = [await fleet.ended(run) for run in (before, after)]
    assert [(row.status, row.version) for row in rows] == [
        (RunStatus.SUCCEEDED, old.version),
        (RunStatus.SUCCEEDED, new.version),
    ]
    past = await fleet.app.past(before.run_id)
    assert set(past.state(rows[0].seq)["steps"]) == {"start", "one", "slow", "two"}
    assert fleet.receiver.paths == {"one": 1, "two": 1, "uno": 1, "due": 1, "slow": 3}
    await fleet.check()


async def test_a_worker_that_lacks_a_step_leaves_the_run_to_others_and_says_so(
    fleet: Fleet, tmp_path: Path
) -> None:
    cure = tmp_path / "cure"
    cure.touch()
    run = await fleet.start(a_row("own", {"id": "own", "type": "deadly", "config": {"cure": str(cure)}}))
    blind = await fleet.worker(knows=False)

    async def held() -> str | None:
        return (await fleet.app.row(run.run_id)).hold

    said = await until(held)
    assert said is not None
    assert said.startswith("missing code: ")
    assert "deadly" in said
    assert await fleet.app.store.orphans() == []
    other = await fleet.start(calls(fleet.receiver.address, "one"))
    assert (await fleet.ended(other)).status is RunStatus.SUCCEEDED
    await fleet.worker()
    row = await fleet.ended(run)
    assert (row.status, row.hold) == (RunStatus.SUCCEEDED, None)
    assert blind.alive
    await fleet.check()
