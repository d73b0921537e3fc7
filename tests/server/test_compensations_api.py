"""What could not be undone, over HTTP: seen, and settled by people."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.server.config import ServerConfig
from tests.server.site import Site, site
from tests.server.steps import WORLD, acquaint, book, chain, work


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(config=ServerConfig(port=0, grace=1)) as made:
        acquaint(made.app)
        yield made


async def left_over(place: Site) -> str:
    """A run that failed, and one of whose steps could not be undone."""
    WORLD.broken = {"b", "undo hotel"}
    flow = chain("Trip", book(id="hotel", who="hotel"), book(id="car", who="car"), work(id="b", who="b"))
    run = await place.app.start(flow)
    assert (await run.finished()).status is RunStatus.FAILED
    return run.run_id


@pytest.mark.parametrize(("what", "resolution"), [("resolve", "resolved"), ("ignore", "ignored")])
async def test_what_could_not_be_undone_waits_until_a_person_has_said_what_becomes_of_it(
    place: Site, what: str, resolution: str
) -> None:
    run_id = await left_over(place)
    of_run = (await place.call("GET", f"/v1/runs/{run_id}/compensations")).json["items"]
    assert {each["step_id"]: each["status"] for each in of_run} == {"car": "completed", "hotel": "failed"}
    (waiting,) = (await place.call("GET", "/v1/compensations")).json["items"]
    assert (waiting["run_id"], waiting["step_id"], waiting["resolution"]) == (run_id, "hotel", None)
    assert (await place.call("POST", f"/v1/runs/{run_id}/retry")).status == 409
    path = f"/v1/compensations/{run_id}/hotel/{what}"
    got = await place.call("POST", path, body={"note": "called them"})
    assert got.status == 200
    assert (got.json["resolution"], got.json["note"], got.json["by"]) == (resolution, "called them", "admin")
    assert (await place.call("GET", "/v1/compensations")).json["items"] == []
    assert (await place.call("POST", path)).status == 404


async def test_what_waits_for_nobody_is_404(place: Site) -> None:
    run_id = await left_over(place)
    for step, scope in (("car", "/"), ("odd", "/"), ("hotel", "/each[1]")):
        got = await place.call("POST", f"/v1/compensations/{run_id}/{step}/ignore", body={"scope": scope})
        assert got.status == 404
