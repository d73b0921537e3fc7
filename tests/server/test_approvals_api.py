"""What runs ask people, over HTTP: who may answer, once, and with what fits."""

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from tests.server.given import approval, flow_of, stands, started
from tests.server.site import Site, site

FORM = {"type": "object", "properties": {"total": {"type": "number", "maximum": 50}}, "required": ["total"]}
FLOWS = (
    flow_of("open", approval(payload={"total": 40}, form=FORM)),
    flow_of("operators", approval(approvers=["role:operator"])),
    flow_of("two", approval(quorum=2)),
    flow_of("paid", {"id": "wait", "type": "wait", "config": {"signal": "paid"}}),
)


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(flows=FLOWS, config=ServerConfig(port=0, grace=1)) as made:
        yield made


async def asked(place: Site, flow: str) -> tuple[str, str]:
    """A run that asks, and what it asks."""
    run_id = await started(place, flow)
    await stands(place, run_id, RunStatus.WAITING)
    (wait,) = (await place.call("GET", f"/v1/runs/{run_id}/waits")).json["items"]
    return run_id, wait["wait_id"]


async def output(place: Site, run_id: str) -> Any:
    await place.app.ended(run_id)
    return (await place.call("GET", f"/v1/runs/{run_id}")).json["output"]


async def test_open_approvals_are_listed_with_all_that_is_asked(place: Site) -> None:
    run_id, wait_id = await asked(place, "open")
    await asked(place, "paid")
    (listed,) = (await place.call("GET", "/v1/approvals")).json["items"]
    assert (listed["run_id"], listed["wait_id"], listed["title"]) == (run_id, wait_id, "Refund?")
    assert (listed["payload"], listed["form"], listed["outcome"]) == ({"total": 40}, FORM, None)
    assert (await place.call("GET", f"/v1/approvals/{wait_id}")).json == listed
    assert (await place.call("GET", f"/v1/runs/{run_id}")).json["waits"] == [listed]
    signals = (await place.call("GET", "/v1/approvals?kind=signal")).json["items"]
    assert [each["name"] for each in signals] == ["paid"]


async def test_an_approval_is_given_with_an_edited_value(place: Site) -> None:
    run_id, wait_id = await asked(place, "open")
    faulty = await place.call("POST", f"/v1/approvals/{wait_id}/approve", body={"value": {"total": 99}})
    assert faulty.status == 422
    assert [each["pointer"] for each in faulty.json["errors"]] == ["#/total"]
    got = await place.call("POST", f"/v1/approvals/{wait_id}/approve", body={"value": {"total": 35}})
    assert (got.status, got.json) == (202, {"run_id": run_id, "wait_id": wait_id, "replayed": False})
    found = await output(place, run_id)
    assert found["value"] == {"total": 35}
    assert found["answers"][0]["by"] == "admin"
    again = await place.call("POST", f"/v1/approvals/{wait_id}/approve", body={"value": {"total": 35}})
    assert (again.status, again.json["replayed"]) == (202, True)
    late = await place.call("POST", f"/v1/approvals/{wait_id}/reject", body={})
    assert late.status == 409
    (closed,) = (await place.call("GET", "/v1/approvals?status=closed")).json["items"]
    assert closed["outcome"] == "approved"


async def test_a_rejection_has_its_reason(place: Site) -> None:
    run_id, wait_id = await asked(place, "open")
    got = await place.call("POST", f"/v1/approvals/{wait_id}/reject", body={"reason": "over the limit"})
    assert got.status == 202
    assert (await output(place, run_id))["answers"][0]["reason"] == "over the limit"


async def test_only_those_who_are_asked_may_answer(place: Site) -> None:
    run_id, wait_id = await asked(place, "operators")
    path = f"/v1/approvals/{wait_id}/approve"
    for role in (Role.USER, Role.DEVELOPER):
        assert (await place.call("POST", path, key=await place.key_for(role))).status == 403
    assert (await place.call("POST", path, key=await place.key_for(Role.AUDITOR))).status == 403
    assert (await place.call("POST", path, key=await place.key_for(Role.OPERATOR))).status == 202
    assert (await place.app.ended(run_id)).status is RunStatus.SUCCEEDED


async def test_a_quorum_counts_different_people(place: Site) -> None:
    run_id, wait_id = await asked(place, "two")
    path = f"/v1/approvals/{wait_id}/approve"
    for _ in range(2):
        assert (await place.call("POST", path)).status == 202
    assert (await place.app.row(run_id)).ended_at is None
    assert (await place.call("POST", path, key=await place.key_for(Role.USER))).status == 202
    assert (await place.app.ended(run_id)).status is RunStatus.SUCCEEDED


async def test_a_wait_for_a_signal_can_be_answered_and_not_approved(place: Site) -> None:
    run_id, wait_id = await asked(place, "paid")
    assert (await place.call("POST", f"/v1/approvals/{wait_id}/approve")).status == 422
    assert (await place.call("POST", f"/v1/approvals/{wait_id}/answer", body={})).status == 422
    got = await place.call("POST", f"/v1/approvals/{wait_id}/answer", body={"value": 40})
    assert got.status == 202
    assert (await place.app.ended(run_id)).status is RunStatus.SUCCEEDED


async def test_the_beginning_of_an_id_is_not_enough(place: Site) -> None:
    _, wait_id = await asked(place, "open")
    for path in (wait_id[:12], f"{wait_id}0", "%20", "a" * 300):
        assert (await place.call("POST", f"/v1/approvals/{path}/approve")).status == 404
