"""API keys over HTTP: shown once, never worth more than the key that makes them, over when they are revoked."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from openrun.server import flows, keys
from openrun.server.access import ALL_NAMESPACES, ROLES, Role, Scope
from openrun.store.books import AuditFilter
from openrun.store.memory import MemoryStore
from openrun.store.projection import in_ms
from tests.server.site import Got, Site, site


@pytest_asyncio.fixture
async def house() -> AsyncIterator[Site]:
    async with site(MemoryStore(), routes=(*keys.ROUTES, *flows.ROUTES)) as made:
        yield made


async def make(s: Site, *, by: str = "", **body: Any) -> Got:
    return await s.call("POST", "/v1/keys", key=by, body={"name": "ci", "role": "developer", **body})


async def test_a_key_that_was_made_lets_its_holder_in_and_is_shown_once(house: Site) -> None:
    made = await make(house)
    assert made.status == 201
    key = made.json["key"]
    assert (await house.call("GET", "/v1/flows", key=key)).status == 200
    listed = await house.call("GET", "/v1/keys")
    assert key not in listed.text
    assert {each["name"] for each in listed.json["items"]} == {"ci", "admin"}


async def test_an_answer_with_a_key_is_not_kept_for_repetitions(house: Site) -> None:
    sent = {"Idempotency-Key": '"once"'}
    body = {"name": "ci", "role": "user"}
    first = await house.call("POST", "/v1/keys", body=body, headers=sent)
    second = await house.call("POST", "/v1/keys", body=body, headers=sent)
    assert first.json["key"] != second.json["key"]


async def test_a_key_is_for_the_namespace_that_is_asked_about_unless_it_says_otherwise(house: Site) -> None:
    asked = await house.call(
        "POST", "/v1/keys", body={"name": "a", "role": "user"}, headers={"OpenRun-Namespace": "shop"}
    )
    assert asked.json["namespace"] == "shop"
    assert (await make(house)).json["namespace"] == "default"
    assert (await make(house, namespace="*")).json["namespace"] == ALL_NAMESPACES


async def test_scopes_narrow_the_role_of_a_key(house: Site) -> None:
    made = await make(house, scopes=["flows:read"])
    assert made.json["scopes"] == ["flows:read"]
    document = {"name": "A", "steps": [{"id": "start", "type": "trigger_manual"}]}
    assert (await house.call("GET", "/v1/flows", key=made.json["key"])).status == 200
    assert (await house.call("POST", "/v1/flows", key=made.json["key"], body=document)).status == 403
    wrong = await make(house, role="auditor", scopes=["flows:read", "keys:admin"])
    assert (wrong.status, wrong.json["errors"][0]["pointer"]) == (422, "#/scopes/1")


async def test_no_key_makes_one_that_allows_more_than_itself(house: Site) -> None:
    narrow = (await make(house, role="admin", scopes=["keys:admin", "runs:read"])).json["key"]
    refused = await make(house, by=narrow, role="developer")
    assert refused.status == 403
    assert "flows:write" in refused.json["detail"]
    assert (await make(house, by=narrow, role="auditor", scopes=["runs:read"])).status == 201
    assert (await make(house, by=narrow, role="auditor", scopes=["audit:read"])).status == 403


async def test_no_key_makes_one_for_another_namespace(house: Site) -> None:
    shop = await house.key_for(Role.ADMIN, "shop")
    for namespace in ("default", "*"):
        assert (await make(house, by=shop, namespace=namespace)).status == 403
    made = await make(house, by=shop)
    assert (made.status, made.json["namespace"]) == (201, "shop")
    assert {each["namespace"] for each in (await house.call("GET", "/v1/keys", key=shop)).json["items"]} == {
        "shop"
    }


async def test_no_key_makes_one_that_outlasts_it(house: Site) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    passing = (await make(house, role="admin", expires_at=tomorrow)).json["key"]
    assert (await make(house, by=passing)).status == 403
    assert (await make(house, by=passing, expires_at=later)).status == 403
    made = await make(house, by=passing, expires_at=tomorrow)
    assert (made.status, made.json["state"]) == (201, "active")


async def test_a_key_that_has_expired_lets_nobody_in(house: Site) -> None:
    now = in_ms(house.app.clock.now())
    _, key = await house.server.keyring.create("old", Role.ADMIN, ALL_NAMESPACES, expires_at=now - 1)
    assert (await house.call("GET", "/v1/keys", key=key)).status == 401
    listed = (await house.call("GET", "/v1/keys")).json["items"]
    assert {each["name"]: each["state"] for each in listed} == {"old": "expired", "admin": "active"}


async def test_a_revoked_key_lets_nobody_in_and_revoking_it_again_changes_nothing(house: Site) -> None:
    made = (await make(house)).json
    path = f"/v1/keys/{made['key_id']}/revoke"
    assert (await house.call("GET", "/v1/flows", key=made["key"])).status == 200
    first = await house.call("POST", path)
    assert (first.status, first.json["state"]) == (200, "revoked")
    assert (await house.call("GET", "/v1/flows", key=made["key"])).status == 401
    second = await house.call("POST", path)
    assert second.json["revoked_at"] == first.json["revoked_at"]


async def test_a_key_of_another_namespace_is_not_there(house: Site) -> None:
    made = (await make(house)).json
    shop = await house.key_for(Role.ADMIN, "shop")
    assert (await house.call("POST", f"/v1/keys/{made['key_id']}/revoke", key=shop)).status == 404
    assert (await house.call("POST", "/v1/keys/nobody/revoke")).status == 404
    assert (await house.call("GET", "/v1/flows", key=made["key"])).status == 200


async def test_keys_are_listed_newest_first_and_page_by_page(house: Site) -> None:
    made = [(await make(house)).json["key_id"] for _ in range(5)]
    shown, path = [], "/v1/keys?limit=2"
    while path:
        got = await house.call("GET", path)
        shown += [each["key_id"] for each in got.json["items"]]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert len(shown) == 6
    assert set(made) <= set(shown)


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "a\x00b"},
        {"role": "king"},
        {"namespace": "No Such"},
        {"scopes": ["everything"]},
        {"scopes": []},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"expires_at": "9999-12-31T23:59:59-14:00"},
        {"key": "mine"},
    ],
    ids=str,
)
async def test_a_key_that_cannot_be_is_refused(house: Site, body: dict[str, Any]) -> None:
    assert (await make(house, **body)).status == 422


@pytest.mark.parametrize("role", [role for role in Role if Scope.KEYS_ADMIN not in ROLES[role]])
async def test_only_an_admin_sees_or_makes_keys(house: Site, role: Role) -> None:
    key = await house.key_for(role)
    assert (await house.call("GET", "/v1/keys", key=key)).status == 403
    assert (await make(house, by=key)).status == 403


async def test_every_key_may_ask_who_it_is_and_nobody_else(house: Site) -> None:
    made = (await make(house, scopes=["runs:read"])).json
    me = await house.call("GET", "/v1/me", key=made["key"])
    assert me.json == {
        "key_id": made["key_id"],
        "name": "ci",
        "role": "developer",
        "scopes": ["runs:read"],
        "namespace": "default",
    }
    assert (await house.call("GET", "/v1/me", key=None)).status == 401
    assert (await house.call("GET", "/v1/me", key="or_nobody")).status == 401


async def test_what_is_done_with_keys_is_in_the_audit_log_and_the_keys_are_not(house: Site) -> None:
    made = (await make(house)).json
    await house.call("POST", f"/v1/keys/{made['key_id']}/revoke")
    rows = await house.app.store.audit(AuditFilter())
    assert [(row.action, row.resource, row.status) for row in rows] == [
        ("keys.revoke", f"key/{made['key_id']}", 200),
        ("keys.create", f"key/{made['key_id']}", 201),
    ]
    assert made["key"] not in str(rows)
