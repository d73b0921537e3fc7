from typing import Any

import pytest

from openrun.core.results import StepRunResult
from openrun.steps.execution import StepSwitch, StepSwitchConfig

from .given import ran, refusal


async def port_of(value: Any, cases: list[str] | dict[str, Any]) -> str:
    outcome = await ran(StepSwitch(id="way", config=StepSwitchConfig(value=value, cases=cases)))
    assert isinstance(outcome, StepRunResult)
    assert outcome.ports == (outcome.output,)
    return outcome.ports[0]


@pytest.mark.parametrize(
    ("value", "port"),
    [
        ("approved", "approved"),
        ("other", "default"),
        (True, "true"),
        (False, "default"),
        (None, "null"),
        (1, "1"),
        (1.5, "1.5"),
        (1.0, "default"),
        (["approved"], "default"),
        ({"approved": 1}, "default"),
        ("error", "default"),
    ],
)
async def test_a_value_goes_by_the_case_of_its_text(value: Any, port: str) -> None:
    assert await port_of(value, ["approved", "true", "null", "1", "1.5"]) == port


@pytest.mark.parametrize(
    ("value", "port"),
    [
        (1, "one"),
        (1.0, "one"),
        (True, "yes"),
        ("1", "default"),
        ([1, 2], "both"),
        (None, "none"),
        (3, "default"),
    ],
)
async def test_a_value_goes_by_the_first_case_it_equals(value: Any, port: str) -> None:
    cases = {"one": 1, "yes": True, "both": [1, 2], "none": None, "again": 1}
    assert await port_of(value, cases) == port


def test_ports_are_the_cases_and_default() -> None:
    named = StepSwitch(config=StepSwitchConfig(value="{{status}}", cases=["pending", "approved", "rejected"]))
    valued = StepSwitch(config=StepSwitchConfig(value="<<n>>", cases={"few": 1, "many": 2}))
    assert named.ports == ("pending", "approved", "rejected", "default")
    assert valued.ports == ("few", "many", "default")
    assert named.model_copy().ports == named.ports


def test_numbers_name_cases_too() -> None:
    config = StepSwitchConfig.model_validate({"value": 1, "cases": [1, 2]})
    assert config.cases == ["1", "2"]


@pytest.mark.parametrize(
    ("cases", "reason"),
    [
        (["a", "a"], "case 'a' is given twice"),
        ([1, "1"], "case '1' is given twice"),
        (["default"], "case 'default' is the name of a port that every switch has"),
        ({"error": 1}, "case 'error' is the name of a port that every switch has"),
        ([""], "must have 1 to 100 characters"),
        (["a" * 101], "must have 1 to 100 characters"),
        ([], "at least 1 item"),
        ({}, "at least 1 item"),
        ("{{cases}}", "valid list"),
    ],
)
def test_cases_that_cannot_be_ports_are_refused(cases: Any, reason: str) -> None:
    assert reason in refusal(StepSwitchConfig, value=1, cases=cases)
