"""Attacks on webhooks by those who have no key: forged proofs, readings that differ, answers that harm others."""

import asyncio
import base64
import gzip
import hmac
import json
import re
from itertools import pairwise
from typing import Any

import pytest

from openrun.server.config import ServerConfig
from openrun.server.connections import ConnectionLimits
from openrun.store.rows import RunFilter
from tests.server.hostile import SOURCES, Reply, Wire, ask, request, wires
from tests.server.site import Site, site

SECRETS = {
    "s": "topsecretvalue",
    "empty": "",
    "blank": "  ",
    "whs": "whsec_a2tra2tra2tra2tra2s=",
    "none": "whsec_",
}
BODY = b'{"a":1}'
GITHUB = "X-Hub-Signature-256"

Headers = list[tuple[str, str]]


def hook(flow_id: str, *middle: dict[str, Any], **config: Any) -> dict[str, Any]:
    """A webhook at /flow_id, and these steps one after the other."""
    steps = [{"id": "hook", "type": "trigger_webhook", "config": {"path": f"/{flow_id}", **config}}, *middle]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(steps)]
    return {"id": flow_id, "name": flow_id, "steps": steps, "edges": edges}


def reply(**config: Any) -> dict[str, Any]:
    return {"id": "say", "type": "reply", "config": config}


def sha256(body: bytes, key: str = SECRETS["s"]) -> str:
    return hmac.new(key.encode(), body, "sha256").hexdigest()


GOOD = f"sha256={sha256(BODY)}"


async def sent(place: Site, path: str, headers: Headers, body: bytes = BODY) -> Reply:
    """The answer to a POST with exactly these headers, repeated ones included."""
    given = [("Host", "localhost"), ("Content-Length", str(len(body))), *headers]
    lines = [f"POST /hooks{path} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
    async with await Wire.open(place.server.address) as wire:
        await wire.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return await wire.reply()


async def runs(place: Site) -> int:
    return len(await place.app.records.runs(RunFilter(limit=200)))


FORGED: dict[str, Headers] = {
    "none": [],
    "empty": [(GITHUB, "")],
    "two of them": [(GITHUB, GOOD), (GITHUB, "sha256=00")],
    "the same twice": [(GITHUB, GOOD), (GITHUB, GOOD)],
    "a list": [(GITHUB, f"{GOOD},{GOOD}")],
    "without its prefix": [(GITHUB, sha256(BODY))],
    "in another case": [(GITHUB, GOOD.upper())],
    "the prefix alone": [(GITHUB, "sha256=")],
    "of a weaker hash": [(GITHUB, "sha1=" + hmac.new(b"topsecretvalue", BODY, "sha1").hexdigest())],
    "in the old header": [
        ("X-Hub-Signature", "sha1=" + hmac.new(b"topsecretvalue", BODY, "sha1").hexdigest())
    ],
    "with the empty key": [(GITHUB, f"sha256={sha256(BODY, '')}")],
    "with the name of the secret": [(GITHUB, f"sha256={sha256(BODY, 's')}")],
    "not in ASCII": [(GITHUB, f"{GOOD}é")],
    "under a name like it": [("X_Hub_Signature_256", GOOD)],
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
async def test_no_forged_signature_starts_a_run(forged: Headers) -> None:
    flow = hook("gh", signature={"scheme": "github", "secret": "s"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        assert (await sent(place, "/gh", forged)).status == 401
        assert await runs(place) == 0
        assert (await sent(place, "/gh", [(GITHUB, GOOD)])).status == 202


@pytest.mark.parametrize("name", ["empty", "blank", "missing"])
@pytest.mark.parametrize("key", ["", "  ", "None", "null", "empty", "missing"])
async def test_a_secret_without_a_value_lets_nobody_in(name: str, key: str) -> None:
    flow = hook("gh", signature={"scheme": "github", "secret": name})
    async with site(flows=[flow], secrets=SECRETS) as place:
        assert (await sent(place, "/gh", [(GITHUB, f"sha256={sha256(BODY, key)}")])).status == 503
        assert await runs(place) == 0


async def test_an_empty_key_of_standard_webhooks_lets_nobody_in() -> None:
    flow = hook("std", signature={"scheme": "standard", "secret": "none"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        now = int(place.app.clock.now().timestamp())
        made = base64.b64encode(hmac.new(b"", f"m.{now}.".encode() + BODY, "sha256").digest()).decode()
        named = [("webhook-id", "m"), ("webhook-timestamp", str(now)), ("webhook-signature", f"v1,{made}")]
        assert (await sent(place, "/std", named)).status == 503


@pytest.mark.parametrize("shift", ["-301", "+301", "float", "sign", "digits of others", "13 digits"])
async def test_a_timestamp_counts_only_as_plain_seconds_near_now(shift: str) -> None:
    flow = hook("std", signature={"scheme": "standard", "secret": "whs"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        now = int(place.app.clock.now().timestamp())
        written = {
            "-301": str(now - 302),
            "+301": str(now + 302),
            "float": f"{now}.0",
            "sign": f"+{now}",
            "digits of others": "\u0661\u0662\u0663",
            "13 digits": "9" * 13,
        }[shift]
        signed = f"m.{written}.".encode() + BODY
        made = base64.b64encode(hmac.new(b"kkkkkkkkkkkkkkkkk", signed, "sha256").digest()).decode()
        named = [("webhook-id", "m"), ("webhook-timestamp", written), ("webhook-signature", f"v1,{made}")]
        assert (await sent(place, "/std", named)).status == 401


async def test_the_border_between_timestamp_and_body_cannot_be_moved() -> None:
    signature = {"scheme": "hmac", "header": "X-S", "secret": "s", "signed": "{timestamp}.{body}"}
    flow = hook("hm", signature={**signature, "timestamp_header": "X-T"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        now = str(int(place.app.clock.now().timestamp()))
        made = sha256(f"{now}.".encode() + BODY)
        assert (await sent(place, "/hm", [("X-T", now), ("X-S", made)])).status == 202
        moved = f"{now[5:]}.".encode() + BODY
        assert (await sent(place, "/hm", [("X-T", now[:5]), ("X-S", made)], moved)).status == 401


async def test_a_compressed_body_is_signed_as_it_was_sent_and_read_as_it_was_signed() -> None:
    flow = hook("gh", reply(body="<<body>>"), mode="respond", signature={"scheme": "github", "secret": "s"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        packed = gzip.compress(BODY)
        coded = [("Content-Encoding", "gzip"), ("Content-Type", "application/json")]
        got = await sent(place, "/gh", [*coded, (GITHUB, f"sha256={sha256(packed)}")], packed)
        assert (got.status, json.loads(got.body)) == (200, {"a": 1})
        assert (await sent(place, "/gh", [*coded, (GITHUB, GOOD)], packed)).status == 401
        twice = [*coded, *coded[:1], (GITHUB, f"sha256={sha256(packed)}")]
        assert (await sent(place, "/gh", twice, packed)).status == 415


async def test_the_id_of_a_delivery_cannot_be_taken_by_one_who_cannot_sign() -> None:
    flow = hook("gh", signature={"scheme": "github", "secret": "s"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        named = ("X-GitHub-Delivery", "72d3162e")
        assert (await sent(place, "/gh", [(GITHUB, "sha256=00"), named])).status == 401
        got = await sent(place, "/gh", [(GITHUB, GOOD), named])
        assert (got.status, got.headers.get("idempotency-replayed")) == (202, None)


async def test_a_challenge_is_answered_to_who_signs_alone_and_never_as_a_page() -> None:
    body = b'{"type":"url_verification","challenge":"<script>alert(1)</script>"}'
    flow = hook("sl", signature={"scheme": "slack", "secret": "s"})
    async with site(flows=[flow], secrets=SECRETS) as place:
        now = str(int(place.app.clock.now().timestamp()))
        proof = [
            ("X-Slack-Request-Timestamp", now),
            ("X-Slack-Signature", "v0=" + sha256(f"v0:{now}:".encode() + body)),
        ]
        assert (await sent(place, "/sl", [], body)).status == 401
        got = await sent(place, "/sl", proof, body)
        assert got.headers["content-type"].startswith("text/plain")
        assert got.headers["x-content-type-options"] == "nosniff"
        assert got.headers["content-security-policy"].startswith("sandbox")


# -- what comes back ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [100, 101, 103, 199, 204, 205, 304])
async def test_a_reply_never_shifts_the_answers_of_those_who_share_the_connection(status: int) -> None:
    text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nSMUGL"
    flow = hook("any", reply(status="<<body.status>>", body=text), mode="respond")
    async with site(flows=[flow]) as place, await Wire.open(place.server.address) as wire:
        asked = json.dumps({"status": status}).encode()
        await wire.send(request("POST", "/hooks/any", asked, Content_Type="application/json"))
        got = await _final(wire)
        assert got.status in (status, 500)
        assert got.status >= 200
        await wire.send(request("GET", "/livez"))
        after = await wire.reply()
        assert (after.status, json.loads(after.body)) == (200, {"status": "ok"})


async def _final(wire: Wire) -> Reply:
    head = await wire.until(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
    status = int(first.split(" ")[1])
    size = 0 if status in (204, 304) else int(headers.get("content-length", "0"))
    body = b""
    while len(body) < size:
        body += await wire.until(b"}")
    return Reply(status=status, headers=headers, body=body)


@pytest.mark.parametrize("line", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b"])
async def test_nothing_in_a_header_of_a_reply_ends_it(line: str) -> None:
    flow = hook("any", reply(headers={"X-A": "<<body.h>>"}, body="x"), mode="respond")
    async with site(flows=[flow]) as place:
        got = await place.hook("/any", {"h": line})
        assert got.status == 500
        assert "X-Evil" not in got.headers


async def test_no_header_of_a_reply_speaks_for_the_whole_origin_or_for_us() -> None:
    refused = {
        "Alt-Svc": 'h3="evil.example:443"',
        "NEL": "{}",
        "Report-To": "{}",
        "Reporting-Endpoints": 'all="https://evil.example"',
        "X-Accel-Redirect": "/private/keys",
        "sEt-cOOkie": "a=b",
        "openrun-run": "another",
        "idempotency-replayed": "true",
        "cache-control": "public",
        "content-security-policy": "default-src *",
    }
    flow = hook("any", reply(headers={**refused, "X-Own": "kept"}, body="<script>"), mode="respond")
    async with site(flows=[flow]) as place:
        got = await sent(place, "/any", [])
        assert got.headers["x-own"] == "kept"
        for name, value in refused.items():
            assert got.headers.get(name.lower()) != value, name
        async with await Wire.open(place.server.address) as wire:
            await wire.send(request("POST", "/hooks/any", b"{}"))
            names = [
                line.partition(b":")[0].lower() for line in (await wire.until(b"\r\n\r\n")).split(b"\r\n")
            ]
        for own in (b"openrun-run", b"cache-control", b"content-security-policy"):
            assert names.count(own) == 1, own


async def test_a_mode_says_what_a_caller_is_told_and_prefer_does_not() -> None:
    inner = {"id": "inner", "type": "transform", "config": {"value": {"balance": 9_000}}}
    flows = [
        hook("accepted", inner),
        hook("respond", inner, mode="respond"),
        hook("stream", inner, mode="stream"),
    ]
    async with site(flows=flows) as place:
        for path in ("/accepted", "/respond", "/stream"):
            got = await place.hook(path, headers={"Prefer": "wait=20"})
            assert got.status == 200
            assert "9000" not in got.text, path
        assert "9000" not in (await place.hook("/stream")).text


async def test_callers_who_stay_on_the_line_leave_room_for_others() -> None:
    """Anybody may call, each takes a connection for as long as a run goes on, and a run may take days."""
    flow = hook("stay", {"id": "rest", "type": "delay", "config": {"seconds": "1h"}}, mode="stream")
    config = ServerConfig(port=0, grace=0.1)
    async with (
        site(flows=[flow], limits=ConnectionLimits(connections=12), config=config) as place,
        wires(12, place.server.address, *SOURCES) as strangers,
    ):
        for each in strangers:
            await each.send(request("POST", "/hooks/stay"))
        statuses = [(await each.until(b"\r\n")).split(b" ")[1] for each in strangers]
        assert statuses.count(b"200") <= 6
        got = await ask(place.server.address, request("GET", "/livez"), "127.0.0.20")
        assert got.status == 200


async def test_a_template_of_paths_reads_no_way_into_another_namespace() -> None:
    flow = hook("any", reply(body="<<path.x>>"), mode="respond")
    flow["steps"][0]["config"]["path"] = "/{x}/w"
    async with site(flows=[flow]) as place:
        assert (await sent(place, "/shop/w", [])).status == 200
        for path in (
            "/@shop/w",
            "/%40shop/w",
            "/@default/w",
            "//w",
            "/./w",
            "/%2e%2e/w",
            "/shop//w",
            "/shop/%77",
        ):
            assert (await sent(place, path, [])).status == 404, path


async def test_requests_that_two_readers_would_part_differently_are_refused() -> None:
    chunks = b"0\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with site(flows=[hook("any")]) as place:
        for fields, body in (
            ("Content-Length: 2\r\nContent-Length: 3", b"{}"),
            ("Content-Length: 4\r\nTransfer-Encoding: chunked", chunks),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", chunks),
            ("Transfer-Encoding: xchunked\r\nContent-Length: 2", b"{}"),
            ("Content-Length: +2", b"{}"),
            ("Content-Length: 0_2", b"{}"),
            ("Transfer-Encoding : chunked", chunks),
            ("Transfer-Encoding: chunked", b"2\n{}\n0\n\n"),
        ):
            head = f"POST /hooks/any HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n\r\n".encode()
            async with await Wire.open(place.server.address) as wire:
                await wire.send(head + body)
                answer = await asyncio.wait_for(wire.rest(), 20)
            assert answer.split(b" ")[1] == b"400", fields
            assert len(re.findall(rb"HTTP/1\.[01] \d", answer)) == 1, fields
        assert await runs(place) == 0
