"""Schedules over HTTP: looked at, previewed, paused, and caught up on by hand."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from openrun.core.types import RunStatus
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from tests.server.given import flow_of, sets
from tests.server.site import Site, site

BERLIN = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}
NIGHT = "/v1/schedules/report/night"
GAP = [
    ("2026-03-28T01:30:00Z", "2026-03-28T02:30:00+01:00", None),
    ("2026-03-29T01:00:00Z", "2026-03-29T03:00:00+02:00", "moved: 02:30 does not exist on that day"),
    ("2026-03-30T00:30:00Z", "2026-03-30T02:30:00+02:00", None),
]


def scheduled(flow_id: str, **triggers: dict[str, Any]) -> dict[str, Any]:
    """A flow that each of these schedules starts, and that keeps when it was to start."""
    made = flow_of(flow_id, sets("keep", due="<<scheduled_time>>"))
    made["steps"][0:1] = [
        {"id": name, "type": "trigger_schedule", "config": config} for name, config in triggers.items()
    ]
    made["edges"] = [{"source": name, "target": "keep"} for name in triggers]
    return made


FLOWS = (
    scheduled("report", night={**BERLIN, "overlap": "skip"}),
    scheduled("sweep", often={"interval": "12h"}, yearly={"cron": "@yearly"}),
)


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Site]:
    """A site with three schedules, none of which fires while a test lasts."""
    async with site(flows=FLOWS, config=ServerConfig(port=0, grace=1)) as made:
        yield made


async def items(place: Site, path: str) -> list[dict[str, Any]]:
    got = await place.call("GET", path)
    assert got.status == 200, got.text
    found: list[dict[str, Any]] = got.json["items"]
    return found


async def filled(place: Site, since: str, until: str, **body: Any) -> dict[str, Any]:
    body = {"since": since, "until": until, **body}
    got = await place.call("POST", f"{NIGHT}/backfill", body=body)
    assert got.status == 200, got.text
    found: dict[str, Any] = got.json
    return found


# -- looking --------------------------------------------------------------------------------------


async def test_schedules_are_listed_by_flow_and_trigger_and_page_by_page(place: Site) -> None:
    shown, path = [], "/v1/schedules?limit=2"
    while path:
        got = await place.call("GET", path)
        shown += [(each["flow"], each["trigger"]) for each in got.json["items"]]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert shown == [("report", "night"), ("sweep", "often"), ("sweep", "yearly")]
    assert [each["trigger"] for each in await items(place, "/v1/schedules?flow=report")] == ["night"]


async def test_a_schedule_says_what_its_step_says_and_when_it_fires_next(place: Site) -> None:
    got = (await place.call("GET", NIGHT)).json
    assert (got["cron"], got["timezone"], got["interval_seconds"]) == ("30 2 * * *", "Europe/Berlin", None)
    assert (got["overlap"], got["catch_up"]) == ("skip", "last")
    assert got["config"] == {**BERLIN, "overlap": "skip"}
    assert (got["enabled"], got["paused_at"], got["last_run_id"]) == (True, None, None)
    assert len(got["next"]) == 5
    assert got["next"][0]["at"] == got["next_at"]
    (often, _yearly) = await items(place, "/v1/schedules?flow=sweep")
    assert (often["cron"], often["interval_seconds"]) == (None, 43_200)


async def test_a_preview_says_what_a_change_of_the_zone_does(place: Site) -> None:
    got = (await place.call("GET", f"{NIGHT}/preview?count=3&after=2026-03-28T00:00:00Z")).json
    assert got["timezone"] == "Europe/Berlin"
    assert [(each["at"], each["local"], each["note"]) for each in got["fires"]] == GAP
    assert len((await place.call("GET", f"{NIGHT}/preview")).json["fires"]) == 5


@pytest.mark.parametrize(
    "query",
    [
        "count=0",
        "count=101",
        "after=soon",
        "after=1",
        "after=2026-03-28T00:00:00",
        "after=9999-12-31T00:00:00Z",
    ],
)
async def test_a_preview_is_bounded_and_begins_at_an_instant(place: Site, query: str) -> None:
    got = await place.call("GET", f"{NIGHT}/preview?{query}")
    assert got.status == 400
    assert got.json["errors"][0]["pointer"] == f"#/{query.partition('=')[0]}"


async def test_the_fires_around_the_next_change_of_the_zone_are_shown(place: Site) -> None:
    fires = (await place.call("GET", f"{NIGHT}/zone-change")).json["fires"]
    assert len({each["local"][-6:] for each in fires}) == 2
    assert sum(each["note"] is not None for each in fires) == 1
    utc = (await place.call("GET", "/v1/schedules/sweep/yearly/zone-change")).json
    assert utc == {"timezone": "UTC", "fires": []}


async def test_a_schedule_that_is_not_there_is_404_with_a_near_name(place: Site) -> None:
    got = await place.call("GET", "/v1/schedules/report/nigth")
    assert got.status == 404
    assert "did you mean 'night'?" in got.json["detail"]
    for method, more in (("GET", "/preview"), ("GET", "/ticks"), ("POST", "/pause"), ("POST", "/resume")):
        assert (await place.call(method, f"/v1/schedules/nobody/night{more}")).status == 404


async def test_schedules_of_another_namespace_are_not_there(place: Site) -> None:
    key = await place.key_for(Role.OPERATOR, "other")
    assert (await place.call("GET", "/v1/schedules", key=key)).json["items"] == []
    for method, more in (("GET", ""), ("GET", "/ticks"), ("POST", "/pause"), ("GET", "/zone-change")):
        assert (await place.call(method, f"{NIGHT}{more}", key=key)).status == 404


# -- expressions of no flow -----------------------------------------------------------------------


async def test_an_expression_that_is_in_no_flow_is_previewed(place: Site) -> None:
    body = {**BERLIN, "count": 3, "after": "2026-03-28T00:00:00Z"}
    got = await place.call("POST", "/v1/schedules/preview", body=body)
    assert [(each["at"], each["local"], each["note"]) for each in got.json["fires"]] == GAP
    for interval in ("12h", 43_200):
        body = {"interval": interval, "count": 2, "after": "2026-03-28T00:00:00Z"}
        fires = (await place.call("POST", "/v1/schedules/preview", body=body)).json["fires"]
        assert [each["at"] for each in fires] == ["2026-03-28T12:00:00Z", "2026-03-29T00:00:00Z"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"cron": "61 2 * * *"}, ["#/cron"]),
        ({"cron": "0 0 30 2 *"}, ["#/cron"]),
        ({"cron": "* * * * * *", "timezone": "Europe/Berln"}, ["#/cron", "#/timezone"]),
        ({"cron": "@daily", "interval": "1h"}, ["#"]),
        ({}, ["#"]),
        ({"interval": 0}, ["#/interval"]),
        ({"interval": "soon"}, ["#/interval"]),
        ({"cron": "@daily", "count": 1_000}, ["#/count"]),
        ({"cron": "@daily", "after": "2026-03-28T00:00:00"}, ["#/after"]),
    ],
    ids=str,
)
async def test_an_expression_that_cannot_be_is_refused_with_a_pointer_to_each_fault(
    place: Site, body: dict[str, Any], pointers: list[str]
) -> None:
    got = await place.call("POST", "/v1/schedules/preview", body=body)
    assert got.status == 422
    assert [each["pointer"] for each in got.json["errors"]] == pointers


# -- steering -------------------------------------------------------------------------------------


async def test_a_paused_schedule_says_by_whom_and_fires_nothing_until_it_is_resumed(place: Site) -> None:
    got = await place.call("POST", f"{NIGHT}/pause")
    assert (got.status, got.json["paused_by"], got.json["next_at"]) == (200, "admin", None)
    since = got.json["paused_at"]
    again = await place.call("POST", f"{NIGHT}/pause", key=await place.key_for(Role.OPERATOR))
    assert (again.json["paused_at"], again.json["paused_by"]) == (since, "admin")
    assert [each["flow"] for each in await items(place, "/v1/schedules?paused=true")] == ["report"]
    assert len(await items(place, "/v1/schedules?paused=false")) == 2
    resumed = (await place.call("POST", f"{NIGHT}/resume")).json
    assert (resumed["paused_at"], resumed["paused_by"]) == (None, None)
    assert resumed["next_at"] == resumed["next"][0]["at"]


async def test_who_pauses_and_backfills_is_in_the_audit_log(place: Site) -> None:
    await place.call("POST", f"{NIGHT}/pause")
    await filled(place, "2026-03-28T00:00:00Z", "2026-03-29T00:00:00Z")
    rows = await items(place, "/v1/audit?limit=2")
    assert [(each["action"], each["resource"]) for each in rows] == [
        ("schedules.backfill", "schedule/report/night"),
        ("schedules.pause", "schedule/report/night"),
    ]


async def test_a_backfill_starts_a_run_for_each_tick_and_none_twice(place: Site) -> None:
    days = ("2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z")
    planned = await filled(place, *days, dry_run=True)
    assert [each["tick"] for each in planned["fired"]] == [at for at, _local, _note in GAP]
    assert {each["run_id"] for each in planned["fired"]} == {None}
    assert await items(place, f"{NIGHT}/ticks") == []

    done = await filled(place, *days)
    assert [each["tick"] for each in done["fired"]] == [at for at, _local, _note in GAP]
    for each, (_at, local, _note) in zip(done["fired"], GAP, strict=True):
        row = await place.app.ended(each["run_id"])
        assert row.status is RunStatus.SUCCEEDED
        state = (await place.call("GET", f"/v1/runs/{row.run_id}/state")).json["state"]
        assert state["due"] == local

    again = await filled(place, *days)
    assert (again["fired"], again["more"]) == ([], False)
    assert again["skipped_already"] == [at for at, _local, _note in GAP]


async def test_ticks_are_listed_newest_first_and_page_by_page(place: Site) -> None:
    await filled(place, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z")
    shown, path = [], f"{NIGHT}/ticks?limit=2"
    while path:
        got = await place.call("GET", path)
        shown += got.json["items"]
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert [each["tick"] for each in shown] == [at for at, _local, _note in GAP[::-1]]
    assert {(each["outcome"], each["backfilled"]) for each in shown} == {("fired", True)}
    assert await items(place, f"{NIGHT}/ticks?outcome=missed&outcome=skipped") == []
    assert len(await items(place, f"{NIGHT}/ticks?outcome=fired")) == 3
    assert (await place.call("GET", f"{NIGHT}/ticks?outcome=lost")).status == 400


async def test_a_backfill_under_one_key_is_one_backfill(place: Site) -> None:
    sent = {"Idempotency-Key": '"march"'}
    body = {"since": "2026-03-28T00:00:00Z", "until": "2026-03-29T00:00:00Z"}
    first = await place.call("POST", f"{NIGHT}/backfill", body=body, headers=sent)
    second = await place.call("POST", f"{NIGHT}/backfill", body=body, headers=sent)
    assert first.json == second.json
    assert len(first.json["fired"]) == 1


async def test_a_backfill_has_a_beginning_and_an_end_and_a_flow_that_is_enabled(place: Site) -> None:
    body = {"since": "2026-03-29T00:00:00Z", "until": "2026-03-28T00:00:00Z"}
    got = await place.call("POST", f"{NIGHT}/backfill", body=body)
    assert (got.status, got.json["errors"][0]["pointer"]) == (422, "#/until")
    body["until"] = "2026-03-30T00:00:00"
    assert (await place.call("POST", f"{NIGHT}/backfill", body=body)).status == 422
    await place.call("POST", "/v1/flows/report/disable")
    body["until"] += "Z"
    got = await place.call("POST", f"{NIGHT}/backfill", body=body)
    assert (got.status, got.json["code"]) == (409, "flow_disabled")
    assert (await place.call("POST", f"{NIGHT}/backfill", body={**body, "dry_run": True})).status == 200
    assert (await place.call("GET", NIGHT)).json["next_at"] is None


async def test_who_may_only_start_runs_looks_and_steers_nothing(place: Site) -> None:
    key = await place.key_for(Role.USER)
    assert (await place.call("GET", NIGHT, key=key)).status == 200
    assert (await place.call("POST", "/v1/schedules/preview", key=key, body=BERLIN)).status == 200
    for name in ("pause", "resume", "backfill"):
        assert (await place.call("POST", f"{NIGHT}/{name}", key=key)).status == 403
