"""The past of a run over HTTP, as its journal tells it."""

from collections.abc import AsyncIterator

import pytest_asyncio

from openrun.core.patch import patched
from openrun.core.timeline import timeline
from openrun.server.config import ServerConfig
from tests.server.given import fails, finished, flow_of, sets
from tests.server.site import Site, site

CHOICE = {
    "id": "choice",
    "name": "Choice",
    "steps": [
        {"id": "begin", "type": "trigger_manual"},
        {"id": "ask", "type": "conditional", "config": {"left": 1, "operator": "greater_than", "right": 2}},
        sets("yes", said="yes"),
        sets("no", said="no"),
    ],
    "edges": [
        {"source": "begin", "target": "ask"},
        {"source": "ask", "target": "yes", "source_port": "true"},
        {"source": "ask", "target": "no", "source_port": "false"},
    ],
}


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    flows = (flow_of("quick", sets("a", x=1), sets("b", x=2)), flow_of("broken", fails()), CHOICE)
    async with site(flows=flows, config=ServerConfig(port=0, grace=1)) as made:
        yield made


async def test_the_state_is_told_right_after_any_event(place: Site) -> None:
    run_id = await finished(place, "quick")
    replayer = await place.app.past(run_id)
    count = len(await place.app.facts(run_id))
    for at in range(1, count + 1):
        got = await place.call("GET", f"/v1/runs/{run_id}/state?at={at}")
        assert got.json == {"run_id": run_id, "at": at, "state": replayer.state(at)}
    assert (await place.call("GET", f"/v1/runs/{run_id}/state")).json["at"] == count
    assert (await place.call("GET", f"/v1/runs/{run_id}/state?at={count + 1}")).status == 404
    assert (await place.call("GET", f"/v1/runs/{run_id}/state?at=0")).status == 400


async def test_a_difference_makes_one_state_out_of_the_other(place: Site) -> None:
    run_id = await finished(place, "quick")
    replayer = await place.app.past(run_id)
    last = len(await place.app.facts(run_id))
    for before, after in ((1, last), (last, 1), (2, 2)):
        got = await place.call("GET", f"/v1/runs/{run_id}/diff?from={before}&to={after}")
        assert patched(replayer.state(before), got.json["operations"]) == replayer.state(after)
    assert (await place.call("GET", f"/v1/runs/{run_id}/diff?from=1&to=99")).status == 404
    assert (await place.call("GET", f"/v1/runs/{run_id}/diff?to=2")).status == 400


async def test_the_timeline_is_that_of_the_journal(place: Site) -> None:
    run_id = await finished(place, "broken")
    got = await place.call("GET", f"/v1/runs/{run_id}/timeline")
    assert got.json == timeline(await place.app.facts(run_id))


async def test_a_step_that_did_not_run_is_explained(place: Site) -> None:
    run_id = await finished(place, "choice")
    (scope,) = (await place.call("GET", f"/v1/runs/{run_id}/explain?step=yes")).json["scopes"]
    assert (scope["verdict"], scope["edges"][0]["source"]) == ("skipped", "ask")
    (scope,) = (await place.call("GET", f"/v1/runs/{run_id}/explain?step=no")).json["scopes"]
    assert (scope["verdict"], scope["edges"][0]["settled"]) == ("ran", "fired")
    odd = await place.call("GET", f"/v1/runs/{run_id}/explain?step=yess")
    assert (odd.status, "'yes'" in odd.json["detail"]) == (404, True)


async def test_a_long_past_is_read_as_well(place: Site) -> None:
    """More events than are folded in one go."""
    steps = [sets(f"s{number}", n=number) for number in range(600)]
    got = await place.call("PUT", "/v1/flows/long", body=flow_of("long", *steps))
    assert got.status in (200, 201), got.text
    run_id = await finished(place, "long")
    assert len(await place.app.facts(run_id)) > 1_000
    assert (await place.call("GET", f"/v1/runs/{run_id}/state")).json["state"]["n"] == 599
    assert (await place.call("GET", f"/v1/runs/{run_id}/explain?step=s7")).json["scopes"][0][
        "verdict"
    ] == "ran"
