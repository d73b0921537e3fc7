"""Runs that flow control lets wait for their turn; their rows say so."""

from openrun.store.admission import QUEUED
from openrun.store.rows import RunRow


def is_queued(row: RunRow) -> bool:
    """Nobody needs to act: the run is admitted once there is room in its lane."""
    return row.hold is not None and row.hold.startswith(QUEUED)
