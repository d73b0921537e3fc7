"""What the facts of a run tell others: types, words, and what is left out."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from openrun.core.asks import Ask, AskChange, AskKind
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    Failure,
    FlowCompleted,
    FlowForked,
    FlowPaused,
    FlowStarted,
    ReviewRequested,
    StepInterrupted,
    StepStarted,
    StepWaiting,
)
from openrun.core.results import WaitForAnswers, WaitUntil
from openrun.core.types import RunStatus
from openrun.core.undoing import CompensationStatus
from openrun.runtime.notices import MOST_BYTES, NoticeType, notice_of, notices_of

NOW = datetime(2026, 1, 31, 9, tzinfo=UTC)
BEGUN = FlowStarted(
    run_id="run-1",
    flow_id="orders",
    seq=1,
    timestamp=NOW,
    version="v1",
    trigger="hook",
    input={"body": "private"},
    hops=2,
)
FAULT = ErrorObject(code="CARD_REFUSED", message="no money")


def at(seq: int) -> dict[str, Any]:
    return {"run_id": "run-1", "flow_id": "orders", "seq": seq, "timestamp": NOW}


def of_step(seq: int) -> dict[str, Any]:
    return {**at(seq), "step_id": "charge", "scope": "/each[2]"}


def told(fact: Any, *opened: str) -> tuple[str, dict[str, Any]]:
    notice = notice_of(fact, BEGUN, "acme", opened)
    assert notice is not None
    assert notice.seq == fact.seq
    assert notice.at == 1_769_850_000_000
    return notice.type, json.loads(notice.data)


def ask(wait_id: str = "a", kind: AskKind = AskKind.APPROVAL, **more: Any) -> Ask:
    return Ask(id=wait_id, kind=kind, **more)


def opening(each: Ask, *, over: bool = False) -> AskChange:
    return AskChange(
        ask=each, step_id="charge", scope="/", opened_at=NOW, closed_at=NOW if over else None, outcome=None
    )


def test_a_run_that_starts_tells_who_it_is() -> None:
    kind, data = told(BEGUN)
    assert kind == "run.started"
    assert data == {
        "run_id": "run-1",
        "flow_id": "orders",
        "version": "v1",
        "namespace": "acme",
        "trigger": "hook",
        "parent_run_id": None,
        "seq": 1,
        "status": "running",
        "error": None,
        "hops": 2,
        "started_at": "2026-01-31T09:00:00Z",
        "ended_at": None,
    }


@pytest.mark.parametrize(
    "status", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ABORTED]
)
def test_a_run_that_ends_tells_how_and_when_but_not_what_it_put_out(status: RunStatus) -> None:
    kind, data = told(FlowCompleted(**at(9), status=status, output={"card": "4242"}))
    assert kind == f"run.{status.value}"
    assert (data["status"], data["ended_at"]) == (status.value, "2026-01-31T09:00:00Z")
    assert "4242" not in json.dumps(data)
    assert "private" not in json.dumps(data)


def test_a_run_that_failed_tells_the_first_failure_that_nobody_took_care_of() -> None:
    failures = (
        Failure(step_id="warn", scope="/", error=ErrorObject(code="SMALL", message="-"), handled=True),
        Failure(step_id="charge", scope="/each[2]", error=FAULT, handled=False),
    )
    _, data = told(FlowCompleted(**at(9), status=RunStatus.FAILED, failures=failures))
    assert data["error"] == {"code": "CARD_REFUSED", "message": "no money"}
    assert (data["step_id"], data["scope"]) == ("charge", "/each[2]")


def test_a_run_that_a_person_must_look_at_says_why_and_where() -> None:
    kind, data = told(ReviewRequested(**at(5), reason="poison"))
    assert (kind, data["reason"], data["step_id"]) == ("run.needs_review", "poison", None)
    _, data = told(ReviewRequested(**of_step(5), reason="unknown_outcome", key="k"))
    assert (data["reason"], data["step_id"], data["scope"]) == ("unknown_outcome", "charge", "/each[2]")


def test_a_step_that_could_not_be_undone_is_told_and_one_that_was_is_not() -> None:
    kind, data = told(CompensationCompleted(**of_step(7), status=CompensationStatus.FAILED, error=FAULT))
    assert (kind, data["reason"], data["step_id"]) == ("compensation.failed", "failed", "charge")
    assert data["error"]["code"] == "CARD_REFUSED"
    well = CompensationCompleted(**of_step(7), status=CompensationStatus.COMPLETED)
    assert notice_of(well, BEGUN, "acme") is None


def test_a_question_to_people_is_told_without_what_it_is_about() -> None:
    asked = ask(
        title="Refund 40 €?", payload={"iban": "DE02"}, approvers=("role:finance",), quorum=2, until=NOW
    )
    kind, data = told(StepWaiting(**of_step(4), wait=WaitForAnswers(asks=(asked,))), "a")
    assert (kind, data["status"], data["step_id"]) == ("approval.requested", "waiting", "charge")
    assert data["asks"] == [
        {
            "wait_id": "a",
            "kind": "approval",
            "name": "",
            "title": "Refund 40 €?",
            "approvers": ["role:finance"],
            "quorum": 2,
            "expires_at": "2026-01-31T09:00:00Z",
        }
    ]
    assert "DE02" not in json.dumps(data)


def test_a_step_that_asks_in_the_middle_of_its_work_requests_input() -> None:
    kind, data = told(StepInterrupted(**of_step(4), asks=(ask(kind=AskKind.INPUT, name="colour"),)), "a")
    assert (kind, data["asks"][0]["name"]) == ("input.requested", "colour")


def test_several_questions_of_one_step_are_one_notice() -> None:
    asks = (ask("a", AskKind.INPUT), ask("b"), ask("c", AskKind.SIGNAL))
    kind, data = told(StepWaiting(**of_step(4), wait=WaitForAnswers(asks=asks)), "a", "b", "c")
    assert kind == "approval.requested"
    assert [each["wait_id"] for each in data["asks"]] == ["a", "b"]


@pytest.mark.parametrize("kind", [AskKind.SIGNAL, AskKind.EVENT])
def test_what_is_asked_of_the_world_is_told_nobody(kind: AskKind) -> None:
    waiting = StepWaiting(**of_step(4), wait=WaitForAnswers(asks=(ask(kind=kind),)))
    assert notice_of(waiting, BEGUN, "acme", {"a"}) is None


def test_a_step_that_is_woken_and_waits_on_asks_nobody_again() -> None:
    waiting = StepWaiting(**of_step(4), wait=WaitForAnswers(asks=(ask("old"), ask("new"))))
    _, data = told(waiting, "new")
    assert [each["wait_id"] for each in data["asks"]] == ["new"]
    assert notice_of(waiting, BEGUN, "acme", ()) is None


def test_a_question_that_was_recorded_twice_within_one_commit_is_told_once() -> None:
    first, again = (StepWaiting(**of_step(seq), wait=WaitForAnswers(asks=(ask(),))) for seq in (4, 6))
    found = notices_of([first, again], BEGUN, "acme", [opening(ask())])
    assert [each.seq for each in found] == [4]


def test_a_question_that_was_over_before_its_commit_is_told_nobody() -> None:
    waiting = StepWaiting(**of_step(4), wait=WaitForAnswers(asks=(ask(),)))
    assert notices_of([waiting], BEGUN, "acme", [opening(ask()), opening(ask(), over=True)]) == ()


@pytest.mark.parametrize(
    "fact",
    [
        StepStarted(**of_step(2)),
        FlowPaused(**at(3)),
        StepWaiting(**of_step(4), wait=WaitUntil(until=NOW)),
    ],
)
def test_what_happens_within_a_run_is_told_nobody(fact: Any) -> None:
    assert notice_of(fact, BEGUN, "acme") is None
    assert notices_of([fact], BEGUN, "acme") == ()


def test_a_fork_starts_by_its_last_fact_and_names_its_origin() -> None:
    kind, data = told(FlowForked(**at(6), origin="run-0", at=5))
    assert (kind, data["seq"], data["forked_from"]) == ("run.started", 6, "run-0")


def test_a_notice_stays_small_whatever_it_tells() -> None:
    long = "\x01" * 10_000
    error = ErrorObject(code=long, message=long, type=long, details={"body": long})
    failures = (Failure(step_id="charge", scope="/" + long, error=error, handled=False),)
    asks = tuple(ask(str(at) * 8, title=long, name=long, approvers=(long,)) for at in range(100))
    for fact in (
        FlowCompleted(**at(9), status=RunStatus.FAILED, failures=failures),
        ReviewRequested(**at(9), reason=long),
        StepWaiting(**of_step(9), wait=WaitForAnswers(asks=asks)),
    ):
        notice = notice_of(fact, BEGUN, "acme", {each.id for each in asks})
        assert notice is not None
        assert len(notice.data.encode()) <= MOST_BYTES
        assert json.loads(notice.data)["run_id"] == "run-1"


def test_there_is_a_type_for_each_way_in_which_a_run_ends() -> None:
    ends = {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED, RunStatus.ABORTED}
    assert {f"run.{each.value}" for each in ends} <= {each.value for each in NoticeType}
