"""What is derived of a run follows from its facts alone, however they were cut into slices."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openrun.core.asks import Answer, Ask, AskChange, AskKind
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Fact,
    FlowCompleted,
    FlowPaused,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import StepRunResult, WaitForAnswers, WaitForItems, WaitUntil
from openrun.core.types import EffectClass, RunStatus
from openrun.core.undoing import CompensationStatus
from openrun.store.memory import MemoryStore
from openrun.store.projection import (
    activation_rows,
    compensation_rows,
    effect_rows,
    error_text,
    in_ms,
    wait_rows,
)
from openrun.store.rows import ActivationRow, CompensationRow, EffectFilter, EffectRow, WaitRow
from tests.store.given import Told, accepted, enlisted

START = datetime(2026, 1, 2, 3, 4, 5, 678_500, tzinfo=UTC)
ERROR = ErrorObject(code="BROKEN", message="it broke")
LATER = START + timedelta(hours=1)


def told(*facts: tuple[type[Fact], dict[str, Any]]) -> list[Fact]:
    """These facts, one a second."""
    stamp: dict[str, Any] = {"run_id": "r1", "flow_id": "orders"}
    return [
        kind(**stamp, seq=seq, timestamp=START + timedelta(seconds=seq), **its)
        for seq, (kind, its) in enumerate(facts, 1)
    ]


def a(kind: type[Fact], scope: str = "/", **its: Any) -> tuple[type[Fact], dict[str, Any]]:
    """A fact about the step `a`."""
    return kind, {"step_id": "a", "scope": scope, **its}


def at(seq: int) -> int:
    return in_ms(START + timedelta(seconds=seq))


def only(*facts: tuple[type[Fact], dict[str, Any]]) -> ActivationRow:
    (row,) = activation_rows(told(*facts))
    return row


def row(status: str, seq: int, **its: Any) -> ActivationRow:
    return ActivationRow(run_id="r1", step_id="a", scope="/", status=status, seq=seq, **{"attempt": 1, **its})


def effect(
    status: EffectStatus, key: str = "k1", effect: EffectClass = EffectClass.AT_MOST_ONCE, **its: Any
) -> tuple[type[Fact], dict[str, Any]]:
    return a(EffectRecorded, name="charge", key=key, status=status, effect=effect, **its)


ASK = Ask(id="w1", kind=AskKind.APPROVAL, name="n", correlation="c", title="May I?", quorum=2, until=LATER)
ANSWER = Answer(ask="w1", value=1)
UNDOING = a(CompensationStarted, reason=RunStatus.FAILED)
NOT_UNDONE = a(CompensationCompleted, status=CompensationStatus.FAILED, error=ERROR)
SUCCESS, FAILURE = StepRunResult.success("a", 1), StepRunResult.failure("a", ERROR)
STARTED = a(StepStarted)
EVERY_FACT = [
    (FlowStarted, {"version": "v", "trigger": None}),
    STARTED,
    a(StepStarted, attempt=2),
    a(StepStarted, scope="/h:1"),
    a(StepCompleted, result=SUCCESS),
    a(StepCompleted, result=FAILURE, attempt=2),
    a(StepCompleted, scope="/h:1", result=SUCCESS),
    a(StepScheduled, attempt=2, not_before=LATER, error=ERROR),
    a(StepWaiting, wait=WaitUntil(until=LATER)),
    a(StepWaiting, wait=WaitForItems(items=[1])),
    a(StepCancelled, reason="race lost"),
    a(TimerFired),
    a(ReviewRequested, reason="unknown"),
    a(ReviewResolved, committed=True),
    (TimerFired, {}),
    (FlowPaused, {}),
    a(StepInterrupted, asks=(ASK,), until=LATER),
    a(SignalReceived, answer=ANSWER),
    (SignalReceived, {"answer": ANSWER}),
    effect(EffectStatus.STARTED, args_hash="beef"),
    effect(EffectStatus.COMMITTED, value={"id": 7}, attempt=2),
    effect(EffectStatus.UNKNOWN),
    effect(EffectStatus.FAILED, key="k2", error=ERROR, by="ada"),
    effect(EffectStatus.STARTED, key="k2"),
    effect(EffectStatus.COMMITTED, key="k3", effect=EffectClass.PURE, value=1),
    UNDOING,
    NOT_UNDONE,
    a(CompensationCompleted, scope="/h:1", status=CompensationStatus.COMPLETED),
]


def test_instants_are_kept_in_ms() -> None:
    assert in_ms(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert in_ms(datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)) == 1_767_323_045_678


def test_an_error_is_told_by_code_and_message_and_never_long() -> None:
    assert error_text(None) is None
    assert error_text(ERROR) == "BROKEN: it broke"
    assert error_text(ErrorObject(code="LONG", message="x" * 9_999)) == "LONG: " + "x" * 494


def test_facts_about_the_run_alone_are_no_activations() -> None:
    ended: tuple[type[Fact], dict[str, Any]] = (FlowCompleted, {"status": RunStatus.SUCCEEDED})
    facts = told((FlowStarted, {"version": "v", "trigger": None}), (TimerFired, {}), (FlowPaused, {}), ended)
    assert activation_rows(facts) == ()


def test_a_step_that_starts_is_running() -> None:
    assert only(STARTED) == row("running", 1, started_at=at(1))


def test_a_step_that_succeeds_has_ended() -> None:
    completed = a(StepCompleted, result=SUCCESS)
    assert only(STARTED, completed) == row("succeeded", 2, started_at=at(1), ended_at=at(2))


def test_a_step_that_fails_tells_why() -> None:
    failed = only(STARTED, a(StepCompleted, result=FAILURE))
    assert failed == row("failed", 2, started_at=at(1), ended_at=at(2), error="BROKEN: it broke")


def test_a_retry_is_due_later_and_the_attempt_that_failed_is_the_last() -> None:
    scheduled = only(STARTED, a(StepScheduled, attempt=2, not_before=LATER, error=ERROR))
    assert scheduled == row("scheduled", 2, started_at=at(1), due_at=in_ms(LATER), error="BROKEN: it broke")


def test_a_step_that_waits_tells_until_when_if_it_knows() -> None:
    assert only(STARTED, a(StepWaiting, wait=WaitUntil(until=LATER))).due_at == in_ms(LATER)
    assert only(STARTED, a(StepWaiting, wait=WaitForItems(items=[]))).due_at is None


def test_a_step_whose_time_has_come_runs_again() -> None:
    waits = a(StepWaiting, wait=WaitUntil(until=LATER))
    assert only(STARTED, waits, a(TimerFired)) == row("running", 3, started_at=at(1))


def test_a_step_that_never_started_may_be_cancelled() -> None:
    assert only(a(StepCancelled, reason="no")) == row("cancelled", 1, attempt=None, ended_at=at(1))


def test_a_step_in_review_keeps_its_attempt() -> None:
    asked = a(ReviewRequested, reason="unknown")
    assert only(a(StepStarted, attempt=3), asked) == row("review", 2, attempt=3, started_at=at(1))


def test_a_step_that_asks_waits_until_its_first_ask_ends() -> None:
    assert only(STARTED, a(StepInterrupted, asks=(ASK,), until=LATER)) == row(
        "waiting", 2, started_at=at(1), due_at=in_ms(LATER)
    )
    assert only(STARTED, a(StepInterrupted, asks=(ASK,))).due_at is None


def test_a_step_that_waits_for_answers_tells_until_when_if_it_knows() -> None:
    asks = (ASK,)
    assert only(STARTED, a(StepWaiting, wait=WaitForAnswers(asks=asks, until=LATER))).due_at == in_ms(LATER)
    assert only(STARTED, a(StepWaiting, wait=WaitForAnswers(asks=asks))).due_at is None


def test_a_step_that_is_told_something_runs_again() -> None:
    asks = a(StepInterrupted, asks=(ASK,), until=LATER)
    assert only(STARTED, asks, a(SignalReceived, answer=ANSWER)) == row("running", 3, started_at=at(1))


def test_a_signal_that_nobody_hears_is_no_activation() -> None:
    signal: tuple[type[Fact], dict[str, Any]] = (SignalReceived, {"answer": ANSWER})
    assert activation_rows(told(signal)) == ()


def test_an_open_ask_is_an_open_wait() -> None:
    opened = AskChange(ask=ASK, step_id="a", scope="/h:1", opened_at=START)
    (found,) = wait_rows("r1", [opened])
    assert found == WaitRow(
        wait_id="w1",
        run_id="r1",
        step_id="a",
        scope="/h:1",
        kind="approval",
        name="n",
        correlation="c",
        title="May I?",
        ask=found.ask,
        created_at=in_ms(START),
        expires_at=in_ms(LATER),
    )
    assert msgspec.json.decode(found.ask, type=Ask) == ASK


def test_the_last_change_of_an_ask_counts() -> None:
    opened = AskChange(ask=ASK, step_id="a", scope="/", opened_at=START)
    other = replace(opened, ask=replace(ASK, id="w2"))
    closed = replace(opened, closed_at=LATER, outcome="approved")
    rows = wait_rows("r1", [opened, other, closed])
    assert [(each.wait_id, each.closed_at, each.outcome) for each in rows] == [
        ("w1", in_ms(LATER), "approved"),
        ("w2", None, None),
    ]
    assert wait_rows("r1", []) == ()


def test_an_effect_tells_when_it_started_and_with_what() -> None:
    (found,) = effect_rows(told(effect(EffectStatus.STARTED, args_hash="beef", ordinal=3)))
    assert found == EffectRow(
        key="k1",
        run_id="r1",
        step_id="a",
        scope="/",
        name="charge",
        ordinal=3,
        effect="at_most_once",
        status="started",
        attempt=1,
        seq=1,
        args_hash="beef",
        started_at=at(1),
    )


def test_an_effect_that_is_over_keeps_its_start_and_arguments() -> None:
    started = effect(EffectStatus.STARTED, args_hash="beef")
    (found,) = effect_rows(told(started, effect(EffectStatus.COMMITTED, value={"id": "ü"}, attempt=2)))
    assert (found.status, found.attempt, found.seq, found.value) == ("committed", 2, 2, '{"id":"ü"}')
    assert (found.started_at, found.ended_at, found.args_hash) == (at(1), at(2), "beef")


@pytest.mark.parametrize("status", [each for each in EffectStatus if each is not EffectStatus.STARTED])
def test_an_effect_that_is_over_tells_when_but_not_since_when(status: EffectStatus) -> None:
    (found,) = effect_rows(told(effect(status, error=ERROR, by="ada")))
    assert (found.status, found.started_at, found.ended_at) == (status.value, None, at(1))
    assert (found.error, found.by) == ("BROKEN: it broke", "ada")


def test_an_effect_that_starts_again_has_not_ended() -> None:
    (found,) = effect_rows(told(effect(EffectStatus.FAILED, error=ERROR), effect(EffectStatus.STARTED)))
    assert (found.status, found.started_at, found.ended_at, found.error) == ("started", at(2), None, None)


def test_values_that_a_run_drew_are_no_effects() -> None:
    drawn = effect(EffectStatus.COMMITTED, effect=EffectClass.PURE, value=0.5)
    assert effect_rows(told(drawn, STARTED)) == ()


def test_a_compensation_tells_how_it_went() -> None:
    begun = CompensationRow(run_id="r1", step_id="a", scope="/", status="started", seq=1, started_at=at(1))
    assert compensation_rows(told(UNDOING)) == (begun,)
    over = replace(begun, status="failed", seq=2, ended_at=at(2), error="BROKEN: it broke")
    assert compensation_rows(told(UNDOING, NOT_UNDONE)) == (over,)
    assert compensation_rows(told(STARTED)) == ()


def test_each_scope_is_an_activation_of_its_own() -> None:
    rows = activation_rows(told(STARTED, a(StepStarted, scope="/h:1"), a(StepStarted, scope="/h:2")))
    assert [each.scope for each in rows] == ["/", "/h:1", "/h:2"]


@given(st.lists(st.sampled_from(EVERY_FACT), max_size=12), st.sets(st.integers(1, 11)))
async def test_rows_are_the_same_however_the_facts_were_written(
    drawn: list[tuple[type[Fact], dict[str, Any]]], cuts: set[int]
) -> None:
    facts = told(*drawn)
    store = MemoryStore()
    await store.open()
    await enlisted(store, "w1")
    teller = Told("r1")
    places = sorted({0, *(cut for cut in cuts if cut < len(facts)), len(facts)})
    await accepted(store, teller.begins(count=0))
    for begin, end in pairwise(places):
        piece = facts[begin:end]
        rows = activation_rows(piece)
        effects, undone = effect_rows(piece), compensation_rows(piece)
        await accepted(
            store, teller.goes_on(end - begin, activations=rows, effects=effects, compensations=undone)
        )
    kept = await store.activations("r1")
    effects_kept = await store.effects(EffectFilter(run_id="r1"))
    undone_kept = await store.compensations("r1")
    await store.close()
    assert kept == sorted(activation_rows(facts), key=lambda each: each.seq)
    assert effects_kept == sorted(effect_rows(facts), key=lambda each: each.seq)
    assert undone_kept == sorted(compensation_rows(facts), key=lambda each: each.seq)
