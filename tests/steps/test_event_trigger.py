"""What an event trigger can be told to look for."""

from typing import Any

import pytest

from openrun import Flow
from openrun.core.errors import InvalidFlow, PermanentError
from openrun.steps.triggers import TriggerEvent, TriggerEventConfig

from .given import refusal

BOTH: list[dict[str, Any]] = [{"event_type": "order.paid"}, {"event_type": "order.packed"}]


def faults(**config: Any) -> list[tuple[str, str]]:
    return TriggerEvent(config=TriggerEventConfig(**config)).faults()


@pytest.mark.parametrize("pattern", ["user.created", "user.*", "*.created", "order.**", "**", "*"])
def test_a_pattern_may_stand_for_a_word_or_for_all_the_rest(pattern: str) -> None:
    assert TriggerEventConfig(event_type=pattern).event_type == pattern


@pytest.mark.parametrize("pattern", ["**.created", "a.**.b", "user.cr*", "a..b", "", "***"])
def test_a_pattern_that_is_none_is_refused(pattern: str) -> None:
    assert "event type" in refusal(TriggerEventConfig, event_type=pattern)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "exactly one of `event_type` and `all_of`"),
        ({"event_type": "a", "all_of": BOTH, "within": "1h"}, "exactly one of `event_type` and `all_of`"),
        ({"event_type": "a", "within": "1h"}, "go with `all_of`"),
        ({"event_type": "a", "correlation": "<<event_data.id>>"}, "go with `all_of`"),
        ({"all_of": BOTH}, "`all_of` takes `within`"),
        ({"all_of": BOTH, "within": "8d"}, "less than or equal to 604800"),
        ({"all_of": BOTH[:1], "within": "1h"}, "at least 2 items"),
        ({"all_of": BOTH * 6, "within": "1h"}, "at most 10 items"),
        ({"all_of": BOTH, "within": "1h", "filter": "{{ event_data.x }}"}, "has a `filter` of its own"),
    ],
)
def test_what_does_not_go_together_is_refused(config: dict[str, Any], message: str) -> None:
    assert message in refusal(TriggerEventConfig, **config)


def test_a_filter_is_read_when_the_flow_is() -> None:
    assert faults(event_type="a", filter="{{ event_data.total > 100 }}") == []
    ((pointer, message),) = faults(event_type="a", filter="{{ event_data.total > }}")
    assert pointer == "/config/filter"
    assert "event_data.total > }}" in message


@pytest.mark.parametrize("root", ["body", "steps", "secrets", "trigger"])
def test_a_filter_reads_nothing_but_the_event(root: str) -> None:
    ((_, message),) = faults(event_type="a", filter=f"{{{{ {root}.x == 1 }}}}")
    assert f"`{root}` is not known here" in message


def test_a_filter_that_reads_nothing_is_a_mistake() -> None:
    ((_, message),) = faults(event_type="a", filter="event_data.total > 100")
    assert "reads nothing of the event" in message
    both = [{"event_type": "a"}, {"event_type": "b"}]
    ((_, message),) = faults(all_of=both, within="1h", correlation="event_data.order_id")
    assert "such as '<<event_data.order_id>>'" in message


def test_each_of_several_filters_is_checked_and_the_correlation_too() -> None:
    config = {
        "all_of": [{"event_type": "a", "filter": "{{ x }}"}, {"event_type": "b"}],
        "within": "1h",
        "correlation": "<<body.id>>",
    }
    assert [pointer for pointer, _ in faults(**config)] == ["/config/all_of/0/filter", "/config/correlation"]


def test_one_that_an_earlier_one_takes_everything_from_is_a_mistake() -> None:
    wide = [{"event_type": "order.*"}, {"event_type": "order.paid"}]
    ((pointer, message),) = faults(all_of=wide, within="1h")
    assert pointer == "/config/all_of/1"
    assert "put the narrower one first" in message
    assert faults(all_of=wide[::-1], within="1h") == []
    narrowed = [{**wide[0], "filter": "{{ event_data.big }}"}, wide[1]]
    assert faults(all_of=narrowed, within="1h") == []


def test_filters_count_among_the_templates_of_a_document() -> None:
    long = "{{ " + " or ".join(["event_data.x == 1"] * 40) + " }}"
    triggers = [
        {
            "id": f"t{at}",
            "type": "trigger_event",
            "config": {
                "all_of": [{"event_type": f"e{part}", "filter": long} for part in range(10)],
                "within": "1h",
            },
        }
        for at in range(100)
    ]
    flow = Flow.from_dict({"name": "Many", "steps": triggers})
    with pytest.raises(InvalidFlow, match="too many templates"):
        flow.program()


def test_the_payload_of_several_events_has_them_in_order_and_the_last_one_by_itself() -> None:
    trigger = TriggerEvent(config=TriggerEventConfig(all_of=BOTH, within="1h"))
    paid, packed = {"type": "order.paid", "data": 1}, {"type": "order.packed", "data": 2}
    assert trigger.payload({"event": paid, "events": [paid, packed]}) == {
        "event": paid,
        "event_type": "order.paid",
        "event_data": 1,
        "event_timestamp": None,
        "events": [paid, packed],
    }
    assert trigger.payload({"events": [paid, packed]})["event"] == packed


def test_only_a_trigger_of_several_events_takes_a_list_of_them() -> None:
    with pytest.raises(PermanentError, match="has no key 'events'"):
        TriggerEvent(config=TriggerEventConfig(event_type="a")).payload({"events": []})
