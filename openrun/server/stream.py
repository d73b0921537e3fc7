"""A run's events as server-sent events: what is on disk, in order, from any event on, until the run has ended.

Nothing is kept for those who read slowly: a stream reads a page of the store, writes it, and only then reads the next.
Whoever takes less than a connection's buffers hold within `stall` seconds is told to begin again from the last event
it got (`event: resync`), and let go of.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from aiohttp import web

from openrun.core.types import FINAL
from openrun.runtime.tails import Page, Reached
from openrun.server.door import SERVER
from openrun.server.problem import Problem
from openrun.server.route import Call
from openrun.server.skips import Skips
from openrun.store.base import StoreUnavailable
from openrun.store.projection import in_ms
from openrun.store.rows import EventRow, ProgressRow, RunRow

EVENT_STREAM = "text/event-stream"
LAST_EVENT_ID = "Last-Event-ID"

_log = logging.getLogger("openrun.server")

STREAM_HEADERS = {
    "Content-Type": f"{EVENT_STREAM}; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "Server": SERVER,
    "X-Content-Type-Options": "nosniff",
}
_RETRY = b"retry: 2000\n\n"
HEARTBEAT = b": hb\n\n"
_PIECE = 64 * 1024
_FEW = 8
_FAREWELL = 5.0
"""How long a reader that did not read has, to read that it is to come back, in seconds."""
_SEQ = re.compile(r"[0-9]{1,15}")
_BEGINNING = re.compile(r'\{"type":"([A-Za-z]+)"')


class _Head(msgspec.Struct, frozen=True):
    """What of an event says where progress belongs."""

    type: str
    timestamp: datetime
    step_id: str | None = None
    scope: str = "/"


_heads = msgspec.json.Decoder(_Head)


def wants_stream(request: web.BaseRequest) -> bool:
    """Whether a request asks for server-sent events; one for the headers alone does not."""
    given = ",".join(request.headers.getall("Accept", ()))
    kinds = {each.partition(";")[0].strip().lower() for each in given.split(",")}
    return EVENT_STREAM in kinds and request.method != "HEAD"


def last_event(request: web.BaseRequest, after: int) -> int:
    """The seq of the last event that a reader has: as it says when it comes back, else as it asked first."""
    given = request.headers.get(LAST_EVENT_ID, "").strip()
    if given and _SEQ.fullmatch(given) is None:
        raise Problem(400, f"{LAST_EVENT_ID} is the `id` of an event: the seq of one of this run")
    return int(given) if given else after


async def stream_run(call: Call, row: RunRow, after: int, *, skipped: bool = False) -> web.StreamResponse:
    """Answer with the events of a run after this seq, until it has ended; 204 when nothing can follow."""
    if row.status in FINAL and after >= row.seq:
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    with call.house.lasting.place(call.request.remote, known=True) as there_is:
        if not there_is:
            raise Problem(503, "too many streams are open; try again later", headers={"Retry-After": "10"})
        return await _stream(call, row, after, skipped=skipped)


async def _stream(call: Call, row: RunRow, after: int, *, skipped: bool) -> web.StreamResponse:
    skips = await Skips.of(call, row, after) if skipped else None
    reached = Reached(seq=after, progress=await _progress(call, row.run_id) if after else 0)
    response = web.StreamResponse(headers={**STREAM_HEADERS, "X-Request-ID": call.request_id})
    await response.prepare(call.request)
    metrics = call.house.metrics
    metrics.streams += 1
    try:
        await _Stream(call, response, row.run_id, reached, skips).serve()
    finally:
        metrics.streams -= 1
    return response


async def _progress(call: Call, run_id: str) -> int:
    """What was reported before somebody came back is not told again."""
    heads = await call.space.records.heads([run_id])
    return heads[0].progress if heads else 0


class _Stream:
    """One reader of one run."""

    def __init__(
        self, call: Call, response: web.StreamResponse, run_id: str, reached: Reached, skips: Skips | None
    ) -> None:
        self._call = call
        self._run_id = run_id
        self._response = response
        self._reached = reached
        self._skips = skips
        self._loop = asyncio.get_running_loop()
        self._written = self._loop.time()
        """When something was written last."""
        self._writing: float | None = None
        """Since when a write waits for the reader."""
        self._last = reached.seq
        self._over = False

    async def serve(self) -> None:
        """Until the run has ended, the reader has gone or reads nothing, or the server stops."""
        telling = self._loop.create_task(self._tell())
        stopping = self._loop.create_task(self._call.house.stopped.wait())
        try:
            await self._tend(telling, stopping)
        except (ConnectionError, StoreUnavailable):
            # Nobody is on the line any more, or nobody can tell who is; the run goes on.
            pass
        finally:
            if self._writing is not None and self._call.request.transport is not None:
                # What waits to be written can neither be awaited nor ended in good order.
                self._call.request.transport.abort()
            for task in (telling, stopping):
                task.cancel()
            await asyncio.wait((telling, stopping))
        if not telling.cancelled():
            self._tell_why(telling.exception())

    def _tell_why(self, fault: BaseException | None) -> None:
        if fault is None or isinstance(fault, ConnectionError | StoreUnavailable):
            # The reader comes back by itself, and asks from where it was.
            return
        _log.error("the stream of run %s broke off", self._run_id, exc_info=fault)

    # -- the reader -------------------------------------------------------------------------------

    async def _tend(self, telling: "asyncio.Task[None]", stopping: "asyncio.Task[bool]") -> None:
        """Say from time to time that the stream is there, and look whether its reader is."""
        config = self._call.house.config
        checked = self._loop.time()
        while True:
            now = self._loop.time()
            if now - checked >= config.heartbeat:
                checked = now
                if not await self._call.house.keyring.holds(self._call.principal):
                    # A key that is over opens nothing, and keeps nothing open.
                    return
            due = min(config.stall, checked + config.heartbeat - now)
            if self._writing is None:
                due = min(due, max(self._written + config.heartbeat - now, 0))
            done, _ = await asyncio.wait(
                (telling, stopping), timeout=due, return_when=asyncio.FIRST_COMPLETED
            )
            if done:
                return
            now = self._loop.time()
            if self._writing is None and now - self._written >= config.heartbeat:
                await self._write(HEARTBEAT)
            elif self._writing is not None and now - self._writing >= config.stall:
                await self._let_go(telling)
                return

    async def _let_go(self, telling: "asyncio.Task[None]") -> None:
        """Tell a reader that does not read where it stands, for when it reads again soon, and end the stream."""
        self._over = True
        _log.info("a reader of run %s takes nothing: it is told to come back", self._run_id)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL):
                await self._response.write(b'event: resync\ndata: {"after":%d}\n\n' % self._last)
                await self._response.write_eof()
                await asyncio.wait([telling])

    async def _write(self, piece: bytes) -> None:
        self._writing = self._loop.time()
        await self._response.write(piece)
        self._writing = None
        self._written = self._loop.time()
        if self._over:
            raise ConnectionResetError("the reader was let go of")

    # -- the run ----------------------------------------------------------------------------------

    async def _tell(self) -> None:
        await self._write(_RETRY)
        async with contextlib.aclosing(self._pages()) as pages:
            async for page in pages:
                for piece, last in self._pieces(page):
                    # Whoever is let go of has what was handed over, and no event in part.
                    self._last = last or self._last
                    await self._write(piece)

    def _pages(self) -> AsyncGenerator[Page, None]:
        return self._call.space.follow(self._run_id, self._reached)

    def _pieces(self, page: Page) -> Iterable[tuple[bytes, int]]:
        if self._skips is None and _is_small(page):
            return _printed(tuple(page.events), tuple(page.progress))
        return _pieces(_frames(page.events, page.progress, self._skips))


def _is_small(page: Page) -> bool:
    if len(page.events) + len(page.progress) > _FEW:
        return False
    size = sum(len(each.body) for each in page.events) + sum(len(each.data) for each in page.progress)
    return size <= _PIECE


def _frames(
    events: Sequence[EventRow], progress: Sequence[ProgressRow], skips: Skips | None = None
) -> Iterator[tuple[bytes, int]]:
    """Each event with its seq; 0 for what has none."""
    for each in _in_order(events, progress) if progress else events:
        if isinstance(each, ProgressRow):
            yield _progress_frame(each), 0
            continue
        yield _event_frame(each), each.seq
        for skipped in () if skips is None else skips.after(each):
            yield b"event: StepSkipped\ndata: " + skipped + b"\n\n", 0


@lru_cache(maxsize=32)
def _printed(
    events: tuple[EventRow, ...], progress: tuple[ProgressRow, ...]
) -> tuple[tuple[bytes, int], ...]:
    """What has just happened is written to all that read the run at once."""
    return tuple(_pieces(_frames(events, progress)))


def _pieces(frames: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """Frames joined to what is written at once, each piece with the last seq in it."""
    found: list[bytes] = []
    size = last = 0
    for frame, seq in frames:
        found.append(frame)
        size += len(frame)
        last = seq or last
        if size >= _PIECE:
            yield b"".join(found), last
            found, size = [], 0
    if found:
        yield b"".join(found), last


def _event_frame(row: EventRow) -> bytes:
    match = _BEGINNING.match(row.body)
    kind = match[1] if match else _heads.decode(row.body).type
    return f"id: {row.seq}\nevent: {kind}\ndata: {row.body}\n\n".encode()


def _progress_frame(row: ProgressRow) -> bytes:
    told = {
        "type": "StepProgress",
        "run_id": row.run_id,
        "step_id": row.step_id,
        "scope": row.scope,
        "attempt": row.attempt,
        "timestamp": datetime.fromtimestamp(row.at / 1000, UTC),
        "data": msgspec.Raw(row.data.encode()),
    }
    return b"event: StepProgress\ndata: " + msgspec.json.encode(told) + b"\n\n"


def _in_order(
    events: Sequence[EventRow], progress: Sequence[ProgressRow]
) -> Iterator[EventRow | ProgressRow]:
    """Events and progress as they came: what a step reports is after its start, and before whatever follows of it."""
    waiting = list(reversed(progress))
    for event in events:
        head = _heads.decode(event.body)
        now = in_ms(head.timestamp)
        while waiting and _is_before(waiting[-1], head, now):
            yield waiting.pop()
        yield event
    yield from reversed(waiting)


def _is_before(row: ProgressRow, head: _Head, now: int) -> bool:
    if row.at != now:
        return row.at < now
    # Progress is told to the millisecond alone.
    return (row.step_id, row.scope) == (head.step_id, head.scope) and head.type != "StepStarted"
