"""Rows of a store as people and programs read them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from rich.text import Text

from openrun.cli.text import clean, took
from openrun.cli.wording import clock_time
from openrun.core.types import RunStatus
from openrun.runtime.queued import is_queued
from openrun.store.rows import RunRow

SHORT = 18
"""So much of a run's id tells the millisecond and 12 random bits."""
_STYLES = {
    RunStatus.SUCCEEDED: "green",
    RunStatus.FAILED: "red",
    RunStatus.ABORTED: "red",
    RunStatus.NEEDS_REVIEW: "red",
    RunStatus.CANCELLED: "yellow",
    RunStatus.PAUSED: "yellow",
    RunStatus.WAITING: "blue",
    RunStatus.RUNNING: "cyan",
    RunStatus.COMPENSATING: "magenta",
}


def instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def since(milliseconds: int, now: int) -> str:
    """How long ago, or from one instant to another."""
    return took(timedelta(milliseconds=now - milliseconds))


def at(milliseconds: int | None) -> str:
    """Local time; empty for no instant."""
    return "" if milliseconds is None else clock_time(instant(milliseconds))


def document(row: msgspec.Struct) -> dict[str, Any]:
    """The row as plain data, its instants as RFC 3339 text."""
    found: dict[str, Any] = msgspec.to_builtins(row)
    for name, value in found.items():
        if name.endswith("_at") and value is not None:
            found[name] = instant(value).isoformat()
    return found


def status_text(status: RunStatus) -> Text:
    return Text(status.value, _STYLES.get(status, ""))


def whereabouts(row: RunRow) -> str:
    """Who works on the run, or why nobody does."""
    if row.worker is not None:
        return f"on {clean(row.worker)}"
    if row.hold is not None:
        return clean(row.hold) if is_queued(row) else f"held: {clean(row.hold)}"
    return "" if row.due_at is None else f"due {at(row.due_at)}"
