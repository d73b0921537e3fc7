"""Subscriptions and notifications over HTTP: who may make them, what they show, and telling again."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from openrun.runtime.notices import NoticeType
from openrun.runtime.worker import WorkerOptions
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from tests.runtime.hearer import SECRET, Hearer, Says
from tests.server.given import fails, finished, flow_of, sets, until
from tests.server.site import Site, site

FLOWS = (flow_of("good", sets("a", a=1)), flow_of("bad", fails()))
BASE = "/v1/subscriptions"


@pytest_asyncio.fixture
async def hearer() -> AsyncIterator[Hearer]:
    async with Hearer() as made:
        yield made


@pytest_asyncio.fixture
async def place(hearer: Hearer) -> AsyncIterator[Site]:
    async with site(
        flows=FLOWS,
        config=ServerConfig(port=0, grace=1),
        allow=[hearer.address],
        secrets={"sign": SECRET},
        options=WorkerOptions(poll=0.02),
    ) as made:
        yield made


async def subscribed(place: Site, url: str, *types: str, **more: Any) -> dict[str, Any]:
    body = {"url": url, "types": list(types), "secret": "sign", **more}
    got = await place.call("POST", BASE, body=body)
    assert got.status == 201, got.text
    made: dict[str, Any] = got.json
    assert got.headers["Location"] == f"{BASE}/{made['subscription_id']}"
    return made


async def listed(place: Site, query: str = "") -> list[dict[str, Any]]:
    got = await place.call("GET", f"/v1/notifications{query}")
    assert got.status == 200, got.text
    items: list[dict[str, Any]] = got.json["items"]
    return items


async def test_a_subscription_is_made_shown_tested_disabled_enabled_and_removed(
    place: Site, hearer: Hearer
) -> None:
    made = await subscribed(
        place, hearer.url(), "run.failed", "run.*", flow="bad", description="The on-call channel"
    )
    assert (made["types"], made["flow"], made["secret"]) == (["run.failed", "run.*"], "bad", "sign")
    assert (made["disabled_at"], made["description"]) == (None, "The on-call channel")
    path = f"{BASE}/{made['subscription_id']}"
    assert (await place.call("GET", path)).json == made
    assert (await place.call("GET", BASE)).json["items"] == [made]
    tested = await place.call("POST", f"{path}/test")
    assert (tested.status, tested.json) == (200, {"delivered": True, "status": 204, "error": None})
    hearer.heard[0].verified()
    off = await place.call("POST", f"{path}/disable", body={"reason": "moving"})
    assert (off.json["disabled_reason"], off.json["disabled_at"] is None) == ("moving", False)
    assert (await place.call("POST", f"{path}/disable")).json["disabled_reason"] == "by admin"
    on = await place.call("POST", f"{path}/enable")
    assert (on.json["disabled_reason"], on.json["disabled_at"]) == (None, None)
    assert (await place.call("DELETE", path)).status == 204
    for method, gone in (
        ("GET", path),
        ("DELETE", path),
        ("POST", f"{path}/enable"),
        ("POST", f"{path}/test"),
    ):
        assert (await place.call(method, gone)).status == 404
    rows = (await place.call("GET", "/v1/audit")).json["items"]
    acted = [
        (each["action"], each["resource"]) for each in rows if each["action"].startswith("subscriptions.")
    ]
    assert ("subscriptions.create", f"subscription/{made['subscription_id']}") in acted
    assert {each for each, _ in acted} >= {
        "subscriptions.disable",
        "subscriptions.remove",
        "subscriptions.test",
    }


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"types": ["run.*"]}, "url"),
        ({"url": "https://example.com", "types": []}, "types"),
        ({"url": "https://example.com", "types": ["run.faild"]}, "did you mean 'run.failed'"),
        ({"url": "ftp://example.com", "types": ["run.*"]}, "scheme"),
        ({"url": "http://169.254.169.254/latest", "types": ["run.*"]}, "not public"),
        ({"url": "https://ada:pw@example.com", "types": ["run.*"]}, "user or password"),
        ({"url": "https://example.com", "types": ["run.*"], "secret": "sing"}, "did you mean 'sign'"),
        ({"url": "https://example.com", "types": ["run.*"], "token": 1}, "token"),
    ],
)
async def test_a_subscription_that_cannot_be_is_422(place: Site, body: dict[str, Any], words: str) -> None:
    got = await place.call("POST", BASE, body=body)
    assert got.status == 422
    assert words in got.text
    assert (await place.call("GET", BASE)).json["items"] == []


async def test_notifications_are_listed_filtered_and_paged_and_shown_with_what_they_say(
    place: Site, hearer: Hearer
) -> None:
    hearer.says(Says(410), path="/gone")
    good = await subscribed(place, hearer.url(), "run.*")
    gone = await subscribed(place, hearer.url("/gone"), "run.failed")
    run_id = await finished(place, "bad")
    other = await finished(place, "good")

    async def over() -> bool:
        rows = await listed(place)
        return len(rows) == 5 and all(row["state"] != "waiting" for row in rows)

    await until(over)
    (dead,) = await listed(place, "?state=dead")
    assert (dead["subscription_id"], dead["last_status"], dead["attempts"]) == (
        gone["subscription_id"],
        410,
        1,
    )
    assert "410" in dead["error"]
    assert len(await listed(place, f"?run={run_id}")) == 3
    assert len(await listed(place, f"?run={other}&state=delivered")) == 2
    assert len(await listed(place, f"?subscription={good['subscription_id']}")) == 4
    assert await listed(place, "?state=waiting") == []
    found, query = [], "?limit=2"
    while query:
        got = (await place.call("GET", f"/v1/notifications{query}")).json
        found += got["items"]
        query = got["next"] and f"?limit=2&cursor={got['next']}"
    assert found == await listed(place)
    one = (await place.call("GET", f"/v1/notifications/{dead['notification_id']}")).json
    assert {key: one[key] for key in dead} == dead
    assert (one["data"]["run_id"], one["data"]["error"]["code"]) == (run_id, "NO_LUCK")


async def test_one_that_was_given_up_is_delivered_again_under_its_id(place: Site, hearer: Hearer) -> None:
    hearer.says(Says(410), Says(204))
    made = await subscribed(place, hearer.url(), "run.failed")
    await finished(place, "bad")

    async def dead() -> bool:
        return bool(await listed(place, "?state=dead"))

    await until(dead)
    (row,) = await listed(place)
    await place.call("POST", f"{BASE}/{made['subscription_id']}/enable")
    got = await place.call("POST", f"/v1/notifications/{row['notification_id']}/replay")
    assert got.status == 202
    first, again = await hearer.reached(2)
    assert first.id == again.id == row["notification_id"]
    assert (await place.call("POST", "/v1/notifications/nothing/replay")).status == 404


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        (Role.ADMIN, (200, 200, 201, 404)),
        (Role.DEVELOPER, (200, 200, 201, 404)),
        (Role.OPERATOR, (200, 200, 403, 404)),
        (Role.AUDITOR, (200, 200, 403, 403)),
        (Role.USER, (200, 200, 403, 403)),
    ],
)
async def test_each_role_does_what_it_may(
    place: Site, hearer: Hearer, role: Role, statuses: tuple[int, ...]
) -> None:
    key = await place.key_for(role)
    asked: tuple[tuple[str, str, Any], ...] = (
        ("GET", BASE, None),
        ("GET", "/v1/notifications", None),
        ("POST", BASE, {"url": hearer.url(), "types": ["run.failed"]}),
        ("POST", "/v1/notifications/nothing/replay", None),
    )
    answers = [await place.call(method, path, key=key, body=body) for method, path, body in asked]
    assert tuple(each.status for each in answers) == statuses


async def test_another_namespace_is_as_if_it_were_not_there(place: Site, hearer: Hearer) -> None:
    made = await subscribed(place, hearer.url(), "run.*")
    await finished(place, "good")
    await hearer.reached(2)
    (row, *_) = await listed(place)
    key = await place.key_for(Role.ADMIN, "acme")
    path = f"{BASE}/{made['subscription_id']}"
    assert (await place.call("GET", BASE, key=key)).json["items"] == []
    assert (await place.call("GET", "/v1/notifications", key=key)).json["items"] == []
    for method, hidden in (
        ("GET", path),
        ("DELETE", path),
        ("POST", f"{path}/disable"),
        ("POST", f"{path}/test"),
        ("GET", f"/v1/notifications/{row['notification_id']}"),
        ("POST", f"/v1/notifications/{row['notification_id']}/replay"),
    ):
        assert (await place.call(method, hidden, key=key)).status == 404
    assert (await place.call("GET", path)).status == 200


async def test_the_document_says_what_subscribers_are_sent(place: Site) -> None:
    document = (await place.call("GET", "/openapi.json")).json
    OpenAPIV31SpecValidator(document).validate()
    assert set(document["webhooks"]) == {each.value for each in NoticeType}
    post = document["webhooks"]["run.failed"]["post"]
    schema = post["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/Notification"}
    assert {each["name"] for each in post["parameters"]} == {
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    }


async def test_what_is_sent_fits_the_document(place: Site, hearer: Hearer) -> None:
    await subscribed(place, hearer.url(), "run.*")
    await finished(place, "bad")
    document = (await place.call("GET", "/openapi.json")).json
    validator = Draft202012Validator(document["components"]["schemas"]["Notification"])
    for each in await hearer.reached(2):
        validator.validate(each.json)
        known = document["components"]["schemas"]["Notification"]["properties"]["data"]["properties"]
        assert set(each.data) <= set(known)
