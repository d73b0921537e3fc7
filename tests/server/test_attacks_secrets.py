"""A canary for every secret: it goes wherever secrets go, things go wrong, and then it is looked for everywhere."""

import asyncio
import base64
import hmac
import io
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest_asyncio
from aiohttp import ClientSession, web
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from openrun.app import App
from openrun.flow import Flow
from openrun.runtime.secrets import Redactor
from openrun.server.access import Role
from openrun.server.api import ROUTES
from openrun.server.config import ServerConfig
from openrun.server.server import Server
from openrun.telemetry.logs import configure
from openrun.telemetry.metrics import Metrics
from openrun.telemetry.runlogs import RunLogs
from openrun.telemetry.tracing import Tracing
from tests.server.given import finished, flow_of
from tests.server.site import Site

CANARIES = {
    "plain": "CANARYplain0001",
    "odd": "CANARY+/=?&é 0002",
    "quoted": "CANARY\"0003'\\x",
    "password": "CANARYpassword0004",
    "hook": "CANARYhook0005",
    "shop/plain": "CANARYshop0006",
}
GIVEN = "or_CANARYadmin0007-0123456789-0123456789"
PLACES: dict[str, dict[str, Any]] = {
    "header": {"headers": {"X-Token": "<<secrets.plain>>"}},
    "query": {"query": {"a": "<<secrets.plain>>", "b": "<<secrets.odd>>", "c": "<<secrets.quoted>>"}},
    "body": {"body": {"a": "<<secrets.plain>>", "b": "<<secrets.odd>>", "c": "<<secrets.quoted>>"}},
    "basic": {"auth": {"username": "u", "password": "<<secrets.password>>"}},
    "bearer": {"auth": {"bearer": "<<secrets.plain>>"}},
}
READ = ("", "/events", "/steps", "/state", "/timeline", "/effects", "/waits", "/explain?step=call")


def spelled(value: str) -> Iterator[bytes]:
    """A text as it may stand in a file, a URL, a JSON text or a header."""
    raw = value.encode()
    yield raw
    yield json.dumps(value)[1:-1].encode()
    yield json.dumps(value, ensure_ascii=False)[1:-1].encode()
    yield quote(value, safe="").encode()
    yield quote_plus(value).encode()
    for before in range(3):
        # Without the ends, whose letters depend on what stands beside it.
        yield base64.b64encode(bytes(before) + raw)[4:-4]


async def echo(request: web.Request) -> web.StreamResponse:
    """Sends back all that it was sent, as careless servers do when they complain."""
    body = await request.text()
    said = {"url": str(request.url), "raw": request.raw_path, "headers": dict(request.headers), "body": body}
    return web.json_response(said, status=int(request.match_info["status"]))


@pytest_asyncio.fixture
async def careless() -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{status}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def flows(port: int) -> list[dict[str, Any]]:
    """A request with a secret in each place, to servers that take it, refuse it, fail, and cannot be reached."""
    made = []
    for name, place in PLACES.items():
        for end, url in {
            **{str(status): f"http://127.0.0.1:{port}/{status}" for status in (200, 400, 500)},
            "refused": "http://10.1.2.3/",
            "malformed": "http://<<secrets.plain>>:99999/",
        }.items():
            call = {"id": "call", "type": "request", "config": {"method": "POST", "url": url, **place}}
            made.append(flow_of(f"{name}-{end}", call))
    for scheme, more in {
        "github": {"secret": "hook"},
        "header": {"name": "X-Mine", "secret": "hook"},
    }.items():
        hook = {"path": f"/{scheme}", "signature": {"scheme": scheme, **more}}
        steps = [{"id": "hook", "type": "trigger_webhook", "config": hook}]
        made.append({"id": scheme, "name": scheme, "steps": steps, "edges": []})
    steps = [
        {"id": "hook", "type": "trigger_webhook", "config": {"path": "/open", "mode": "respond"}},
        {"id": "say", "type": "reply", "config": {"body": {"h": "<<headers>>", "q": "<<query>>"}}},
    ]
    edges = [{"source": "hook", "target": "say"}]
    made.append({"id": "open", "name": "open", "steps": steps, "edges": edges})
    return made


async def test_no_secret_is_found_anywhere_afterwards(tmp_path: Path, careless: int) -> None:
    logs, spans, metrics = io.StringIO(), InMemorySpanExporter(), Metrics()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    documents = flows(careless)
    undo = configure(format="json", level="debug", redact=Redactor(CANARIES).masked, stream=logs)
    try:
        async with (
            App(
                tmp_path / "runs.db",
                flows=[Flow.from_json(json.dumps(each)) for each in documents],
                allow=[f"127.0.0.1:{careless}"],
                secrets=CANARIES,
                observers=[metrics, Tracing(provider), RunLogs()],
            ) as app,
            Server(app, ServerConfig(port=0), metrics=metrics, routes=ROUTES) as server,
            ClientSession() as http,
        ):
            await server.keyring.given(GIVEN)
            place = Site(app=app, server=server, key=GIVEN, http=http)
            await asyncio.gather(*(finished(place, each["id"]) for each in documents if "-" in each["id"]))
            answers = {**await _called(place), **await _read(place)}
    finally:
        undo()
        provider.shutdown()
    found = await asyncio.to_thread(_files, tmp_path)
    found["logs"] = logs.getvalue().encode()
    found["spans"] = "".join(each.to_json() for each in spans.get_finished_spans()).encode()
    found |= {name: text.encode() for name, text in answers.items()}
    assert len(found) > 200, "everything was looked at"
    assert len(found["spans"]) > 10_000
    secrets = {**CANARIES, "given": GIVEN}
    leaks = [(where, name) for name, value in secrets.items() for where in _where(found, value)]
    assert not leaks


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _where(found: Mapping[str, bytes], value: str) -> Iterator[str]:
    forms = set(spelled(value))
    for where, text in found.items():
        if any(form in text for form in forms):
            yield where


async def _called(place: Site) -> dict[str, str]:
    """Webhooks, by those who prove themselves and those who send their proof to the wrong one."""
    body, secret = b'{"a":1}', CANARIES["hook"]
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    proofs = {"/github": {"X-Hub-Signature-256": f"sha256={digest}"}, "/header": {"X-Mine": secret}}
    told = {}
    for path, headers in proofs.items():
        got = await place.hook(path, data=body, headers=headers)
        assert got.status == 202
        told[path] = f"{got.headers} {got.text}"
    pair = base64.b64encode(f"u:{CANARIES['password']}".encode()).decode()
    careless = {
        "Authorization": f"Bearer {GIVEN}",
        "X-API-Key": GIVEN,
        "Cookie": f"a={GIVEN}",
        "X-Other": f"Basic {pair}",
        "X-Mine": secret,
        "Referer": f"https://shop.example/?k={secret}",
    }
    got = await place.hook(f"/open?token={secret}&k={quote(CANARIES['odd'])}", data=body, headers=careless)
    assert got.status == 200
    told["/open"] = f"{got.headers} {got.text}"
    return told


async def _read(place: Site) -> dict[str, str]:
    """All that the API tells of all that there is."""
    told: dict[str, str] = {}

    async def ask(path: str, method: str = "GET", **headers: str) -> Any:
        got = await place.call(
            method, path, headers={name.replace("_", "-"): each for name, each in headers.items()}
        )
        told[f"{method} {path} {headers}"] = f"{got.headers} {got.text}"
        return got.json if got.text.startswith("{") else None

    key = await place.key_for(Role.USER)
    told["with another key"] = (await place.call("GET", "/v1/runs", key=key)).text
    for path in ("keys", "audit", "effects", "dead-letters", "deliveries", "flows?limit=200", "me", "stuck"):
        await ask(f"/v1/{path}")
    for path in ("/openapi.json", "/docs", "/metrics", "/readyz?verbose"):
        await ask(path)
    for run in (await ask("/v1/runs?limit=200"))["items"]:
        run_id = run["run_id"]
        for rest in READ:
            await ask(f"/v1/runs/{run_id}{rest}")
        await ask(f"/v1/runs/{run_id}/events", Accept="text/event-stream")
        await ask(f"/v1/runs/{run_id}/retry?dry_run=true", "POST")
        await ask(f"/v1/deliveries/{run_id}")
        await ask(f"/v1/deliveries/{run_id}/replay", "POST", Idempotency_Key=f"again-{run_id}")
    return told
