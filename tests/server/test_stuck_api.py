"""Runs that need somebody, over HTTP."""

from openrun.core.types import RunStatus
from openrun.server.config import ServerConfig
from tests.server.given import flow_of, stands, started, waits
from tests.server.site import site
from tests.server.steps import WORLD, acquaint, chain, charge


async def test_runs_that_need_somebody_are_listed_newest_first_page_by_page() -> None:
    async with site(flows=[flow_of("slow", waits())], config=ServerConfig(port=0, grace=1)) as place:
        acquaint(place.app)
        WORLD.broken = {"pay"}
        runs = [(await place.app.start(chain("Pay", charge(id="pay")))).run_id for _ in range(3)]
        for run_id in runs:
            await stands(place, run_id, RunStatus.NEEDS_REVIEW)
        resting = await started(place, "slow")
        await stands(place, resting, RunStatus.WAITING)
        first = (await place.call("GET", "/v1/stuck?limit=2")).json
        second = (await place.call("GET", f"/v1/stuck?limit=2&cursor={first['next']}")).json
        found = first["items"] + second["items"]
        assert [each["run_id"] for each in found] == runs[::-1]
        assert {each["why"] for each in found} == {"needs_review"}
        assert second["next"] is None
        newest = (await place.call("GET", "/v1/stuck?seconds=0&limit=1")).json["items"]
        assert [(each["run_id"], each["why"]) for each in newest] == [(resting, "resting")]
