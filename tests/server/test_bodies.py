import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from openrun.server.bodies import Body, BodyRefused, read_body
from tests.server.hostile import PATIENCE, SOON, Address, Reply, Wire, ask, chunked, request, serving

KIB = 2**10
MIB = 2**20
MOST = 1_000


class Reading:
    """A handler that reads bodies, and keeps what came of it."""

    def __init__(self, most: int = MOST, seconds: float = PATIENCE) -> None:
        self.bodies: list[Body] = []
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.error: BaseException | None = None
        self._most = most
        self._seconds = seconds

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/free":
            return web.Response(text="free")
        self.begun.set()
        try:
            self.bodies.append(await read_body(request, self._most, self._seconds))
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.over.set()
        return web.Response(body=self.bodies[-1].decoded)


async def refused(address: Address, data: bytes, status: int) -> Reply:
    reply = await ask(address, data)
    assert (reply.status, reply.problem["status"]) == (status, status)
    return reply


def compressed(body: bytes, coding: str = "gzip") -> bytes:
    return request("POST", body=body, Content_Encoding=coding)


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


CODED: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("gzip", gzip.compress),
    ("x-gzip", gzip.compress),
    ("GZIP", gzip.compress),
    ("identity, gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]


@settings(max_examples=30)
@given(data=st.binary(max_size=MOST), cuts=st.lists(st.integers(1, MOST - 1), max_size=5, unique=True))
async def test_a_body_is_read_as_it_was_sent_however_it_was_cut(data: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), MOST]
    pieces = [data[start:end] for start, end in pairwise(edges) if data[start:end]]
    reading = Reading()
    async with serving(reading) as listening:
        assert (await ask(listening.addresses[0], request("POST", body=data))).body == data
        assert (await ask(listening.addresses[0], chunked(*pieces))).body == data
    assert [body.raw for body in reading.bodies] == [data, data]


@pytest.mark.parametrize(("coding", "compress"), CODED)
async def test_a_compressed_body_is_kept_both_as_sent_and_as_meant(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    meant = json.dumps({"a": list(range(100))}).encode()
    sent = compress(meant)
    reading = Reading()
    async with serving(reading) as listening:
        assert (await ask(listening.addresses[0], compressed(sent, coding))).body == meant
    assert reading.bodies == [Body(raw=sent, decoded=meant)]


async def test_members_of_a_gzip_are_one_body() -> None:
    reading = Reading()
    async with serving(reading) as listening:
        twice = gzip.compress(b"one ") + gzip.compress(b"two")
        assert (await ask(listening.addresses[0], compressed(twice))).body == b"one two"
        await refused(listening.addresses[0], compressed(gzip.compress(b"") * 20), 400)


async def test_no_body_is_empty_whatever_its_coding() -> None:
    reading = Reading()
    async with serving(reading) as listening:
        for data in (request(), request("POST", Content_Length="0", Content_Encoding="gzip")):
            assert (await ask(listening.addresses[0], data)).status == 200
    assert reading.bodies == [Body(raw=b"", decoded=b"")] * 2


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, deflate, gzip", "\u00e9"])
async def test_other_codings_and_layers_of_them_are_refused(coding: str) -> None:
    async with serving(Reading()) as listening:
        reply = await refused(listening.addresses[0], compressed(b"xx", coding), 415)
        assert reply.headers["accept-encoding"] == "gzip, deflate"


async def test_layers_spread_over_several_headers_are_refused_too() -> None:
    headers = b"Content-Encoding: gzip\r\n" * 2 + b"Content-Length: 2\r\n\r\nxx"
    async with serving(Reading()) as listening:
        await refused(listening.addresses[0], b"POST / HTTP/1.1\r\nHost: a\r\n" + headers, 415)


BROKEN = bytearray(gzip.compress(b"some text"))
BROKEN[-8] ^= 1


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("gzip", b"plain text, plainly", id="not gzip"),
        pytest.param("gzip", b"\x1f", id="one byte"),
        pytest.param("gzip", gzip.compress(b"text" * 50)[:-4], id="cut short"),
        pytest.param("gzip", bytes(BROKEN), id="checksum"),
        pytest.param("gzip", gzip.compress(b"text") + b"more", id="more after it"),
        pytest.param("deflate", b"plain text, plainly", id="not deflate"),
        pytest.param("deflate", zlib.compress(b"text" * 50)[:-4], id="deflate cut short"),
        pytest.param("deflate", zlib.compress(b"text") + b"more", id="more after deflate"),
    ],
)
async def test_a_body_that_is_not_what_its_coding_says_is_malformed(
    coding: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Reading()) as listening:
        await refused(listening.addresses[0], compressed(body, coding), 400)
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
    assert caplog.records == []


@given(
    body=st.binary(min_size=1, max_size=60) | st.binary(max_size=40).map(lambda tail: b"\x1f\x8b\x08" + tail)
)
@settings(max_examples=40)
async def test_no_compressed_bytes_whatever_are_our_fault(body: bytes) -> None:
    async with serving(Reading()) as listening:
        for coding in ("gzip", "deflate"):
            assert (await ask(listening.addresses[0], compressed(body, coding))).status in (200, 400, 413)


async def test_a_body_of_exactly_the_most_is_taken_and_one_byte_more_is_not() -> None:
    exactly, over = bytes(MOST), bytes(MOST + 1)
    async with serving(Reading()) as listening:
        address = listening.addresses[0]
        for body in (request("POST", body=exactly), chunked(exactly), compressed(gzip.compress(exactly))):
            assert (await ask(address, body)).body == exactly
        for body in (request("POST", body=over), chunked(over), compressed(gzip.compress(over))):
            await refused(address, body, 413)


async def test_a_length_that_is_too_much_is_refused_before_a_byte_of_the_body() -> None:
    async with serving(Reading()) as listening:
        reply = await refused(listening.addresses[0], request("POST", Content_Length=str(MOST + 1)), 413)
        assert reply.headers["connection"] == "close"


async def test_a_client_that_goes_on_sending_too_much_can_read_why_not() -> None:
    async with serving(Reading(), linger=SOON) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request("POST", Content_Length=str(4 * MIB)) + bytes(MIB))
        assert (await wire.reply()).status == 413
        assert await wire.rest() == b""


async def test_a_bomb_is_left_at_the_most_and_others_are_answered() -> None:
    bomb = gzip.compress(bytes(512 * MIB // 8), 1)
    async with serving(Reading(most=MIB)) as listening:
        address = listening.addresses[0]
        tracemalloc.start()
        try:
            replies = await asyncio.gather(*(ask(address, compressed(bomb)) for _ in range(8)))
            assert (await ask(address, request(path="/free"))).status == 200
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert [reply.status for reply in replies] == [413] * 8
    assert peak < 32 * MIB


async def test_chunks_without_end_are_left_at_the_most() -> None:
    async with serving(Reading(), linger=SOON) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request("POST", Transfer_Encoding="chunked"))
        while not wire.is_closed:
            await wire.send(b"40\r\n" + b"x" * 64 + b"\r\n")
            assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
        assert (await wire.reply()).status == 413


@pytest.mark.parametrize(
    ("start", "more"),
    [
        pytest.param(request("POST", Content_Length="900"), b"x", id="length"),
        pytest.param(request("POST", Transfer_Encoding="chunked"), b"1\r\nx\r\n", id="chunks"),
        pytest.param(request("POST", Transfer_Encoding="chunked") + b"1;", b"x", id="chunk extension"),
    ],
)
async def test_a_body_that_comes_byte_by_byte_is_cut_off_and_others_are_answered(
    start: bytes, more: bytes
) -> None:
    async with serving(Reading(seconds=SOON), linger=SOON) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as wire:
            await wire.send(start)
            while not wire.is_closed:
                await wire.send(more)
                assert (await ask(address, request(path="/free"))).status == 200
            reply = await wire.reply()
            assert (reply.status, reply.problem["status"], reply.headers["connection"]) == (408, 408, "close")


@pytest.mark.parametrize("garbage", [b"zz\r\n", b"5\r\nhelloXX\r\n", b"0\r\nX T\r\n\r\n", b"\0"])
async def test_chunked_garbage_in_the_middle_of_a_body_gets_one_problem_at_once(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    reading = Reading()
    async with serving(reading) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request("POST", Transfer_Encoding="chunked") + b"5\r\nhello\r\n")
        await reading.begun.wait()
        await wire.send(garbage)
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
        reply = await wire.reply()
        assert (reply.status, reply.problem["status"], reply.headers["connection"]) == (400, 400, "close")
        assert await wire.rest() == b""
    assert isinstance(reading.error, BodyRefused)
    assert caplog.records == []


async def test_garbage_in_a_body_that_nobody_reads_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asked, answer = asyncio.Event(), asyncio.Event()

    async def ignore(request: web.BaseRequest) -> web.StreamResponse:
        if request.method == "POST":
            asked.set()
            await answer.wait()
        return web.Response(status=401 if request.method == "POST" else 200)

    async with serving(ignore, linger=PATIENCE) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request("POST", Transfer_Encoding="chunked") + b"5\r\nhello\r\n")
        await asked.wait()
        await wire.send(b"zz\r\n")
        assert (await ask(listening.addresses[0])).status == 200
        answer.set()
        assert (await wire.reply()).status == 401
        assert await wire.rest() == b""
    assert caplog.records == []


async def leave_by_reset(wire: Wire) -> None:
    wire.reset()


async def leave_in_order(wire: Wire) -> None:
    wire.close()


async def leave_half(wire: Wire) -> None:
    wire.end()
    assert await wire.rest() == b""


@pytest.mark.parametrize("leave", [leave_by_reset, leave_in_order, leave_half])
async def test_a_client_that_goes_away_in_the_middle_of_a_body_ends_quietly(
    leave: Callable[[Wire], Awaitable[None]], caplog: pytest.LogCaptureFixture
) -> None:
    reading = Reading()
    async with serving(reading) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request("POST", Content_Length="900") + b"some")
        await reading.begun.wait()
        await leave(wire)
        async with asyncio.timeout(PATIENCE):
            await reading.over.wait()
        assert isinstance(reading.error, asyncio.CancelledError | ConnectionError)
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
    assert caplog.records == []


async def test_a_client_that_waits_for_leave_to_send_is_told_once_its_body_is_wanted() -> None:
    async with serving(Reading()) as listening, await Wire.open(listening.addresses[0]) as wire:
        for _ in range(2):
            await wire.send(request("POST", Content_Length="5", Expect="100-continue"))
            assert (await wire.reply()).status == 100
            await wire.send(b"hello")
            assert (await wire.reply()).body == b"hello"


async def test_a_client_that_waits_for_leave_to_send_is_refused_without_sending() -> None:
    async with serving(Reading()) as listening:
        for size, coding in ((10 * MIB, "identity"), (5, "br")):
            asking = request("POST", Expect="100-continue", Content_Length=str(size), Content_Encoding=coding)
            reply = await ask(listening.addresses[0], asking)
            assert reply.status in (413, 415)
            assert reply.headers["connection"] == "close"


async def test_a_body_that_nobody_reads_is_not_taken_for_the_next_request() -> None:
    async def ignore(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=401, text=request.path)

    inner = request(path="/inner")
    async with serving(ignore, linger=SOON) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request("POST", path="/outer", Content_Length=str(len(inner) + 1)) + inner)
        assert (await wire.reply()).body == b"/outer"
        assert await wire.rest() == b""
