"""A strict client of server-sent events, which reconnects as browsers do, and can be cut off at any byte."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

import aiohttp
from aiohttp import ClientPayloadError, ClientResponse

from tests.server.site import Site

HTTP_GONE = 204


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerEvent:
    """One event as it was dispatched; `id` is what its own frame said."""

    type: str
    data: str
    id: str | None = None


@dataclass(slots=True)
class Frames:
    """Reads a stream strictly: no fields but those of the standard, lines ended by LF alone, each frame one `data`."""

    last_id: str = ""
    retry: int | None = None
    comments: list[str] = field(default_factory=list)
    _rest: bytes = b""
    _fields: dict[str, str] = field(default_factory=dict)

    def feed(self, data: bytes) -> Iterator[ServerEvent]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            event = self._line(line.decode())
            if event is not None:
                yield event

    def cut(self) -> None:
        """The stream has broken off: a frame that is not whole is none."""
        self._rest, self._fields = b"", {}

    def _line(self, line: str) -> ServerEvent | None:
        assert "\r" not in line
        if not line:
            return self._dispatch()
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if not name:
            self.comments.append(value)
            return None
        assert colon
        assert name in ("id", "event", "data", "retry"), line
        assert name not in self._fields, f"{name} twice in one frame"
        self._fields[name] = value
        return None

    def _dispatch(self) -> ServerEvent | None:
        fields, self._fields = self._fields, {}
        if "retry" in fields:
            self.retry = int(fields["retry"])
        if "data" not in fields:
            assert fields.keys() <= {"retry"}
            return None
        self.last_id = fields.get("id", self.last_id)
        return ServerEvent(type=fields.get("event", "message"), data=fields["data"], id=fields.get("id"))


class EventSource:
    """Follows a path of a site until it is told that nothing more will come (204).

    `cuts` are numbers of bytes of the body after which each connection is aborted; past them none is.
    """

    def __init__(self, site: Site, path: str, *, key: str = "", cuts: Iterator[int] = iter(())) -> None:  # noqa: B008
        self._site = site
        self._path = path
        self._key = key or site.key
        self._cuts = cuts
        self.frames = Frames()
        self.connections = 0
        self.answer: ClientResponse

    async def events(self) -> AsyncGenerator[ServerEvent, None]:
        """Over as many connections as it takes."""
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(self._site.server.url + self._path, headers=self._headers()) as answer:
                    self.connections += 1
                    self.answer = answer
                    if answer.status == HTTP_GONE:
                        return
                    assert answer.status == 200, await answer.text()
                    assert answer.content_type == "text/event-stream"
                    async with aclosing(self._of(answer, next(self._cuts, None))) as events:
                        async for event in events:
                            yield event
                    self.frames.cut()

    def _headers(self) -> Mapping[str, str]:
        headers = {"Authorization": f"Bearer {self._key}", "Accept": "text/event-stream"}
        return {**headers, "Last-Event-ID": self.frames.last_id} if self.frames.last_id else headers

    async def _of(self, answer: ClientResponse, room: int | None) -> AsyncGenerator[ServerEvent, None]:
        try:
            async for data in answer.content.iter_any():
                part = data if room is None else data[:room]
                for event in self.frames.feed(part):
                    yield event
                if room is not None:
                    room -= len(part)
                    if room == 0:
                        _abort(answer)
                        return
        except (ClientPayloadError, ConnectionError):
            return


def _abort(answer: ClientResponse) -> None:
    """Reset the connection, whatever is on its way."""
    assert answer.connection is not None
    assert answer.connection.transport is not None
    answer.connection.transport.abort()
