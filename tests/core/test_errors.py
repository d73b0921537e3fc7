"""Errors name the thing, the place and the way out."""

from openrun.core.errors import InvalidFlow, RateLimited, ValidationError


def test_a_fault_names_its_step_its_hint_and_its_code() -> None:
    fault = ValidationError(
        code="UNKNOWN_PORT", message="no port 'yse'", step_id="check", hint="did you mean 'yes'?"
    )
    assert str(fault) == "step 'check': no port 'yse' (did you mean 'yes'?) [UNKNOWN_PORT]"


def test_a_fault_without_a_step_names_its_place() -> None:
    assert str(ValidationError(code="X", message="odd", pointer="/edges/0")) == "/edges/0: odd [X]"
    assert str(ValidationError(code="X", message="odd")) == "flow: odd [X]"


def test_an_invalid_flow_lists_all_its_faults() -> None:
    fault = ValidationError(code="X", message="odd")
    assert str(InvalidFlow([fault], flow="f")) == "flow 'f' has 1 error:\n  flow: odd [X]"
    assert "flow has 2 errors:" in str(InvalidFlow([fault, fault]))


def test_an_error_that_asks_for_patience_says_for_how_long() -> None:
    assert RateLimited("slow down", retry_after=3).error.to_json() == {
        "code": "RATE_LIMITED",
        "message": "slow down",
        "retryable": True,
        "retry_after": 3,
    }
