"""Durable runs in one process: started, watched, steered, and let go of."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from openrun import Flow, StepDelay, StepSetState
from openrun.app import App, KeyConflict, RunEnded, UnknownFlow, UnknownRun
from openrun.core.events import Fact, FlowCompleted, Shown, StepCompleted
from openrun.core.types import RunStatus
from openrun.runtime.worker import WorkerOptions
from openrun.steps.catalog import StepCatalog
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.foreach import StepForeach, StepForeachConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.steps.execution.subflow import StepSubflow, StepSubflowConfig
from openrun.steps.function import step
from openrun.steps.triggers.manual import TriggerManual
from openrun.store.memory import MemoryStore
from openrun.store.sqlite import SqliteStore

QUICK = WorkerOptions(lease=5, poll=0.05, listen=0.02, patience=0.1, grace=1)


def sets(step_id: str, **values: Any) -> StepSetState:
    return StepSetState(id=step_id, config=StepSetStateConfig(values=values))


def waits(step_id: str, duration: str) -> StepDelay:
    return StepDelay(id=step_id, config=StepDelayConfig(seconds=duration))


def chain(name: str, *steps: Any) -> Flow:
    flow = Flow(name=name)
    before = TriggerManual(id="begin")
    for each in steps:
        flow.add_edge(before, each)
        before = each
    return flow


@pytest.fixture
async def app() -> AsyncIterator[App]:
    async with App(MemoryStore(), options=QUICK) as app:
        yield app


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition of the store; a run that never gets there fails the test."""
    async with asyncio.timeout(20):
        # The store has no signal for conditions like these.
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def ended_steps(facts: "list[Fact] | Any") -> list[str]:
    return [fact.step_id for fact in facts if isinstance(fact, StepCompleted)]


async def test_a_run_is_in_the_store_when_start_returns(app: App) -> None:
    run = await app.start(chain("hold", waits("wait", "1h")))
    assert (await app.row(run.run_id)).status in (RunStatus.PENDING, RunStatus.RUNNING, RunStatus.WAITING)


async def test_a_run_alone_costs_one_commit_to_start_and_end(app: App) -> None:
    run = await app.start(chain("quick", sets("a", x=1), sets("b", y=2)))
    assert (await run.finished()).status is RunStatus.SUCCEEDED
    assert app.journal.commits == 1


async def test_events_are_shown_once_they_are_on_disk(app: App) -> None:
    shown: list[Shown] = []
    run = await app.start(chain("seen", sets("a", x=1)), show=shown.append)
    await run.finished()
    kept = [fact.seq for fact in await app.facts(run.run_id)]
    assert [each.seq for each in shown] == kept
    assert isinstance(shown[-1], FlowCompleted)


async def test_the_same_key_and_input_give_the_same_run(app: App) -> None:
    flow = chain("once", sets("a", x=1))
    first = await app.start(flow, key="order-7", input={"body": 1})
    again = await asyncio.gather(*(app.start(flow, key="order-7", input={"body": 1}) for _ in range(20)))
    assert {run.run_id for run in again} == {first.run_id}
    assert all(run.replayed for run in again)
    with pytest.raises(KeyConflict, match=first.run_id):
        await app.start(flow, key="order-7", input={"body": 2})


async def test_an_unknown_flow_is_named_with_its_neighbour(app: App) -> None:
    await app.add_flow(chain("orders", sets("a", x=1)))
    with pytest.raises(UnknownFlow, match="orders"):
        await app.start("order")


async def test_a_waiting_run_leaves_memory_and_comes_back(app: App) -> None:
    run = await app.start(chain("nap", sets("a", x=1), waits("wait", "1.5s"), sets("b", y="<<x>>")))
    assert app.worker is not None
    worker = app.worker
    await until(lambda: _is(not worker.held))
    row = await app.row(run.run_id)
    assert (row.status, row.worker) == (RunStatus.WAITING, None)
    assert row.due_at is not None
    assert (await run.finished()).status is RunStatus.SUCCEEDED
    assert ended_steps(await app.facts(run.run_id)) == ["begin", "a", "wait", "b"]


async def _is(value: bool) -> bool:
    return value


async def test_a_paused_run_starts_nothing_until_it_is_resumed(app: App) -> None:
    run = await app.start(chain("calm", waits("wait", "0.3s"), sets("b", y=1)))
    await app.pause(run.run_id)
    await until(lambda: _has_status(app, run.run_id, RunStatus.PAUSED))
    await until(lambda: _left_memory(app, run.run_id))
    assert "wait" not in ended_steps(await app.facts(run.run_id))
    await app.resume(run.run_id)
    assert (await run.finished()).status is RunStatus.SUCCEEDED


async def _has_status(app: App, run_id: str, status: RunStatus) -> bool:
    return (await app.row(run_id)).status is status


async def _left_memory(app: App, run_id: str) -> bool:
    return (await app.row(run_id)).worker is None


async def test_a_cancel_reaches_a_run_that_is_not_in_memory(app: App) -> None:
    run = await app.start(chain("long", waits("wait", "1h"), sets("b", y=1)))
    await until(lambda: _left_memory(app, run.run_id))
    await app.cancel(run.run_id, "enough")
    row = await run.finished()
    assert row.status is RunStatus.CANCELLED
    assert "b" not in ended_steps(await app.facts(run.run_id))


async def test_nothing_can_be_asked_of_a_run_that_has_ended(app: App) -> None:
    run = await app.start(chain("short", sets("a", x=1)))
    await run.finished()
    with pytest.raises(RunEnded, match="succeeded"):
        await app.cancel(run.run_id)
    with pytest.raises(UnknownRun):
        await app.pause("01900000-0000-7000-8000-000000000000")


async def test_a_subflow_is_a_run_of_its_own(app: App) -> None:
    await app.add_flow(chain("inner", sets("a", x="<<body.n>>")))
    outer = chain("outer", StepSubflow(id="sub", config=StepSubflowConfig(flow="inner", input={"n": 4})))
    run = await app.start(outer)
    assert (await run.finished()).status is RunStatus.SUCCEEDED
    children = await app.children(run.run_id)
    assert [child.status for child in children] == [RunStatus.SUCCEEDED]
    assert children[0].depth == 1


async def test_a_subflow_that_nobody_knows_fails_its_step(app: App) -> None:
    outer = chain("lost", StepSubflow(id="sub", config=StepSubflowConfig(flow="nowhere")))
    row = await (await app.start(outer)).finished()
    assert row.status is RunStatus.FAILED
    assert "nowhere" in (row.error or "")


async def test_a_named_foreach_makes_a_child_run_per_item(app: App) -> None:
    await app.add_flow(chain("each", sets("a", x="<<body>>")))
    many = StepForeach(id="many", config=StepForeachConfig(items=[1, 2, 3], flow="each", concurrency=2))
    run = await app.start(chain("batch", many))
    assert (await run.finished()).status is RunStatus.SUCCEEDED
    assert len(await app.children(run.run_id)) == 3


async def test_cancelling_a_run_cancels_its_children(app: App) -> None:
    await app.add_flow(chain("slow", waits("wait", "1h")))
    run = await app.start(chain("above", StepSubflow(id="sub", config=StepSubflowConfig(flow="slow"))))
    await until(lambda: _has_children(app, run.run_id))
    await app.cancel(run.run_id)
    assert (await run.finished()).status is RunStatus.CANCELLED
    children = await app.children(run.run_id)
    assert [child.status for child in children] == [RunStatus.CANCELLED]


async def _has_children(app: App, run_id: str) -> bool:
    return bool(await app.children(run_id))


async def test_a_dead_run_can_be_run_again(app: App) -> None:
    tries = 0

    @step
    async def flaky() -> int:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("not today")
        return tries

    app.catalog.add("flaky", flaky)
    run = await app.start(chain("moody", flaky(id="work")))
    assert (await run.finished()).status is RunStatus.FAILED
    assert [letter.run_id for letter in await app.store.dead_letters()] == [run.run_id]
    again = await app.replay_dead(run.run_id)
    assert (await again.finished()).status is RunStatus.SUCCEEDED
    assert await app.store.dead_letters() == []


def contents(directory: Path) -> bytes:
    return b"".join(each.read_bytes() for each in directory.iterdir() if each.is_file())


async def test_a_secret_never_reaches_the_store(tmp_path: Path) -> None:
    @step
    async def leak() -> dict[str, str]:
        return {"said": "the word is hunter2-hunter2"}

    catalog = StepCatalog.builtin()
    catalog.add("leak", leak)
    path = tmp_path / "openrun.db"
    async with App(path, catalog=catalog, secrets={"word": "hunter2-hunter2"}, options=QUICK) as app:
        await (await app.start(chain("leaky", leak(id="leak")))).finished()
    kept = contents(tmp_path)
    assert b"the word is" in kept
    assert b"hunter2" not in kept


async def test_a_run_goes_on_in_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "openrun.db"
    flow = chain("moved", sets("a", x=1), waits("wait", "0.2s"), sets("b", y="<<x>>"))
    async with App(SqliteStore(path), flows=[flow], options=QUICK) as app:
        run = await app.start("moved")
    async with App(SqliteStore(path), options=QUICK) as app:
        assert (await app.ended(run.run_id)).status is RunStatus.SUCCEEDED
        facts = await app.facts(run.run_id)
    assert ended_steps(facts) == ["begin", "a", "wait", "b"]


async def test_a_run_over_its_limits_fails_and_says_why() -> None:
    limits = App(MemoryStore()).limits
    small = type(limits)(run_events=20)
    async with App(MemoryStore(), limits=small, options=QUICK) as app:
        steps = [waits(f"w{n}", "0.01s") for n in range(20)]
        row = await (await app.start(chain("verbose", *steps))).finished()
    assert row.status is RunStatus.FAILED
    assert (row.error or "").startswith("JOURNAL_LIMIT")


async def test_runs_started_at_once_are_all_there_when_start_returns(tmp_path: Path) -> None:
    flow = chain("crowd", sets("a", x=1))
    async with App(SqliteStore(tmp_path / "openrun.db"), flows=[flow], options=QUICK) as app:

        async def one() -> RunStatus:
            run = await app.start("crowd")
            await app.row(run.run_id)
            return (await run.finished()).status

        ends = await asyncio.gather(*(one() for _ in range(64)))
    assert set(ends) == {RunStatus.SUCCEEDED}
