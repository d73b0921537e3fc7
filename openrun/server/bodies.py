"""The body of a request: read once, as sent, within a size and a time, and decompressed within the same size."""

import asyncio
import zlib
from dataclasses import dataclass, field

from aiohttp import HttpVersion11, hdrs, web

from openrun.server.problem import Problem

GZIP = frozenset({"gzip", "x-gzip"})
CODINGS = GZIP | {"deflate"}
MEMBERS = 16
"""Of one gzip: each costs a copy of what follows it, and empty ones could go on for the whole body."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class BodyRefused(Problem):
    """A body that is not taken: 400 malformed, 408 too slow, 413 too large, 415 in an unknown coding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A whole body: the bytes `raw` as sent, which signatures are over, and `decoded` as they were meant.

    The two are the same object unless the request has a content coding.
    """

    raw: bytes = field(repr=False)
    decoded: bytes = field(repr=False)


async def read_body(request: web.BaseRequest, most: int, seconds: float = 30.0) -> Body:
    """Read the body, once: at most `most` bytes both as sent and decompressed, within `seconds` from now.

    Raises BodyRefused; raises ConnectionError if the client goes away, or is cancelled with the handler.
    """
    coding = _coding(request)
    if (request.content_length or 0) > most:
        raise too_large(most)
    if request.content.is_eof():
        # Most bodies came along with their headers.
        raw = request.content.read_nowait()
        if len(raw) > most:
            raise too_large(most)
    else:
        await _invite(request)
        try:
            async with asyncio.timeout(seconds):
                raw = await _read(request, most)
        except TimeoutError:
            raise BodyRefused(
                408, f"The body was not complete after {seconds:g} seconds; send it again."
            ) from None
    return Body(raw=raw, decoded=_decompress(raw, coding, most) if coding and raw else raw)


def too_large(most: int) -> BodyRefused:
    return BodyRefused(413, f"The body is larger than {most} bytes, the most that is taken here.")


def malformed(what: str) -> BodyRefused:
    return BodyRefused(400, f"The body {what}.")


def _coding(request: web.BaseRequest) -> str:
    """The one content coding of the body, or ""."""
    codings = [
        name
        for value in request.headers.getall(hdrs.CONTENT_ENCODING, ())
        for each in value.split(",")
        if (name := each.strip().lower()) not in ("", "identity")
    ]
    if not codings:
        return ""
    if len(codings) > 1 or codings[0] not in CODINGS:
        raise BodyRefused(
            415,
            "A body may be compressed once, as gzip or deflate, and in no other way.",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    return codings[0]


async def _invite(request: web.BaseRequest) -> None:
    """Tell a client that waits to be told that its body is wanted."""
    if request.version == HttpVersion11 and hdrs.EXPECT in request.headers:
        await request.writer.write(CONTINUE)
        # It is no part of the response, which can still be any other.
        request.writer.output_size = 0


async def _read(request: web.BaseRequest, most: int) -> bytes:
    pieces: list[bytes] = []
    received = 0
    try:
        async for piece in request.content.iter_any():
            received += len(piece)
            if received > most:
                raise too_large(most)
            pieces.append(piece)
    except web.RequestPayloadError:
        raise malformed("is not well-formed HTTP") from None
    except RuntimeError:
        # What aiohttp's stream raises once its connection is gone.
        raise ConnectionResetError("the client went away") from None
    return b"".join(pieces)


def _decompress(raw: bytes, coding: str, most: int) -> bytes:
    """All members of a gzip, or the one deflate stream; a bomb is left as soon as it passes `most`."""
    decoded = b""
    for _ in range(MEMBERS if coding in GZIP else 1):
        stream = zlib.decompressobj(_window_bits(coding, raw[0]))
        try:
            decoded += stream.decompress(raw, most + 1 - len(decoded))
        except zlib.error:
            raise malformed(f"is not what its content coding says, {coding}") from None
        if len(decoded) > most:
            raise too_large(most)
        if not stream.eof:
            raise malformed(f"is {coding} that was cut short")
        raw = stream.unused_data
        if not raw:
            return decoded
    raise malformed(f"goes on after the end of its {coding}")


def _window_bits(coding: str, first: int) -> int:
    if coding in GZIP:
        return zlib.MAX_WBITS + 16
    # Some clients send deflate without the zlib header, which always has 8 in these bits.
    return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS
