"""Instants as the API tells them: RFC 3339 in UTC, such as "2026-11-21T11:30:46.123000Z"."""

from datetime import UTC, datetime


def instant(ms: int) -> datetime:
    """What is kept in ms since 1970."""
    return datetime.fromtimestamp(ms / 1_000, UTC)


def instant_or_none(ms: int | None) -> datetime | None:
    return None if ms is None else instant(ms)
