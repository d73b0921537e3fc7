"""The step that publishes an event."""

from typing import Any

import pytest

from openrun import Flow, StepContext
from openrun.bus.cloud_event import HOPS, CloudEvent
from openrun.core.errors import InvalidFlow
from openrun.core.types import RunStatus
from openrun.steps.execution import StepEmit, StepEmitConfig
from openrun.steps.execution.emit import MOST_HOPS

from .given import a_context, error_of, output_of, refusal, rendered


def a_place(given: dict[str, Any] | None = None, hops: int = 0) -> tuple[StepContext, list[CloudEvent]]:
    """A context in which events are kept, and those that are."""
    kept: list[CloudEvent] = []
    context = a_context(given)

    async def publish(event: CloudEvent) -> None:
        kept.append(event)

    context.hops, context.publish = hops, publish
    return context, kept


def a_step(**config: Any) -> StepEmit:
    return StepEmit(id="tell", config=StepEmitConfig(**{"event_type": "order.paid", **config}))


async def test_the_event_says_where_it_comes_from_and_is_the_output() -> None:
    context, kept = a_place()
    output = await output_of(a_step(data={"id": 7}, subject="orders/7"), None, context)
    (event,) = kept
    assert output == event.plain()
    assert output == {
        "specversion": "1.0",
        "id": context.activation_id,
        "source": "/flows/flow",
        "type": "order.paid",
        "subject": "orders/7",
        "time": "2026-03-01T12:00:00Z",
        "data": {"id": 7},
        HOPS: 1,
    }


async def test_a_repetition_of_the_step_is_the_same_event() -> None:
    context, kept = a_place()
    for _ in range(2):
        await output_of(a_step(), None, context)
    assert kept[0].id == kept[1].id


async def test_what_it_belongs_to_is_passed_on_along_with_its_cause() -> None:
    cause = {"id": "e-1", "type": "order.placed", "correlationid": "order-7"}
    context, kept = a_place({"event": cause}, hops=2)
    await output_of(a_step(), None, context)
    await output_of(a_step(correlation="other"), None, context)
    assert [each.extensions["correlationid"] for each in kept] == ["order-7", "other"]
    assert [each.extensions["causationid"] for each in kept] == ["e-1", "e-1"]
    assert [each.hops for each in kept] == [3, 3]


async def test_after_eight_events_in_a_row_there_is_no_other() -> None:
    context, kept = a_place(hops=MOST_HOPS - 1)
    await output_of(a_step(), None, context)
    context, none = a_place(hops=MOST_HOPS)
    error = await error_of(a_step(), context)
    assert (error.code, error.retryable) == ("EVENT_HOPS", False)
    assert "go round in a circle" in error.message
    assert (len(kept), none) == (1, [])


async def test_an_event_that_is_too_large_fails_the_step() -> None:
    context, kept = a_place()
    error = await error_of(a_step(data="x" * 70_000), context)
    assert (error.code, error.retryable) == ("EVENT_INVALID", False)
    assert "dataref" in error.message
    assert kept == []


@pytest.mark.parametrize("kind", ["dev.openrun.run.failed.v1", "dev.openrun"])
def test_types_of_the_engine_are_its_own(kind: str) -> None:
    assert "are the engine's own" in refusal(StepEmitConfig, event_type=kind)


@pytest.mark.parametrize("kind", ["order.*", "order paid", "", "a..b"])
def test_the_type_is_words_with_dots(kind: str) -> None:
    assert "event type" in refusal(StepEmitConfig, event_type=kind)


def test_the_type_may_be_a_template_and_is_checked_once_it_is_known() -> None:
    assert StepEmitConfig(event_type="order.{{ status }}").event_type == "order.{{ status }}"
    with pytest.raises(ValueError, match="engine's own"):
        rendered(StepEmitConfig, event_type="dev.openrun.x")


@pytest.mark.parametrize("name", ["correlationid", "causationid", "traceparent", HOPS])
def test_what_the_engine_sets_cannot_be_given(name: str) -> None:
    assert "is set by the engine" in refusal(StepEmitConfig, event_type="a", extensions={name: "x"})


def test_an_event_may_not_name_a_secret() -> None:
    flow = Flow.from_dict(
        {
            "name": "Leak",
            "steps": [
                {"id": "begin", "type": "trigger_manual"},
                {"id": "tell", "type": "emit", "config": {"event_type": "a", "data": "<<secrets.key>>"}},
            ],
            "edges": [{"source": "begin", "target": "tell"}],
        }
    )
    with pytest.raises(InvalidFlow, match="may not name a secret"):
        flow.program()


async def test_a_run_in_memory_has_the_event_as_its_output_alone() -> None:
    flow = Flow.from_dict(
        {
            "name": "Alone",
            "steps": [
                {"id": "begin", "type": "trigger_manual"},
                {"id": "tell", "type": "emit", "config": {"event_type": "a.b", "data": "<<body>>"}},
            ],
            "edges": [{"source": "begin", "target": "tell"}],
        }
    )
    run = await flow.run(input={"body": {"x": 1}}).finished()
    assert run.status is RunStatus.SUCCEEDED
    assert run.output["data"] == {"x": 1}
