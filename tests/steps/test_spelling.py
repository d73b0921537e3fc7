"""However a value is written, a step keeps it in one type, and so do its schemas."""

from typing import Any

import pytest
from pydantic import ValidationError

from openrun import EffectClass, JoinMode, Losers, RetryPolicy, StepDelay
from openrun.core.types import OnItemError
from openrun.steps.execution.delay import StepDelayConfig
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.webhook import TriggerWebhookConfig


def delay(**given: Any) -> StepDelay:
    return StepDelay(config=StepDelayConfig(seconds="5m"), **given)


def test_words_are_kept_as_members() -> None:
    step = delay(join_mode="ALL_SUCCESS", losers="cancel", effect="pure")
    assert step.join_mode is JoinMode.ALL_SUCCESS
    assert step.losers is Losers.CANCEL
    assert step.effect is EffectClass.PURE
    assert StepForeachConfig(items=[], flow="f", on_item_error="collect").on_item_error is OnItemError.COLLECT


def test_a_word_and_its_member_are_one_spelling() -> None:
    assert delay(join_mode="ALL_DONE", retry=2) == delay(
        join_mode=JoinMode.ALL_DONE, retry=RetryPolicy(max_attempts=2)
    )


@pytest.mark.parametrize(
    "wrong", [{"join_mode": "ALL"}, {"retry": 0}, {"retry": 21}, {"retry": True}, {"retry": "3"}]
)
def test_what_is_no_spelling_is_told_of_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        delay(**wrong)
    assert caught.value.error_count() == 1


@pytest.mark.parametrize(("written", "seconds"), [(5, 5), (0.5, 0.5), ("5m", 300), ("PT1H", 3600)])
def test_durations_are_kept_as_seconds(written: float | str, seconds: float) -> None:
    assert StepDelayConfig(seconds=written).seconds == seconds
    assert delay(timeout=written).timeout == seconds
    assert seconds_in(written) == seconds


def test_one_method_is_a_list_of_one() -> None:
    one = TriggerWebhookConfig(path="/a", method="get")
    assert one == TriggerWebhookConfig(path="/a", methods=("GET",))
    assert one.model_dump(exclude_defaults=True) == {"path": "/a", "methods": ("GET",)}


def test_the_schema_of_a_step_names_both_spellings_of_retry() -> None:
    field = StepDelay.model_json_schema()["properties"]["retry"]
    assert {"type": "integer", "minimum": 1, "maximum": 20} in field["anyOf"]
