"""Flows over HTTP: uploaded, changed only by who has seen the last version, compared, switched on and off."""

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from typing import Any

import pytest
import pytest_asyncio

from openrun.server.access import Role
from openrun.server.flows import ROUTES
from tests.server.site import Got, Site, hook_flow, site

Document = dict[str, Any]


def sums(flow_id: str = "sums", value: Any = 1, **more: Any) -> Document:
    return {
        "id": flow_id,
        "name": flow_id.title(),
        **more,
        "steps": [
            {"id": "start", "type": "trigger_manual"},
            {"id": "sum", "type": "transform", "config": {"value": value}},
        ],
        "edges": [{"source": "start", "target": "sum"}],
    }


def calls(flow_id: str, other: str) -> Document:
    """A flow that runs another one as its child."""
    return {
        "id": flow_id,
        "name": flow_id,
        "steps": [
            {"id": "start", "type": "trigger_manual"},
            {"id": "child", "type": "subflow", "config": {"flow": other}},
        ],
        "edges": [{"source": "start", "target": "child"}],
    }


@pytest_asyncio.fixture
async def empty() -> AsyncIterator[Site]:
    async with site(routes=ROUTES) as made:
        yield made


async def keep(s: Site, document: Document, **headers: str) -> Got:
    return await s.call("POST", "/v1/flows", body=document, headers=headers)


# -- uploading ------------------------------------------------------------------------------------


async def test_an_uploaded_flow_is_kept_and_its_webhook_answers_at_once(empty: Site) -> None:
    kept = await keep(empty, hook_flow(mode="respond"))
    assert kept.status == 201
    version = kept.json["version"]
    assert kept.headers["Location"] == f"/v1/flows/greet/versions/{version}"
    assert kept.headers["ETag"] == f'"{version}"'
    assert kept.json["enabled"]
    assert kept.json["warnings"] == []
    assert kept.json["triggers"] == [
        {"id": "hook", "type": "trigger_webhook", "path": "/hooks/greet/{name}", "methods": ["POST"]}
    ]
    assert (await empty.hook("/greet/ada")).json == {"hello": "ada"}


async def test_a_document_that_is_current_already_is_no_new_version(empty: Site) -> None:
    first, again = await keep(empty, sums()), await keep(empty, sums())
    assert (first.status, again.status) == (201, 200)
    assert again.json == first.json
    versions = await empty.call("GET", "/v1/flows/sums/versions")
    assert len(versions.json["items"]) == 1


async def test_an_older_document_is_the_current_one_again_and_not_new(empty: Site) -> None:
    first = (await keep(empty, sums())).json["version"]
    await keep(empty, sums(value=2))
    again = await keep(empty, sums())
    assert (again.status, again.json["version"]) == (200, first)
    assert (await empty.call("GET", "/v1/flows/sums")).json["version"] == first


async def test_all_faults_of_a_document_are_told_with_place_code_and_way_out(empty: Site) -> None:
    wrong = sums()
    wrong["edges"].append({"source": "smu", "target": "sum"})
    wrong["steps"][1]["config"] = {"value": "<<steps.starr.x>>"}
    refused = await keep(empty, wrong)
    assert refused.status == 422
    assert refused.headers["Content-Type"] == "application/problem+json"
    told = {(each["code"], each["pointer"], each.get("hint")) for each in refused.json["errors"]}
    assert told == {
        ("UNKNOWN_STEP", "#/edges/1/source", "did you mean 'sum'?"),
        ("UNKNOWN_REFERENCE", "#/steps/1/config/value", "did you mean 'start'?"),
    }
    assert (await empty.call("GET", "/v1/flows")).json["items"] == []


async def test_warnings_keep_no_flow_from_being_kept(empty: Site) -> None:
    document = sums()
    document["edges"] = []
    kept = await keep(empty, document)
    assert kept.status == 201
    assert [(each["code"], each["step_id"]) for each in kept.json["warnings"]] == [("UNREACHABLE", "sum")]


async def test_a_child_has_to_be_there_before_a_flow_that_runs_it(empty: Site) -> None:
    refused = await keep(empty, calls("outer", "sumz"))
    assert [each["code"] for each in refused.json["errors"]] == ["UNKNOWN_FLOW"]
    await keep(empty, sums())
    assert (await keep(empty, calls("outer", "sums"))).status == 201
    assert (await keep(empty, calls("itself", "itself"))).status == 201


@pytest.mark.parametrize("body", [b"[1]", b'"x"', b"null", b"1"], ids=str)
async def test_a_document_is_an_object(empty: Site, body: bytes) -> None:
    sent = {"Content-Type": "application/json"}
    for path in ("/v1/flows", "/v1/flows/validate"):
        assert (await empty.call("POST", path, data=body, headers=sent)).status == 422


async def test_numbers_of_any_length_come_back_as_they_were_sent(empty: Site) -> None:
    kept = await keep(empty, sums(value=2**70))
    assert kept.status == 201
    got = await empty.call("GET", "/v1/flows/sums")
    assert got.status == 200
    assert got.json["document"]["steps"][1]["config"]["value"] == 2**70


async def test_a_document_of_ten_thousand_steps_is_kept_read_and_compared(empty: Site) -> None:
    steps = [{"id": f"s{at}", "type": "transform", "config": {"value": at}} for at in range(9_990)]
    edges = [{"source": "start", "target": step["id"]} for step in steps]
    document = sums()
    document["steps"][1:] = steps
    document["edges"] = edges
    assert (await keep(empty, document)).status == 201
    document["steps"].insert(1, {"id": "first", "type": "transform", "config": {"value": 1}})
    assert (await keep(empty, document)).status == 201
    got = (await empty.call("GET", "/v1/flows/sums")).json
    assert len(got["document"]["steps"]) == 9_992
    assert (await empty.call("GET", "/v1/flows/sums/diff")).json["added"] == ["first"]


async def test_a_flow_is_put_under_the_id_of_its_path(empty: Site) -> None:
    nameless = sums()
    del nameless["id"]
    assert (await empty.call("PUT", "/v1/flows/mine", body=nameless)).status == 201
    assert (await empty.call("PUT", "/v1/flows/mine", body=nameless | {"id": "mine"})).status == 200
    other = await empty.call("PUT", "/v1/flows/mine", body=sums("yours"))
    assert other.status == 422
    assert [each["pointer"] for each in other.json["errors"]] == ["#/id"]
    bad = await empty.call("PUT", "/v1/flows/No%20Id", body=nameless)
    assert (bad.status, [each["pointer"] for each in bad.json["errors"]]) == (422, ["#/id"])


# -- conditions -----------------------------------------------------------------------------------


async def test_nobody_changes_a_flow_that_has_changed_since_it_was_read(empty: Site) -> None:
    tag = (await keep(empty, sums())).headers["ETag"]
    assert (await keep(empty, sums(value=2), **{"If-Match": tag})).status == 201
    late = await keep(empty, sums(value=3), **{"If-Match": tag})
    assert late.status == 412
    assert late.json["version"] == (await empty.call("GET", "/v1/flows/sums")).json["version"]
    assert late.headers["ETag"] == f'"{late.json["version"]}"'


async def test_a_flow_that_has_to_be_new_is_kept_once(empty: Site) -> None:
    new = {"If-None-Match": "*"}
    assert (await keep(empty, sums(), **new)).status == 201
    assert (await keep(empty, sums(value=2), **new)).status == 412
    assert (await keep(empty, sums("other"), **{"If-Match": "*"})).status == 412
    assert (await keep(empty, sums(value=2), **{"If-Match": "*"})).status == 201


async def test_of_many_who_change_what_they_read_at_once_one_does(empty: Site) -> None:
    tag = (await keep(empty, sums())).headers["ETag"]
    wanted = [keep(empty, sums(value=value), **{"If-Match": tag}) for value in range(2, 12)]
    got = await asyncio.gather(*wanted)
    assert sorted(each.status for each in got) == [201, *[412] * 9]
    (won,) = [each.json["version"] for each in got if each.status == 201]
    assert (await empty.call("GET", "/v1/flows/sums")).json["version"] == won


async def test_what_a_client_has_already_is_not_sent_again(empty: Site) -> None:
    await keep(empty, sums())
    got = await empty.call("GET", "/v1/flows/sums")
    tag = got.headers["ETag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        same = await empty.call("GET", "/v1/flows/sums", headers={"If-None-Match": known})
        assert (same.status, same.text, same.headers["ETag"]) == (304, "", tag)
    await empty.call("POST", "/v1/flows/sums/disable")
    changed = await empty.call("GET", "/v1/flows/sums", headers={"If-None-Match": tag})
    assert (changed.status, changed.json["enabled"]) == (200, False)


async def test_the_tag_of_a_disabled_flow_is_good_for_changing_it(empty: Site) -> None:
    await keep(empty, sums())
    tag = (await empty.call("POST", "/v1/flows/sums/disable")).headers["ETag"]
    assert (await keep(empty, sums(value=2), **{"If-Match": tag})).status == 201
    assert not (await empty.call("GET", "/v1/flows/sums")).json["enabled"]


# -- webhooks -------------------------------------------------------------------------------------


async def test_a_webhook_that_another_flow_has_is_refused_and_the_flow_named(empty: Site) -> None:
    await keep(empty, hook_flow("/users/{user_id}", "first"))
    taken = await keep(empty, hook_flow("/users/{other}", "second"))
    assert (taken.status, taken.json["code"]) == (409, "webhook_taken")
    assert taken.json["conflicts"] == [{"route": "POST /users/{}", "flow": "first", "step_id": "hook"}]
    assert (await keep(empty, hook_flow("/users/{other}", "second", methods=["GET"]))).status == 201
    assert (await keep(empty, hook_flow("/users/{renamed}", "first"))).status == 201


async def test_a_disabled_flow_keeps_no_webhook_and_gets_none_back_that_is_taken(empty: Site) -> None:
    await keep(empty, hook_flow("/a", "first"))
    await empty.call("POST", "/v1/flows/first/disable")
    assert (await empty.hook("/a")).status == 404
    assert (await keep(empty, hook_flow("/a", "second"))).status == 201
    assert (await keep(empty, hook_flow("/a", "first", mode="respond"))).status == 201
    refused = await empty.call("POST", "/v1/flows/first/enable")
    assert (refused.status, refused.json["conflicts"][0]["flow"]) == (409, "second")
    await empty.call("POST", "/v1/flows/second/disable")
    assert (await empty.call("POST", "/v1/flows/first/enable")).json["enabled"]
    assert (await empty.hook("/a")).status == 201


async def test_namespaces_have_their_own_flows_and_webhooks(empty: Site) -> None:
    await keep(empty, hook_flow("/a", "same"))
    kept = await keep(empty, hook_flow("/a", "same", mode="respond"), **{"OpenRun-Namespace": "shop"})
    assert (kept.status, kept.json["triggers"][0]["path"]) == (201, "/hooks/@shop/a")
    key = await empty.key_for(Role.DEVELOPER, "shop")
    listed = (await empty.call("GET", "/v1/flows", key=key)).json["items"]
    assert [each["version"] for each in listed] == [kept.json["version"]]


# -- versions -------------------------------------------------------------------------------------


async def test_versions_are_listed_newest_first_and_read_by_a_part_of_their_hash(empty: Site) -> None:
    kept = [(await keep(empty, sums(value=value))).json["version"] for value in range(3)]
    listed = (await empty.call("GET", "/v1/flows/sums/versions")).json["items"]
    assert {each["version"] for each in listed} == set(kept)
    assert [each["version"] for each in listed if each["current"]] == [kept[-1]]
    got = await empty.call("GET", f"/v1/flows/sums/versions/{kept[0][:8]}")
    assert (got.json["version"], got.json["current"]) == (kept[0], False)
    assert got.json["document"]["steps"][1]["config"] == {"value": 0}


@pytest.mark.parametrize("version", ["0" * 64, "00000000", "123", "ABCDEF01", "latest", "%00"])
async def test_a_version_that_is_not_there_is_not_found(empty: Site, version: str) -> None:
    await keep(empty, sums())
    assert (await empty.call("GET", f"/v1/flows/sums/versions/{version}")).status == 404


async def test_an_older_version_is_made_the_current_one(empty: Site) -> None:
    old = (await keep(empty, sums())).json["version"]
    new = await keep(empty, sums(value=2))
    path = f"/v1/flows/sums/versions/{old[:8]}/activate"
    assert (await empty.call("POST", path, headers={"If-Match": f'"{old}"'})).status == 412
    made = await empty.call("POST", path, headers={"If-Match": new.headers["ETag"]})
    assert (made.status, made.json["version"]) == (200, old)
    assert (await empty.call("GET", "/v1/flows/sums")).json["version"] == old


async def test_a_run_started_right_after_an_upload_gets_that_version(empty: Site) -> None:
    for value in (1, 2, 3):
        version = (await keep(empty, sums(value=value))).json["version"]
        run = await empty.app.start("sums")
        assert (await run.finished()).version == version


# -- reading --------------------------------------------------------------------------------------


async def test_flows_are_listed_page_by_page_by_id(empty: Site) -> None:
    ids = ["a", "b", "c", "d", "e"]
    for flow_id in reversed(ids):
        await keep(empty, sums(flow_id))
    await empty.call("POST", "/v1/flows/c/disable")
    seen, path = [], "/v1/flows?limit=2&enabled=true"
    while path:
        got = await empty.call("GET", path)
        seen.append([each["id"] for each in got.json["items"]])
        assert ("Link" in got.headers) == (got.json["next"] is not None)
        path = got.headers.get("Link", "").partition(">")[0].removeprefix("<")
    assert seen == [["a", "b"], ["d", "e"]]


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=",
        "limit=0",
        "limit=201",
        "limit=x",
        "nothing=1",
        "enabled=perhaps",
        "limit=1&limit=2",
    ],
)
async def test_a_query_that_cannot_be_is_refused(empty: Site, query: str) -> None:
    assert (await empty.call("GET", f"/v1/flows?{query}")).status == 400


async def test_the_cursor_of_one_list_is_none_of_another(empty: Site) -> None:
    for flow_id in ("a", "b"):
        await keep(empty, sums(flow_id))
    cursor = (await empty.call("GET", "/v1/flows?limit=1")).json["next"]
    assert (await empty.call("GET", f"/v1/flows/a/versions?cursor={cursor}")).status == 400


async def test_the_kept_document_is_the_uploaded_one_and_uploads_as_the_same_version(empty: Site) -> None:
    kept = await keep(empty, sums(description="Adds up"))
    document = (await empty.call("GET", "/v1/flows/sums")).json["document"]
    assert document["description"] == "Adds up"
    again = await keep(empty, document)
    assert (again.status, again.json["version"]) == (200, kept.json["version"])


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/flows/sumz"),
        ("GET", "/v1/flows/sumz/versions"),
        ("GET", "/v1/flows/sumz/versions/0123456789"),
        ("POST", "/v1/flows/sumz/versions/0123456789/activate"),
        ("GET", "/v1/flows/sumz/diff"),
        ("POST", "/v1/flows/sumz/enable"),
        ("POST", "/v1/flows/sumz/disable"),
    ],
)
async def test_a_flow_that_is_not_there_is_not_found_and_a_near_one_named(
    empty: Site, method: str, path: str
) -> None:
    await keep(empty, sums())
    got = await empty.call(method, path)
    assert got.status == 404
    assert "did you mean 'sums'?" in got.json["detail"]


# -- validating -----------------------------------------------------------------------------------


async def test_validating_says_all_and_keeps_nothing(empty: Site) -> None:
    wrong = sums()
    wrong["steps"][1]["config"] = {"value": 1, "vlaue": 2}
    got = await empty.call("POST", "/v1/flows/validate", body=wrong)
    assert (got.status, got.json["valid"]) == (200, False)
    assert got.json["errors"] == [
        {
            "pointer": "#/steps/1/config/vlaue",
            "detail": "step 'sum' has no field 'vlaue'",
            "code": "UNKNOWN_FIELD",
            "severity": "error",
            "step_id": "sum",
            "hint": "did you mean 'value'?",
        }
    ]
    fine = await empty.call("POST", "/v1/flows/validate", body=sums())
    assert fine.json == {"valid": True, "errors": [], "warnings": []}
    assert (await empty.call("GET", "/v1/flows")).json["items"] == []


async def test_who_may_only_read_may_validate_and_not_upload(empty: Site) -> None:
    key = await empty.key_for(Role.USER)
    assert (await empty.call("POST", "/v1/flows/validate", key=key, body=sums())).status == 200
    assert (await empty.call("POST", "/v1/flows", key=key, body=sums())).status == 403


# -- comparing ------------------------------------------------------------------------------------


async def test_two_versions_are_compared_as_steps_and_edges_and_as_a_patch(empty: Site) -> None:
    old = (await keep(empty, sums())).json["version"]
    document = deepcopy(sums(value=2))
    document["steps"].append({"id": "more", "type": "transform", "config": {"value": 3}})
    document["edges"].append({"source": "sum", "target": "more"})
    new = (await keep(empty, document)).json["version"]
    got = (await empty.call("GET", f"/v1/flows/sums/diff?from={old[:8]}&to={new}")).json
    assert (got["from_version"], got["to_version"]) == (old, new)
    assert got["added"] == ["more"]
    assert got["changed"] == [
        {
            "id": "sum",
            "fields": [{"pointer": "/config/value", "kind": "changed", "old": 1, "new": 2}],
        }
    ]
    assert got["edges_added"] == [{"source": "sum", "source_port": "default", "target": "more"}]
    assert [each["op"] for each in got["patch"]] == ["replace", "add", "add"]


async def test_left_out_the_current_version_is_compared_with_the_one_before(empty: Site) -> None:
    old = (await keep(empty, sums())).json["version"]
    missing = await empty.call("GET", "/v1/flows/sums/diff")
    assert missing.status == 404
    new = (await keep(empty, sums(value=2))).json["version"]
    got = (await empty.call("GET", "/v1/flows/sums/diff")).json
    assert {got["from_version"], got["to_version"]} == {old, new}
