"""Where traces are sent."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider

from openrun.core.errors import OpenRunError
from openrun.telemetry.errors import TelemetryError
from openrun.telemetry.opening import otlp_provider
from openrun.telemetry.otlp import traces_url
from openrun.telemetry.tracing import Tracing
from tests.telemetry.given import keep, observe, told


class Collector:
    """Takes spans as a collector does."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self.server = TestServer(app)

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response(content_type="application/x-protobuf")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    collector = Collector()
    await collector.server.start_server()
    yield collector
    await collector.server.close()


async def test_spans_arrive_at_a_collector_under_the_services_name(collector: Collector) -> None:
    provider = otlp_provider(str(collector.server.make_url("/")), "shop")
    assert isinstance(provider, TracerProvider)
    run = await told(keep("a"))
    observe(Tracing(provider), run.held(), run.shown)
    await asyncio.to_thread(provider.shutdown)
    (request,) = collector.requests
    (resource,) = request.resource_spans
    attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
    assert attributes["service.name"] == "shop"
    names = {span.name for scope in resource.scope_spans for span in scope.spans}
    assert names == {"run orders", "run.started", "step trigger_manual", "step set_state"}


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://localhost:4318/", "http://localhost:4318/v1/traces"),
        ("https://otel.example/custom/path", "https://otel.example/custom/path"),
    ],
)
def test_an_endpoint_without_a_path_gets_the_usual_one(endpoint: str, url: str) -> None:
    assert traces_url(endpoint) == url


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "openrun.telemetry.otlp")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(TelemetryError, match=r"pip install 'openrun\[otel\]'") as refused:
        otlp_provider("http://localhost:4318")
    assert isinstance(refused.value, OpenRunError)
