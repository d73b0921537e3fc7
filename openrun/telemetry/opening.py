"""Where traces go, by its endpoint; what sends them is an extra, looked for only when it is asked for."""

import importlib

from opentelemetry.trace import TracerProvider

from openrun.telemetry.errors import TelemetryError


def otlp_provider(endpoint: str, service_name: str = "openrun") -> TracerProvider:
    """A provider whose spans are sent to an OTLP collector over HTTP, such as `http://localhost:4318`.

    They are sent in the background, the last of them when the process exits. An endpoint without a path gets
    `/v1/traces`. Raises `TelemetryError` when `openrun[otel]` is not installed.
    """
    try:
        module = importlib.import_module("openrun.telemetry.otlp")
    except ImportError as error:
        if error.name is not None and error.name.partition(".")[0] == "openrun":
            raise
        raise TelemetryError(
            f"sending traces to {endpoint} needs what is not installed ({error}): pip install 'openrun[otel]'"
        ) from error
    provider: TracerProvider = module.provider(endpoint, service_name)
    return provider
