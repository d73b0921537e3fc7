"""Webhooks over real HTTP: what is answered, what is kept, and what is refused."""

import asyncio
import hashlib
import hmac
import itertools
import json
from typing import Any

import pytest

from openrun.core.types import RunStatus
from openrun.flow import Flow
from openrun.server.access import Role
from openrun.store.rows import DeliveryFilter
from tests.server.site import Site, hook_flow, site

SECRET = "not so secret"


def flow(*middle: dict[str, Any], flow_id: str = "work", **config: Any) -> dict[str, Any]:
    """A webhook at /work, and these steps one after the other."""
    steps = [{"id": "hook", "type": "trigger_webhook", "config": {"path": f"/{flow_id}", **config}}, *middle]
    edges = [{"source": before["id"], "target": after["id"]} for before, after in itertools.pairwise(steps)]
    return {"id": flow_id, "name": flow_id, "steps": steps, "edges": edges}


def step(kind: str, step_id: str, **config: Any) -> dict[str, Any]:
    return {"id": step_id, "type": kind, "config": config}


def signed(body: bytes) -> dict[str, str]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    return {
        "X-Hub-Signature-256": f"sha256={digest}",
        "X-GitHub-Delivery": "72d3162e",
        "Content-Type": "application/json",
    }


async def test_a_reply_step_answers_the_caller_with_its_status_headers_and_body(greeting: Site) -> None:
    got = await greeting.hook("/greet/ada")
    assert (got.status, got.json) == (201, {"hello": "ada"})
    row = await greeting.app.row(got.headers["OpenRun-Run"])
    assert row.flow_id == "greet"


async def test_by_default_the_answer_is_the_runs_id_once_the_run_is_kept() -> None:
    async with site(flows=[flow(step("delay", "rest", seconds=3_600))]) as it:
        got = await it.hook("/work", {"n": 1})
        assert got.status == 202
        run_id = got.json["run_id"]
        assert got.headers["Location"] == f"/v1/runs/{run_id}"
        assert (await it.app.facts(run_id))[0].input["body"] == {"n": 1}  # type: ignore[union-attr]


async def test_last_step_answers_with_the_output_of_the_run() -> None:
    async with site(
        flows=[flow(step("transform", "sum", value="{{ body.a + body.b }}"), mode="last_step")]
    ) as it:
        got = await it.hook("/work", {"a": 2, "b": 3})
        assert (got.status, got.json) == (200, 5)


async def test_last_step_answers_with_the_last_reply_when_there_is_one() -> None:
    steps = [step("reply", "first", body="one"), step("reply", "second", status=418, body="two")]
    async with site(flows=[flow(*steps, mode="last_step")]) as it:
        got = await it.hook("/work")
        assert (got.status, got.text) == (418, "two")


async def test_a_run_that_fails_before_it_replies_is_told_without_its_error() -> None:
    async with site(
        flows=[flow(step("fail", "no", message="database password is 1234"), mode="respond")]
    ) as it:
        got = await it.hook("/work")
        assert got.status == 500
        assert got.json["type"].endswith("/run-failed")
        assert "1234" not in got.text


async def test_a_caller_is_not_kept_for_longer_than_the_webhook_says() -> None:
    async with site(
        flows=[flow(step("delay", "rest", seconds=3_600), mode="last_step", wait_seconds=1)]
    ) as it:
        got = await it.hook("/work")
        assert got.status == 202
        assert "run_id" in got.json


async def test_prefer_wait_keeps_the_line_and_respond_async_lets_go() -> None:
    documents = [
        flow(step("reply", "say", body="soon"), flow_id="later"),
        flow(step("reply", "say", body="soon"), flow_id="now", mode="respond"),
    ]
    async with site(flows=documents) as it:
        waited = await it.hook("/later", headers={"Prefer": "wait=20"})
        assert (waited.status, waited.text, waited.headers["Preference-Applied"]) == (200, "soon", "wait")
        let_go = await it.hook("/now", headers={"Prefer": "respond-async"})
        assert (let_go.status, let_go.headers["Preference-Applied"]) == (202, "respond-async")


async def test_a_stream_tells_progress_replies_and_the_end_and_nothing_from_inside() -> None:
    steps = [step("set_state", "inside", key="inner", value="hidden"), step("reply", "say", body="said")]
    async with site(flows=[flow(*steps, mode="stream")]) as it:
        got = await it.hook("/work")
        assert got.headers["Content-Type"].startswith("text/event-stream")
        events = [
            line.removeprefix("event: ") for line in got.text.splitlines() if line.startswith("event: ")
        ]
        assert events == ["accepted", "reply", "end"]
        assert "hidden" not in got.text


async def test_what_a_flow_answers_is_never_a_page_of_our_origin() -> None:
    headers = {
        "Content-Type": "text/html",
        "Set-Cookie": "a=b",
        "X-Own": "kept",
        "Content-Security-Policy": "none",
    }
    page = step("reply", "say", body="<script>alert(1)</script>", headers=headers)
    async with site(flows=[flow(page, mode="respond")]) as it:
        got = await it.hook("/work")
        assert got.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert got.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in got.headers
        assert got.headers["X-Own"] == "kept"


async def test_a_signed_delivery_that_comes_fifty_times_starts_one_run() -> None:
    document = flow(step("reply", "say", body="ok"), signature={"scheme": "github", "secret": "github"})
    async with site(flows=[document], secrets={"github": SECRET}) as it:
        body = json.dumps({"action": "opened"}).encode()
        calls = [it.call("POST", "/hooks/work", key=None, data=body, headers=signed(body)) for _ in range(50)]
        answers = await asyncio.gather(*calls)
        assert {got.status for got in answers} == {202}
        assert len({got.json["run_id"] for got in answers}) == 1
        assert sum("Idempotency-Replayed" in got.headers for got in answers) == 49
        (kept,) = await it.app.store.deliveries(DeliveryFilter())
        assert kept.delivery_id == "72d3162e"
        assert kept.digest == hashlib.sha256(body).hexdigest()


async def test_a_bad_signature_is_refused_without_saying_why_and_keeps_nothing() -> None:
    document = flow(step("reply", "say"), signature={"scheme": "github", "secret": "github"})
    async with site(flows=[document], secrets={"github": SECRET}) as it:
        headers = {**signed(b"{}"), "X-Hub-Signature-256": "sha256=" + "0" * 64}
        got = await it.call("POST", "/hooks/work", key=None, data=b"{}", headers=headers)
        none = await it.hook("/work", {})
        assert (got.status, none.status) == (401, 401)
        assert got.json["detail"] == none.json["detail"]
        assert await it.app.store.deliveries(DeliveryFilter()) == []


async def test_a_secret_that_the_operator_did_not_give_is_not_the_callers_fault() -> None:
    document = flow(step("reply", "say"), signature={"scheme": "github", "secret": "forgotten"})
    async with site(flows=[document]) as it:
        got = await it.call("POST", "/hooks/work", key=None, data=b"{}", headers=signed(b"{}"))
        assert got.status == 503
        assert "forgotten" not in got.text


async def test_a_body_that_does_not_fit_the_schema_is_refused_with_pointers() -> None:
    schema = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    async with site(flows=[flow(step("reply", "say"), input_schema=schema)]) as it:
        got = await it.hook("/work", {"id": "seven"})
        assert got.status == 422
        assert [each["pointer"] for each in got.json["errors"]] == ["#/id"]


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b'{"a": NaN}', "application/json", 400),
        (b'{"a": 1, "a": 2}', "application/json", 400),
        (b"x", "multipart/form-data; boundary=x", 415),
        (b"x" * 2_000, "text/plain", 413),
    ],
)
async def test_hostile_bodies_are_refused_as_what_they_are(
    data: bytes, content_type: str, status: int
) -> None:
    async with site(flows=[flow(step("reply", "say"), max_body_bytes=1_000)]) as it:
        got = await it.call(
            "POST", "/hooks/work", key=None, data=data, headers={"Content-Type": content_type}
        )
        assert got.status == status
        assert got.headers["Content-Type"] == "application/problem+json"


async def test_paths_match_exactly_and_other_methods_are_told_what_is_taken(greeting: Site) -> None:
    for path in ("/greet", "/greet/", "/greet/a/b", "/greet//a", "/Greet/a", "/greet/..", "/greet/%2e%2e"):
        assert (await greeting.hook(path)).status == 404, path
    got = await greeting.call("GET", "/hooks/greet/ada", key=None)
    assert (got.status, got.headers["Allow"]) == (405, "POST")
    assert (await greeting.hook("/greet/a%2Fb")).json == {"hello": "a/b"}


async def test_a_flow_that_is_disabled_has_no_webhook() -> None:
    async with site(flows=[hook_flow()]) as it:
        assert (await it.hook("/greet/ada")).status == 202
        await it.app.store.enable("greet", enabled=False)
        await it.server.flows_changed()
        assert (await it.hook("/greet/ada")).status == 404


async def test_a_flow_that_another_process_adds_gets_its_webhook() -> None:
    async with site(flows=[hook_flow()]) as it:
        changed = hook_flow(path="/other", flow_id="other")
        other = it.app.space("default")

        await other.add_flow(Flow.from_json(json.dumps(changed)))
        while (await it.hook("/other")).status == 404:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (await it.hook("/other")).status == 202


async def test_webhooks_of_other_namespaces_stand_below_their_names() -> None:
    async with site(flows=[hook_flow(mode="respond")], secrets={"team/token": "x"}) as it:
        space = it.app.space("team")
        await space.add_flow(Flow.from_json(json.dumps(hook_flow(path="/greet/{name}", mode="respond"))))
        await it.server.flows_changed()
        ours, theirs = await it.hook("/greet/ada"), await it.hook("/@team/greet/ada")
        assert (ours.status, theirs.status) == (201, 201)
        row = await it.app.row(theirs.headers["OpenRun-Run"])
        assert row.namespace == "team"
        assert await it.app.space("default").records.run(row.run_id) is None


async def test_a_delivery_can_be_replayed_against_a_newer_version() -> None:
    async with site(flows=[flow(step("reply", "say", body="old"))]) as it:
        first = (await it.hook("/work", {"n": 7})).json["run_id"]
        await it.app.ended(first)
        newer = flow(step("reply", "say", body="new, n is <<body.n>>"))
        await it.app.add_flow(Flow.from_json(json.dumps(newer)))
        again = await it.app.space("default").replay_delivery(first)
        assert (await again.output())["body"] == "new, n is 7"
        kept = await it.app.store.delivery(again.run_id)
        assert kept is not None
        assert (kept.replay_of, kept.delivery_id) == (first, None)


async def test_a_run_takes_the_trace_of_its_caller() -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with site(flows=[flow(step("reply", "say"))]) as it:
        run_id = (await it.hook("/work", headers={"traceparent": parent})).json["run_id"]
        begun = (await it.app.facts(run_id))[0]
        assert begun.traceparent == parent  # type: ignore[union-attr]


async def test_a_caller_who_hangs_up_does_not_stop_the_run() -> None:
    async with site(flows=[flow(step("delay", "rest", seconds=1), mode="last_step")]) as it:
        host, port = it.server.address
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"POST /hooks/work HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        while not (rows := await it.app.store.deliveries(DeliveryFilter())):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        writer.transport.abort()
        assert (await it.app.ended(rows[0].run_id)).status is RunStatus.SUCCEEDED


async def test_requests_are_counted_by_trigger_and_outcome(greeting: Site) -> None:
    await greeting.hook("/greet/ada")
    got = await greeting.call("GET", "/metrics", key=await greeting.key_for(Role.AUDITOR))
    assert 'openrun_webhook_requests_total{result="accepted",trigger="greet/hook"} 1.0' in got.text
