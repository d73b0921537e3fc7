"""Facts are written as one line of JSON and read back the same."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
import pytest

from openrun.core.asks import Answer, Ask, AskKind, Decision
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Fact,
    Failure,
    FlowCancelRequested,
    FlowCompleted,
    FlowForked,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    Shown,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepInterrupted,
    StepProgress,
    StepScheduled,
    StepSkipped,
    StepStarted,
    StepWaiting,
    TimerFired,
    activation_id,
    decode_event,
    encode_event,
    with_snapshot,
)
from openrun.core.results import StepRunResult, WaitForAnswers, WaitForChildren, WaitForItems, WaitUntil
from openrun.core.types import EffectClass, OnItemError, RunStatus, SkipReason
from openrun.core.undoing import CompensationOutcome, CompensationStatus

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
ERROR = ErrorObject(code="BROKEN", message="it broke", retryable=True, retry_after=2.5, details={"n": [1]})
STAMP: dict[str, Any] = {"run_id": "r", "flow_id": "f", "seq": 7, "timestamp": AT}
STEP: dict[str, Any] = {**STAMP, "step_id": "a", "scope": "/h:2"}

ASK = Ask(
    kind=AskKind.APPROVAL,
    id="i",
    name="trip",
    title="A trip",
    payload={"to": "Rome"},
    form={"type": "object"},
    approvers=("user:ada", "role:finance"),
    quorum=2,
    until=AT,
)
ANSWER = Answer(ask="i", name="trip", decision=Decision.REJECTED, value={"n": None}, reason="dear", by="ada")

EVENTS: list[Shown] = [
    FlowStarted(
        **STAMP, version="v", trigger="t", input={"body": {"x": 1}}, state={"k": None}, parent_run_id="p"
    ),
    FlowStarted(**STAMP, version="v", trigger=None),
    StepStarted(**STEP, attempt=2),
    StepCompleted(**STEP, result=StepRunResult.success("a", {"y": [1, 2]}), attempt=3, patch={"k": "v"}),
    StepCompleted(**STEP, result=StepRunResult.success("a", ports=["x", "y"])),
    StepCompleted(**STEP, result=StepRunResult.failure("a", ERROR)),
    StepScheduled(**STEP, attempt=2, not_before=AT, error=ERROR),
    StepWaiting(**STEP, wait=WaitUntil(until=AT)),
    StepWaiting(**STEP, wait=WaitForItems(items=[1, None], concurrency=2, on_item_error=OnItemError.COLLECT)),
    StepWaiting(**STEP, wait=WaitForChildren(flow="g", inputs=[{}], run_ids=("c",)), attempt=2),
    StepWaiting(**STEP, wait=WaitForAnswers(asks=(ASK, Ask(kind=AskKind.SIGNAL)), until=AT)),
    StepCompleted(**STEP, result=StepRunResult.abort("a", {"n": 1}, reason="no room")),
    StepInterrupted(**STEP, asks=(ASK,), attempt=2, until=AT),
    SignalReceived(**STEP, answer=ANSWER),
    SignalReceived(**STAMP, answer=Answer(name="go")),
    EffectRecorded(
        **STEP,
        name="charge",
        key="k",
        status=EffectStatus.FAILED,
        effect=EffectClass.AT_MOST_ONCE,
        ordinal=1,
        attempt=2,
        args_hash="h",
        value=[1],
        error=ERROR,
        by="ada",
    ),
    CompensationStarted(**STEP, reason=RunStatus.ABORTED),
    CompensationCompleted(**STEP, status=CompensationStatus.EXPIRED, error=ERROR),
    ReviewRequested(**STEP, reason="unknown outcome", key="k"),
    ReviewResolved(**STEP, committed=True, by="ada"),
    FlowForked(
        **STAMP, origin="o", at=3, values={"k": 1}, outputs={"a": None}, removed=("x",), by="ada", comment="c"
    ),
    FlowCancelRequested(**STAMP, reason="enough", compensate=True),
    FlowCompleted(**STAMP, status=RunStatus.ABORTED, compensation=CompensationOutcome.PARTIAL),
    StepCancelled(**STEP, reason="race lost"),
    TimerFired(**STAMP),
    TimerFired(**STEP),
    ChildCompleted(**STEP, index=1, child_run_id="c", status=RunStatus.FAILED, error=ERROR),
    FlowCancelRequested(**STAMP, reason="enough", hard=True),
    FlowCompleted(
        **STAMP,
        status=RunStatus.FAILED,
        output={"a": 1},
        failures=(Failure(step_id="a", scope="/", error=ERROR, handled=False),),
    ),
    StepSkipped(**STEP, reason=SkipReason.CAUGHT),
    StepProgress(**STEP, data=["half", 0.5]),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_is_read_back_as_it_was_written(event: Shown) -> None:
    line = encode_event(event)
    assert b"\n" not in line
    assert decode_event(line) == event
    assert decode_event(line.decode()) == event
    assert encode_event(decode_event(line)) == line


def test_an_event_names_its_type() -> None:
    assert {msgspec.json.decode(encode_event(event))["type"] for event in EVENTS} == {
        type(event).__name__ for event in EVENTS
    }


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b'{"type":"Unheard"}', b'{"type":"StepStarted"}'])
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_event(line)


def test_an_activation_is_named_by_run_step_scope_and_ordinal() -> None:
    started = StepStarted(**STEP)
    assert started.activation_id == StepCancelled(**{**STEP, "seq": 9}, reason="x").activation_id
    assert started.activation_id == activation_id("r", "a", "/h:2")
    names = {
        activation_id(*name) for name in [("r", "a", "/"), ("r", "b", "/"), ("q", "a", "/"), ("r", "a", "/x")]
    }
    assert len(names | {activation_id("r", "a", "/", 1)}) == 5
    assert all(len(name) == 32 for name in names)


def test_a_snapshot_is_computed_when_asked_and_is_no_part_of_the_event() -> None:
    asked: list[int] = []

    def snapshot(seq: int) -> dict[str, Any]:
        asked.append(seq)
        return {"seq": seq}

    completed = StepCompleted(**STEP, result=StepRunResult.success("a"))
    plain = encode_event(completed)
    with_snapshot(completed, snapshot)
    assert encode_event(completed) == plain
    assert asked == []
    assert completed.state_snapshot == {"seq": 7}
    assert decode_event(plain).state_snapshot == {}  # type: ignore[union-attr]


def test_the_end_of_a_run_has_a_snapshot_too() -> None:
    ended = FlowCompleted(**STAMP, status=RunStatus.SUCCEEDED)
    assert ended.state_snapshot == {}
    with_snapshot(ended, lambda seq: {"at": seq})
    assert ended.state_snapshot == {"at": 7}


def test_the_union_of_facts_is_closed() -> None:
    """Every fact has an example here that was read back."""
    told = {type(event) for event in EVENTS}
    missing = {fact.__name__ for fact in get_args(Fact)} - {each.__name__ for each in told}
    assert missing == {"FlowPaused", "FlowResumed"}
