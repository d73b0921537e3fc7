from datetime import timedelta
from typing import Any

import pytest

from openrun import RunStatus
from openrun.core.asks import Ask, AskKind
from openrun.core.errors import PermanentError
from openrun.core.results import AnswersWake, StepRunResult, TimerWake, WaitForAnswers
from openrun.core.state import StateContainer
from openrun.steps.execution import StepApproval, StepApprovalConfig

from .asking import ADA, BOB, asked, begun, document, no, result_of, run_told, said, told, yes
from .given import NOW, refusal, rendered

FORM = {"type": "object", "properties": {"amount": {"type": "number"}}}


def approval(**fields: Any) -> StepApproval:
    return StepApproval(id="ok", config=StepApprovalConfig(**{"title": "Pay?", **fields}))


async def test_an_approval_asks_once_with_all_that_is_to_be_known() -> None:
    step = approval(
        payload={"amount": 5},
        form=FORM,
        approvers=["ada", "role:finance", "user:ada"],
        quorum=2,
        expires="3d",
        until="2026-03-01T13:00:00Z",
    )
    until = NOW + timedelta(hours=1)
    ask = Ask(
        kind=AskKind.APPROVAL,
        title="Pay?",
        payload={"amount": 5},
        form=FORM,
        approvers=(ADA, "role:finance"),
        quorum=2,
        until=until,
    )
    assert await begun(step) == WaitForAnswers(asks=(ask,), until=until)


async def test_an_approval_that_says_nothing_more_waits_for_anyone_for_ever() -> None:
    ask = Ask(kind=AskKind.APPROVAL, title="Pay?")
    assert await begun(approval()) == WaitForAnswers(asks=(ask,))


async def test_one_who_approves_is_enough_without_a_quorum() -> None:
    result = result_of(await told(approval(payload={"amount": 5}), yes(ADA)))
    assert result.ports == ("approved",)
    assert result.output == {
        "decision": "approved",
        "value": {"amount": 5},
        "by": [ADA],
        "answers": [{"by": ADA, "decision": "approved"}],
    }


async def test_below_its_quorum_an_approval_waits_on_with_the_same_asks() -> None:
    step = approval(quorum=2, expires="3d")
    wait = await asked(step)
    assert await told(step, yes(ADA)) == wait
    assert await told(step, yes(ADA), yes(ADA)) == wait
    assert await told(step, yes("ada"), yes(ADA)) == wait


async def test_a_quorum_is_of_different_people() -> None:
    result = result_of(await told(approval(quorum=2), yes(ADA), yes(ADA), yes(BOB)))
    assert result.ports == ("approved",)
    assert result.output["by"] == [ADA, BOB]


async def test_answers_that_nobody_has_signed_count_one_each() -> None:
    result = result_of(await told(approval(quorum=2), yes(None), yes(None)))
    assert result.ports == ("approved",)
    assert result.output["by"] == []


async def test_the_first_answer_of_a_person_counts() -> None:
    result = result_of(await told(approval(quorum=2, payload=1), yes(ADA, 2), no(ADA), yes(ADA, 3), yes(BOB)))
    assert result.ports == ("approved",)
    assert result.output["value"] == 2


async def test_the_value_edited_last_is_the_one_agreed_upon() -> None:
    result = result_of(await told(approval(quorum=3, payload=1), yes(ADA, 2), yes(BOB, 0), yes("user:c")))
    assert result.output["value"] == 0
    assert result.output["answers"][1] == {"by": BOB, "decision": "approved", "value": 0}


async def test_one_who_rejects_is_enough() -> None:
    result = result_of(await told(approval(quorum=3), yes(ADA), no(BOB, "too dear")))
    assert result.ports == ("rejected",)
    assert result.output == {
        "decision": "rejected",
        "by": BOB,
        "reason": "too dear",
        "answers": [
            {"by": ADA, "decision": "approved"},
            {"by": BOB, "decision": "rejected", "reason": "too dear"},
        ],
    }


async def test_an_answer_that_is_no_decision_approves_nothing() -> None:
    step = approval()
    assert await told(step, said({"amount": 5}, ADA)) == await asked(step)
    assert result_of(await told(step, said(1, ADA), no(ADA))).ports == ("rejected",)


async def test_what_is_approved_is_what_was_shown() -> None:
    step = approval(payload="<<order>>")
    wait = await asked(step, rendered(StepApprovalConfig, title="Pay?", payload={"amount": 5}))
    later = StepApprovalConfig(title="Pay?", payload={"amount": 500})
    answer = yes(ADA)
    outcome = await step.resume(StateContainer(), later, AnswersWake(answers=(answer,), wait=wait))
    assert result_of(outcome).output["value"] == {"amount": 5}


async def test_an_approval_that_nobody_gave_in_time_has_expired_with_the_answers_so_far() -> None:
    step = approval(quorum=2, expires="3d")
    wake = TimerWake(answers=(yes(ADA, 2), yes(ADA)))
    assert await step.resume(StateContainer(), step.config, wake) == StepRunResult.success(
        "ok",
        {"decision": "expired", "answers": [{"by": ADA, "decision": "approved", "value": 2}]},
        port="expired",
    )


async def test_an_approval_that_is_too_late_asks_nobody() -> None:
    outcome = await begun(approval(until="2020-01-01T00:00:00Z"))
    assert outcome == StepRunResult.success("ok", {"decision": "expired", "answers": []}, port="expired")


async def test_approvers_that_come_to_nobody_are_not_anyone() -> None:
    with pytest.raises(PermanentError, match="anyone could answer") as caught:
        await begun(approval(approvers="<<leads>>"), rendered(StepApprovalConfig, title="Pay?", approvers=[]))
    assert caught.value.error.code == "NO_APPROVERS"


async def test_a_quorum_that_cannot_be_reached_fails_once_it_is_known() -> None:
    config = rendered(StepApprovalConfig, title="Pay?", approvers=["ada", ADA], quorum="2")
    with pytest.raises(PermanentError, match="a quorum of 2 is more than the 1") as caught:
        await begun(approval(approvers="<<leads>>", quorum="<<count>>"), config)
    assert caught.value.error.code == "QUORUM_TOO_LARGE"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"form": {"type": "strin"}}, "/config/form"),
        ({"form": {"$ref": "https://example.com/form"}}, "/config/form"),
        ({"form": {"$ref": "#"}}, "/config/form"),
        ({"approvers": ["ada", "user:ada"], "quorum": 2}, "/config/quorum"),
    ],
)
def test_what_can_never_be_approved_is_a_fault_of_the_flow(fields: dict[str, Any], pointer: str) -> None:
    assert [place for place, _ in approval(**fields).faults()] == [pointer]


@pytest.mark.parametrize(
    "fields",
    [
        {"form": FORM},
        {"quorum": 9},
        {"approvers": ["role:finance"], "quorum": 2},
        {"approvers": ["ada", "bob"], "quorum": 2},
        {"approvers": ["<<lead>>"], "quorum": 2},
        {"approvers": "<<leads>>", "quorum": 2},
        {"approvers": ["ada"], "quorum": "<<count>>"},
    ],
)
def test_what_may_be_approved_has_no_faults(fields: dict[str, Any]) -> None:
    assert approval(**fields).faults() == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"title": ""}, "at least 1 character"),
        ({"quorum": 0}, "greater than or equal to 1"),
        ({"approvers": [""]}, "pattern"),
        ({"approvers": ["group:finance"]}, "pattern"),
        ({"approvers": ["user:"]}, "pattern"),
        ({"approvers": ["ada\x00"]}, "pattern"),
        ({"form": True}, "valid dictionary"),
        ({"expires": 0}, "greater than 0"),
        ({"expires": "400d"}, "less than or equal to 31622400"),
        ({"until": "tomorrow"}, "valid datetime"),
    ],
)
def test_an_approval_that_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason in refusal(StepApprovalConfig, **{"title": "Pay?", **fields})


ASK = {
    "id": "ok",
    "type": "approval",
    "config": {
        "title": "Pay {{body.amount}}?",
        "payload": "<<body>>",
        "approvers": ["ada", "bob", "role:finance"],
        "quorum": 2,
        "expires": "3d",
    },
}
PAY = {"id": "pay", "type": "set_state", "config": {"key": "paid", "value": "<<steps.ok.value.amount>>"}}
STOP = {"id": "stop", "type": "abort", "config": {"reason": "refused", "payload": "<<steps.ok>>"}}
PAYMENT = document(
    ASK,
    PAY,
    STOP,
    edges=[
        ("start", "default", "ok"),
        ("ok", "approved", "pay"),
        ("ok", "rejected", "stop"),
        ("ok", "expired", "stop"),
    ],
)


async def test_a_run_goes_on_once_enough_have_approved() -> None:
    run = await run_told(PAYMENT, ok=[yes(ADA), yes(ADA), yes(BOB, {"amount": 4})])
    assert run.status is RunStatus.SUCCEEDED
    assert run.state["paid"] == 4


async def test_a_run_that_one_has_rejected_is_told_why() -> None:
    run = await run_told(PAYMENT, ok=[yes(ADA), no(BOB, "too dear")])
    assert run.status is RunStatus.ABORTED
    assert (run.output["decision"], run.output["reason"]) == ("rejected", "too dear")


async def test_a_run_without_enough_approvals_in_time_knows_who_gave_theirs() -> None:
    run = await run_told(PAYMENT, ok=[yes(ADA)])
    assert run.output == {"decision": "expired", "answers": [{"by": ADA, "decision": "approved"}]}
    assert run.events[-1].timestamp - run.events[0].timestamp == timedelta(days=3)
