"""Calls to the outside, over HTTP: seen, and settled by people where nobody knows."""

from collections.abc import AsyncIterator

import pytest_asyncio

from openrun.core.events import EffectRecorded
from openrun.core.types import RunStatus
from openrun.server.config import ServerConfig
from tests.server.given import stands
from tests.server.site import Site, site
from tests.server.steps import WORLD, acquaint, chain, charge


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(config=ServerConfig(port=0, grace=1)) as made:
        acquaint(made.app)
        yield made


async def in_doubt(place: Site) -> tuple[str, str]:
    """A run of whose payment nobody knows, and the key of that."""
    WORLD.broken = {"pay"}
    run = await place.app.start(chain("Pay", charge(id="pay")))
    await stands(place, run.run_id, RunStatus.NEEDS_REVIEW)
    (effect,) = (await place.call("GET", f"/v1/runs/{run.run_id}/effects")).json["items"]
    return run.run_id, effect["key"]


async def paid(place: Site) -> str:
    run = await place.app.start(chain("Pay", charge(id="pay")))
    await run.finished()
    return run.run_id


async def test_effects_are_listed_by_status_and_shown_with_their_value(place: Site) -> None:
    run_id = await paid(place)
    doubtful, key = await in_doubt(place)
    listed = (await place.call("GET", "/v1/effects")).json["items"]
    assert [each["run_id"] for each in listed] == [doubtful, run_id]
    (unknown,) = (await place.call("GET", "/v1/effects?status=unknown&status=failed")).json["items"]
    assert (unknown["key"], unknown["step_id"], unknown["name"]) == (key, "pay", "pay")
    detail = (await place.call("GET", f"/v1/effects/{listed[1]['key']}")).json
    assert (detail["status"], detail["value"]) == ("committed", "paid")


async def test_an_effect_in_doubt_is_settled_in_the_name_of_the_key_holder(place: Site) -> None:
    run_id, key = await in_doubt(place)
    odd = await place.call("POST", f"/v1/effects/{key}/resolve", body={"committed": False, "value": 1})
    assert odd.status == 422
    got = await place.call("POST", f"/v1/effects/{key}/resolve", body={"committed": True, "value": "by hand"})
    assert (got.status, got.json) == (202, {"key": key, "run_id": run_id})
    assert (await place.app.ended(run_id)).status is RunStatus.SUCCEEDED
    last = [each for each in await place.app.facts(run_id) if isinstance(each, EffectRecorded)][-1]
    assert (last.status, last.by) == ("committed", "admin")
    assert (await place.call("GET", f"/v1/runs/{run_id}")).json["output"] == "by hand"
    assert WORLD.calls == ["pay"]
    again = await place.call("POST", f"/v1/effects/{key}/resolve", body={"committed": True})
    assert again.status == 409


async def test_the_beginning_of_a_key_is_not_enough(place: Site) -> None:
    _, key = await in_doubt(place)
    for path in (key[:20], f"{key}0", "odd key", "%00"):
        got = await place.call("POST", f"/v1/effects/{path}/resolve", body={"committed": True})
        assert got.status in (400, 404)


async def test_a_list_from_its_beginning_goes_on_page_by_page(place: Site) -> None:
    runs = [await paid(place) for _ in range(5)]
    found: list[str] = []
    path: str | None = "/v1/effects?limit=2&status=committed"
    while path:
        got = await place.call("GET", path)
        found += [each["run_id"] for each in got.json["items"]]
        path = got.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in got.headers else None
    assert found == runs[::-1]
