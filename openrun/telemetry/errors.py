"""What setting up telemetry is refused with."""

from openrun.core.errors import OpenRunError


class TelemetryError(OpenRunError):
    """Telemetry cannot be set up as it was asked to."""
