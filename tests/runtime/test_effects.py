"""What a step does outside: recorded, given back, never repeated in silence."""

import asyncio
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openrun import (
    RetryPolicy,
    RunStatus,
    Step,
    StepContext,
    StepRequest,
    Verdict,
    step,
)
from openrun.app import App
from openrun.core.effects import EffectStatus, effect_key
from openrun.core.events import (
    EffectRecorded,
    ReviewRequested,
    StepScheduled,
    StepStarted,
)
from openrun.runtime.worker import WorkerOptions
from openrun.steps.execution.request import StepRequestConfig
from openrun.store.memory import MemoryStore
from openrun.testing import FlowResult, run_flow
from tests.runtime.desk import Desk
from tests.runtime.steps import Outside, flow_of, signal

QUICK = WorkerOptions(lease=5, poll=0.05, listen=0.02, patience=0.1, grace=1)
AT_ONCE = RetryPolicy(max_attempts=3, base_ms=0, jitter=0)
ANYTHING = RetryPolicy(max_attempts=3, base_ms=0, jitter=0, retry_on=("*",))


class BankTimeout(TimeoutError):
    """A client's own."""


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


# -- recorded once --------------------------------------------------------------------------------


async def test_another_attempt_at_a_step_is_given_what_the_first_one_has_done() -> None:
    outside = Outside("paid")

    @step
    async def pay(context: StepContext) -> list[Any]:
        got = await context.effect("charge", outside.call, 12)
        if context.attempt == 1:
            raise ConnectionResetError
        return [got, context.attempt]

    result = await run_flow(flow_of(pay(id="pay", retry=AT_ONCE)))
    assert result.output == ["paid", 2]
    assert outside.calls == 1
    assert statuses(result) == ["started", "committed"]


async def test_an_effect_that_failed_is_made_again_by_the_next_attempt_under_its_key() -> None:
    outside = Outside(ConnectionRefusedError(), "paid")

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call)

    result = await run_flow(flow_of(pay(id="pay", retry=AT_ONCE)))
    assert result.output == "paid"
    assert statuses(result) == ["started", "failed", "started", "committed"]
    assert [each.attempt for each in effects_of(result)] == [1, 1, 2, 2]
    assert len(set(outside.keys)) == 1


async def test_effects_of_one_name_are_told_apart_by_their_order() -> None:
    outside = Outside("one", "two", "three")

    @step
    async def thrice(context: StepContext) -> list[Any]:
        got = [await context.effect("send", outside.call, "same") for _ in range(3)]
        if context.attempt == 1:
            raise TimeoutError
        return got

    result = await run_flow(flow_of(thrice(id="thrice", retry=AT_ONCE)))
    assert result.output == ["one", "two", "three"]
    assert len(set(outside.keys)) == 3
    assert [each.ordinal for each in effects_of(result)] == [0, 0, 1, 1, 2, 2]


async def test_effects_made_at_the_same_time_are_each_recorded_and_given_back_in_their_place() -> None:
    outside = Outside()

    async def echo(what: int) -> int:
        outside.keys.append(str(what))
        for _ in range(what):
            await asyncio.sleep(0)
        return what

    @step
    async def many(context: StepContext) -> list[int]:
        got = await asyncio.gather(*(context.effect("echo", echo, 9 - at) for at in range(10)))
        if context.attempt == 1:
            raise TimeoutError
        return list(got)

    result = await run_flow(flow_of(many(id="many", retry=AT_ONCE)))
    assert result.output == [9 - at for at in range(10)]
    assert outside.calls == 10
    assert len({each.key for each in effects_of(result)}) == 10


async def test_an_effect_that_brought_nothing_is_not_made_again() -> None:
    outside = Outside(None)

    @step
    async def tell(context: StepContext) -> Any:
        got = await context.effect("tell", outside.call)
        if context.attempt == 1:
            raise TimeoutError
        return got

    result = await run_flow(flow_of(tell(id="tell", retry=AT_ONCE)))
    result.assert_succeeded()
    assert (result.output, outside.calls) == (None, 1)


async def test_what_a_step_does_with_a_result_does_not_change_what_is_recorded() -> None:
    outside = Outside({"items": [1]})

    @step
    async def careless(context: StepContext) -> Any:
        got = await context.effect("list", outside.call)
        got["items"].append(2)
        if context.attempt == 1:
            raise TimeoutError
        return got

    result = await run_flow(flow_of(careless(id="careless", retry=AT_ONCE)))
    assert result.output == {"items": [1, 2]}
    assert effects_of(result)[-1].value == {"items": [1]}


async def test_a_plain_function_can_be_an_effect() -> None:
    @step
    async def adds(context: StepContext) -> Any:
        return await context.effect("add", lambda a, b: a + b, 1, b=2)

    assert (await run_flow(flow_of(adds(id="adds")))).output == 3


# -- what goes in and what comes out --------------------------------------------------------------


async def test_other_arguments_than_before_are_refused_and_nothing_goes_out() -> None:
    outside = Outside("paid")

    @step
    async def drifts(context: StepContext) -> Any:
        await context.effect("charge", outside.call, context.attempt)
        raise ConnectionResetError

    result = await run_flow(flow_of(drifts(id="drifts", retry=AT_ONCE)))
    result.assert_failed("drifts", code="EFFECT_ARGS_CHANGED")
    assert outside.calls == 1


@pytest.mark.parametrize("argument", [object(), float("nan"), {1: 2}, {"a": {1, 2}}])
async def test_arguments_that_are_no_json_are_refused_before_anything_goes_out(argument: Any) -> None:
    outside = Outside()

    @step
    async def odd(context: StepContext) -> Any:
        return await context.effect("send", outside.call, argument)

    result = await run_flow(flow_of(odd(id="odd")))
    result.assert_failed("odd", code="EFFECT_ARGS")
    assert (outside.calls, statuses(result)) == (0, [])


@pytest.mark.parametrize("brought", [object(), float("inf"), {1, 2}])
async def test_a_result_that_cannot_be_kept_does_not_pass_for_a_call_that_failed(brought: Any) -> None:
    outside = Outside(brought)
    async with Desk(flow_of(once(outside, retry=ANYTHING))) as desk:
        await desk.advance(60)
        assert outside.calls == 1
        assert desk.effects() == [("charge", "started"), ("charge", "unknown")]
        assert len(desk.of(ReviewRequested)) == 1


async def test_a_key_is_handed_to_a_call_that_has_a_parameter_for_it() -> None:
    outside = Outside()

    @step
    async def send(context: StepContext) -> list[str]:
        await context.effect("send", outside.call)
        given = await context.effect("given", outside.call, idempotency_key="mine")
        return [context.effect_key("send"), given]

    result = await run_flow(flow_of(send(id="send")))
    assert outside.keys == [result.output[0], "mine"]
    assert outside.keys[0] == effect_key(activation_of(result, "send"), "send", 0)


def activation_of(result: FlowResult, step_id: str) -> str:
    return result.completed(step_id)[-1].activation_id


# -- what an error says of the outcome --------------------------------------------------------------

UNKNOWN: list[BaseException] = [
    TimeoutError(),
    ConnectionResetError(),
    BrokenPipeError(),
    BankTimeout(),
    ExceptionGroup("both", [TimeoutError(), ConnectionResetError()]),
    type("ServerDisconnectedError", (Exception,), {})(),
    type("ReadTimeout", (Exception,), {})(),
    asyncio.CancelledError(),
]
KNOWN: list[BaseException] = [ValueError("no"), ConnectionRefusedError(), KeyError("x"), RuntimeError()]


@pytest.mark.parametrize("error", UNKNOWN, ids=lambda error: type(error).__name__)
async def test_an_error_that_leaves_the_outcome_open_is_looked_into_by_a_person(error: BaseException) -> None:
    outside = Outside(error)
    async with Desk(flow_of(once(outside, retry=ANYTHING))) as desk:
        await desk.advance(60)
        await desk.restart()
        assert outside.calls == 1
        assert desk.effects()[-1] == ("charge", "unknown")
        (review,) = desk.of(ReviewRequested)
        assert review.key == outside.keys[0]


@pytest.mark.parametrize("error", KNOWN, ids=lambda error: type(error).__name__)
async def test_an_error_that_says_no_is_tried_again_as_the_step_says(error: BaseException) -> None:
    outside = Outside(error, "paid")
    async with Desk(flow_of(once(outside, retry=ANYTHING))) as desk:
        await desk.advance(60)
        assert (await desk.end()).output == "paid"
        assert [status for _, status in desk.effects()] == ["started", "failed", "started", "committed"]


@pytest.mark.parametrize(
    ("code", "asks"), [(500, True), (502, True), (504, True), (408, True), (503, False), (400, False)]
)
async def test_a_servers_answer_tells_whether_a_request_took_place(code: int, *, asks: bool) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=code)

    web_app = web.Application()
    web_app.router.add_post("/", answer)
    async with TestServer(web_app) as server:
        target = f"127.0.0.1:{server.port}"
        config = StepRequestConfig(url=f"http://{target}/", method="POST")
        flow = flow_of(StepRequest(id="pay", config=config, effect="at_most_once"))
        async with App(MemoryStore(), allow=[target], options=QUICK) as app:
            run = await app.start(flow)
            await until_ends_or(app, run.run_id, RunStatus.NEEDS_REVIEW)
            status = (await app.row(run.run_id)).status
            assert status is (RunStatus.NEEDS_REVIEW if asks else RunStatus.FAILED)
            (row,) = await app.ledger.effects(run_id=run.run_id)
            assert row.status == ("unknown" if asks else "failed")


async def until_ends_or(app: App, run_id: str, status: RunStatus) -> None:
    """Wait until a run has ended, or stands so."""
    async with asyncio.timeout(20):
        # The store has no signal for conditions like these.
        while (row := await app.row(run_id)).status is not status and row.ended_at is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_call_that_takes_too_long_may_have_taken_place() -> None:
    outside = Outside()

    @step(timeout=10)
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.wait, effect="at_most_once")

    async with Desk(flow_of(pay(id="pay", retry=ANYTHING))) as desk:
        await desk.advance(11)
        await desk.advance(60)
        assert desk.effects() == [("charge", "started"), ("charge", "unknown")]
        assert len(desk.of(ReviewRequested)) == 1
        assert not desk.of(StepScheduled)


# -- looking it up, and asking a person -----------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "calls", "recorded"),
    [
        (Verdict.committed("seen"), 1, ["started", "committed"]),
        (Verdict.absent(), 2, ["started", "absent", "started", "committed"]),
        (Verdict.unknown(), 1, ["started", "unknown"]),
    ],
    ids=["committed", "absent", "unknown"],
)
async def test_what_became_of_a_call_is_looked_up_at_once(
    said: Verdict, calls: int, recorded: list[str]
) -> None:
    outside = Outside(TimeoutError())

    async def verify(key: str) -> Verdict:
        assert key == outside.keys[0]
        return said

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call, effect="at_most_once", verify=verify)

    async with Desk(flow_of(pay(id="pay", retry=AT_ONCE))) as desk:
        await desk.advance(1)
        assert outside.calls == calls
        assert [status for _, status in desk.effects()] == recorded
        assert desk.over is (said.status is not EffectStatus.UNKNOWN)


@pytest.mark.parametrize("status", [EffectStatus.STARTED, EffectStatus.FAILED])
async def test_a_look_up_that_says_neither_yes_nor_no_leaves_it_to_a_person(status: EffectStatus) -> None:
    outside = Outside(TimeoutError())

    async def verify(_key: str) -> Verdict:
        return Verdict(status=status)

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call, effect="at_most_once", verify=verify)

    async with Desk(flow_of(pay(id="pay", retry=AT_ONCE))) as desk:
        await desk.advance(1)
        assert outside.calls == 1
        assert len(desk.of(ReviewRequested)) == 1


async def test_a_try_that_was_refused_does_not_say_that_the_one_before_did_not_take_place() -> None:
    outside = Outside(TimeoutError(), ConnectionRefusedError())

    @step
    async def send(context: StepContext) -> Any:
        return await context.effect("send", outside.call)

    async with Desk(flow_of(send(id="send", retry=RetryPolicy(max_attempts=2, base_ms=0)))) as desk:
        await desk.advance(1)
        assert (await desk.end()).status is RunStatus.FAILED
        assert desk.effects()[-1] == ("send", "unknown")


async def test_a_step_that_died_with_an_effect_open_is_reviewed_by_that_effect() -> None:
    outside = Outside()

    @step(effect="at_most_once")
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call)

    async with Desk(flow_of(pay(id="pay"), signal("gate"))) as desk:
        await desk.crash()
        (review,) = desk.of(ReviewRequested)
        assert review.key == outside.keys[0]
        await desk.settle("pay", committed=True, output="paid")
        assert desk.effects()[-1] == ("charge", "committed")
        assert desk.output("pay") == "paid"
        assert outside.calls == 1


async def test_a_look_up_that_fails_leaves_it_to_a_person() -> None:
    outside = Outside(TimeoutError())

    async def verify(_key: str) -> Verdict:
        raise ConnectionRefusedError

    @step
    async def pay(context: StepContext) -> Any:
        return await context.effect("charge", outside.call, effect="at_most_once", verify=verify)

    async with Desk(flow_of(pay(id="pay"))) as desk:
        assert len(desk.of(ReviewRequested)) == 1


async def test_what_a_person_says_took_place_is_given_to_the_step() -> None:
    outside = Outside(TimeoutError())
    async with Desk(flow_of(once(outside))) as desk:
        await desk.settle("pay", committed=True, output="receipt 7")
        assert (await desk.end()).output == "receipt 7"
        assert outside.calls == 1


async def test_what_a_person_says_did_not_take_place_is_done() -> None:
    outside = Outside(TimeoutError(), "paid")
    async with Desk(flow_of(once(outside))) as desk:
        await desk.restart()
        await desk.settle("pay", committed=False)
        assert (await desk.end()).output == "paid"
        assert len(set(outside.keys)) == 1


async def test_two_effects_in_doubt_are_asked_about_one_after_the_other() -> None:
    outside = Outside(TimeoutError(), TimeoutError())

    @step(effect="at_most_once")
    async def both(context: StepContext) -> list[Any]:
        return list(
            await asyncio.gather(context.effect("a", outside.call), context.effect("b", outside.call))
        )

    async with Desk(flow_of(both(id="both"))) as desk:
        await desk.settle("both", committed=True, output=1)
        assert not desk.over
        await desk.settle("both", committed=True, output=2)
        assert sorted((await desk.end()).output) == [1, 2]
        assert outside.calls == 2


async def test_a_step_that_is_to_stop_is_asked_about_all_its_effects_in_doubt() -> None:
    outside = Outside(TimeoutError(), TimeoutError())

    @step(effect="at_most_once")
    async def both(context: StepContext) -> list[Any]:
        calls = (context.effect(name, outside.call) for name in "ab")
        return list(await asyncio.gather(*calls))

    async with Desk(flow_of(both(id="both"))) as desk:
        await desk.cancel(compensate=True)
        await desk.settle("both", committed=False)
        await desk.restart()
        assert not desk.over
        await desk.settle("both", committed=False)
        assert (await desk.end()).status is RunStatus.CANCELLED
        assert {name for name, status in desk.effects() if status == "absent"} == {"a", "b"}
        assert outside.calls == 2


async def test_an_effect_in_doubt_can_be_resolved_by_its_key() -> None:
    outside = Outside(TimeoutError())
    async with App(MemoryStore(), options=QUICK) as app:
        pay = once(outside)
        app.catalog.add("pay", type(pay))
        run = await app.start(flow_of(pay))
        await until_ends_or(app, run.run_id, RunStatus.NEEDS_REVIEW)
        (row,) = await app.ledger.effects(run_id=run.run_id, status=[EffectStatus.UNKNOWN])
        await app.ledger.resolve(row.key, committed=True, value="seen", by="ada")
        assert (await run.finished()).status is RunStatus.SUCCEEDED
        (row,) = await app.ledger.effects(run_id=run.run_id)
        assert (row.status, row.value, row.by) == ("committed", '"seen"', "ada")


async def test_in_memory_nobody_can_look_into_an_effect_in_doubt_and_its_step_fails() -> None:
    async def bank() -> None:
        raise TimeoutError

    @step
    async def pays(context: StepContext) -> None:
        await context.effect("charge", bank, effect="at_most_once")

    run = await flow_of(pays(id="pays", retry=3)).execute()
    (failure,) = run.failures
    assert (run.status, failure.error.code) == (RunStatus.FAILED, "OUTCOME_UNKNOWN")
    assert sum(isinstance(each, StepStarted) and each.step_id == "pays" for each in run.events) == 1
