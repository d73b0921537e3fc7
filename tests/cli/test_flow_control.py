"""What the commands say of a run that waits for its turn."""

import asyncio

from openrun import Flow, FlowControl, StepDelay, TriggerManual
from openrun.app import App
from openrun.core.types import RunStatus
from openrun.steps.execution.delay import StepDelayConfig
from openrun.store.rows import RunFilter
from tests.cli.conftest import Invoke


async def _queued() -> str:
    flow = Flow("import", id="import", flow_control=FlowControl(key="<<body.tenant>>", concurrency=1))
    flow.add_step(TriggerManual(id="begin"))
    async with App("openrun.db", flows=[flow], work=False) as app:
        return (await app.start("import", input={"body": {"tenant": "acme"}})).run_id


def test_a_queued_run_says_so_wherever_it_is_looked_at(invoke: Invoke) -> None:
    run_id = asyncio.run(_queued())
    words = "queued: flow_control lane 'acme' of flow 'import'"
    for command in (("ps",), ("inspect", run_id)):
        said = " ".join(invoke(*command).stdout.split())
        assert words in said
        assert "held" not in said
    explained = invoke("explain", run_id, "begin")
    assert (explained.exit_code, f"the run has not begun; {words}" in explained.stderr) == (0, True)


def test_the_doctor_finds_nothing_wrong_with_a_queued_run(invoke: Invoke) -> None:
    asyncio.run(_queued())
    said = invoke("doctor")
    assert "is held" not in said.stdout + said.stderr
    assert "waits for nothing" not in said.stdout + said.stderr


async def _three() -> None:
    flow = Flow("three", id="three", flow_control=FlowControl(concurrency=1))
    nap = StepDelay(id="nap", config=StepDelayConfig(seconds=0.05))
    flow.add(TriggerManual(id="begin") >> nap)
    async with App("openrun.db", flows=[flow], work=False) as app:
        for _ in range(3):
            await app.start("three")


async def _statuses() -> list[RunStatus]:
    async with App("openrun.db", work=False) as app:
        assert await app.store.stray_tickets() == []
        return [row.status for row in await app.store.runs(RunFilter())]


def test_a_worker_that_stops_when_all_is_done_has_done_what_waited_for_its_turn(invoke: Invoke) -> None:
    asyncio.run(_three())
    assert invoke("worker", "--once").exit_code == 0
    assert asyncio.run(_statuses()) == [RunStatus.SUCCEEDED] * 3


async def _two_of_a_singleton() -> str:
    flow = Flow("sync", id="sync", flow_control=FlowControl(singleton="cancel_new"))
    flow.add(TriggerManual(id="begin") >> StepDelay(id="nap", config=StepDelayConfig(seconds=0.05)))
    async with App("openrun.db", flows=[flow], work=False) as app:
        await app.start("sync")
        return (await app.start("sync")).run_id


def test_a_run_that_was_turned_away_says_why(invoke: Invoke) -> None:
    run_id = asyncio.run(_two_of_a_singleton())
    assert invoke("worker", "--once").exit_code == 0
    said = " ".join(invoke("inspect", run_id).stdout.split())
    assert "because the limit of 1 run of flow 'sync' is reached" in said
