"""What triggers hand over: a run that is asked for, and what asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from openrun.core.types import Json

KEEP_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """An HTTP request as a server hands it over, its body whole and its path not decoded."""

    method: str
    raw_path: str
    """Below /hooks, percent-encoded as it came, without the query: `/orders/a%20b`."""
    query: str = ""
    """Without the question mark, percent-encoded as it came."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names and values in order; bytes that are not UTF-8 as `surrogateescape` decodes them."""
    body: bytes = b""
    """As it was sent, and signed: without transfer coding, with its content coding if it has one."""
    decoded: bytes | None = None
    """The body without its content coding, where it has one."""
    remote: str | None = None
    received_at: float
    """Unix seconds."""
    named: Mapping[str, list[str]] = field(init=False, repr=False, compare=False)
    """All values of each header, by its name in lower case."""

    def __post_init__(self) -> None:
        named: dict[str, list[str]] = {}
        for name, value in self.headers:
            named.setdefault(name.lower(), []).append(value)
        object.__setattr__(self, "named", named)

    def values(self, name: str) -> list[str]:
        """All values of a header, whatever the case of its name."""
        return self.named.get(name.lower(), [])


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What is kept of a request that started a run, beside the run's input."""

    method: str
    path: str
    """As it was requested, below /hooks."""
    delivery_id: str | None = None
    """The sender's name for it."""
    digest: str
    """SHA-256 of the raw body, in hex."""
    size: int
    """Bytes of the raw body."""
    remote: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """A run that a trigger asks for."""

    namespace: str = "default"
    flow: str
    """Id of the flow."""
    trigger: str
    """Id of the trigger step."""
    payload: Mapping[str, Json]
    """What the trigger step takes: plain JSON, owned by the request."""
    key: str | None = None
    """There is one run for each key; without one, each request is a run of its own."""
    fingerprint: str
    """SHA-256 in hex; a repetition under the same key has the same one."""
    keep_seconds: int = KEEP_SECONDS
    """How long the key is remembered."""
    traceparent: str | None = None
    tracestate: str | None = None
    hops: int = 0
    """Events between this run and what came from outside."""
    delivery: Delivery | None = None
