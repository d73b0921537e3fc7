"""Deliveries and dead letters over HTTP: looked at, run again, put aside."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.server import deliveries, flows, letters
from openrun.server.access import Role
from tests.server.site import Site, hook_flow, site

ROUTES = (*flows.ROUTES, *deliveries.ROUTES, *letters.ROUTES)
NOBODY = "0192c2f4-8a3b-7c1d-9e5f-2b6a4d8c0e13"


def failing(flow_id: str = "broken", message: str = "no") -> dict[str, Any]:
    return {
        "id": flow_id,
        "name": flow_id,
        "steps": [
            {"id": "start", "type": "trigger_manual"},
            {"id": "stop", "type": "fail", "config": {"message": message}},
        ],
        "edges": [{"source": "start", "target": "stop"}],
    }


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Site]:
    """A site with a webhook, and a flow that fails."""
    async with site(flows=[hook_flow(mode="last_step"), failing()], routes=ROUTES) as made:
        yield made


async def delivered(s: Site, name: str = "ada") -> str:
    """Send a delivery; the run that it started."""
    body = json.dumps({"order": name}).encode()
    sent = {"Content-Type": "application/json"}
    got = await s.call("POST", f"/hooks/greet/{name}?page=2", key=None, data=body, headers=sent)
    assert got.status < 300, got.text
    (newest,) = (await s.call("GET", "/v1/deliveries?limit=1")).json["items"]
    return str(newest["run_id"])


async def failed(s: Site, flow_id: str = "broken") -> str:
    """Let a run fail; it is a dead letter then."""
    run = await s.app.start(flow_id)
    assert (await run.finished()).status is RunStatus.FAILED
    return run.run_id


# -- deliveries -----------------------------------------------------------------------------------


async def test_a_delivery_is_kept_with_what_it_said_and_a_digest_of_its_bytes(shop: Site) -> None:
    run_id = await delivered(shop)
    got = (await shop.call("GET", f"/v1/deliveries/{run_id}")).json
    body = b'{"order": "ada"}'
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert (got["flow"], got["trigger"], got["method"]) == ("greet", "hook", "POST")
    assert got["path"] == "/hooks/greet/ada"
    assert (got["content_digest"], got["size"]) == (f"sha-256=:{digest}:", len(body))
    assert got["input"]["body"] == {"order": "ada"}
    assert got["input"]["path"] == {"name": "ada"}
    assert (got["remote"], got["replay_of"]) == ("127.0.0.1", None)
    assert got["received_at"].endswith("Z")


async def test_deliveries_are_listed_newest_first_and_page_by_page(shop: Site) -> None:
    runs = [await delivered(shop, name) for name in ("ada", "bob", "cyd")]
    first = await shop.call("GET", "/v1/deliveries?limit=2&flow=greet")
    second = await shop.call("GET", first.headers["Link"].partition(">")[0].removeprefix("<"))
    shown = [each["run_id"] for got in (first, second) for each in got.json["items"]]
    assert shown == runs[::-1]
    assert second.json["next"] is None
    assert (await shop.call("GET", "/v1/deliveries?flow=other")).json["items"] == []


async def test_a_delivery_is_run_again_with_the_newest_version_or_with_its_own(shop: Site) -> None:
    run_id = await delivered(shop)
    old = (await shop.app.row(run_id)).version
    new = (await shop.call("POST", "/v1/flows", body=hook_flow())).json["version"]
    assert new != old
    for body, version in ((None, new), ({"version": "latest"}, new), ({"version": "same"}, old)):
        got = await shop.call("POST", f"/v1/deliveries/{run_id}/replay", body=body)
        assert (got.status, got.headers["Location"]) == (202, f"/v1/runs/{got.json['run_id']}")
        row = await shop.app.ended(got.json["run_id"])
        assert (row.version, row.status) == (version, RunStatus.SUCCEEDED)
        kept = (await shop.call("GET", f"/v1/deliveries/{row.run_id}")).json
        assert (kept["replay_of"], kept["input"]["body"]) == (run_id, {"order": "ada"})


async def test_a_replay_under_one_key_is_one_run(shop: Site) -> None:
    run_id = await delivered(shop)
    sent = {"Idempotency-Key": '"again"'}
    first = await shop.call("POST", f"/v1/deliveries/{run_id}/replay", headers=sent)
    second = await shop.call("POST", f"/v1/deliveries/{run_id}/replay", headers=sent)
    assert first.json == second.json
    assert len((await shop.call("GET", "/v1/deliveries")).json["items"]) == 2


async def test_a_run_that_no_delivery_started_has_none(shop: Site) -> None:
    run_id = await failed(shop)
    for given in (run_id, NOBODY, "%00", "x" * 300):
        assert (await shop.call("GET", f"/v1/deliveries/{given}")).status == 404
        assert (await shop.call("POST", f"/v1/deliveries/{given}/replay")).status == 404


@pytest.mark.parametrize("body", [{"version": "newest"}, {"versoin": "latest"}, []], ids=str)
async def test_a_replay_says_which_version_or_nothing(shop: Site, body: Any) -> None:
    run_id = await delivered(shop)
    assert (await shop.call("POST", f"/v1/deliveries/{run_id}/replay", body=body)).status == 422


async def test_deliveries_of_another_namespace_are_not_there(shop: Site) -> None:
    run_id = await delivered(shop)
    key = await shop.key_for(Role.OPERATOR, "other")
    assert (await shop.call("GET", "/v1/deliveries", key=key)).json["items"] == []
    assert (await shop.call("GET", f"/v1/deliveries/{run_id}", key=key)).status == 404
    assert (await shop.call("POST", f"/v1/deliveries/{run_id}/replay", key=key)).status == 404


# -- dead letters ---------------------------------------------------------------------------------


async def test_runs_that_failed_are_listed_newest_first_and_page_by_page(shop: Site) -> None:
    runs = [await failed(shop) for _ in range(7)]
    shown, path = [], "/v1/dead-letters?limit=2"
    while path:
        got = await shop.call("GET", path)
        shown += [each["run_id"] for each in got.json["items"]]
        # What is dealt with meanwhile lets none of the others be missed.
        await shop.call("DELETE", f"/v1/dead-letters/{shown[-1]}")
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert sorted(shown) == sorted(runs)


async def test_a_dead_letter_says_what_it_failed_with(shop: Site) -> None:
    run_id = await failed(shop)
    got = (await shop.call("GET", f"/v1/dead-letters/{run_id}")).json
    assert (got["flow"], got["replays"], got["last_replay"]) == ("broken", 0, None)
    assert "no" in got["error"]


async def test_a_dead_letter_is_run_again_and_says_by_what(shop: Site) -> None:
    run_id = await failed(shop)
    got = await shop.call("POST", f"/v1/dead-letters/{run_id}/replay")
    assert (got.status, got.headers["Location"]) == (202, f"/v1/runs/{got.json['run_id']}")
    await shop.app.ended(got.json["run_id"])
    letter = (await shop.call("GET", f"/v1/dead-letters/{run_id}")).json
    assert (letter["replays"], letter["last_replay"]) == (1, got.json["run_id"])


async def test_a_dead_letter_is_put_aside_once(shop: Site) -> None:
    run_id = await failed(shop)
    gone = await shop.call("DELETE", f"/v1/dead-letters/{run_id}")
    assert (gone.status, gone.text) == (204, "")
    for method, more in (("GET", ""), ("POST", "/replay"), ("DELETE", "")):
        assert (await shop.call(method, f"/v1/dead-letters/{run_id}{more}")).status == 404
    assert (await shop.app.row(run_id)).status is RunStatus.FAILED


async def test_dead_letters_of_another_namespace_are_not_there(shop: Site) -> None:
    run_id = await failed(shop)
    key = await shop.key_for(Role.OPERATOR, "other")
    assert (await shop.call("GET", "/v1/dead-letters", key=key)).json["items"] == []
    for method, more in (("GET", ""), ("POST", "/replay"), ("DELETE", "")):
        assert (await shop.call(method, f"/v1/dead-letters/{run_id}{more}", key=key)).status == 404
    assert (await shop.call("GET", f"/v1/dead-letters/{run_id}")).status == 200


async def test_who_may_only_start_runs_replays_and_discards_nothing(shop: Site) -> None:
    run_id, key = await failed(shop), await shop.key_for(Role.USER)
    for method, path in (
        ("POST", f"/v1/deliveries/{run_id}/replay"),
        ("POST", f"/v1/dead-letters/{run_id}/replay"),
        ("DELETE", f"/v1/dead-letters/{run_id}"),
    ):
        assert (await shop.call(method, path, key=key)).status == 403
