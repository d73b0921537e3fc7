"""Where activations stand follows from the facts alone, however they were cut into slices."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from openrun.core.errors import ErrorObject
from openrun.core.events import (
    Fact,
    FlowCompleted,
    FlowPaused,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    StepCancelled,
    StepCompleted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
)
from openrun.core.results import StepRunResult, WaitForItems, WaitUntil
from openrun.core.types import RunStatus
from openrun.store.memory import MemoryStore
from openrun.store.projection import activation_rows, error_text, in_ms
from openrun.store.rows import ActivationRow
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
        await accepted(store, teller.goes_on(end - begin, activations=activation_rows(facts[begin:end])))
    kept = await store.activations("r1")
    await store.close()
    assert kept == sorted(activation_rows(facts), key=lambda each: each.seq)
