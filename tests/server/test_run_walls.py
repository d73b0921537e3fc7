"""Runs of one namespace are not there for the keys of another, whatever is asked of them and however."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.server import (
    approvals,
    compensations,
    effects,
    forks,
    past,
    run_control,
    run_events,
    runs,
    stuck,
)
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from openrun.server.route import Route
from tests.server.given import approval, flow_of, stands
from tests.server.site import Site, site
from tests.server.steps import WORLD, acquaint, book, chain, charge, work

MODULES = (runs, run_events, run_control, forks, past, approvals, effects, compensations, stuck)
ROUTES: tuple[Route, ...] = tuple(route for module in MODULES for route in module.ROUTES)

BODIES: dict[str, Any] = {
    "runs.signal": {"name": "paid"},
    "runs.resolve": {"step": "pay", "committed": True},
    "runs.fork": {"step": "begin"},
    "approvals.answer": {"value": 1},
    "effects.resolve": {"committed": True},
}
QUERIES = {"runs.diff": "?from=1&to=1", "runs.explain": "?step=begin"}
LISTS = {"runs.list", "approvals.list", "effects.list", "compensations.list", "runs.stuck"}


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(flows=[flow_of("ask", approval())], config=ServerConfig(port=0, grace=1)) as made:
        acquaint(made.app)
        yield made


async def affairs(place: Site) -> list[dict[str, str]]:
    """What there is in the namespace "default", as paths name it: runs that ask, are in doubt, could not be undone."""
    WORLD.broken = {"pay", "b", "undo hotel"}
    asking = await place.app.start("ask")
    doubtful = await place.app.start(chain("Pay", charge(id="pay")))
    broken = await place.app.start(chain("Trip", book(id="hotel", who="hotel"), work(id="b", who="b")))
    await broken.finished()
    await stands(place, asking.run_id, RunStatus.WAITING)
    await stands(place, doubtful.run_id, RunStatus.NEEDS_REVIEW)
    (wait,) = await place.app.waits.open()
    (effect,) = await place.app.ledger.effects(run_id=doubtful.run_id)
    return [
        {"run_id": run_id, "wait_id": wait.wait_id, "key": effect.key, "step_id": "hotel"}
        for run_id in (asking.run_id, doubtful.run_id, broken.run_id)
    ]


async def test_what_is_of_another_namespace_is_404_on_every_route_and_in_no_list(place: Site) -> None:
    found = await affairs(place)
    key = await place.key_for(Role.ADMIN, "elsewhere")
    before = {row["run_id"]: await place.app.facts(row["run_id"]) for row in found}
    for route in ROUTES:
        for named in found:
            path = route.path.format(**named) + QUERIES.get(route.operation, "")
            body = BODIES.get(route.operation, {}) if route.body is not None else None
            if route.operation == "runs.start":
                body = {"flow": "ask"}
            got = await place.call(route.method, path, key=key, body=body)
            if route.operation in LISTS:
                assert (got.status, got.json["items"]) == (200, []), route.operation
            else:
                assert got.status == 404, (route.operation, got.status, got.text)
                assert got.json["code"] == "not_found"
    assert {run_id: await place.app.facts(run_id) for run_id in before} == before
    for named in found:
        stream = await place.call(
            "GET", f"/v1/runs/{named['run_id']}/events", key=key, headers={"Accept": "text/event-stream"}
        )
        assert stream.status == 404
        filtered = await place.call("GET", f"/v1/runs?parent={named['run_id']}", key=key)
        assert filtered.json["items"] == []


async def test_a_run_that_was_removed_is_not_there_for_others_either(place: Site) -> None:
    run = await place.app.start(chain("Work", work(id="a")))
    await run.finished()
    await place.app.store.remove([run.run_id])
    key = await place.key_for(Role.ADMIN, "elsewhere")
    assert (await place.call("GET", f"/v1/runs/{run.run_id}")).status == 410
    assert (await place.call("GET", f"/v1/runs/{run.run_id}", key=key)).status == 404
