"""An archive of runs that are about to be removed: NDJSON, a line for the run and one for each of its events.

    {"run": {"run_id", "flow_id", "version", "status", "trigger", "parent_run_id", "created_at", "ended_at",
             "events", "hash"}}
    {"run_id", "seq", "fence", "hash", "event": {...}}

An event stands in its line byte by byte as the hash chain covers it. A run whose line says more events than
follow was cut short, by a crash; the store has it still.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from openrun.store.rows import EventRow, RunRow

_TOLD = ("run_id", "flow_id", "version", "status", "trigger", "parent_run_id", "created_at", "ended_at")


class Archive:
    """A new file, for its owner alone; it is made with the first runs that it is to keep."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.bytes = 0

    def keep(self, runs: Sequence[tuple[RunRow, Sequence[EventRow]]]) -> None:
        """Add these runs; when this returns, they are on disk. Raises OSError."""
        fresh = self.bytes == 0
        if fresh:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | (os.O_CREAT | os.O_EXCL if fresh else 0)
        with os.fdopen(os.open(self.path, flags, 0o600), "ab") as file:
            for row, events in runs:
                lines = msgspec.json.Encoder().encode_lines([_head(row), *map(_line, events)])
                file.write(lines)
                self.bytes += len(lines)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            _sync(self.path.parent)


def _head(row: RunRow) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in _TOLD}
    return {"run": {**told, "events": row.seq, "hash": row.hash}}


def _line(event: EventRow) -> dict[str, Any]:
    return {
        "run_id": event.run_id,
        "seq": event.seq,
        "fence": event.fence,
        "hash": event.hash,
        "event": msgspec.Raw(event.body.encode()),
    }


def _sync(directory: Path) -> None:
    """Have the file's name outlast a power cut."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
