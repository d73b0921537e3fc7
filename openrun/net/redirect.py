"""One request of a chain of redirects, and what the next one must be; pure."""

from dataclasses import dataclass, field, replace

from yarl import URL

from openrun.core.errors import PermanentError
from openrun.net.url import joined_url, same_origin, shown

REDIRECTS = frozenset({301, 302, 303, 307, 308})
BODY_HEADERS = frozenset({"content-encoding", "content-language", "content-location", "content-type"})
# `host` is no secret, but names the origin that is being left.
CREDENTIALS = frozenset({"authorization", "cookie", "host", "proxy-authorization"})
CREDENTIAL_WORDS = (
    "auth",
    "cookie",
    "credential",
    "key",
    "password",
    "secret",
    "session",
    "signature",
    "token",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """A request as it goes on the wire; not shown in full, for its parts may be secret."""

    method: str
    url: URL = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    @property
    def place(self) -> str:
        """The method and the URL as messages name them."""
        return f"{self.method} {shown(self.url)}"


def next_hop(hop: Hop, status: int, location: str | None) -> Hop | None:
    """The request that a response redirects to, or None if it does not.

    Methods change as browsers change them: 303 makes everything but HEAD a GET, 301 and 302 make POST
    a GET, 307 and 308 change nothing. On a change of origin (scheme, host or port) credentials
    are dropped, for good. A redirect from https to http is refused (code REDIRECT_REFUSED): the address, the
    body and the answer would travel in the clear though the author wrote https. Raises
    PermanentError with INVALID_URL for a Location that cannot be requested.
    """
    if status not in REDIRECTS or location is None:
        return None
    url = joined_url(hop.url, location, place=f"{hop.place}: redirect")
    if hop.url.scheme == "https" and url.scheme == "http":
        raise PermanentError(
            f"{hop.place}: redirects to {shown(url)} without encryption; "
            "request the http URL itself if that is meant",
            code="REDIRECT_REFUSED",
            details={"status": status},
        )
    moved = replace(hop, url=url)
    if not same_origin(url, hop.url):
        moved = replace(moved, headers=_without_credentials(hop.headers))
    return _as_get(moved) if _becomes_get(hop.method, status) else moved


def is_credential(name: str) -> bool:
    """Whether a header of this name may be a secret that is meant for one origin only."""
    lower = name.lower()
    return lower in CREDENTIALS or any(word in lower for word in CREDENTIAL_WORDS)


def _without_credentials(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not is_credential(name)}


def _becomes_get(method: str, status: int) -> bool:
    return (status == 303 and method not in ("GET", "HEAD")) or (status in (301, 302) and method == "POST")


def _as_get(hop: Hop) -> Hop:
    headers = {name: value for name, value in hop.headers.items() if name.lower() not in BODY_HEADERS}
    return replace(hop, method="GET", headers=headers, body=None)
