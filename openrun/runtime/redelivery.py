"""What becomes of a notification after an attempt: delivered, to be tried again, or given up. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from openrun.net.status import retry_after
from openrun.store.outbox import NotificationRow

PAUSES = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds from each attempt that failed to the next; after the last one it is given up."""
MOST_ATTEMPTS = len(PAUSES) + 1
GONE = 410
_THROTTLING = frozenset({429, 502, 503, 504})
_SPREAD = 0.1
_STEPS = 2**32
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """How one attempt ended; one without an `error` was a success."""

    status: int | None = None
    error: str | None = None
    retry_after: float | None = None
    """Seconds that the receiver asks for."""
    final: bool = False
    """Another attempt cannot help."""


def judged(status: int, headers: Mapping[str, str], now: datetime) -> Attempted:
    """What an HTTP response means; its headers have lower-case names."""
    if 200 <= status < 300:
        return Attempted(status=status)
    if status == GONE:
        error = "the receiver answered 410: it wants no more, so its subscription is disabled"
        return Attempted(status=status, error=error, final=True)
    if 300 <= status < 400:
        error = (
            f"the receiver answered {status}: redirects are not followed; subscribe the address it leads to"
        )
        return Attempted(status=status, error=error)
    patience = retry_after(headers.get("retry-after"), now) if status in _THROTTLING else None
    return Attempted(status=status, error=f"the receiver answered {status}", retry_after=patience)


def settled(row: NotificationRow, how: Attempted, now: int) -> NotificationRow:
    """The row after its last attempt; `now` is in ms."""
    error = None if how.error is None else how.error[:_LONGEST_ERROR]
    after = replace(row, due_at=None, last_status=how.status, error=error)
    if error is None:
        return replace(after, delivered_at=now)
    if how.final or row.attempts >= MOST_ATTEMPTS:
        return replace(after, dead_at=now)
    seconds = max(pause(row.notification_id, row.attempts), how.retry_after or 0.0)
    return replace(after, due_at=now + round(seconds * 1_000))


def pause(notification_id: str, attempts: int) -> float:
    """Seconds from the attempt of this number, which failed, to the next; the same on every machine."""
    digest = hashlib.sha256(f"{notification_id}:{attempts}".encode()).digest()
    unit = int.from_bytes(digest[:4], "big") / _STEPS
    return PAUSES[max(attempts, 1) - 1] * (1 + _SPREAD * (2 * unit - 1))
