"""Reading a response's body: decompressed as it comes, and never past a cap.

aiohttp's own decompression is off: it takes a gzip stream that was cut short for a whole one.
"""

import zlib
from collections.abc import AsyncIterator

GZIP = frozenset({"gzip", "x-gzip"})
ENCODINGS = GZIP | {"deflate"}


class TooLarge(Exception):
    """The body has more bytes than the cap, as sent or decompressed."""


class Undecodable(Exception):
    """The body is not what its content-encoding says, or was cut short."""


class Inflater:
    """Decompresses one gzip (of any number of members) or deflate stream piece by piece."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes, room: int) -> bytes:
        """The next piece, up to `room` bytes; the rest of it is lost if there was more."""
        piece = bytearray()
        try:
            while data and len(piece) < room:
                if self._stream is None or self._stream.eof:
                    self._stream = zlib.decompressobj(self._window_bits(data[0]))
                piece += self._stream.decompress(data, room - len(piece))
                data = self._stream.unconsumed_tail or self._stream.unused_data
        except zlib.error as error:
            raise Undecodable(str(error)) from None
        return bytes(piece)

    def finish(self) -> None:
        """Raise Undecodable if the stream has begun and not ended."""
        if self._stream is not None and not self._stream.eof:
            raise Undecodable("cut short")

    def _window_bits(self, first: int) -> int:
        if self._encoding in GZIP:
            return zlib.MAX_WBITS + 16
        # Some servers send deflate without the zlib header, which always has 8 in these bits.
        return zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS


async def read_body(chunks: AsyncIterator[bytes], encoding: str, max_bytes: int) -> bytes:
    """The whole body, decompressed if its encoding is one of ENCODINGS and as sent otherwise.

    Raises TooLarge as soon as the cap is passed, and reads no further; raises Undecodable.
    """
    inflater = Inflater(encoding) if encoding in ENCODINGS else None
    body, received = bytearray(), 0
    async for chunk in chunks:
        received += len(chunk)
        body += inflater.feed(chunk, max_bytes + 1 - len(body)) if inflater else chunk
        # Empty gzip members could go on for ever without a byte of output.
        if max(received, len(body)) > max_bytes:
            raise TooLarge
    if inflater is not None:
        inflater.finish()
    return bytes(body)
