import json
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator

from openrun import Flow
from openrun.core.asks import Answer, Ask, AskKind, Decision
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    ChildCompleted,
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Failure,
    FlowCancelRequested,
    FlowCompleted,
    FlowForked,
    FlowPaused,
    FlowResumed,
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
    encode_event,
)
from openrun.core.results import StepRunResult, WaitForAnswers, WaitForChildren, WaitForItems, WaitUntil
from openrun.core.types import EffectClass, RunStatus, SkipReason
from openrun.core.undoing import CompensationOutcome, CompensationStatus
from openrun.schemas import event_schema
from tests.definition.given import document, transform

from .test_flow_schema import parts

SCHEMA = event_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
NOW = datetime(2030, 1, 31, 9, tzinfo=UTC)
RUN: dict[str, Any] = {"run_id": "r", "flow_id": "f", "seq": 1, "timestamp": NOW}
STEP: dict[str, Any] = {**RUN, "step_id": "s"}
ERROR = ErrorObject(code="TIMEOUT", message="too slow", retryable=True, retry_after=1.5, details={"a": 1})
ASKS = (
    Ask(
        kind=AskKind.APPROVAL,
        id="a",
        title="Pay?",
        payload={"amount": 5},
        form={"type": "object"},
        approvers=("role:finance", "user:ada"),
        quorum=2,
        until=NOW,
    ),
    Ask(kind=AskKind.EVENT, id="b", name="paid", correlation="7"),
)
EVENTS: list[Shown] = [
    FlowStarted(**RUN, version="v", trigger=None),
    FlowStarted(**RUN, version="v", trigger="t", input={"body": 1}, state={"a": 1}, parent_run_id="p"),
    StepStarted(**STEP, scope="/a:1", attempt=2),
    StepCompleted(**STEP, result=StepRunResult.success("s", {"a": 1}, ports=["x"]), patch={"a": 1}),
    StepCompleted(**STEP, result=StepRunResult.failure("s", ERROR)),
    StepScheduled(**STEP, attempt=2, not_before=NOW, error=ERROR),
    StepWaiting(**STEP, wait=WaitUntil(until=NOW)),
    StepWaiting(**STEP, wait=WaitForItems(items=[1])),
    StepWaiting(**STEP, wait=WaitForChildren(flow="f", inputs=[1], run_ids=("a",))),
    StepWaiting(**STEP, wait=WaitForAnswers(asks=ASKS, until=NOW)),
    StepWaiting(**STEP, wait=WaitForAnswers(asks=(Ask(kind=AskKind.SIGNAL),))),
    StepCompleted(**STEP, result=StepRunResult.abort("s", {"a": 1}, reason="fraud")),
    StepInterrupted(**STEP, asks=ASKS, attempt=2, until=NOW),
    SignalReceived(
        **STEP, answer=Answer(ask="a", decision=Decision.REJECTED, value=1, reason="no", by="user:ada")
    ),
    SignalReceived(**RUN, answer=Answer(name="paid")),
    EffectRecorded(
        **STEP, name="charge", key="k", status=EffectStatus.STARTED, effect=EffectClass.AT_MOST_ONCE
    ),
    EffectRecorded(
        **STEP,
        name="charge",
        key="k",
        status=EffectStatus.COMMITTED,
        effect=EffectClass.AT_MOST_ONCE,
        ordinal=1,
        attempt=2,
        args_hash="h",
        value={"id": 7},
        error=ERROR,
        by="user:ada",
    ),
    CompensationStarted(**STEP, reason=RunStatus.FAILED),
    CompensationCompleted(**STEP, status=CompensationStatus.EXPIRED, error=ERROR),
    FlowForked(
        **RUN, origin="o", at=4, values={"a": 1}, outputs={"s": 1}, removed=("b",), by="ada", comment="!"
    ),
    StepCancelled(**STEP, reason="cancelled"),
    TimerFired(**RUN),
    TimerFired(**STEP),
    ChildCompleted(**STEP, index=0, child_run_id="c", status=RunStatus.FAILED, error=ERROR),
    FlowCancelRequested(**RUN, hard=True, error=ERROR, compensate=True),
    FlowCompleted(
        **RUN,
        status=RunStatus.FAILED,
        output=[1],
        failures=(Failure(step_id="s", scope="/", error=ERROR, handled=False),),
    ),
    FlowCompleted(**RUN, status=RunStatus.ABORTED, compensation=CompensationOutcome.PARTIAL),
    FlowPaused(**RUN, reason="lunch"),
    FlowResumed(**RUN),
    ReviewRequested(**STEP, reason="unknown_outcome"),
    ReviewRequested(**STEP, reason="unknown_outcome", key="k"),
    ReviewResolved(**STEP, committed=True),
    ReviewResolved(**STEP, committed=False, by="user:ada"),
    StepSkipped(**STEP, reason=SkipReason.NOT_TAKEN),
    StepProgress(**STEP, data={"done": 1}),
]


def test_the_schema_itself_is_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$id"] == "https://openrun.dev/schemas/event/v1.json"


def test_every_property_has_a_title_a_description_and_examples() -> None:
    bare = [
        place
        for place, inner in parts(SCHEMA)
        if not all("examples" in inner and inner.get(k) for k in ("title", "description"))
    ]
    assert bare == []


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_every_event_is_valid_and_of_one_kind_only(event: Shown) -> None:
    value = json.loads(encode_event(event))
    assert [error.message for error in VALIDATOR.iter_errors(value)] == []
    value["type"] = "StepHiccuped"
    assert not VALIDATOR.is_valid(value)


def test_every_kind_of_event_is_there() -> None:
    kinds = {kind.__name__ for kind in get_args(Shown)}
    assert {type(event).__name__ for event in EVENTS} == kinds
    assert {ref["$ref"].rpartition("/")[2] for ref in SCHEMA["oneOf"]} == kinds


@pytest.mark.parametrize(
    "broken", [{"seq": "1"}, {"timestamp": 5}, {"run_id": None}, {"result": {}}, {"patch": []}]
)
def test_what_is_no_event_is_refused(broken: dict[str, object]) -> None:
    value = json.loads(encode_event(EVENTS[3]))
    assert VALIDATOR.is_valid(value)
    assert not VALIDATOR.is_valid(value | broken)


async def test_the_events_of_a_run_are_valid() -> None:
    flow = Flow.from_dict(document([transform("a", "<<body>>"), transform("b", "<<body.nope>>")]))
    events = [json.loads(encode_event(event)) async for event in flow.run(input={"body": 1})]
    assert len(events) > 5
    assert all(VALIDATOR.is_valid(event) for event in events)
