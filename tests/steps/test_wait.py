from datetime import timedelta
from typing import Any

import pytest

from openrun import RunStatus
from openrun.core.asks import Ask, AskKind
from openrun.core.errors import PermanentError
from openrun.core.results import StepRunResult, TimerWake, WaitForAnswers, WaitUntil
from openrun.core.state import StateContainer
from openrun.steps.execution import StepWait, StepWaitConfig

from .asking import ADA, asked, begun, document, run_told, said, told
from .given import NOW, failure_in, refusal, rendered


def waiting(**fields: Any) -> StepWait:
    return StepWait(id="wait", config=StepWaitConfig(**fields))


async def expired(step: StepWait) -> Any:
    return await step.resume(StateContainer(), step.config, TimerWake())


async def test_a_wait_for_a_signal_asks_for_it_by_name() -> None:
    outcome = await begun(waiting(signal="paid"))
    assert outcome == WaitForAnswers(asks=(Ask(kind=AskKind.SIGNAL, name="paid"),))


async def test_a_wait_for_the_first_of_several_asks_for_each_once() -> None:
    wait = await asked(waiting(signal=["paid", "withdrawn", "paid"], event="order.lost", correlation="7"))
    assert [(ask.kind, ask.name, ask.correlation) for ask in wait.asks] == [
        (AskKind.SIGNAL, "paid", None),
        (AskKind.SIGNAL, "withdrawn", None),
        (AskKind.EVENT, "order.lost", "7"),
    ]


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"timeout": "3d"}, 259_200),
        ({"until": "2026-03-01T13:00:00+00:00"}, 3_600),
        ({"timeout": "2h", "until": "2026-03-01T14:00:00+01:00"}, 3_600),
        ({"timeout": 5, "until": "2026-03-01T13:00:00Z"}, 5),
    ],
)
async def test_the_earlier_of_timeout_and_until_ends_a_wait(fields: dict[str, Any], seconds: int) -> None:
    end = NOW + timedelta(seconds=seconds)
    wait = await asked(waiting(signal="paid", **fields))
    assert wait.until == end
    assert [ask.until for ask in wait.asks] == [end]
    assert await begun(waiting(**fields)) == WaitUntil(until=end)


async def test_a_signal_is_received_with_its_value_and_who_sent_it() -> None:
    outcome = await told(waiting(signal="paid"), said({"amount": 5}, ADA))
    output = {"signal": "paid", "value": {"amount": 5}, "by": ADA}
    assert outcome == StepRunResult.success("wait", output, port="received")


async def test_the_first_that_came_is_the_one_received() -> None:
    step = waiting(signal=["paid", "withdrawn"])
    outcome = await told(step, said(None, place=1), said(1, ADA))
    output = {"signal": "withdrawn", "value": None, "by": None}
    assert outcome == StepRunResult.success("wait", output, port="received")


async def test_an_event_is_received_even_if_a_signal_has_its_name() -> None:
    step = waiting(signal="order.lost", event="order.lost")
    outcome = await told(step, said({"id": 7}, place=1))
    output = {"event": "order.lost", "value": {"id": 7}, "by": None}
    assert outcome == StepRunResult.success("wait", output, port="received")


@pytest.mark.parametrize("told_by", [{"signal": "paid"}, {"event": "order.paid"}])
async def test_a_wait_that_nobody_ended_in_time_has_expired(told_by: dict[str, Any]) -> None:
    assert await expired(waiting(**told_by, timeout="3d")) == StepRunResult.success("wait", port="expired")


async def test_a_wait_may_fail_when_nobody_ended_it_in_time() -> None:
    step = waiting(signal=["paid", "withdrawn"], event="order.lost", timeout="3d", on_expire="fail")
    error = failure_in(await expired(step))
    assert error.code == "WAIT_EXPIRED"
    assert error.message == "signal 'paid' or signal 'withdrawn' or event 'order.lost' did not come in time"


async def test_a_time_that_was_waited_for_is_received() -> None:
    assert await expired(waiting(timeout="3d")) == StepRunResult.success("wait", port="received")


async def test_a_time_that_is_past_is_no_wait() -> None:
    outcome = await begun(waiting(until="2020-01-01T00:00:00Z"))
    assert outcome == StepRunResult.success("wait", port="received")


async def test_a_signal_that_came_early_is_heard_though_the_time_is_past() -> None:
    wait = await asked(waiting(signal="paid", until="2020-01-01T00:00:00Z"))
    assert [ask.name for ask in wait.asks] == ["paid"]


async def test_a_wait_of_more_than_a_year_fails() -> None:
    with pytest.raises(PermanentError, match="more than a year away") as caught:
        await begun(waiting(signal="paid", until="2028-01-01T00:00:00Z"))
    assert caught.value.error.code == "WAIT_TOO_LONG"


@pytest.mark.parametrize(
    ("written", "came"),
    [
        ({"signal": "<<name>>", "timeout": 5}, {"timeout": 5}),
        ({"event": "<<kind>>", "signal": "paid"}, {"signal": "paid"}),
        ({"event": "paid", "correlation": "<<order.id>>"}, {"event": "paid", "correlation": None}),
    ],
)
async def test_a_template_that_came_to_null_never_means_waiting_for_less(
    written: dict[str, Any], came: dict[str, Any]
) -> None:
    with pytest.raises(PermanentError, match="came to null"):
        await begun(waiting(**written), rendered(StepWaitConfig, **came))


async def test_templates_are_checked_once_they_are_rendered() -> None:
    step = waiting(signal="order-<<order.id>>", event="<<kind>>", correlation="<<order.id>>", until="{{due}}")
    config = rendered(
        StepWaitConfig, signal=["order-7"], event="paid", correlation=7, until="2026-03-01T13:00:00Z"
    )
    wait = await asked(step, config)
    assert [(ask.name, ask.correlation) for ask in wait.asks] == [("order-7", None), ("paid", "7")]
    assert wait.until == NOW + timedelta(hours=1)
    with pytest.raises(ValueError, match="pattern"):
        rendered(StepWaitConfig, signal="order 7")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "at least one of `signal`, `event`, `timeout` and `until`"),
        ({"correlation": "7", "signal": "paid"}, "`correlation` goes with `event`"),
        ({"event": "paid", "correlation": ""}, "at least 1 character"),
        ({"timeout": 5, "on_expire": "fail"}, "`on_expire` goes with `signal` or `event`"),
        ({"signal": "paid", "on_expire": "stop"}, "'port' or 'fail'"),
        ({"signal": "two words"}, "pattern"),
        ({"signal": "x" * 129}, "pattern"),
        ({"signal": []}, "at least 1 item"),
        ({"signal": ["a"] * 33}, "at most 32 items"),
        ({"event": "user.*"}, "pattern"),
        ({"event": "x" * 201}, "at most 200 characters"),
        ({"timeout": 0}, "greater than 0"),
        ({"timeout": "400d"}, "less than or equal to 31622400"),
        ({"until": "2030-01-01"}, "RFC 3339"),
        ({"until": "2030-01-01T00:00:00"}, "timezone"),
    ],
)
def test_a_wait_that_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason in refusal(StepWaitConfig, **fields)


WAIT = {"id": "wait", "type": "wait", "config": {"signal": ["paid", "withdrawn"], "timeout": "3d"}}
KEEP = {"id": "keep", "type": "set_state", "config": {"key": "paid", "value": "<<steps.wait.value>>"}}
LATE = {"id": "late", "type": "abort", "config": {"reason": "nobody paid"}}
PAID = document(
    WAIT,
    KEEP,
    LATE,
    edges=[("start", "default", "wait"), ("wait", "received", "keep"), ("wait", "expired", "late")],
)


async def test_a_run_goes_on_with_what_it_was_told() -> None:
    run = await run_told(PAID, wait=[said({"amount": 5}, ADA, place=0), said("too late", place=1)])
    assert run.status is RunStatus.SUCCEEDED
    assert run.state["paid"] == {"amount": 5}


async def test_a_run_that_nobody_told_goes_on_by_the_other_port() -> None:
    run = await run_told(PAID)
    assert run.status is RunStatus.ABORTED
    assert "paid" not in run.state


async def test_a_run_waits_for_a_time() -> None:
    rest = {"id": "wait", "type": "wait", "config": {"timeout": "30d"}}
    run = await run_told(
        document(rest, LATE, edges=[("start", "default", "wait"), ("wait", "expired", "late")])
    )
    assert run.status is RunStatus.SUCCEEDED
    assert run.events[-1].timestamp - run.events[0].timestamp == timedelta(days=30)
