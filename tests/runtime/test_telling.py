"""Telling a run in a store what it waits for, and who may."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from openrun import (
    RunStatus,
    StepContext,
    StepForeach,
    StepSubflow,
    step,
)
from openrun.app import App
from openrun.core.events import (
    StepCompleted,
)
from openrun.runtime.errors import InvalidAnswer, KeyConflict, NotAllowed, UnknownWait, WaitOver
from openrun.runtime.waits import Told
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.subflow import StepSubflowConfig
from openrun.store.memory import MemoryStore
from openrun.store.rows import WaitRow
from tests.runtime.asking import MONEY, QUICK, approval, beside, wait
from tests.runtime.steps import body_of, catalog_of, flow_of


@step
async def gathers(context: StepContext) -> list[Any]:
    """Asks three things at once."""
    return list(await asyncio.gather(*(context.interrupt({"for": key}, key=key) for key in "abc")))


@step
async def groups(context: StepContext) -> list[Any]:
    """Asks three things at once, in a group."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(context.interrupt(key=key)) for key in "abc"]
    return [task.result() for task in tasks]


@pytest.fixture
async def app() -> AsyncIterator[App]:
    async with App(MemoryStore(), options=QUICK, catalog=catalog_of(gathers=gathers, groups=groups)) as app:
        yield app


async def waits_of(app: App, count: int, **wanted: Any) -> list[WaitRow]:
    """The open waits, once there are so many."""
    async with asyncio.timeout(20):
        # The store has no signal for this.
        while len(rows := await app.waits.open(**wanted)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return rows


async def test_an_approval_is_for_those_whom_it_names(app: App) -> None:
    run = await app.start(flow_of(approval("agreed", approvers=["role:finance", "ada"])))
    (row,) = await waits_of(app, 1)
    for who, roles in ((None, ()), ("bob", ()), ("bob", ("sales",)), ("finance", ()), (None, ("ada",))):
        with pytest.raises(NotAllowed, match="may not answer"):
            await app.waits.approve(row.wait_id, by=who, roles=roles)
    await app.waits.approve(row.wait_id, by="bob", roles=("finance",))
    assert (await run.finished()).status is RunStatus.SUCCEEDED


async def test_somebody_who_is_named_may_answer_without_a_role(app: App) -> None:
    run = await app.start(flow_of(approval("agreed", approvers=["user:ada"])))
    (row,) = await waits_of(app, 1)
    await app.waits.approve(row.wait_id[:12], by="ada")
    assert (await run.finished()).status is RunStatus.SUCCEEDED


async def test_an_edited_value_has_to_fit_the_form(app: App) -> None:
    run = await app.start(flow_of(approval("agreed", payload={"amount": 900}, form=MONEY)))
    (row,) = await waits_of(app, 1)
    for value in ({"amount": 501}, {}, "much", {"amount": "1"}):
        with pytest.raises(InvalidAnswer):
            await app.waits.approve(row.wait_id, value, by="ada")
    await app.waits.approve(row.wait_id, {"amount": 500}, by="ada")
    await run.finished()
    (done,) = [each for each in await app.facts(run.run_id) if getattr(each, "step_id", "") == "agreed"][-1:]
    assert isinstance(done, StepCompleted)
    assert done.result.output["value"] == {"amount": 500}


async def test_a_quorum_takes_names(app: App) -> None:
    await app.start(flow_of(approval("agreed", quorum=2)))
    (row,) = await waits_of(app, 1)
    with pytest.raises(NotAllowed, match="say who"):
        await app.waits.approve(row.wait_id)


async def test_the_same_answer_twice_is_one_and_another_is_refused(app: App) -> None:
    run = await app.start(flow_of(approval("agreed", quorum=2)))
    (row,) = await waits_of(app, 1)
    assert not (await app.waits.approve(row.wait_id, by="ada")).repeated
    assert (await app.waits.approve(row.wait_id, by="ada")).repeated
    with pytest.raises((KeyConflict, WaitOver)):
        await app.waits.reject(row.wait_id, "no", by="ada")
    await app.waits.approve(row.wait_id, by="bob")
    await run.finished()
    assert (await app.waits.approve(row.wait_id, by="bob")).repeated
    with pytest.raises(WaitOver):
        await app.waits.approve(row.wait_id, by="eve")


async def test_a_wait_is_answered_by_what_it_is_for(app: App) -> None:
    await app.start(beside(approval("agreed"), wait("paid", signal="paid"), gathers(id="asks")))
    rows = {row.kind: row for row in await waits_of(app, 5)}
    with pytest.raises(InvalidAnswer, match="approve or reject"):
        await app.waits.answer(rows["approval"].wait_id, 1)
    for kind in ("signal", "input"):
        with pytest.raises(InvalidAnswer):
            await app.waits.approve(rows[kind].wait_id)
    with pytest.raises(InvalidAnswer):
        await app.waits.reject(rows["signal"].wait_id)
    with pytest.raises(UnknownWait):
        await app.waits.get("0123456789")


async def test_a_signal_with_a_key_is_one_however_often_it_is_sent(app: App) -> None:
    run = await app.start(flow_of(wait("one", signal="go"), wait("two", signal="go")))
    await waits_of(app, 1)
    said: list[Told] = [await app.waits.signal(run.run_id, "go", 1, key="order-7") for _ in range(3)]
    assert [each.repeated for each in said] == [False, True, True]
    with pytest.raises(KeyConflict):
        await app.waits.signal(run.run_id, "go", 2, key="order-7")
    await app.waits.signal(run.run_id, "go", 2)
    assert (await run.finished()).status is RunStatus.SUCCEEDED


async def test_an_event_is_heard_by_all_who_wait_for_it_about_the_same(app: App) -> None:
    flow = beside(
        wait("mine", event="paid", correlation="order-1"),
        wait("other", event="paid", correlation="order-2"),
        wait("any", event="paid"),
        wait("else", event="lost"),
    )
    await app.start(flow)
    await waits_of(app, 4)
    told_all = await app.waits.happened("paid", {"sum": 3}, correlation="order-1", key="e1")
    assert len(told_all) == 2
    rows = await waits_of(app, 2)
    assert {row.step_id for row in rows} == {"other", "else"}
    assert await app.waits.happened("paid", {"sum": 3}, correlation="order-1", key="e1") == []


async def test_a_closed_wait_says_how_it_ended(app: App) -> None:
    run = await app.start(
        beside(approval("yes"), approval("no"), wait("paid", signal="paid"), approval("left"))
    )
    rows = {row.step_id: row for row in await waits_of(app, 4)}
    await app.waits.approve(rows["yes"].wait_id, by="ada")
    await app.waits.reject(rows["no"].wait_id, by="ada")
    await app.waits.signal(run.run_id, "paid")
    await waits_of(app, 1)
    await app.cancel(run.run_id)
    await run.finished()
    outcomes = {name: (await app.waits.get(row.wait_id)).outcome for name, row in rows.items()}
    assert outcomes == {"yes": "approved", "no": "rejected", "paid": "answered", "left": "cancelled"}


async def test_many_approvals_are_answered_in_any_order_though_the_runs_leave_memory(app: App) -> None:
    runs = [await app.start(flow_of(approval("agreed"))) for _ in range(30)]
    rows = await waits_of(app, 30, limit=100)
    random.Random(7).shuffle(rows)  # noqa: S311
    await asyncio.gather(*(app.waits.approve(row.wait_id, by="ada") for row in rows))
    assert {(await run.finished()).status for run in runs} == {RunStatus.SUCCEEDED}


async def test_a_subflow_in_a_foreach_may_wait(app: App) -> None:
    inner = flow_of(wait("asked", signal="go"), name="inner")
    sub = StepSubflow(id="sub", config=StepSubflowConfig(flow="inner"))
    each = StepForeach(id="each", config=StepForeachConfig(items=[1, 2], body=body_of(sub)))
    await app.add_flow(inner)
    run = await app.start(flow_of(each))
    rows = await waits_of(app, 2)
    assert len({row.run_id for row in rows}) == 2
    for row in rows:
        await app.waits.signal(row.run_id, "go")
    assert (await run.finished()).status is RunStatus.SUCCEEDED


async def test_what_was_said_before_decides_also_while_the_run_is_paused(app: App) -> None:
    run = await app.start(flow_of(approval("ask", quorum=2)))
    (row,) = await waits_of(app, 1)
    await app.pause(run.run_id)
    await app.waits.approve(row.wait_id, by="ada")
    await app.waits.approve(row.wait_id, by="bob")
    with pytest.raises(WaitOver):
        await app.waits.reject(row.wait_id, "too late", by="eve")
    await app.resume(run.run_id)
    assert (await run.finished()).status is RunStatus.SUCCEEDED
