"""How full the limits of flows are, over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from openrun.server.access import Role
from openrun.server.config import ServerConfig
from tests.server.given import flow_of, started, until, waits
from tests.server.site import Site, site

CONTROL = {
    "key": "<<body.tenant>>",
    "concurrency": 1,
    "total": 10,
    "rate": {"limit": 100, "period": "1m"},
}


def limited(flow_id: str = "imports", **control: Any) -> dict[str, Any]:
    return {**flow_of(flow_id, waits()), "flow_control": control or CONTROL}


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    """A site where one run of each tenant goes on at a time."""
    async with site(flows=[limited(), limited("alone", singleton="cancel_new")], config=_config()) as made:
        yield made


def _config() -> ServerConfig:
    return ServerConfig(port=0, grace=1)


async def begin(place: Site, *tenants: str, flow: str = "imports") -> None:
    """Start a run for each, and wait until as many as may go on do."""
    for tenant in tenants:
        await started(place, flow, input={"body": {"tenant": tenant}})

    async def settled() -> bool:
        lanes = await listed(place)
        return bool(lanes) and all(each["running"] == 1 for each in lanes)

    await until(settled)


async def listed(place: Site, path: str = "/v1/lanes") -> list[dict[str, Any]]:
    got = await place.call("GET", path)
    assert got.status == 200, got.text
    items: list[dict[str, Any]] = got.json["items"]
    return items


async def test_a_lane_says_what_runs_and_waits_in_it_and_what_bounds_it(place: Site) -> None:
    await begin(place, "ada", "ada", "ada", "bob")
    ada, bob = await listed(place)
    assert (ada["flow"], ada["key"], ada["running"], ada["queued"]) == ("imports", "ada", 1, 2)
    assert (bob["key"], bob["running"], bob["queued"]) == ("bob", 1, 0)
    assert ada["waiting_since"].endswith("Z")
    assert bob["waiting_since"] is None
    assert (ada["concurrency"], ada["total"], ada["at_limit"]) == (1, 10, "queue")
    assert ada["rate"] == {"limit": 100, "period_seconds": 60, "cancels": False}
    assert ada["debounce"] is None


async def test_lanes_come_page_by_page_whatever_their_keys_are(place: Site) -> None:
    keys = ["a\nb", "ä", "snow ☃", "x", ""]
    await begin(place, *keys)
    shown, path = [], "/v1/lanes?limit=2&flow=imports"
    while path:
        got = await place.call("GET", path)
        shown += [each["key"] for each in got.json["items"]]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert len(shown) == len(keys)
    assert {"ä", "snow ☃", "x", ""} < set(shown)


async def test_lanes_are_listed_by_flow_and_those_with_nothing_in_them_are_not_there(place: Site) -> None:
    assert await listed(place) == []
    await begin(place, "ada", flow="alone")
    (lane,) = await listed(place, "/v1/lanes?flow=alone")
    assert (lane["key"], lane["at_limit"]) == ("", "cancel_new")
    assert await listed(place, "/v1/lanes?flow=imports") == []


async def test_lanes_of_another_namespace_are_not_there(place: Site) -> None:
    await begin(place, "ada")
    key = await place.key_for(Role.OPERATOR, "other")
    assert (await place.call("GET", "/v1/lanes", key=key)).json["items"] == []


@pytest.mark.parametrize(
    "cursor", ["x", "WyIvdjEvbGFuZXMiLFsiYSIsInp6Il1d", "WyIvdjEvcnVucyIsWyJhIiwiNjEiXV0"]
)
async def test_a_cursor_that_the_list_has_not_given_is_refused(place: Site, cursor: str) -> None:
    assert (await place.call("GET", f"/v1/lanes?cursor={cursor}")).status == 400
