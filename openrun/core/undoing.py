"""How compensations end."""

from enum import StrEnum


class CompensationStatus(StrEnum):
    """Where one compensation stands."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    """Its time was up before it could be done."""
    CANCELLED = "cancelled"
    """The run was cancelled hard before it was done."""


class CompensationOutcome(StrEnum):
    """What became of all compensations of a run."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
