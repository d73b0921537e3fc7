"""Metrics, traces and logs of a durable engine that really runs: they observe its worker."""

import io
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from openrun.app import App
from openrun.runtime.worker import WorkerOptions
from openrun.store.rows import WaitFilter
from openrun.telemetry.logs import configure
from openrun.telemetry.metrics import Metrics
from openrun.telemetry.runlogs import RunLogs
from openrun.telemetry.tracing import Tracing
from tests.store.given import until
from tests.telemetry.given import flow_of

ASKED = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ASK = {"id": "ask", "type": "approval", "config": {"title": "May I?"}}
OPTIONS = WorkerOptions(lease=5, poll=0.02, listen=0.02, patience=0.05, grace=1)


class Callee:
    """Keeps the headers it is called with."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        app = web.Application()
        app.router.add_get("/", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        self.seen.append({name.lower(): text for name, text in request.headers.items()})
        return web.json_response({})


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    callee = Callee()
    await callee.server.start_server()
    yield callee
    await callee.server.close()


class Watched:
    """An engine that all three observe."""

    def __init__(self, callee: Callee) -> None:
        self.kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.kept))
        self.metrics = Metrics()
        call = {"id": "call", "type": "request", "config": {"url": str(callee.server.make_url("/"))}}
        self.app = App(
            ":memory:",
            flows=[flow_of(call, ASK, {**call, "id": "again"})],
            allow=[f"127.0.0.1:{callee.server.port}"],
            options=OPTIONS,
            observers=[self.metrics, Tracing(provider), RunLogs()],
        )

    def roots(self) -> list[ReadableSpan]:
        return [span for span in self.kept.get_finished_spans() if span.parent is None]

    async def run(self) -> str:
        """Run the flow: it calls, leaves the worker to wait for an approval, and calls again."""
        run = await self.app.start("orders", trace=(ASKED, "vendor=1"))
        (wait,) = await until(lambda: self.app.store.waits(WaitFilter(run_id=run.run_id)))
        await self.left(1)
        await self.app.waits.approve(wait.wait_id)
        await self.left(2)
        return run.run_id

    async def left(self, times: int) -> None:
        """Wait until the run has left its worker so many times."""

        async def has() -> bool:
            return len(self.roots()) == times

        await until(has)


@pytest.fixture
async def watched(callee: Callee) -> AsyncIterator[Watched]:
    watched = Watched(callee)
    async with watched.app:
        yield watched


async def test_what_a_step_sends_is_the_child_of_its_own_attempt(watched: Watched, callee: Callee) -> None:
    run_id = await watched.run()
    spans = [span for span in watched.kept.get_finished_spans() if span.name == "step request"]
    contexts = [span.get_span_context() for span in spans]
    sent = [headers["traceparent"].split("-")[1:3] for headers in callee.seen]
    assert sent == [[f"{each.trace_id:032x}", f"{each.span_id:016x}"] for each in contexts if each]
    assert all((span.attributes or {})["openrun.run.id"] == run_id for span in spans)


async def test_each_wake_up_is_a_trace_linked_to_the_caller_and_to_the_one_before(watched: Watched) -> None:
    await watched.run()
    first, second = watched.roots()
    assert first.get_span_context() != second.get_span_context()
    assert [(link.attributes or {})["openrun.link"] for link in first.links] == ["creator"]
    assert [(link.attributes or {})["openrun.link"] for link in second.links] == ["creator", "previous"]
    assert second.links[1].context == first.get_span_context()


async def test_its_metrics_add_up(watched: Watched) -> None:
    await watched.run()
    await watched.metrics.survey(watched.app.store)
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(watched.metrics.render()[1].decode())
        for sample in family.samples
    }
    assert samples["openrun_runs_total", "orders", "succeeded"] == 1
    assert samples["openrun_step_attempts_total", "orders", "request", "succeeded"] == 2
    assert samples["openrun_step_duration_seconds_count", "request"] == 2
    assert samples["openrun_runs_taken_total",] == 2
    assert samples["openrun_runs_left_total", "rests"] == 1
    assert samples["openrun_runs_active",] == 0
    assert samples["openrun_stored_runs", "succeeded"] == 1
    assert samples["openrun_workers",] == 1


async def test_its_logs_tell_its_life(watched: Watched) -> None:
    stream = io.StringIO()
    undo = configure(stream=stream)
    run_id = await watched.run()
    undo()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [line["event"] for line in lines if line.get("run_id") == run_id]
    assert told == ["run started", "run waiting", "run ended"]
