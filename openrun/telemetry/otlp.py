"""Spans sent to a collector, over HTTP as protobuf. Imported by `opening.py` alone: it needs `openrun[otel]`."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from yarl import URL

from openrun.version import __version__

_TIMEOUT_SECONDS = 5


def provider(endpoint: str, service_name: str) -> TracerProvider:
    """See `opening.otlp_provider`."""
    resource = Resource.create({"service.name": service_name, "service.version": __version__})
    spans = TracerProvider(resource=resource)
    exporter = OTLPSpanExporter(endpoint=traces_url(endpoint), timeout=_TIMEOUT_SECONDS)
    spans.add_span_processor(BatchSpanProcessor(exporter))
    return spans


def traces_url(endpoint: str) -> str:
    """Where an endpoint takes traces: `/v1/traces`, unless it names a path of its own."""
    url = URL(endpoint)
    return str(url.with_path("/v1/traces")) if url.path in ("", "/") else endpoint
