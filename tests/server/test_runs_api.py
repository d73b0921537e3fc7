"""Runs over HTTP: started once, found again, and told whole."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from openrun.server.access import Role, Scope
from openrun.server.config import ServerConfig
from openrun.store.rows import RunFilter
from tests.server.given import fails, finished, flow_of, sets, waits
from tests.server.site import Site, site

FLOWS = (
    flow_of("quick", sets("a", total="<<body.total ?? 1>>")),
    flow_of("slow", sets("a", x=1), waits()),
    flow_of("broken", sets("a", x=1), fails()),
    flow_of(
        "parent",
        {
            "id": "sub",
            "type": "subflow",
            "config": {"flow": "quick", "input": {"body": {"total": 3}}},
        },
    ),
)


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(flows=FLOWS, config=ServerConfig(port=0, grace=1)) as made:
        yield made


async def test_a_run_that_was_answered_202_exists(place: Site) -> None:
    got = await place.call("POST", "/v1/runs", body={"flow": "quick", "input": {"body": {"total": 7}}})
    assert got.status == 202
    run_id = got.json["run_id"]
    assert got.headers["Location"] == f"/v1/runs/{run_id}"
    assert (got.json["flow"], got.json["replayed"]) == ("quick", False)
    await place.app.ended(run_id)
    detail = (await place.call("GET", got.headers["Location"])).json
    assert (detail["status"], detail["failures"], detail["waits"]) == ("succeeded", [], [])
    assert detail["created_at"].endswith("Z")


async def test_whoever_prefers_to_wait_is_answered_with_the_end(place: Site) -> None:
    got = await place.call("POST", "/v1/runs", body={"flow": "quick"}, headers={"Prefer": "wait=20"})
    assert got.status == 200
    assert got.headers["Preference-Applied"] == "wait=20"
    assert (got.json["status"], got.json["replayed"]) == ("succeeded", False)
    assert got.json == {**(await place.call("GET", got.headers["Location"])).json, "replayed": False}


async def test_a_wait_is_no_longer_than_thirty_seconds(place: Site) -> None:
    got = await place.call("POST", "/v1/runs", body={"flow": "quick"}, headers={"Prefer": "wait=600"})
    assert got.headers["Preference-Applied"] == "wait=30"


async def test_whoever_waited_in_vain_is_answered_202(place: Site) -> None:
    got = await place.call("POST", "/v1/runs", body={"flow": "slow"}, headers={"Prefer": "wait=1"})
    assert (got.status, "Preference-Applied" in got.headers) == (202, False)


async def test_respond_async_is_said_to_be_heard(place: Site) -> None:
    got = await place.call("POST", "/v1/runs", body={"flow": "quick"}, headers={"Prefer": "respond-async"})
    assert (got.status, got.headers["Preference-Applied"]) == (202, "respond-async")


async def test_a_server_that_stops_does_not_keep_those_who_wait(place: Site) -> None:
    asking = asyncio.ensure_future(
        place.call("POST", "/v1/runs", body={"flow": "slow"}, headers={"Prefer": "wait=30"})
    )
    async with asyncio.timeout(20):
        while not place.app.tails.followers:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        place.server.stopped.set()
        assert (await asking).status == 202


async def test_the_same_key_is_the_same_run_for_whoever_asks_at_once(place: Site) -> None:
    body, headers = {"flow": "quick", "input": {"body": {"total": 2}}}, {"Idempotency-Key": '"order-7"'}
    got = await asyncio.gather(
        *(place.call("POST", "/v1/runs", body=body, headers=headers) for _ in range(20))
    )
    assert {each.status for each in got} == {202}
    assert len({each.json["run_id"] for each in got}) == 1
    assert len(await place.app.store.runs(RunFilter())) == 1


async def test_a_key_that_another_principal_sends_is_another_key(place: Site) -> None:
    operator = await place.key_for(Role.OPERATOR)
    body, headers = {"flow": "quick"}, {"Idempotency-Key": "order-8"}
    first = await place.call("POST", "/v1/runs", body=body, headers=headers)
    other = await place.call("POST", "/v1/runs", body=body, headers=headers, key=operator)
    assert other.json["run_id"] != first.json["run_id"]
    assert other.json["replayed"] is False


async def test_the_key_is_that_of_the_run_also_where_no_answer_was_kept() -> None:
    """As after a server died between starting the run and answering."""
    body, headers = {"flow": "quick"}, {"Idempotency-Key": "order-9"}
    async with site(flows=FLOWS, config=ServerConfig(port=0, idempotency_hours=0)) as place:
        first = await place.call("POST", "/v1/runs", body=body, headers=headers)
        again = await place.call("POST", "/v1/runs", body=body, headers=headers)
        assert again.json["run_id"] == first.json["run_id"]
        assert (first.json["replayed"], again.json["replayed"]) == (False, True)


async def test_what_cannot_be_started_is_said_with_its_place(place: Site) -> None:
    unknown = await place.call("POST", "/v1/runs", body={"flow": "quik"})
    assert (unknown.status, unknown.json["detail"]) == (404, "the store has no flow 'quik'")
    trigger = await place.call("POST", "/v1/runs", body={"flow": "quick", "trigger": "hook"})
    assert trigger.status == 422
    typed = await place.call("POST", "/v1/runs", body={"flow": "quick", "input": 3, "more": 1})
    assert {each["pointer"] for each in typed.json["errors"]} == {"#/input", "#/more"}
    state = await place.call("POST", "/v1/runs", body={"flow": "quick", "state": {"steps": 1}})
    assert state.status == 422


async def test_whoever_may_not_read_runs_is_not_told_how_one_ended(place: Site) -> None:
    _, key = await place.server.keyring.create("starter", Role.USER, "default", scopes=[Scope.RUNS_START])
    got = await place.call("POST", "/v1/runs", body={"flow": "quick"}, headers={"Prefer": "wait=20"}, key=key)
    assert (got.status, "output" in got.json) == (202, False)
    assert (await place.call("GET", got.headers["Location"], key=key)).status == 403


async def test_a_flow_that_is_disabled_starts_nothing(place: Site) -> None:
    await place.app.store.enable("quick", enabled=False)
    got = await place.call("POST", "/v1/runs", body={"flow": "quick"})
    assert (got.status, got.json["code"]) == (409, "flow_disabled")
    assert not await place.app.store.runs(RunFilter())


async def test_the_trace_of_the_caller_goes_on_in_the_run(place: Site) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    got = await place.call("POST", "/v1/runs", body={"flow": "quick"}, headers={"traceparent": parent})
    begun = (await place.app.facts(got.json["run_id"]))[0]
    assert getattr(begun, "traceparent", None) == parent


async def test_runs_are_listed_newest_first_page_by_page(place: Site) -> None:
    ids = [await finished(place, "quick") for _ in range(5)]
    found: list[str] = []
    path: str | None = "/v1/runs?limit=2&flow=quick"
    while path:
        got = await place.call("GET", path)
        found += [each["run_id"] for each in got.json["items"]]
        path = got.headers["Link"].partition(">")[0].removeprefix("<") if "Link" in got.headers else None
    assert found == ids[::-1]


async def test_runs_are_found_by_status_flow_and_parent(place: Site) -> None:
    await finished(place, "broken")
    await finished(place, "quick")
    parent = await finished(place, "parent")
    failed = (await place.call("GET", "/v1/runs?status=failed&status=cancelled")).json["items"]
    assert [each["flow"] for each in failed] == ["broken"]
    children = (await place.call("GET", f"/v1/runs?parent={parent}")).json["items"]
    assert [each["parent_run_id"] for each in children] == [parent]
    assert (await place.call("GET", f"/v1/runs/{parent}/children")).json["items"] == children
    assert (await place.call("GET", "/v1/runs?status=odd")).status == 400


async def test_a_run_tells_what_it_failed_with(place: Site) -> None:
    run_id = await finished(place, "broken")
    (failure,) = (await place.call("GET", f"/v1/runs/{run_id}")).json["failures"]
    assert (failure["step_id"], failure["handled"]) == ("boom", False)
    assert failure["error"]["code"] == "NO_LUCK"
    steps = (await place.call("GET", f"/v1/runs/{run_id}/steps?limit=2")).json
    rest = (await place.call("GET", f"/v1/runs/{run_id}/steps?limit=2&cursor={steps['next']}")).json
    told = {each["step_id"]: each["status"] for each in steps["items"] + rest["items"]}
    assert told == {"begin": "succeeded", "a": "succeeded", "boom": "failed"}


async def test_a_run_that_is_not_there_is_404_and_one_that_was_removed_410(place: Site) -> None:
    run_id = await finished(place, "quick")
    assert (await place.call("GET", "/v1/runs/nothing")).status == 404
    await place.app.store.remove([run_id])
    got = await place.call("GET", f"/v1/runs/{run_id}")
    assert (got.status, got.json["tombstone"]["flow"]) == (410, "quick")
    for name in ("steps", "children", "waits", "effects", "compensations", "state", "timeline"):
        assert (await place.call("GET", f"/v1/runs/{run_id}/{name}")).status == 410
