"""Where in Redis events are, as a URL says it: `redis://HOST:PORT/DB?group=NAME&stream=NAME`."""

from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

SCHEMES = ("redis", "rediss", "unix")
_OWN = frozenset({"group", "stream"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPlace:
    """A stream, and the group of servers that share its events; times in seconds."""

    url: str
    """Without what is ours."""
    group: str = "openrun"
    stream: str = "openrun:events"
    safety: float = 3.0
    """After how long the store hands out an event that Redis has not brought."""
    idle: float = 30.0
    """After how long a message that was handed to one consumer is handed to another."""
    kept: int = 100_000
    """Most messages in the stream, about."""

    @property
    def dead_stream(self) -> str:
        return f"{self.stream}:dead"

    @classmethod
    def parse(cls, url: str) -> Self:
        """The place that a URL names. Raises `ValueError`."""
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES:
            # What stands behind the scheme may hold a password.
            raise ValueError(
                f"no event bus is known for {parts.scheme or 'this'!r}: give redis://HOST:PORT/DB"
            )
        if parts.scheme != "unix" and not parts.hostname:
            # The client would go to this very machine without a word.
            raise ValueError(f"the URL of the event bus names no host: give {parts.scheme}://HOST:PORT/DB")
        given = parse_qsl(parts.query, keep_blank_values=True)
        own: dict[str, Any] = {name: value for name, value in given if name in _OWN}
        for name, value in own.items():
            if not value or not value.isprintable() or len(value) > 200:
                raise ValueError(f"{name}={value[:40]} names no {name}: give 1 to 200 printable characters")
        rest = urlencode([pair for pair in given if pair[0] not in _OWN])
        server = url.partition("?")[0]
        return cls(url=f"{server}?{rest}" if rest else server, **own)
