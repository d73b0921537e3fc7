"""When another attempt is made, and after how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from openrun.core.errors import ErrorObject
from openrun.core.retry import RetryPolicy, retry_delay

TRANSIENT = ErrorObject(code="TRANSIENT", message="later", retryable=True)
PERMANENT = ErrorObject(code="BROKEN", message="never", type="ValueError")


def delays(policy: RetryPolicy, error: ErrorObject = TRANSIENT) -> list[float | None]:
    return [retry_delay(policy, error, attempt, "seed") for attempt in range(1, policy.max_attempts + 1)]


def test_a_step_without_a_policy_is_tried_once() -> None:
    assert retry_delay(None, TRANSIENT, 1, "seed") is None


def test_the_last_attempt_is_the_last() -> None:
    assert delays(RetryPolicy(max_attempts=1)) == [None]
    assert delays(RetryPolicy(max_attempts=3, jitter=0)) == [1.0, 2.0, None]


def test_the_wait_grows_up_to_its_bound() -> None:
    policy = RetryPolicy(max_attempts=6, base_ms=1_000, multiplier=3, max_ms=10_000, jitter=0)
    assert delays(policy) == [1.0, 3.0, 9.0, 10.0, 10.0, None]


def test_a_fixed_wait_stays() -> None:
    policy = RetryPolicy(max_attempts=4, strategy="fixed", base_ms=500, jitter=0)
    assert delays(policy) == [0.5, 0.5, 0.5, None]


def test_a_fixed_wait_is_bounded_too() -> None:
    policy = RetryPolicy(strategy="fixed", base_ms=5_000, max_ms=2_000, jitter=0)
    assert delays(policy) == [2.0, 2.0, None]


def test_a_permanent_failure_is_not_tried_again() -> None:
    assert delays(RetryPolicy(), PERMANENT) == [None, None, None]


@pytest.mark.parametrize("listed", ["*", "BROKEN", "ValueError"])
def test_a_failure_that_is_listed_is_tried_again(listed: str) -> None:
    assert delays(RetryPolicy(retry_on=("OTHER", listed), jitter=0), PERMANENT) == [1.0, 2.0, None]


def test_a_failure_that_is_not_listed_is_not() -> None:
    assert delays(RetryPolicy(retry_on=("OTHER",)), PERMANENT) == [None, None, None]


def test_the_other_sides_patience_is_the_least_wait() -> None:
    asked = ErrorObject(code="RATE_LIMITED", message="later", retryable=True, retry_after=7)
    assert delays(RetryPolicy(jitter=0), asked) == [7.0, 7.0, None]
    assert delays(RetryPolicy(base_ms=9_000, jitter=0), asked) == [9.0, 18.0, None]


@given(st.text(), st.integers(1, 19), st.floats(0, 1))
def test_jitter_spreads_around_the_wait_and_is_the_same_for_the_same_activation(
    seed: str, attempt: int, jitter: float
) -> None:
    policy = RetryPolicy(max_attempts=20, jitter=jitter, base_ms=1_000, max_ms=30_000)
    plain = retry_delay(policy.model_copy(update={"jitter": 0}), TRANSIENT, attempt, seed)
    delay = retry_delay(policy, TRANSIENT, attempt, seed)
    assert delay is not None
    assert plain is not None
    assert plain * (1 - jitter) - 1e-9 <= delay <= plain * (1 + jitter) + 1e-9
    assert delay == retry_delay(policy, TRANSIENT, attempt, seed)


def test_jitter_differs_between_activations_and_attempts() -> None:
    policy = RetryPolicy(max_attempts=5, strategy="fixed", jitter=1)
    spread = {retry_delay(policy, TRANSIENT, attempt, seed) for attempt in (1, 2, 3) for seed in "abc"}
    assert len(spread) == 9


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": 21},
        {"base_ms": -1},
        {"multiplier": 0.5},
        {"jitter": 2},
        {"tries": 3},
    ],
)
def test_a_policy_out_of_bounds_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RetryPolicy.model_validate(wrong)
