"""Which triggers an event is for."""

import asyncio
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.bus.cloud_event import CloudEvent
from openrun.core.errors import TemplateError
from openrun.steps.triggers import TriggerEventConfig
from openrun.steps.triggers.event_types import covers
from openrun.triggers.matching import EventTrigger, EventTriggers, Match, correlation_of

WORDS = st.sampled_from(["a", "b", "order", "paid"])
TYPES = st.lists(WORDS, min_size=1, max_size=5).map(".".join)
PATTERNS = st.builds(
    lambda parts, rest: ".".join(parts + rest),
    st.lists(WORDS | st.just("*"), min_size=1, max_size=4),
    st.sampled_from([[], ["**"]]),
) | st.just("**")


def a_trigger(event_type: str | None = None, *, flow: str = "shop", **config: Any) -> EventTrigger:
    whole = {**config, "event_type": event_type} if event_type is not None else config
    return EventTrigger.of(
        TriggerEventConfig(**whole), namespace="default", flow_id=flow, version="v", step_id="on"
    )


def an_event(event_type: str = "order.paid", **attributes: Any) -> CloudEvent:
    return CloudEvent(**{"id": "1", "source": "/shop", "type": event_type, **attributes})


def as_regex(pattern: str) -> str:
    """What a pattern says, said otherwise."""
    parts = {"*": r"[^.]+", "**": r"[^.]+(\.[^.]+)*"}
    return r"\.".join(parts.get(each, re.escape(each)) for each in pattern.split("."))


async def found(table: EventTriggers, event: CloudEvent) -> list[str]:
    return [match.trigger.flow_id for match in await table.find("default", event, unexpected)]


def unexpected(match: Match, why: str) -> None:
    raise AssertionError(f"{match.trigger.name}: {why}")


@given(patterns=st.lists(PATTERNS, max_size=12), event_type=TYPES)
def test_a_type_is_found_by_exactly_the_patterns_that_say_it(patterns: list[str], event_type: str) -> None:
    table = EventTriggers(a_trigger(each, flow=str(at)) for at, each in enumerate(patterns))
    wanted = {str(at) for at, each in enumerate(patterns) if re.fullmatch(as_regex(each), event_type)}
    matches = table.of_type("default", event_type)
    assert {match.trigger.flow_id for match in matches} == wanted
    assert len(matches) == len(wanted)


@given(pattern=PATTERNS, other=PATTERNS, event_type=TYPES)
def test_a_pattern_that_covers_another_matches_whatever_that_one_does(
    pattern: str, other: str, event_type: str
) -> None:
    if covers(pattern, other) and re.fullmatch(as_regex(other), event_type):
        assert re.fullmatch(as_regex(pattern), event_type)


async def test_triggers_of_other_namespaces_are_not_found() -> None:
    table = EventTriggers([a_trigger("order.paid")])
    assert await table.find("elsewhere", an_event(), unexpected) == []


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("{{ event_data.total > 100 }}", True),
        ("{{ event_data.total > 500 }}", False),
        ("{{ event_type == 'order.paid' }}", True),
        ("{{ event.source == '/shop' and event_data.vip }}", True),
        ("<<event_data.vip>>", True),
        ("{{ event.subject == 'x' }}", False),
    ],
)
async def test_a_filter_says_which_events_of_a_type_are_meant(condition: str, holds: bool) -> None:
    table = EventTriggers([a_trigger("order.*", filter=condition)])
    event = an_event(data={"total": 120, "vip": True}, subject="s")
    assert await found(table, event) == (["shop"] if holds else [])


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("{{ event_data.total > 100 }}", "the filter fails"),
        ("<<event_data.note>>", "the filter comes to text, neither to true nor to false"),
    ],
)
async def test_a_filter_that_fails_matches_nothing_and_is_told(condition: str, why: str) -> None:
    table = EventTriggers([a_trigger("order.*", filter=condition), a_trigger("order.*", flow="other")])
    told: list[str] = []
    matches = await table.find(
        "default",
        an_event(data={"total": "many", "note": "x"}),
        lambda match, reason: told.append(f"{match.trigger.name} {reason}"),
    )
    assert [match.trigger.flow_id for match in matches] == ["other"]
    assert len(told) == 1
    assert told[0].startswith(f"shop/on {why}")


async def test_an_event_that_fits_several_of_a_trigger_counts_as_the_first() -> None:
    trigger = a_trigger(all_of=[{"event_type": "order.paid"}, {"event_type": "order.*"}], within="1h")
    table = EventTriggers([trigger])
    for kind, part in (("order.paid", 0), ("order.sent", 1)):
        matches = await table.find("default", an_event(kind), unexpected)
        assert [match.part for match in matches] == [part]


async def test_filters_leave_others_their_turn() -> None:
    table = EventTriggers(
        a_trigger("order.*", flow=str(at), filter="{{ event_data == 1 }}") for at in range(100)
    )
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert len(await found(table, an_event(data=1))) == 100
    task.cancel()
    assert turns >= 10


@pytest.mark.parametrize("value", [7, "7"])
def test_a_correlation_is_text_whatever_the_events_write_it_as(value: object) -> None:
    trigger = a_trigger(
        all_of=[{"event_type": "a"}, {"event_type": "b"}], within=60, correlation="<<event_data.order>>"
    )
    assert correlation_of(trigger, an_event(data={"order": value})) == "7"


@pytest.mark.parametrize("value", [None, "", [], {"id": 7}])
def test_a_correlation_that_comes_to_nothing_is_no_match(value: object) -> None:
    trigger = a_trigger(
        all_of=[{"event_type": "a"}, {"event_type": "b"}], within=60, correlation="<<event_data.order>>"
    )
    with pytest.raises(TemplateError, match="nothing that events could have in common"):
        correlation_of(trigger, an_event(data={"order": value}))


def test_a_type_is_found_among_a_thousand_triggers_without_looking_at_them() -> None:
    """What is looked at is counted, not timed: only what the words of the type lead to."""
    table = EventTriggers(a_trigger(f"shop.{at}.paid", flow=f"f{at}") for at in range(1_000))
    assert [match.trigger.flow_id for match in table.of_type("default", "shop.7.paid")] == ["f7"]
    assert table.of_type("default", "shop.7") == []
