"""The events of a namespace as an AsyncAPI document."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import pytest_asyncio

from openrun.definition.event_uses import EventUse, event_uses
from openrun.server.access import Role
from openrun.server.asyncapi import FlowUses, document
from tests.server.site import Site, site

WAITS = {"id": "hear", "type": "wait", "config": {"event": "order.packed", "timeout": "1h"}}
TELLS = {"id": "tell", "type": "emit", "config": {"event_type": "order.sent"}}
SHIP = {
    "id": "ship",
    "name": "Ship",
    "steps": [
        {"id": "on", "type": "trigger_event", "config": {"event_type": "order.*", "description": "Ships it"}},
        WAITS,
        TELLS,
        {"id": "any", "type": "emit", "config": {"event_type": "order.{{ event_data.kind }}"}},
    ],
    "edges": [
        {"source": "on", "target": "hear"},
        {"source": "hear", "source_port": "received", "target": "tell"},
        {"source": "tell", "target": "any"},
    ],
}
INSIDE = {
    "steps": [
        {
            "id": "both",
            "type": "trigger_event",
            "config": {"all_of": [{"event_type": "a"}, {"event_type": "b"}], "within": "1h"},
        },
        {
            "id": "each",
            "type": "foreach",
            "config": {"items": [], "body": {"steps": [TELLS], "edges": []}},
            "compensate": {"type": "emit", "config": {"event_type": "order.undone"}},
        },
    ]
}


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(flows=[SHIP]) as each:
        yield each


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from [each] if key == "$ref" else references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def resolved(whole: Any, reference: str) -> Any:
    for part in unquote(reference).removeprefix("#/").split("/"):
        whole = whole[part.replace("~1", "/").replace("~0", "~")]
    return whole


def test_all_steps_that_have_to_do_with_events_are_found() -> None:
    assert {(each.kind, each.event_type, each.step_id) for each in event_uses(INSIDE)} == {
        ("starts", "a", "both"),
        ("starts", "b", "both"),
        ("emits", "order.sent", "tell"),
        ("emits", "order.undone", "each"),
    }


async def test_the_document_says_which_flows_take_and_publish_what(place: Site) -> None:
    whole = (await place.call("GET", "/asyncapi.json")).json
    assert whole["asyncapi"] == "3.0.0"
    assert whole["channels"].keys() == {"order.*", "order.packed", "order.sent"}
    assert {
        (each["action"], each["channel"]["$ref"], each["summary"]) for each in whole["operations"].values()
    } == {
        ("receive", "#/channels/order.*", "Starts runs of the flow `ship`."),
        ("receive", "#/channels/order.packed", "Runs of the flow `ship` wait for it."),
        ("send", "#/channels/order.sent", "Runs of the flow `ship` publish it."),
    }
    assert whole["operations"]["starts.ship.on.order.*"]["description"] == "Ships it"


@pytest.mark.parametrize("kind", ["order.paid", "order.*", "**", "a/b.c:d", "~x"])
def test_whatever_is_referred_to_is_there(kind: str) -> None:
    use = EventUse(kind="emits", event_type=kind, step_id="s")
    whole = document([FlowUses("f", (use,))])
    found = list(references(whole))
    assert len(found) == 3
    for each in found:
        assert isinstance(resolved(whole, each), dict)


async def test_a_flow_that_is_disabled_starts_nothing_and_still_publishes(place: Site) -> None:
    await place.app.store.enable("ship", enabled=False)
    whole = (await place.call("GET", "/asyncapi.json")).json
    assert whole["channels"].keys() == {"order.packed", "order.sent"}


async def test_nobody_is_told_of_events_of_other_namespaces_or_without_a_key(place: Site) -> None:
    other = await place.call("GET", "/asyncapi.json", headers={"OpenRun-Namespace": "other"})
    nobody = await place.call("GET", "/asyncapi.json", key=None)
    reader = await place.call("GET", "/asyncapi.json", key=await place.key_for(Role.USER))
    assert (other.status, other.json["channels"], other.json["operations"]) == (200, {}, {})
    assert (nobody.status, nobody.json["channels"]) == (200, {})
    assert reader.json["channels"].keys() >= {"order.sent"}
