"""What authors write their results with."""

import pytest

from openrun.core.asks import Ask, AskKind, ask_id
from openrun.core.errors import ABORTED, Abort, ErrorObject, JsonError, PermanentError
from openrun.core.facts import checked
from openrun.core.graph import StepSpec
from openrun.core.results import StepRunResult, WaitForAnswers, numbered
from openrun.core.types import StepRunStatus


def test_a_failure_may_be_made_of_any_exception() -> None:
    result = StepRunResult.failure("x", ValueError("bad"))
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("ValueError", "ValueError: bad")


def test_one_port_may_be_given_by_its_name() -> None:
    assert StepRunResult.success(ports="yes").ports == ("yes",)


@pytest.mark.parametrize(
    "given", [PermanentError("no", code="NO"), ErrorObject(code="NO", message="no")], ids=["raised", "object"]
)
def test_a_failure_made_of_an_error_with_a_code_keeps_it(given: PermanentError | ErrorObject) -> None:
    result = StepRunResult.failure("x", given)
    assert result.error is not None
    assert result.error.code == "NO"


def test_a_failure_without_a_reason_says_so() -> None:
    assert StepRunResult.failure("x").failed_with().message == "the step failed"


def test_an_abort_is_an_error_with_a_payload_that_fires_no_port() -> None:
    result = StepRunResult.abort("x", {"room": None}, reason="no room")
    assert (result.status, result.ports, result.output) == (StepRunStatus.ERROR, (), {"room": None})
    assert result.aborts
    assert result.failed_with() == ErrorObject(code=ABORTED, message="no room")
    assert checked(StepSpec(id="x"), result) is result


def test_an_abort_may_be_raised_with_its_payload_and_reason() -> None:
    raised = Abort([1], reason="no room")
    assert (raised.payload, raised.error) == ([1], ErrorObject(code=ABORTED, message="no room"))
    assert Abort().error.message == "aborted"


ASKS = (Ask(kind=AskKind.SIGNAL, name="a"), Ask(kind=AskKind.APPROVAL, payload={"to": ("Rome",)}))


def test_asks_are_numbered_by_their_place_kind_and_name_in_the_activation() -> None:
    wait = numbered(WaitForAnswers(asks=ASKS), "act")
    assert [ask.id for ask in wait.asks] == [ask_id("act", "0 signal a"), ask_id("act", "1 approval ")]
    assert [ask.name for ask in wait.asks] == ["a", ""]
    assert numbered(wait, "act") == wait
    assert {ask.id for ask in numbered(wait, "other").asks}.isdisjoint(ask.id for ask in wait.asks)


def test_what_is_asked_is_plain_data_or_refused() -> None:
    wait = numbered(WaitForAnswers(asks=ASKS), "act")
    assert wait.asks[1].payload == {"to": ["Rome"]}
    with pytest.raises(JsonError):
        numbered(WaitForAnswers(asks=(Ask(kind=AskKind.INPUT, payload=object()),)), "act")
