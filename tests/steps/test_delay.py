from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from openrun.core.results import StepRunResult, TimerWake, WaitUntil
from openrun.core.state import StateContainer
from openrun.steps.execution import StepDelay, StepDelayConfig

from .given import NOW, a_context, error_of, ran, refusal, rendered


def waiting(**fields: Any) -> StepDelay:
    return StepDelay(id="wait", config=StepDelayConfig(**fields))


@pytest.mark.parametrize(("seconds", "length"), [(5, 5), (0.25, 0.25), ("5m", 300), ("PT1H", 3600)])
async def test_a_delay_waits_for_some_time(seconds: Any, length: float) -> None:
    outcome = await ran(waiting(seconds=seconds), context=a_context())
    assert outcome == WaitUntil(until=NOW + timedelta(seconds=length))


async def test_a_delay_waits_until_an_instant() -> None:
    outcome = await ran(waiting(until="2026-03-01T14:00:00+01:00"), context=a_context())
    assert outcome == WaitUntil(until=datetime(2026, 3, 1, 13, tzinfo=UTC))


@pytest.mark.parametrize(
    "fields",
    [{"seconds": 0}, {"until": "2026-03-01T12:00:00Z"}, {"until": "2020-01-01T00:00:00Z"}, {"until": NOW}],
)
async def test_no_time_is_no_wait(fields: dict[str, Any]) -> None:
    outcome = await ran(waiting(**fields), context=a_context())
    assert outcome == StepRunResult.success("wait")


async def test_a_delay_that_is_over_succeeds() -> None:
    step = waiting(seconds=5)
    assert await step.resume(StateContainer(), step.config, TimerWake()) == StepRunResult.success("wait")


async def test_an_instant_more_than_a_year_away_fails() -> None:
    error = await error_of(waiting(until="2028-01-01T00:00:00Z"), a_context())
    assert error.code == "DELAY_TOO_LONG"
    assert "2028-01-01T00:00:00+00:00 is more than a year away" in error.message


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "exactly one of `seconds` and `until`"),
        ({"seconds": 1, "until": "2030-01-01T00:00:00Z"}, "exactly one of `seconds` and `until`"),
        ({"seconds": -1}, "greater than or equal to 0"),
        ({"seconds": 367 * 86_400}, "less than or equal to 31622400"),
        ({"seconds": "400d"}, "less than or equal to 31622400"),
        ({"seconds": float("nan")}, "finite number"),
        ({"seconds": "soon"}, "'soon' is no duration"),
        ({"until": "2030-01-01T00:00:00"}, "timezone"),
        ({"until": "2030-01-01"}, "RFC 3339"),
        ({"until": 1_900_000_000}, "RFC 3339"),
        ({"until": "1900000000"}, "RFC 3339"),
        ({"until": "Tomorrow"}, "valid datetime"),
    ],
)
def test_a_delay_that_cannot_be_is_refused(fields: dict[str, Any], reason: str) -> None:
    assert reason in refusal(StepDelayConfig, **fields)


def test_a_template_is_checked_once_it_is_rendered() -> None:
    templated: Any = StepDelayConfig.model_validate({"seconds": "{{body.wait}}"}).seconds
    assert templated == "{{body.wait}}"
    config = rendered(StepDelayConfig, until="2030-01-31T09:00:00Z")
    assert isinstance(config, StepDelayConfig)
    assert config.until == datetime(2030, 1, 31, 9, tzinfo=UTC)
    with pytest.raises(ValueError, match="less than or equal"):
        rendered(StepDelayConfig, seconds=10**9)


def test_an_instant_is_written_as_text() -> None:
    dumped = waiting(until="2030-01-31T09:00:00Z").config.model_dump(mode="json", exclude_defaults=True)
    assert dumped == {"until": "2030-01-31T09:00:00Z"}
