"""What authors write their results with."""

import pytest

from openrun.core.errors import ErrorObject, PermanentError
from openrun.core.results import StepRunResult


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
