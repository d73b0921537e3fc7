"""What an HTTP status means to a step; pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from openrun.core.errors import PermanentError, RateLimited, StepError, TransientError
from openrun.net.url import shown

RETRY_AFTER_MAX = 3600.0
TRANSIENT = frozenset({408, 425, 429})
PATIENT = frozenset({429, 503})


def failure_of(
    status: int, headers: Mapping[str, str], *, method: str, url: str, now: datetime
) -> StepError | None:
    """The failure that a status stands for, or None for 2xx and 3xx.

    408, 425, 429, 5xx and numbers past 599 (RFC 9110 reads them as 5xx) are transient, all else is permanent.
    The code is `HTTP_<status>`, or RATE_LIMITED for 429; `details` is `{"status": status}`. 429 and 503 carry
    their Retry-After in seconds, at most 3600. `headers` have lower-case names; `now` has a time zone.
    """
    if 200 <= status < 400:
        return None
    wait = retry_after(headers.get("retry-after"), now) if status in PATIENT else None
    return _kind(status)(
        f"{method} {shown(url)}: the server answered {status}",
        code=RateLimited.code if status == 429 else f"HTTP_{status}",
        details={"status": status},
        retry_after=wait,
    )


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, 0 to 3600, by a Retry-After header of seconds or a date; None if it is neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        # A longer number is past the cap anyway, and may be too long for int().
        return RETRY_AFTER_MAX if len(text.lstrip("0")) > 4 else min(float(text), RETRY_AFTER_MAX)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=UTC)
    return min(max((then - now).total_seconds(), 0.0), RETRY_AFTER_MAX)


def _kind(status: int) -> type[StepError]:
    if status == 429:
        return RateLimited
    return TransientError if status in TRANSIENT or status >= 500 else PermanentError
