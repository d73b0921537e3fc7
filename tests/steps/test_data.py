"""What set_state, transform, reply and fail write and return."""

from typing import Any

import pytest

from openrun.core.errors import ErrorObject, PermanentError
from openrun.core.state import StateContainer
from openrun.steps.execution import (
    StepFail,
    StepFailConfig,
    StepReply,
    StepReplyConfig,
    StepSetState,
    StepSetStateConfig,
    StepTransform,
    StepTransformConfig,
)

from .given import failure_in, output_of, ran, refusal


async def test_a_value_is_set_and_is_the_output() -> None:
    state = StateContainer()
    step = StepSetState(config=StepSetStateConfig(key="result", value={"a": [1]}))
    assert await output_of(step, state) == {"a": [1]}
    assert state.patch == {"result": {"a": [1]}}


async def test_null_can_be_set() -> None:
    state = StateContainer({"x": 1})
    await ran(StepSetState(config=StepSetStateConfig(key="x")), state)
    assert state.patch == {"x": None}


async def test_several_values_are_set_at_once() -> None:
    state = StateContainer()
    step = StepSetState(config=StepSetStateConfig(values={"a": 1, "b": None}))
    assert await output_of(step, state) == {"a": 1, "b": None}
    assert state.patch == {"a": 1, "b": None}


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({}, "/config"),
        ({"value": 1}, "/config"),
        ({"key": "a", "values": {"b": 1}}, "/config"),
        ({"values": {"b": 1}, "value": 2}, "/config/value"),
    ],
)
def test_a_key_or_values_must_be_given(fields: dict[str, Any], pointer: str) -> None:
    [(where, _)] = StepSetState(config=StepSetStateConfig(**fields)).faults()
    assert where == pointer


@pytest.mark.parametrize("fields", [{"key": "a"}, {"key": "{{name}}", "value": 1}, {"values": {}}])
def test_either_is_no_fault(fields: dict[str, Any]) -> None:
    assert StepSetState(config=StepSetStateConfig(**fields)).faults() == []


@pytest.mark.parametrize("key", ["", "secrets", "steps", "run"])
def test_a_key_that_state_cannot_have_is_refused(key: str) -> None:
    assert "state key" in refusal(StepSetStateConfig, key=key)
    assert "state key" in refusal(StepSetStateConfig, values={key: 1})
    assert "state key" in refusal(StepTransformConfig, value=1, key=key)


async def test_a_set_state_without_a_key_that_was_run_all_the_same_fails() -> None:
    with pytest.raises(PermanentError, match="non-empty"):
        await ran(StepSetState(config=StepSetStateConfig(value=1)))


async def test_a_transformed_value_is_the_output() -> None:
    state = StateContainer()
    assert await output_of(StepTransform(config=StepTransformConfig(value=[1, 2])), state) == [1, 2]
    assert state.patch == {}


async def test_a_transformed_value_may_be_kept() -> None:
    state = StateContainer()
    await ran(StepTransform(config=StepTransformConfig(value={"n": 1}, key="made")), state)
    assert state.patch == {"made": {"n": 1}}


async def test_a_reply_is_the_output_and_is_kept() -> None:
    state = StateContainer()
    config = StepReplyConfig(status=201, headers={"X-Order": "7"}, body={"ok": True})
    answer = {"status": 201, "headers": {"X-Order": "7"}, "body": {"ok": True}}
    assert await output_of(StepReply(config=config), state) == answer
    assert state.patch == {"reply": answer}


async def test_a_reply_is_empty_by_default() -> None:
    assert StepReply.replies
    assert await output_of(StepReply()) == {"status": 200, "headers": {}, "body": None}


@pytest.mark.parametrize(
    "fields",
    [
        {"status": 99},
        {"status": 600},
        {"headers": {"a b": "1"}},
        {"headers": {"": "1"}},
        {"headers": {"a": "x\r\nSet-Cookie: y"}},
        {"headers": {"a": "x\n"}},
        {"headers": {"a": None}},
    ],
)
def test_a_reply_that_no_server_can_send_is_refused(fields: dict[str, Any]) -> None:
    assert refusal(StepReplyConfig, **fields)


def test_a_number_may_be_a_header() -> None:
    assert StepReplyConfig.model_validate({"headers": {"X-Count": 3}}).headers == {"X-Count": "3"}


async def test_a_fail_step_fails_with_the_authors_error() -> None:
    config = StepFailConfig(message="no items", code="EMPTY_ORDER", details={"order": 7})
    assert failure_in(await ran(StepFail(config=config))) == ErrorObject(
        code="EMPTY_ORDER", message="no items", details={"order": 7}
    )


async def test_a_fail_step_has_a_code_of_its_own() -> None:
    error = failure_in(await ran(StepFail(config=StepFailConfig(message="no"))))
    assert (error.code, error.retryable) == ("FLOW_FAILED", False)


@pytest.mark.parametrize("code", ["", "empty", "1A", "A-B", "A" * 65])
def test_a_code_is_an_upper_case_word(code: str) -> None:
    assert refusal(StepFailConfig, message="no", code=code)
