import gzip
import zlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openrun.net.body import Inflater, TooLarge, Undecodable, read_body

MIB = 2**20


class Chunks:
    """A body that comes in pieces, and counts the pieces taken from it."""

    def __init__(self, data: bytes, size: int) -> None:
        self._pieces = [data[at : at + size] for at in range(0, len(data), size)]
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            self.taken += 1
            yield piece


async def read(data: bytes, encoding: str = "", *, size: int = 1000, cap: int = MIB) -> bytes:
    return await read_body(aiter(Chunks(data, size)), encoding, cap)


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


@given(data=st.binary(max_size=5000), size=st.integers(1, 100))
async def test_every_encoding_gives_back_the_bytes_however_they_are_cut(data: bytes, size: int) -> None:
    assert await read(data, "", size=size) == data
    assert await read(gzip.compress(data), "gzip", size=size) == data
    assert await read(gzip.compress(data), "x-gzip", size=size) == data
    assert await read(zlib.compress(data), "deflate", size=size) == data
    assert await read(raw_deflate(data), "deflate", size=size) == data


async def test_all_members_of_a_gzip_stream_are_read() -> None:
    assert await read(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", size=7) == b"one two"


async def test_a_body_of_an_unknown_encoding_is_left_as_sent() -> None:
    assert await read(b"whatever", "br") == b"whatever"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_an_empty_body_may_claim_any_encoding(encoding: str) -> None:
    assert await read(b"", encoding) == b""


async def test_a_body_of_exactly_the_cap_is_read() -> None:
    assert await read(b"x" * 5000, cap=5000) == b"x" * 5000
    assert await read(gzip.compress(b"x" * 5000), "gzip", cap=5000) == b"x" * 5000


async def test_a_body_one_byte_over_the_cap_is_too_large() -> None:
    with pytest.raises(TooLarge):
        await read(b"x" * 5001, cap=5000)
    with pytest.raises(TooLarge):
        await read(gzip.compress(b"x" * 5001), "gzip", cap=5000)


async def test_nothing_more_is_read_once_the_cap_is_passed() -> None:
    chunks = Chunks(b"x" * 10_000, 1000)
    with pytest.raises(TooLarge):
        await read_body(aiter(chunks), "", 2500)
    assert chunks.taken == 3


def test_no_piece_of_a_bomb_grows_past_the_room_left_for_it() -> None:
    bomb = gzip.compress(bytes(20 * MIB))
    assert len(bomb) < MIB
    assert len(Inflater("gzip").feed(bomb, 1000)) == 1000


async def test_compressed_bytes_that_decompress_to_nothing_count_as_well() -> None:
    with pytest.raises(TooLarge):
        await read(gzip.compress(b"") * 1000, "gzip", cap=5000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("kept", [1, 5, 15, 25])
async def test_a_stream_that_was_cut_short_is_not_taken_for_a_whole_one(encoding: str, kept: int) -> None:
    whole = gzip.compress(bytes(range(256))) if encoding == "gzip" else zlib.compress(bytes(range(256)))
    with pytest.raises(Undecodable, match="cut short"):
        await read(whole[:kept], encoding)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_bytes_that_are_not_compressed_cannot_be_decompressed(encoding: str) -> None:
    with pytest.raises(Undecodable):
        await read(b"plain text, plainly", encoding)


async def test_a_gzip_stream_with_a_wrong_checksum_cannot_be_decompressed() -> None:
    broken = bytearray(gzip.compress(b"some text"))
    broken[-8] ^= 1
    with pytest.raises(Undecodable):
        await read(bytes(broken), "gzip")
