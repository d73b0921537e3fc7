"""What holds for all routes alike: nobody gets in without a key, or farther than the key goes."""

import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio

from openrun.runtime.clock import SystemClock
from openrun.server import health
from openrun.server.access import Role, Scope
from openrun.server.api import ROUTES
from openrun.server.route import Route
from tests.server.hostile import Wire, request
from tests.server.site import Got, Site, hook_flow, site

ALL = (*health.routes(SystemClock()), *ROUTES)
OPEN = {"/livez", "/readyz", "/healthz", "/openapi.json", "/asyncapi.json", "/docs"}
"""All that is answered without a key; webhooks, which have signatures, aside."""
CLOSED = [route for route in ALL if route.path not in OPEN]
SCOPED = [route for route in ALL if route.scope is not None]
READING = [route for route in SCOPED if route.method == "GET" and route.path != "/metrics"]
TAKING = [route for route in ALL if route.body is not None]
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
SECRET = "shop-7f3a"
"""What is in the names of all that the other namespace has."""


def name_of(route: Route) -> str:
    return route.operation


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def made() -> AsyncIterator[Site]:
    """A site with a flow, a run and a key in the namespace `shop`, and nothing anywhere else."""
    async with site() as each:
        shop = each.app.space("shop")
        document = json.dumps(hook_flow(path=f"/{SECRET}", flow_id=SECRET, mode="respond"))
        headers = {"OpenRun-Namespace": "shop"}
        kept = await each.call(
            "POST",
            "/v1/flows",
            data=document.encode(),
            headers={**headers, "Content-Type": "application/json"},
        )
        assert kept.status == 201, kept.text
        replied = await each.hook(f"/@shop/{SECRET}", {"a": SECRET})
        assert replied.status == 201, replied.text
        await each.server.keyring.create(SECRET, Role.USER, "shop")
        assert shop.namespace == "shop"
        yield each


pytestmark = pytest.mark.asyncio(loop_scope="module")


def path_of(route: Route, **names: str) -> str:
    return re.sub(r"\{([a-z_]+)\}", lambda match: names.get(match[1], "x"), route.path)


def needed_query(route: Route) -> str:
    """What a query has to say, by the examples of its fields."""
    fields = route.query.model_fields.items()
    needed = {
        field.alias or name: (field.examples or [""])[0] for name, field in fields if field.is_required()
    }
    return f"?{urlencode(needed)}" if needed else ""


def refused(got: Got, status: int) -> dict[str, Any]:
    assert got.status == status, got.text
    assert got.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = got.json
    assert problem["status"] == status
    assert problem["request_id"] == got.headers["X-Request-ID"]
    return problem


async def test_the_public_list_is_what_it_says() -> None:
    public = {route.path for route in ALL if route.scope is None and 401 not in route.problems}
    assert public == OPEN


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
async def test_nothing_is_answered_without_a_key(made: Site, route: Route) -> None:
    got = await made.call(route.method, path_of(route), key=None, body={} if route.body else None)
    refused(got, 401)
    assert got.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("key", ["or_unknown", "é", "x" * 5_000, "* or 1=1"])
@pytest.mark.parametrize("route", CLOSED[:3], ids=name_of)
async def test_a_key_that_is_unknown_is_none(made: Site, route: Route, key: str) -> None:
    refused(await made.call(route.method, path_of(route), key=key), 401)


@pytest.mark.parametrize("route", [each for each in ALL if each.path in OPEN], ids=name_of)
async def test_what_is_public_is_answered_without_a_key(made: Site, route: Route) -> None:
    assert (await made.call(route.method, route.path, key=None)).status == 200


@pytest.mark.parametrize("method", [each for each in METHODS if each != "HEAD"])
@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v2/runs", "/v1/runs/", "/docs/", "//", "/admin"])
async def test_nobody_is_told_what_there_is_without_a_key(made: Site, path: str, method: str) -> None:
    refused(await made.call(method, path, key=None), 401)
    refused(await made.call(method, path), 404)


@pytest.mark.parametrize("route", SCOPED, ids=name_of)
async def test_a_key_without_the_scope_is_told_so_before_its_body_is_read(made: Site, route: Route) -> None:
    scopes = frozenset(Scope) - {route.scope}
    _, key = await made.server.keyring.create("short", Role.ADMIN, "*", scopes=scopes)
    got = await made.call(route.method, path_of(route), key=key, data=b"\x00" if route.body else None)
    problem = refused(got, 403)
    assert route.scope is not None
    assert route.scope.value in problem["detail"]


@pytest.mark.parametrize("route", SCOPED, ids=name_of)
async def test_a_key_of_one_namespace_reaches_no_other(made: Site, route: Route) -> None:
    key = await made.key_for(Role.ADMIN, "other")
    headers = {"OpenRun-Namespace": "shop"}
    refused(await made.call(route.method, path_of(route), key=key, headers=headers), 403)


@pytest.mark.parametrize("route", READING, ids=name_of)
async def test_nothing_of_another_namespace_is_ever_shown(made: Site, route: Route) -> None:
    key = await made.key_for(Role.ADMIN, "other")
    runs = (await made.call("GET", "/v1/runs", headers={"OpenRun-Namespace": "shop"})).json["items"]
    keys = (await made.call("GET", "/v1/keys", headers={"OpenRun-Namespace": "shop"})).json["items"]
    names = {"run_id": runs[0]["run_id"], "flow_id": SECRET, "version": runs[0]["version"], "step_id": "say"}
    names["key_id"] = next(each["key_id"] for each in keys if each["name"] == SECRET)
    got = await made.call("GET", path_of(route, **names) + needed_query(route), key=key)
    # A refusal may repeat what was asked for, and nothing else.
    shown = got.text.replace(f"'{SECRET}'", "")
    assert SECRET not in shown
    if {"run_id", "flow_id"} & set(route.parameters):
        refused(got, 404)


@pytest.mark.parametrize("route", ALL, ids=name_of)
async def test_other_methods_are_told_which_ones_there_are(made: Site, route: Route) -> None:
    # A name may be that of a collection, too, as in /v1/flows/validate.
    own = {
        each.method
        for each in ALL
        if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", each.path), path_of(route))
    }
    for method in set(METHODS) - own - ({"HEAD"} if "GET" in own else set()):
        got = await made.call(method, path_of(route))
        assert got.status == 405, (method, got.text)
        assert set(got.headers["Allow"].split(", ")) >= own


@pytest.mark.parametrize("route", [each for each in ALL if each.method == "GET"], ids=name_of)
async def test_head_is_get_without_the_body(made: Site, route: Route) -> None:
    full = await made.call("GET", path_of(route))
    got = await made.call("HEAD", path_of(route))
    assert got.text == ""
    assert (got.status, got.headers["Content-Type"]) == (full.status, full.headers["Content-Type"])


@pytest.mark.parametrize("route", TAKING, ids=name_of)
async def test_a_body_of_another_type_is_415(made: Site, route: Route) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
        headers = {"Content-Type": kind}
        refused(await made.call(route.method, path_of(route), data=b"{}", headers=headers), 415)


@pytest.mark.parametrize("route", TAKING, ids=name_of)
async def test_a_body_that_is_too_large_is_413(made: Site, route: Route) -> None:
    config = made.server.config
    size = (config.max_document if route.large else config.max_body) + 1
    head = request(
        route.method,
        path_of(route),
        Authorization=f"Bearer {made.key}",
        Content_Type="application/json",
        Content_Length=str(size),
    )
    async with await Wire.open(made.server.address) as wire:
        await wire.send(head)
        problem = (await wire.reply()).problem
    assert problem["status"] == 413


@pytest.mark.parametrize("route", TAKING, ids=name_of)
@pytest.mark.parametrize(
    "body",
    [b"{", b"nul", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b'"\\ud800"', b"\x00"],
)
async def test_a_body_that_is_no_json_is_400(made: Site, route: Route, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    got = await made.call(route.method, path_of(route), data=body, headers=headers)
    assert got.status in (400, 422), got.text
    refused(got, got.status)


@pytest.mark.parametrize("route", TAKING, ids=name_of)
@pytest.mark.parametrize("body", ["[]", '"x"', "1", "null", '{"no such field": 1}'])
async def test_a_body_that_is_not_what_is_taken_is_422(made: Site, route: Route, body: str) -> None:
    got = await made.call(
        route.method, path_of(route), data=body.encode(), headers={"Content-Type": "application/json"}
    )
    if route.operation == "flows.validate" and body.startswith("{"):
        # Saying what is wrong with a document is what it is for.
        assert got.json["valid"] is False
    else:
        refused(got, 422)


@pytest.mark.parametrize("route", [each for each in CLOSED if each.body is None], ids=name_of)
async def test_a_body_where_none_is_taken_is_refused(made: Site, route: Route) -> None:
    refused(await made.call(route.method, path_of(route), data=b"{}"), 400)


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
@pytest.mark.parametrize("query", ["nope=1", "%00=1", "a=%ff", "limit=1&limit=2", "&".join(["a=1"] * 200)])
async def test_a_query_that_is_not_taken_is_400(made: Site, route: Route, query: str) -> None:
    got = await made.call(route.method, f"{path_of(route)}?{query}", body={} if route.body else None)
    refused(got, 400)


@pytest.mark.parametrize("namespace", ["", "*", "Shop", "a b", "-a", "a" * 64, "ä"])
@pytest.mark.parametrize("route", SCOPED[:3], ids=name_of)
async def test_a_namespace_that_is_none_is_400(made: Site, route: Route, namespace: str) -> None:
    headers = {"OpenRun-Namespace": namespace}
    refused(await made.call(route.method, path_of(route), headers=headers), 400)


@pytest.mark.parametrize("route", [each for each in ALL if each.parameters], ids=name_of)
@pytest.mark.parametrize(
    "segment", ["%00", "%0a", "%ff", "%2e%2e", "%2F", "%F0%9F%92%A9", "a" * 2_000, "'--"]
)
async def test_no_name_in_a_path_is_our_fault(made: Site, route: Route, segment: str) -> None:
    path = re.sub(r"\{[a-z_]+\}", lambda _: segment, route.path)
    data = request(
        route.method,
        path,
        b"{}" if route.body else b"",
        Authorization=f"Bearer {made.key}",
        **({"Content_Type": "application/json"} if route.body else {}),
    )
    async with await Wire.open(made.server.address) as wire:
        await wire.send(data)
        reply = await wire.reply()
    assert 400 <= reply.status < 500, reply


@pytest.mark.parametrize("route", [each for each in ALL if each.mutates], ids=name_of)
async def test_pages_of_others_change_nothing(made: Site, route: Route) -> None:
    for origin in ("https://evil.example", "null"):
        got = await made.call(route.method, path_of(route), headers={"Origin": origin})
        refused(got, 403)


@pytest.mark.parametrize("route", CLOSED, ids=name_of)
async def test_no_answer_is_kept_by_caches_or_taken_for_something_else(made: Site, route: Route) -> None:
    got = await made.call(route.method, path_of(route), body={} if route.body else None)
    assert got.headers["Cache-Control"] == "no-store"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
