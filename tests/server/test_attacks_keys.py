"""Attacks by those who have a key: on other namespaces, on others of the same one, and on what their key is not for."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.server.access import Role
from openrun.server.api import ROUTES
from openrun.server.config import ServerConfig
from openrun.server.server import Server
from openrun.store.rows import RunFilter
from tests.server.given import approval, fails, finished, flow_of, sets, stands, started, waits
from tests.server.hostile import PATIENCE, Wire
from tests.server.site import Site, site

NOWHERE = "0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"
FLOWS = [
    flow_of("ours", sets("s", a=1)),
    flow_of("slow", waits()),
    flow_of("sad", fails()),
    flow_of("ask", approval(approvers=["user:alice"])),
    flow_of("paid", {"id": "w", "type": "wait", "config": {"signal": "payment"}}),
]


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    config = ServerConfig(port=0, refresh=0.05, heartbeat=0.05, grace=1)
    async with site(flows=FLOWS, config=config) as made:
        yield made


async def count(place: Site) -> int:
    return len(await place.app.records.runs(RunFilter(limit=200)))


async def key_with(place: Site, **body: Any) -> str:
    got = await place.call("POST", "/v1/keys", body={"name": "somebody", **body})
    assert got.status == 201, got.text
    return str(got.json["key"])


# -- other namespaces -----------------------------------------------------------------------------


async def test_what_is_elsewhere_is_answered_as_what_is_nowhere(place: Site) -> None:
    """Not only 404, but the same words: nothing tells that there is something."""
    run_id = await finished(place, "sad")
    key = await place.key_for(Role.ADMIN, "a")
    for route in ROUTES:
        if set(route.parameters) != {"run_id"}:
            continue
        body = {"name": "x"} if route.operation == "runs.signal" else None
        query = "?from=1&to=1" if route.operation == "runs.diff" else ""
        told = []
        for each in (run_id, NOWHERE):
            path = route.path.replace("{run_id}", each) + query
            got = await place.call(route.method, path, key=key, body=body)
            told.append(
                (
                    got.status,
                    {**got.json, "request_id": ""} | {"detail": got.json["detail"].replace(each, "")},
                )
            )
        assert told[0] == told[1], route.operation


async def test_metrics_tell_of_all_namespaces_and_are_for_keys_of_all(place: Site) -> None:
    await finished(place, "ours")
    for role in (Role.ADMIN, Role.OPERATOR, Role.AUDITOR):
        got = await place.call("GET", "/metrics", key=await place.key_for(role, "a"))
        assert got.status == 403
        assert "ours" not in got.text


async def test_no_name_of_a_flow_is_told_to_a_key_that_may_not_read_flows(place: Site) -> None:
    key = await key_with(place, role="user", scopes=["runs:start"])
    got = await place.call("POST", "/v1/runs", key=key, body={"flow": "our"})
    assert got.status == 404
    assert "ours" not in got.text
    assert "slow" not in got.text


async def test_what_a_run_came_to_is_not_told_to_a_key_that_may_only_start_it(place: Site) -> None:
    key = await key_with(place, role="user", scopes=["runs:start"])
    got = await place.call("POST", "/v1/runs", key=key, body={"flow": "ours"}, headers={"Prefer": "wait=20"})
    assert got.status == 202
    assert "output" not in got.json


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key", "OpenRun-Namespace"])
async def test_of_two_headers_that_say_who_or_where_none_counts(place: Site, header: str) -> None:
    values = {
        "Authorization": (f"Bearer {place.key}", "Bearer or_x"),
        "X-API-Key": (place.key, "or_x"),
        "OpenRun-Namespace": ("a", "b"),
    }[header]
    proof = f"Authorization: Bearer {place.key}\r\n" if header == "OpenRun-Namespace" else ""
    for first, second in (values, values[::-1]):
        lines = f"{header}: {first}\r\n{header}: {second}\r\n"
        async with await Wire.open(place.server.address) as wire:
            await wire.send(f"GET /v1/runs HTTP/1.1\r\nHost: localhost\r\n{proof}{lines}\r\n".encode())
            assert (await wire.reply()).status in (400, 401)


# -- others of the same namespace -----------------------------------------------------------------


async def test_an_idempotency_key_of_somebody_is_nothing_to_anybody_else(place: Site) -> None:
    ann, bob = await place.key_for(Role.USER, "default"), await place.key_for(Role.USER, "default")
    same = {"Idempotency-Key": "order-7"}
    first = await place.call("POST", "/v1/runs", key=ann, body={"flow": "ours"}, headers=same)
    other = await place.call("POST", "/v1/runs", key=bob, body={"flow": "ours"}, headers=same)
    assert (other.status, other.json["replayed"]) == (202, False)
    assert other.json["run_id"] != first.json["run_id"]
    body = {"flow": "ours", "state": {"x": 1}}
    await place.call("POST", "/v1/runs", key=bob, body=body, headers={"Idempotency-Key": "order-8"})
    later = await place.call(
        "POST", "/v1/runs", key=ann, body={"flow": "ours"}, headers={"Idempotency-Key": "order-8"}
    )
    assert later.status == 202


async def test_a_replay_asked_for_at_two_servers_under_one_key_is_one_run(place: Site) -> None:
    dead = await finished(place, "sad")
    before = await count(place)
    async with Server(place.app, ServerConfig(port=0), routes=ROUTES) as other:

        async def ask(url: str) -> str:
            headers = {"Authorization": f"Bearer {place.key}", "Idempotency-Key": "once"}
            async with place.http.post(f"{url}/v1/dead-letters/{dead}/replay", headers=headers) as got:
                assert got.status == 202
                return str((await got.json())["run_id"])

        told = await asyncio.gather(*(ask(url) for url in (place.server.url, other.url) * 5))
    assert len(set(told)) == 1
    assert await count(place) == before + 1


async def test_a_stream_ends_with_the_key_that_it_was_opened_with(place: Site) -> None:
    row, key = await place.server.keyring.create("guest", Role.USER, "default")
    run_id = await started(place, "slow")
    headers = {"Authorization": f"Bearer {key}", "Accept": "text/event-stream"}
    async with place.http.get(f"{place.server.url}/v1/runs/{run_id}/events", headers=headers) as stream:
        assert stream.status == 200
        await place.server.keyring.revoke(row.key_id)
        async with asyncio.timeout(PATIENCE):
            await stream.read()
    assert (await place.app.row(run_id)).status is RunStatus.WAITING


# -- more than a key is for -----------------------------------------------------------------------


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_no_role_but_admin_makes_keys_whatever_it_says_of_itself(place: Site, role: Role) -> None:
    key = await place.key_for(role, "default")
    for body in ({"name": "x", "role": "admin"}, {"name": "x", "role": role.value}):
        assert (await place.call("POST", "/v1/keys", key=key, body=body)).status == 403


async def test_a_narrowed_admin_makes_no_key_that_is_less_narrow(place: Site) -> None:
    key = await key_with(place, role="admin", scopes=["keys:admin", "runs:read"])
    for body in (
        {"name": "x", "role": "admin"},
        {"name": "x", "role": "admin", "scopes": ["keys:admin", "runs:control"]},
        {"name": "x", "role": "auditor"},
        {"name": "x", "role": "user"},
    ):
        assert (await place.call("POST", "/v1/keys", key=key, body=body)).status == 403
    same = {"name": "x", "role": "admin", "scopes": ["runs:read"]}
    assert (await place.call("POST", "/v1/keys", key=key, body=same)).status == 201


async def test_a_key_that_the_operator_has_replaced_is_none_any_more(place: Site) -> None:
    old, new = "old-" + "0" * 40, "new-" + "0" * 40
    for key in (old, new):
        await place.server.keyring.given(key)
    assert (await place.call("GET", "/v1/keys", key=new)).status == 200
    assert (await place.call("GET", "/v1/keys", key=old)).status == 401


async def test_who_answers_is_who_holds_the_key_and_nothing_that_is_sent(place: Site) -> None:
    run_id = await started(place, "ask")
    await stands(place, run_id, RunStatus.WAITING)
    (wait,) = await place.app.waits.open()
    for body in ({"by": "alice"}, {"by": "alice", "roles": ["admin"]}):
        assert (await place.call("POST", f"/v1/approvals/{wait.wait_id}/approve", body=body)).status == 422
    assert (await place.call("POST", f"/v1/approvals/{wait.wait_id}/approve")).status == 403


async def test_a_signal_takes_the_scope_of_signals_by_every_way(place: Site) -> None:
    run_id = await started(place, "paid")
    await stands(place, run_id, RunStatus.WAITING)
    (wait,) = await place.app.waits.open()
    user = await place.key_for(Role.USER, "default")
    for path, body in (
        (f"/v1/runs/{run_id}/signal", {"name": "payment"}),
        (f"/v1/approvals/{wait.wait_id}/answer", {"value": 1}),
    ):
        assert (await place.call("POST", path, key=user, body=body)).status == 403, path


@pytest.mark.parametrize(
    ("path", "at"),
    [
        ("/v1/runs", 7),
        ("/v1/runs", "\u0000"),
        ("/v1/effects", -1),
        ("/v1/effects", 10**9),
        ("/v1/effects", True),
        ("/v1/compensations", 2**70),
        ("/v1/dead-letters", "x"),
        ("/v1/audit", "1 OR 1=1"),
        ("/v1/keys", [1]),
        ("/v1/runs", {"a": 1}),
    ],
)
async def test_a_cursor_that_somebody_made_up_is_refused(place: Site, path: str, at: object) -> None:
    cursor = base64.urlsafe_b64encode(json.dumps([path, at]).encode()).decode().rstrip("=")
    assert (await place.call("GET", f"{path}?cursor={cursor}")).status == 400


async def test_no_list_is_as_long_as_somebody_asks_for(place: Site) -> None:
    for route in ROUTES:
        if route.method == "GET" and "limit" in route.query.model_fields and not route.parameters:
            for limit in ("1000000000", "-1", "0", "1e3", "9" * 400):
                got = await place.call("GET", f"{route.path}?limit={limit}")
                assert got.status == 400, (route.path, limit)
