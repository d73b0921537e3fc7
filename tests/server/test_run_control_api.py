"""Steering runs over HTTP: what is asked for is on disk, in the name of who holds the key."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from openrun.core.events import FlowCancelRequested, FlowForked, FlowPaused, ReviewResolved, SignalReceived
from openrun.core.types import RunStatus
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from openrun.server.forks import merged
from tests.server.given import flow_of, sets, stands, started, waits
from tests.server.site import Got, Site, site
from tests.server.steps import WORLD, acquaint, chain, charge, work

FLOWS = (
    flow_of("slow", sets("a", x=1), waits()),
    flow_of("paid", {"id": "wait", "type": "wait", "config": {"signal": "paid"}}),
)


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    async with site(flows=FLOWS, config=ServerConfig(port=0, grace=1)) as made:
        acquaint(made.app)
        yield made


async def ask(place: Site, run_id: str, what: str, body: Any = None, **given: Any) -> Got:
    return await place.call("POST", f"/v1/runs/{run_id}/{what}", body=body, **given)


async def failed(place: Site) -> str:
    WORLD.broken = {"b"}
    run = await place.app.start(
        chain("Order", work(id="a", who="a"), work(id="b", who="b", given="<<total>>")), state={"total": 40}
    )
    await run.finished()
    WORLD.broken = set()
    return run.run_id


async def test_a_run_is_cancelled_with_a_reason(place: Site) -> None:
    run_id = await started(place, "slow")
    got = await ask(place, run_id, "cancel", {"reason": "ordered twice"})
    assert (got.status, got.json["run_id"]) == (202, run_id)
    assert (await place.app.ended(run_id)).status is RunStatus.CANCELLED
    (asked,) = [each for each in await place.app.facts(run_id) if isinstance(each, FlowCancelRequested)]
    assert asked.reason == "ordered twice"
    again = await ask(place, run_id, "cancel")
    assert (again.status, again.json["code"]) == (409, "conflict")


async def test_a_run_is_paused_and_goes_on(place: Site) -> None:
    run_id = await started(place, "slow")
    assert (await ask(place, run_id, "pause", {"reason": "lunch"})).status == 202
    await stands(place, run_id, RunStatus.PAUSED)
    (paused,) = [each for each in await place.app.facts(run_id) if isinstance(each, FlowPaused)]
    assert paused.reason == "lunch"
    assert (await ask(place, run_id, "resume")).status == 202
    await stands(place, run_id, RunStatus.WAITING)


async def test_a_signal_is_heard_once_under_its_key_and_in_the_name_of_the_key_holder(place: Site) -> None:
    run_id = await started(place, "paid")
    await place.app.pause(run_id)
    body = {"name": "paid", "value": {"sum": 40}, "key": "p-1"}
    operator = await place.key_for(Role.OPERATOR)
    first = await ask(place, run_id, "signal", body, key=operator)
    again = await ask(place, run_id, "signal", body, key=operator)
    assert [each.json["replayed"] for each in (first, again)] == [False, True]
    other = await ask(place, run_id, "signal", {**body, "value": 1}, key=operator)
    assert other.status == 409
    await place.app.resume(run_id)
    await place.app.ended(run_id)
    (heard,) = [each for each in await place.app.facts(run_id) if isinstance(each, SignalReceived)]
    assert (heard.answer.value, heard.answer.by) == ({"sum": 40}, "operator")


async def test_a_body_cannot_say_in_whose_name_it_is(place: Site) -> None:
    run_id = await started(place, "paid")
    got = await ask(place, run_id, "signal", {"name": "paid", "by": "ada"})
    assert got.status == 422


async def test_a_step_in_review_is_resolved_in_the_name_of_the_key_holder(place: Site) -> None:
    WORLD.broken = {"pay"}
    run = await place.app.start(chain("Pay", charge(id="pay")))
    await stands(place, run.run_id, RunStatus.NEEDS_REVIEW)
    nobody = await ask(place, run.run_id, "resolve", {"step": "odd", "committed": True})
    done = await ask(place, run.run_id, "resolve", {"step": "begin", "committed": True})
    assert (nobody.status, done.status) == (404, 409)
    got = await ask(place, run.run_id, "resolve", {"step": "pay", "committed": True, "output": "by hand"})
    assert got.status == 202
    assert (await run.finished()).status is RunStatus.SUCCEEDED
    (resolved,) = [each for each in await place.app.facts(run.run_id) if isinstance(each, ReviewResolved)]
    assert (resolved.committed, resolved.by) == (True, "admin")
    assert WORLD.calls == ["pay"]


async def test_a_retry_keeps_what_succeeded_and_says_so_before(place: Site) -> None:
    run_id = await failed(place)
    plan = await ask(place, run_id, "retry?dry_run=true")
    assert (plan.status, plan.json["run_id"]) == (200, None)
    assert {each["step_id"]: each["kept"] for each in plan.json["plan"]["steps"]} == {
        "begin": True,
        "a": True,
        "b": False,
    }
    got = await ask(place, run_id, "retry", {"comment": "the shop is back", "repeat_effects": True})
    assert got.status == 202
    assert got.headers["Location"] == f"/v1/runs/{got.json['run_id']}"
    assert (await place.app.ended(got.json["run_id"])).status is RunStatus.SUCCEEDED
    (forked,) = [each for each in await place.app.facts(got.json["run_id"]) if isinstance(each, FlowForked)]
    assert (forked.by, forked.comment) == ("admin", "the shop is back")
    assert WORLD.calls == ["a", "b", "b"]


async def test_what_was_done_outside_is_not_done_again_in_silence(place: Site) -> None:
    run = await place.app.start(chain("Order", work(id="a", who="a")))
    await run.finished()
    got = await ask(place, run.run_id, "fork", {"step": "a"})
    assert (got.status, got.json["code"]) == (409, "would_repeat")
    assert [each["step_id"] for each in got.json["repeats"]] == ["a"]
    assert (await ask(place, run.run_id, "fork", {"step": "a", "repeat_effects": True})).status == 202
    assert (await ask(place, run.run_id, "retry")).status == 409


@pytest.mark.parametrize(
    "patch",
    [
        {"patch": [{"op": "replace", "path": "/total", "value": 35}]},
        {"merge_patch": {"total": 35, "odd": None}},
    ],
)
async def test_a_fork_goes_on_with_a_changed_state(place: Site, patch: dict[str, Any]) -> None:
    run_id = await failed(place)
    got = await ask(place, run_id, "fork", {"step": "b", "repeat_effects": True, **patch})
    assert got.status == 202, got.text
    await place.app.ended(got.json["run_id"])
    state = (await place.call("GET", f"/v1/runs/{got.json['run_id']}/state")).json["state"]
    assert (state["total"], state["steps"]["b"]["given"]) == (35, 35)


async def test_a_patch_that_does_not_fit_says_why(place: Site) -> None:
    run_id = await failed(place)
    tested = {"op": "test", "path": "/total", "value": 1}
    for patch, status in (([tested], 409), ([{"op": "remove", "path": "/odd"}], 422), ([{"op": "odd"}], 422)):
        got = await ask(place, run_id, "fork", {"step": "b", "patch": patch})
        assert got.status == status, got.text
    both = await ask(place, run_id, "fork", {"step": "b", "patch": [], "merge_patch": {}})
    assert both.status == 422
    assert (await ask(place, run_id, "fork", {"step": "odd"})).status == 404


async def test_the_same_key_forks_once(place: Site) -> None:
    run_id = await failed(place)
    headers = {"Idempotency-Key": "again"}
    body = {"step": "b", "repeat_effects": True}
    got = [await ask(place, run_id, "fork", body, headers=headers) for _ in range(3)]
    assert len({each.json["run_id"] for each in got}) == 1


def test_a_merge_patch_sets_replaces_and_takes_away() -> None:
    """The examples of RFC 7396, appendix A."""
    for value, patch, result in (
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ):
        assert merged(value, patch) == result
