"""The HTTP client of an engine: every request to the outside goes through it.

Theory. One deadline covers name look-up, connection, redirects, headers and body. The URL is parsed once, and
aiohttp connects with the very value that was checked: its (host, port) alone decides, hop by hop, between the
guarded sessions and those for the operator's allowlist. Connections are kept alive for safe methods only: a
server may close a kept one just as it is used, and a request lost that way may be sent again only if it has
no effect. So GET, HEAD and OPTIONS are sent once more, on a fresh connection, if theirs was lost before any
response; every other method is sent at most once, on a connection of its own.
"""

import asyncio
import re
import socket
from dataclasses import dataclass, field
from io import BytesIO
from types import TracebackType
from typing import Self

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from openrun.core.errors import PermanentError
from openrun.core.limits import DEFAULT_LIMITS
from openrun.net.address import AllowList
from openrun.net.body import ENCODINGS, TooLarge, Undecodable, read_body
from openrun.net.failure import connection_lost, failure, malformed, timed_out, too_large
from openrun.net.guard import PublicResolver, guarded_socket
from openrun.net.redirect import Hop, next_hop
from openrun.net.resolver import Lookup, ThreadResolver
from openrun.net.url import Query, parse_url, shown

NOTHING_LISTED = AllowList()
CONNECTIONS = 256
HEADER_BYTES = 64 * 2**10
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# CONNECT asks for a tunnel, TRACE for the credentials to be read back.
REFUSED_METHODS = frozenset({"CONNECT", "TRACE"})
# They frame the message on the wire; a value that disagrees with the body smuggles a second request.
FRAMING_HEADERS = frozenset(
    {"connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
)

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNFIT_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_NOT_ADDED = frozenset({"Content-Type"})


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request; only its method is shown, for the rest may be secret.

    `timeout` is in seconds and covers everything, redirects included. `max_bytes` bounds the
    body of the response after decompression (default 10 MiB). `query` is added to the query of `url`.
    """

    method: str
    url: str = field(repr=False)
    timeout: float
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    query: Query | None = field(default=None, repr=False)
    body: bytes | None = field(default=None, repr=False)
    max_bytes: int = DEFAULT_LIMITS.response_bytes
    follow_redirects: bool = True
    max_redirects: int = DEFAULT_LIMITS.redirects
    wants_body: bool = True
    """Without it the response's body is left unread, and is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A complete response of any status.

    `headers` have lower-case names, and repeated ones joined by ", ". A `body` sent as gzip or deflate is
    decompressed, and `headers` then lack its content-encoding and content-length; one of any other encoding
    is as sent. `url` is the last one requested, with its query. `content_type` is lower-case without
    parameters, "" if the server sent none; `charset` is what the server declares, if anything.
    """

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = field(repr=False)
    content_type: str
    charset: str | None


class HttpClient:
    """Sends requests to public addresses, and to the targets of the operator's allowlist.

    Sessions are made in the event loop of the first `send`, and belong to it. `lookup` resolves
    names and may block; close the client, or use it as an asynchronous context manager.
    """

    def __init__(
        self,
        *,
        allow: AllowList = NOTHING_LISTED,
        lookup: Lookup = socket.getaddrinfo,
        user_agent: str = "OpenRun",
    ) -> None:
        self._allow = allow
        self._resolver = ThreadResolver(lookup)
        self._user_agent = user_agent
        self._sessions: dict[tuple[bool, bool], ClientSession] = {}
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End the requests under way (CONNECTION_LOST) and close every connection; may be called again."""
        self._closed = True
        sessions, self._sessions = self._sessions, {}
        await self._resolver.close()
        await asyncio.gather(*(session.close() for session in sessions.values()))

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send a request, follow its redirects, and read the whole response, whatever its status.

        Raises TransientError with CONNECT_FAILED (the request it names was not sent), CONNECTION_LOST or
        TIMEOUT, and PermanentError with INVALID_METHOD, INVALID_HEADER, INVALID_URL, ADDRESS_REFUSED,
        TLS_FAILED, REDIRECT_REFUSED, TOO_MANY_REDIRECTS, VALUE_TOO_LARGE or MALFORMED_RESPONSE.
        """
        hop = first_hop(request)
        try:
            async with asyncio.timeout(request.timeout):
                return await self._follow(hop, request)
        except TimeoutError:
            raise timed_out(hop, request.timeout) from None
        except asyncio.CancelledError:
            # Closing a connector cancels its look-ups, and whoever awaits them.
            if self._closed and not _is_being_cancelled():
                raise connection_lost(hop, "the client was closed") from None
            raise

    async def _follow(self, hop: Hop, request: HttpRequest) -> HttpResponse:
        for _ in range(request.max_redirects + 1):
            answer = await self._exchange(hop, request)
            if isinstance(answer, HttpResponse):
                return answer
            hop = answer
        raise PermanentError(
            f"{hop.place}: more than {request.max_redirects} redirects", code="TOO_MANY_REDIRECTS"
        )

    async def _exchange(self, hop: Hop, request: HttpRequest) -> HttpResponse | Hop:
        try:
            response = await self._open(hop)
            try:
                if response.status < 200:
                    raise malformed(hop, "switches protocols, which was not asked for")
                if request.follow_redirects:
                    redirected = next_hop(hop, response.status, _headers(response).get("location"))
                    if redirected is not None:
                        return redirected
                return await _complete(response, hop, request)
            finally:
                # A response read to its end has given its connection back; any other connection is dropped.
                response.close()
        except TooLarge:
            raise too_large(hop, request.max_bytes) from None
        except (ClientError, HttpProcessingError, OSError, Undecodable) as error:
            # Without its cause, for the texts and attributes of aiohttp's errors hold the query.
            raise failure(error, hop) from None

    async def _open(self, hop: Hop) -> ClientResponse:
        if hop.method in SAFE_METHODS:
            try:
                return await self._request(hop, fresh=False)
            except Dropped:
                pass
        return await self._request(hop, fresh=True)

    async def _request(self, hop: Hop, *, fresh: bool) -> ClientResponse:
        if self._closed:
            raise connection_lost(hop, "the client is closed")
        return await self._session(hop.url, fresh=fresh).request(
            hop.method,
            hop.url,
            headers=hop.headers,
            # A plain bytes body over 1 MiB makes aiohttp warn; a file is sent in pieces.
            data=BytesIO(hop.body) if hop.body else None,
            allow_redirects=False,
        )

    def _session(self, url: URL, *, fresh: bool) -> ClientSession:
        listed = self._allow.permits(url.raw_host or "", url.port or 0)
        key = (listed, fresh)
        if key not in self._sessions:
            self._sessions[key] = self._new_session(listed=listed, fresh=fresh)
        return self._sessions[key]

    def _new_session(self, *, listed: bool, fresh: bool) -> ClientSession:
        connector = TCPConnector(
            resolver=self._resolver if listed else PublicResolver(self._resolver),
            socket_factory=None if listed else guarded_socket,
            force_close=fresh,
            limit=CONNECTIONS,
        )
        return ClientSession(
            connector=connector,
            cookie_jar=DummyCookieJar(),
            headers={"User-Agent": self._user_agent, "Accept-Encoding": "gzip, deflate"},
            skip_auto_headers=_NOT_ADDED,
            timeout=ClientTimeout(total=None),
            trust_env=False,
            auto_decompress=False,
            max_field_size=HEADER_BYTES,
            middlewares=[_send_once],
        )


class Dropped(ClientConnectionError):
    """A connection was lost before any response came."""


def first_hop(request: HttpRequest) -> Hop:
    """The request as it will be sent first, or a PermanentError that says what is wrong with it."""
    method = request.method.upper()
    if _TOKEN.fullmatch(method) is None or method in REFUSED_METHODS:
        raise PermanentError(
            f"method {request.method!r} cannot be sent; use one such as GET or POST", code="INVALID_METHOD"
        )
    place = f"{method} {shown(request.url)}"
    for name, value in request.headers.items():
        _check_header(name, value, place)
    url = parse_url(request.url, request.query, place=place)
    return Hop(method=method, url=url, headers=dict(request.headers), body=request.body)


def _check_header(name: str, value: str, place: str) -> None:
    if _TOKEN.fullmatch(name) is None:
        fault = "its name is not a header name"
    elif _UNFIT_VALUE.search(value):
        fault = "its value contains a line break or another character that headers cannot carry"
    elif name.lower() in FRAMING_HEADERS:
        fault = "the client sets it by itself"
    else:
        return
    raise PermanentError(f"{place}: header {name!r} cannot be sent: {fault}", code="INVALID_HEADER")


async def _send_once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    # aiohttp would send PUT and DELETE a second time by itself if it saw these errors.
    try:
        return await handler(request)
    except ClientConnectorError:
        raise
    except (ClientOSError, ServerDisconnectedError) as error:
        raise Dropped from error


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _complete(response: ClientResponse, hop: Hop, request: HttpRequest) -> HttpResponse:
    headers = _headers(response)
    encoding = headers.get("content-encoding", "").strip().lower()
    body = b""
    if request.wants_body:
        try:
            body = await read_body(response.content.iter_any(), encoding, request.max_bytes)
        except RuntimeError:
            # What aiohttp's stream raises once its connection is closed from our side.
            raise connection_lost(hop) from None
    if body and encoding in ENCODINGS:
        del headers["content-encoding"]
        headers.pop("content-length", None)
    return HttpResponse(
        status=response.status,
        headers=headers,
        body=body,
        url=str(hop.url),
        content_type=headers.get("content-type", "").partition(";")[0].strip().lower(),
        charset=response.charset,
    )


def _headers(response: ClientResponse) -> dict[str, str]:
    merged: dict[str, str] = {}
    for raw_name, raw_value in response.raw_headers:
        name, value = _text(raw_name).lower(), _text(raw_value)
        merged[name] = f"{merged[name]}, {value}" if name in merged else value
    return merged


def _text(raw: bytes) -> str:
    # aiohttp's own decoding leaves lone surrogates, which no JSON may carry.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
