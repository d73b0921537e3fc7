"""What a server is set up with."""

from dataclasses import dataclass

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Sizes in bytes, times in seconds."""

    host: str = "127.0.0.1"
    port: int = 8600
    """0 takes any that is free."""
    hosts: frozenset[str] = frozenset()
    """Names by which the API may be called, beside those of loopback: what a `Host` header may say."""
    origins: frozenset[str] = frozenset()
    """Origins of pages that may change something through a browser, beside the server's own."""
    max_body: int = 1_048_576
    """Of a webhook or a call; a flow document may have `max_document`."""
    max_document: int = 8 * 1_048_576
    body_seconds: float = 30.0
    heartbeat: float = 15.0
    """How often a stream says that it is still there."""
    stall: float = 20.0
    """How long a reader of a stream may take nothing."""
    proxies: frozenset[str] = frozenset()
    """Addresses in front of many callers: bounds per address leave them alone."""
    lasting_per_address: int = 50
    """Streams and waiting callers of webhooks that one address may have: they have no key."""
    grace: float = 10.0
    """What requests and steps under way get when the server stops."""
    refresh: float = 1.0
    """How old may be what the server knows of flows that others have changed."""
    idempotency_hours: float = 24.0

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK
