"""Calls under way: turned away, stopped, several at once; what is the same each time, and what is stored of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openrun import (
    Flow,
    Limits,
    RetryPolicy,
    RunStatus,
    Step,
    StepContext,
    StepForeach,
    StepRequest,
    TriggerManual,
    step,
)
from openrun.app import App
from openrun.core.events import (
    EffectRecorded,
    ReviewRequested,
    StepCancelled,
    StepScheduled,
)
from openrun.core.types import EffectClass
from openrun.runtime.worker import WorkerOptions
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.store.memory import MemoryStore
from openrun.testing import FlowResult, run_flow
from tests.runtime.desk import Desk, cancels
from tests.runtime.steps import Outside, body_of, catalog_of, flow_of

QUICK = WorkerOptions(lease=5, poll=0.05, listen=0.02, patience=0.1, grace=1)
AT_ONCE = RetryPolicy(max_attempts=3, base_ms=0, jitter=0)
ANYTHING = RetryPolicy(max_attempts=3, base_ms=0, jitter=0, retry_on=("*",))


def effects_of(result: FlowResult) -> list[EffectRecorded]:
    return [each for each in result.shown if isinstance(each, EffectRecorded)]


def statuses(result: FlowResult) -> list[str]:
    return [each.status.value for each in effects_of(result)]


def once(outside: Outside, **settings: Any) -> Step:
    """A step whose one call may happen at most once."""

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call, effect="at_most_once")

    return pay(id="pay", **settings)


async def until_ends_or(app: App, run_id: str, status: RunStatus) -> None:
    """Wait until a run has ended, or stands so."""
    async with asyncio.timeout(20):
        # The store has no signal for conditions like these.
        while (row := await app.row(run_id)).status is not status and row.ended_at is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_call_is_tried_again_in_place_under_one_key() -> None:
    outside = Outside(ConnectionResetError(), ConnectionResetError(), "done")

    @step
    async def send(context: StepContext) -> Any:
        return await context.effect("send", outside.call, retry=AT_ONCE)

    result = await run_flow(flow_of(send(id="send")))
    assert result.output == "done"
    assert len(set(outside.keys)) == 1
    assert statuses(result) == ["started", "committed"]


async def test_what_may_happen_once_is_not_tried_again_in_place() -> None:
    outside = Outside(ConnectionRefusedError())

    @step
    async def send(context: StepContext) -> Any:
        return await context.effect("send", outside.call, retry=ANYTHING, effect="at_most_once")

    (await run_flow(flow_of(send(id="send")))).assert_failed("send")
    assert outside.calls == 1


async def test_a_target_that_is_left_alone_fails_the_step_until_its_time_is_up() -> None:
    outside = Outside(ConnectionRefusedError(), "done")

    @step
    async def send(context: StepContext) -> Any:
        return await context.effect("send", outside.call)

    retry = RetryPolicy(max_attempts=4, base_ms=20_000, strategy="fixed", jitter=0)
    async with Desk(flow_of(send(id="send", retry=retry)), limits=Limits(breaker_failures=1)) as desk:
        await desk.advance(20)
        assert [each.error.code for each in desk.of(StepScheduled)] == ["TRANSIENT", "CIRCUIT_OPEN"]
        await desk.advance(20)
        assert (await desk.end()).output == "done"
        assert outside.calls == 2


async def test_a_call_that_finds_no_room_is_a_failure_that_can_be_tried_again() -> None:
    outside = Outside()

    @step
    async def send(context: StepContext) -> Any:
        return await context.effect("send", outside.wait, target="bank")

    flow = Flow(name="crowd")
    begin = flow.add_step(TriggerManual(id="start"))
    for name in ("one", "two"):
        flow.add_edge(begin, send(id=name, retry=AT_ONCE))
    async with Desk(flow, limits=Limits(target_concurrency=1, target_queue=0)) as desk:
        (turned_away,) = desk.of(StepScheduled)
        assert turned_away.error.code == "BACKPRESSURE"
        outside.door.set()
        await desk.advance(2)
        assert (await desk.end()).status is RunStatus.SUCCEEDED
        assert desk.around.guards.running == 0


@pytest.mark.parametrize("stop", ["cancel", "hard", "timeout", "restart"])
async def test_every_place_is_free_again_after_errors_and_cancellations(stop: str) -> None:
    outside = Outside(*[ValueError("no")] * 4)

    @step(timeout=5)
    async def send(context: StepContext, how: str) -> Any:
        call = outside.wait if how == "wait" else outside.call
        return await context.effect("send", call, how, target="bank")

    flow = Flow(name="crowd")
    begin = flow.add_step(TriggerManual(id="start"))
    for at in range(8):
        flow.add_edge(begin, send(id=f"s{at}", how="wait" if at % 2 else "call"))
    async with Desk(flow, limits=Limits(target_concurrency=2)) as desk:
        assert desk.around.guards.running == 2
        match stop:
            case "cancel" | "hard":
                desk.post(cancels(hard=stop == "hard"))
                outside.door.set()
            case "timeout":
                await desk.advance(6)
            case _:
                await desk.restart()
                outside.door.set()
        await desk.end()
        assert (desk.around.guards.running, desk.around.guards.waiting, desk.log.places) == (0, 0, 0)


async def test_every_place_of_a_worker_is_free_again_after_errors_and_cancellations() -> None:
    outside = Outside(*[ValueError("no")] * 6)

    @step
    async def send(context: StepContext) -> Any:
        return await context.effect("send", outside.wait, target="bank")

    options = WorkerOptions(lease=5, poll=0.05, listen=0.02, patience=0.1, grace=1, steps=4)
    async with App(MemoryStore(), options=options, limits=Limits(target_concurrency=3)) as app:
        app.catalog.add("send", send)
        runs = [await app.start(flow_of(send(id="send"))) for _ in range(12)]
        await outside.inside.wait()
        for run in runs[::2]:
            await app.cancel(run.run_id)
        outside.door.set()
        ends = {(await run.finished()).status for run in runs}
        assert ends <= {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED}
        after = await asyncio.gather(*[app.start(flow_of(send(id="send"))) for _ in range(8)])
        assert {(await run.finished()).status for run in after} == {RunStatus.SUCCEEDED}


# -- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [EffectClass.EXTERNAL, EffectClass.AT_MOST_ONCE])
async def test_a_call_under_way_in_a_run_that_is_cancelled_may_come_to_its_outcome(kind: EffectClass) -> None:
    outside = Outside("paid")

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.wait, effect=kind)

    async with Desk(flow_of(pay(id="pay"))) as desk:
        await desk.cancel()
        assert not desk.over
        outside.door.set()
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert desk.effects() == [("charge", "started"), ("charge", "committed")]
        assert [each.step_id for each in desk.of(StepCancelled)] == ["pay"]


async def test_a_cancelled_run_waits_for_a_person_as_long_as_it_takes() -> None:
    outside = Outside(TimeoutError())

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call, effect="at_most_once")

    @pay.compensation
    async def refund(context: StepContext) -> None:
        await context.effect("refund", outside.call)

    async with Desk(flow_of(pay(id="pay"))) as desk:
        await desk.cancel(compensate=True)
        await desk.advance(100_000)
        await desk.restart()
        assert not desk.over
        await desk.settle("pay", committed=True, output="receipt")
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert desk.effects("refund") == [("refund", "started"), ("refund", "committed")]


async def test_a_step_whose_work_did_not_take_place_ends_with_its_cancelled_run() -> None:
    outside = Outside(TimeoutError())
    async with Desk(flow_of(once(outside))) as desk:
        await desk.cancel(compensate=True)
        await desk.settle("pay", committed=False)
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert outside.calls == 1


async def test_a_hard_cancel_waits_for_nobody() -> None:
    async with Desk(flow_of(once(Outside(TimeoutError())))) as desk:
        await desk.cancel(hard=True)
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert desk.effects()[-1] == ("charge", "unknown")


async def test_a_worker_that_stops_leaves_no_call_behind_that_its_run_had_been_given_time_for() -> None:
    outside = Outside()

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.wait, effect="at_most_once")

    async with App(MemoryStore(), options=QUICK, catalog=catalog_of(pay=pay)) as app:
        run = await app.start(flow_of(pay(id="pay")))
        await outside.inside.wait()
        await app.cancel(run.run_id)
        assert app.worker is not None
        held = app.worker.held[run.run_id]
        async with asyncio.timeout(20):
            # The driver has no signal for having heard of it.
            while not held.driver.machine.cancelled:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await app.close(grace=0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
    assert outside.calls == 0


async def test_nothing_goes_out_for_a_step_that_was_given_up() -> None:
    outside = Outside()
    told = asyncio.Event()

    @step(timeout=1)
    async def deaf(context: StepContext) -> None:
        while not told.is_set():
            try:
                await told.wait()
            except asyncio.CancelledError:
                continue
        await context.effect("late", outside.call)

    async with Desk(flow_of(deaf(id="deaf"))) as desk:
        await desk.advance(2)
        await desk.advance(10)
        assert desk.over
        told.set()
        for _ in range(50):
            await asyncio.sleep(0)
        assert (outside.calls, desk.effects()) == (0, [])


# -- several things at once ---------------------------------------------------------------------------


@pytest.mark.parametrize("grouped", [False, True], ids=["gather", "group"])
async def test_a_step_asks_only_when_its_calls_have_come_to_their_outcome(*, grouped: bool) -> None:
    outside = Outside("paid")

    @step
    async def both(context: StepContext) -> list[Any]:
        pay = context.effect("charge", outside.wait, effect="at_most_once")
        return await at_once(grouped, pay, context.interrupt(key="sure"))

    async with Desk(flow_of(both(id="both"))) as desk:
        assert not desk.asks
        outside.door.set()
        await desk.rest()
        await desk.answer(desk.ask("sure"), "yes")
        assert (await desk.end()).output == ["paid", "yes"]
        assert outside.calls == 1


async def at_once(grouped: bool, *work: Any) -> list[Any]:
    if not grouped:
        return list(await asyncio.gather(*work))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in work]
    return [task.result() for task in tasks]


async def test_what_a_step_leaves_behind_comes_to_its_outcome_before_the_step_ends() -> None:
    outside = Outside("paid")

    @step
    async def hasty(context: StepContext) -> set[Any]:
        task = asyncio.ensure_future(context.effect("charge", outside.wait))
        await outside.inside.wait()
        return {task} and "gone"  # type: ignore[return-value]

    async with Desk(flow_of(hasty(id="hasty"))) as desk:
        assert not desk.over
        outside.door.set()
        assert (await desk.end()).output == "gone"
        assert desk.effects() == [("charge", "started"), ("charge", "committed")]


async def test_two_branches_of_a_step_may_be_answered_one_at_a_time() -> None:
    outside = Outside("left", "right")

    @step
    async def both(context: StepContext) -> list[Any]:
        async def branch(key: str) -> list[Any]:
            sure = await context.interrupt(key=key)
            return [sure, await context.effect(key, outside.call, effect="at_most_once")]

        return list(await asyncio.gather(branch("a"), branch("b")))

    for first, second in (("a", "b"), ("b", "a")):
        outside.keys.clear()
        async with Desk(flow_of(both(id="both"))) as desk:
            await desk.answer(desk.ask(first), first)
            await desk.restart()
            await desk.answer(desk.ask(second), second)
            assert [each[0] for each in (await desk.end()).output] == ["a", "b"]
            assert outside.calls == 2
            assert not desk.of(ReviewRequested)


async def test_an_effect_does_not_ask() -> None:
    @step
    async def nests(context: StepContext) -> Any:
        async def ask() -> Any:
            return await context.interrupt(key="sure")

        return await context.effect("ask", ask)

    (await run_flow(flow_of(nests(id="nests")))).assert_failed("nests", code="INTERRUPT_IN_EFFECT")


async def test_a_branch_that_begins_to_act_while_another_asks_comes_to_its_outcome() -> None:
    outside = Outside("paid")

    @step
    async def both(context: StepContext) -> list[Any]:
        async def pays() -> Any:
            await context.interrupt(key="pay")
            return await context.effect("charge", outside.wait, effect="at_most_once")

        return list(await asyncio.gather(context.interrupt(key="sure"), pays()))

    async with Desk(flow_of(both(id="both"))) as desk:
        await desk.answer(desk.ask("pay"))
        assert not desk.driver.resting
        outside.door.set()
        await desk.rest()
        await desk.answer(desk.ask("sure"), "yes")
        assert (await desk.end()).output == ["yes", "paid"]
        assert outside.calls == 1


# -- what is the same each time ----------------------------------------------------------------------


async def test_what_a_step_draws_is_the_same_in_every_attempt_and_after_every_answer() -> None:
    seen: list[list[Any]] = []

    @step
    async def draws(context: StepContext) -> None:
        seen.append([context.now(), context.now(), context.random(), context.uuid(), context.uuid()])
        if context.attempt == 1:
            raise TimeoutError
        await context.interrupt(key="sure")

    retry = RetryPolicy(max_attempts=2, base_ms=60_000)
    async with Desk(flow_of(draws(id="draws", retry=retry))) as desk:
        await desk.advance(100)
        await desk.restart()
        await desk.advance(100)
        await desk.answer(desk.ask("sure"))
        assert desk.over
        assert len(seen) == 3
        assert seen[0] == seen[1] == seen[2]
        assert len(set(map(str, seen[0]))) == 4, (
            "the clock stood still between the two instants; the rest differs"
        )
        assert {each.effect for each in desk.of(EffectRecorded)} == {EffectClass.PURE}


async def test_items_and_iterations_have_keys_and_draws_of_their_own() -> None:
    outside = Outside()
    drawn: list[str] = []

    @step
    async def send(context: StepContext) -> None:
        drawn.append(str(context.uuid()))
        await context.effect("send", outside.call)

    each = StepForeach(id="each", config=StepForeachConfig(items=[1, 2, 3], body=body_of(send(id="send"))))
    async with Desk(flow_of(each, send(id="send")), catalog=catalog_of(send=send)) as desk:
        await desk.end()
        assert len(set(outside.keys)) == 4
        assert len(set(drawn)) == 4


async def test_a_step_that_says_it_only_computes_is_taken_at_its_word_unless_it_acts() -> None:
    outside = Outside()

    @step(effect="pure")
    async def thinks(context: StepContext) -> Any:
        return await context.effect("send", outside.call)

    result = await run_flow(flow_of(thinks(id="thinks")))
    assert {each.effect for each in effects_of(result)} == {EffectClass.EXTERNAL}


# -- requests, and what is stored -----------------------------------------------------------------------


@pytest.fixture
async def shop() -> AsyncIterator[tuple[str, list[str | None]]]:
    """A server that answers with what it got, and the idempotency keys it saw."""
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Idempotency-Key"))
        if len(seen) == 1 and request.query.get("first") == "fails":
            return web.Response(status=503)
        return web.json_response({"token": request.query.get("token"), "path": request.path})

    web_app = web.Application()
    web_app.router.add_route("*", "/{tail:.*}", answer)
    async with TestServer(web_app) as server:
        yield f"127.0.0.1:{server.port}", seen


async def test_a_request_is_in_the_ledger_and_its_answer_is_stored_once(
    shop: tuple[str, list[str | None]],
) -> None:
    target, seen = shop
    config = StepRequestConfig(url=f"http://{target}/orders?first=fails", method="POST", body={"n": 1})
    flow = flow_of(StepRequest(id="order", config=config, retry=AT_ONCE))
    async with App(MemoryStore(), allow=[target], options=QUICK) as app:
        run = await app.start(flow)
        assert (await run.finished()).status is RunStatus.SUCCEEDED
        (row,) = await app.ledger.effects(run_id=run.run_id)
        assert (row.name, row.status, row.value, row.attempt) == ("request", "committed", None, 2)
        assert seen == [f'"{row.key}"'] * 2
        facts = await app.facts(run.run_id)
        kept = [each for each in facts if "/orders" in repr(each) and isinstance(each, EffectRecorded)]
        assert not [each for each in kept if each.value is not None]


async def test_no_secret_is_in_a_row_of_the_ledger_an_ask_or_progress(
    tmp_path: Path, shop: tuple[str, list[str | None]]
) -> None:
    target, _ = shop
    canary = "canary-7f3a91"

    @step
    async def leaks(context: StepContext) -> Any:
        said = f"the word is {canary}"
        context.emit({"said": said})
        got = await context.effect("tell", Outside(said).call, said)
        return [got, await context.interrupt({"said": said}, key="ask", title=said)]

    url = f"http://{target}/x?token=<<secrets.word>>"
    flow = flow_of(StepRequest(id="get", config=StepRequestConfig(url=url)), leaks(id="leaks"))
    path = tmp_path / "openrun.db"
    async with App(
        path, allow=[target], secrets={"word": canary}, catalog=catalog_of(leaks=leaks), options=QUICK
    ) as app:
        run = await app.start(flow)
        await until_ends_or(app, run.run_id, RunStatus.WAITING)
        (row,) = await app.waits.open()
        await app.waits.answer(row.wait_id, f"yes, {canary}")
        assert (await run.finished()).status is RunStatus.SUCCEEDED
    kept = contents(tmp_path)
    assert b"the word is" in kept
    assert canary.encode() not in kept


def contents(directory: Path) -> bytes:
    return b"".join(each.read_bytes() for each in directory.iterdir() if each.is_file())
