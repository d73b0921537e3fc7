"""Publishing events over HTTP, and looking at them."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent as TheirEvent
from msgspec.structs import replace

from openrun.bus.cloud_event import CloudEvent
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from openrun.store.bus_events import BusEventRow
from tests.server.given import until
from tests.server.site import Got, Site, site

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
LISTENING = {
    "id": "ship",
    "name": "Ship",
    "steps": [{"id": "on", "type": "trigger_event", "config": {"event_type": "order.**"}}],
    "edges": [],
}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def place() -> AsyncIterator[Site]:
    async with site(flows=[LISTENING]) as each:
        yield each


def whole(event_id: str, **more: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": event_id, "source": "/shop", "type": "order.paid", **more}


async def post(place: Site, body: Any, kind: str = "application/json", **headers: str) -> Got:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await place.call("POST", "/v1/events", data=data, headers={"Content-Type": kind, **headers})


async def row_of(place: Site, event_id: str) -> Any:
    rows = (await place.call("GET", "/v1/events?limit=200")).json["items"]
    return next(row for row in rows if row["id"] == event_id)


async def seen(place: Site, event_id: str) -> Any:
    """The event as it is shown, once it has been handled."""

    async def holds() -> bool:
        return bool((await row_of(place, event_id))["state"] == "handled")

    await until(holds)
    number = (await row_of(place, event_id))["number"]
    return (await place.call("GET", f"/v1/events/{number}")).json


async def test_one_event_in_structured_mode(place: Site) -> None:
    sent = whole("s1", data={"a": [1]}, subject="x", shopid="berlin")
    got = await post(place, sent, STRUCTURED)
    assert (got.status, got.json) == (202, [{"id": "s1", "source": "/shop", "known": False}])
    shown = await seen(place, "s1")
    assert shown["event"] == sent
    assert (shown["type"], shown["attempts"], shown["error"]) == ("order.paid", 1, None)


async def test_several_events_as_a_batch_all_or_none(place: Site) -> None:
    got = await post(place, [whole("b1"), whole("b2")], BATCH)
    assert [each["id"] for each in got.json] == ["b1", "b2"]
    refused = await post(place, [whole("b3"), whole("b4", source="not a uri")], BATCH)
    assert refused.status == 422
    assert [each["pointer"] for each in refused.json["errors"]] == ["#/1/source"]
    assert "b3" not in {row["id"] for row in (await place.call("GET", "/v1/events")).json["items"]}


async def test_a_batch_may_be_empty(place: Site) -> None:
    assert (await post(place, [], BATCH)).json == []
    assert (await post(place, [])).status == 422


async def test_an_event_whose_attributes_are_headers(place: Site) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "h1", "ce-source": "/shop", "ce-type": "order.note"}
    got = await post(place, b"hello", "text/plain", **headers)
    assert got.status == 202, got.text
    assert (await seen(place, "h1"))["event"]["data"] == "hello"


async def test_an_event_without_data_needs_no_body(place: Site) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "h2", "ce-source": "/shop", "ce-type": "order.note"}
    got = await place.call("POST", "/v1/events", headers=headers)
    assert got.status == 202, got.text
    assert "data" not in (await seen(place, "h2"))["event"]


async def test_plain_json_needs_a_type_alone(place: Site) -> None:
    got = await post(place, {"type": "order.paid", "data": 7})
    (accepted,) = got.json
    assert accepted["source"] == "/api"
    event = (await seen(place, accepted["id"]))["event"]
    assert (event["type"], event["data"], event["specversion"]) == ("order.paid", 7, "1.0")


async def test_plain_json_says_what_it_belongs_to_as_the_step_and_the_command_do(place: Site) -> None:
    (accepted,) = (await post(place, {"type": "order.paid", "correlation": "o-7"})).json
    event = (await seen(place, accepted["id"]))["event"]
    assert (event["correlationid"], "correlation" in event) == ("o-7", False)
    await post(place, whole("c1", correlation="o-7"))
    assert (await seen(place, "c1"))["event"]["correlation"] == "o-7"


async def test_what_the_cloudevents_package_sends_is_taken(place: Site) -> None:
    theirs = TheirEvent({"type": "order.paid", "source": "/theirs", "id": "t1"}, {"total": 3})
    for convert in (to_structured, to_binary):
        headers, body = convert(theirs)
        sent = {name: value for name, value in headers.items() if name != "content-type"}
        kind = headers.get("content-type", "application/json")
        assert (await post(place, body, kind, **sent)).status == 202
    assert (await seen(place, "t1"))["event"]["data"] == {"total": 3}


async def test_a_repetition_is_known_and_starts_nothing(place: Site) -> None:
    first = await post(place, whole("r1"), STRUCTURED)
    again = await post(place, whole("r1", data="other"), STRUCTURED)
    assert [got.json[0]["known"] for got in (first, again)] == [False, True]
    assert "data" not in (await seen(place, "r1"))["event"]


async def test_the_same_call_with_a_key_is_the_same_event(place: Site) -> None:
    one, two = [await post(place, {"type": "order.paid"}, **{"Idempotency-Key": "k-1"}) for _ in range(2)]
    assert one.json == two.json
    assert two.headers["Idempotency-Replayed"] == "true"


async def test_the_trace_of_the_call_goes_on_in_the_event(place: Site) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await post(place, whole("tr1"), STRUCTURED, traceparent=parent)
    assert (await seen(place, "tr1"))["event"]["traceparent"] == parent


@pytest.mark.parametrize(
    ("body", "kind", "status", "pointers"),
    [
        ({"type": "order.paid", "source": "a b"}, "application/json", 422, ["#/source"]),
        ({"data": 1}, "application/json", 422, ["#/type"]),
        ({"type": "x", "Bad-Name": 1}, "application/json", 422, ["#/Bad-Name"]),
        ([{"type": "x"}, {"type": ""}], "application/json", 422, ["#/1/type"]),
        (7, "application/json", 422, ["#"]),
        (b"{", "application/json", 400, None),
        ({"type": "x"}, "text/plain", 415, None),
        ({"type": "x"}, "application/cloudevents+xml", 415, None),
        ({"type": "x"}, STRUCTURED, 422, ["#/id", "#/source", "#/specversion"]),
        ({"type": "x", "data": "y" * 70_000}, "application/json", 422, ["#/data"]),
    ],
)
async def test_what_is_no_event_is_refused_where_it_is_wrong(
    place: Site, body: Any, kind: str, status: int, pointers: list[str] | None
) -> None:
    got = await post(place, body, kind)
    assert got.status == status, got.text
    if pointers is not None:
        assert sorted(each["pointer"] for each in got.json["errors"]) == pointers


async def test_a_body_that_is_too_large_is_refused() -> None:
    async with site(config=ServerConfig(port=0, max_body=500)) as small:
        assert (await post(small, {"type": "x", "data": "y" * 400})).status == 202
        assert (await post(small, {"type": "x", "data": "y" * 500})).status == 413


async def test_types_of_the_engine_are_refused(place: Site) -> None:
    got = await post(place, {"type": "dev.openrun.run.failed.v1"})
    assert got.status == 422
    assert got.json["errors"][0]["pointer"] == "#/type"
    assert "engine's own" in got.json["errors"][0]["detail"]


async def test_publishing_takes_the_scope_of_starting_runs(place: Site) -> None:
    body = {"type": "order.paid"}
    auditor, user = [await place.key_for(role) for role in (Role.AUDITOR, Role.USER)]
    refused = await place.call("POST", "/v1/events", key=auditor, body=body)
    taken = await place.call("POST", "/v1/events", key=user, body=body)
    assert (refused.status, taken.status) == (403, 202)


async def test_events_of_other_namespaces_are_not_shown(place: Site) -> None:
    await post(place, whole("n1"), STRUCTURED, **{"OpenRun-Namespace": "shop"})
    other = await place.call("GET", "/v1/events", headers={"OpenRun-Namespace": "elsewhere"})
    own = await place.call("GET", "/v1/events", headers={"OpenRun-Namespace": "shop"})
    assert other.json["items"] == []
    assert [row["id"] for row in own.json["items"]] == ["n1"]
    number = own.json["items"][0]["number"]
    headers = {"OpenRun-Namespace": "elsewhere"}
    assert (await place.call("GET", f"/v1/events/{number}", headers=headers)).status == 404
    assert (await place.call("POST", f"/v1/events/{number}/replay", headers=headers)).status == 404


async def test_events_are_listed_by_type_and_page(place: Site) -> None:
    for at in range(5):
        await post(place, whole(f"p{at}", type="order.page"), STRUCTURED)
    path, found = "/v1/events?type=order.page&limit=2", []
    while path:
        got = await place.call("GET", path)
        found += [row["id"] for row in got.json["items"]]
        cursor = got.json["next"]
        path = f"/v1/events?type=order.page&limit=2&cursor={cursor}" if cursor else ""
    assert found == ["p4", "p3", "p2", "p1", "p0"]


@pytest.mark.parametrize("number", ["0", "9999999", "x", "-1", "9" * 30])
async def test_an_event_that_is_not_there_is_not_found(place: Site, number: str) -> None:
    assert (await place.call("GET", f"/v1/events/{number}")).status == 404


async def given_up(place: Site, event_id: str) -> int:
    """An event that was handed out as often as it may be, as the store has it then; its number."""
    event = CloudEvent(id=event_id, source="/shop", type="order.lost")
    row = BusEventRow(
        namespace="default",
        source=event.source,
        event_id=event.id,
        type=event.type,
        body=event.to_json(),
        received_at=1,
        due_at=2**50,
    )
    (number,) = await place.app.store.publish([row])
    dead = replace(row, number=number, due_at=None, attempts=5, dead_at=2, error="nobody has the code")
    await place.app.store.bus_events_failed([dead])
    return number


async def test_an_event_that_was_given_up_is_handed_out_again(place: Site) -> None:
    number = await given_up(place, "d1")
    listed = (await place.call("GET", "/v1/events?dead=true")).json["items"]
    assert [(each["number"], each["state"], each["error"]) for each in listed] == [
        (number, "dead", "nobody has the code")
    ]
    replayed = await place.call("POST", f"/v1/events/{number}/replay")
    assert replayed.status == 202, replayed.text
    assert (await seen(place, "d1"))["dead_at"] is None
    assert (await place.call("POST", f"/v1/events/{number}/replay")).status == 409
