import asyncio
import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from openrun.server.bodies import read_body
from openrun.server.connections import ConnectionLimits, serve_connections
from openrun.server.problem import Problem
from tests.server.hostile import (
    PATIENCE,
    SOON,
    SOURCES,
    Wire,
    ask,
    chunked,
    hello,
    path_of,
    request,
    serving,
    wires,
)

HOST = b"Host: localhost\r\n"
TOO_MUCH = b"GET / HTTP/1.1\r\n" + HOST + (b"X: " + b"a" * 4_000 + b"\r\n") * 10 + b"\r\n"


class Gate:
    """A handler that holds every request until it is opened, and tells how many are held."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.reached = asyncio.Semaphore(0)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/free":
            return web.Response(text="free")
        self.reached.release()
        try:
            await self.opened.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return web.Response(text=f"held {request.path}")


class Stream:
    """A handler that streams, as server-sent events are, until it is stopped."""

    def __init__(self, piece: bytes = b"data: 1\n\n", *, endless: bool = False) -> None:
        self.begun = asyncio.Event()
        self.over = asyncio.Event()
        self.ended_by: BaseException | None = None
        self._piece = piece
        self._endless = endless

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            await response.write(self._piece)
            self.begun.set()
            while self._endless:
                await response.write(self._piece)
            await asyncio.Event().wait()
        except BaseException as error:
            self.ended_by = error
            raise
        finally:
            self.over.set()
        return response


@pytest.fixture
def _many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 8192:
        pytest.skip("2,000 connections at both ends need 8,192 open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 8192), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def settled(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE):
        await event.wait()


async def test_a_connection_is_kept_for_the_next_request() -> None:
    async with serving(path_of) as listening, await Wire.open(listening.addresses[0]) as wire:
        for path in ("/1", "/2", "/3"):
            await wire.send(request(path=path))
            assert (await wire.reply()).body == path.encode()
        assert listening.counts.accepted == listening.counts.open == 1


async def test_headers_that_come_byte_by_byte_are_cut_off_and_others_are_answered() -> None:
    async with serving(hello, headers=SOON) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as wire:
            await wire.send(b"GET / HTTP/1.1\r\nX: ")
            while not wire.is_closed:
                await wire.send(b"x")
                assert (await ask(address)).status == 200
            reply = await wire.reply()
            assert (reply.status, reply.problem["status"], reply.headers["connection"]) == (408, 408, "close")
            assert await wire.rest() == b""
        assert listening.counts.timed_out == 1


async def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    async with serving(hello, headers=SOON) as listening:
        async with await Wire.open(listening.addresses[0]) as wire:
            assert await wire.rest() == b""
        assert listening.counts.timed_out == 1


async def test_a_kept_connection_is_closed_once_it_was_idle_for_too_long() -> None:
    async with serving(hello, idle=SOON) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request())
        assert (await wire.reply()).status == 200
        assert await wire.rest() == b""


async def test_every_later_request_has_the_deadline_of_the_first() -> None:
    async with serving(hello, headers=SOON) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request() + b"GET / HTT")
        assert (await wire.reply()).status == 200
        await wire.send(b"P")
        assert (await wire.reply()).status == 408


async def test_the_start_of_a_request_sent_too_early_has_its_deadline_too() -> None:
    gate = Gate()
    async with serving(gate, headers=SOON) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request())
        await gate.reached.acquire()
        await wire.send(b"GET / HT")
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
        gate.opened.set()
        assert (await wire.reply()).status == 200
        assert (await wire.reply()).status == 408


async def test_a_request_under_way_has_no_deadline_of_its_headers() -> None:
    gate = Gate()
    async with serving(gate, headers=SOON) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as wire, await Wire.open(address) as silent:
            await wire.send(request())
            assert await silent.rest() == b""
            gate.opened.set()
            assert (await wire.reply()).status == 200


async def test_a_crowd_of_idle_connections_makes_room_for_whoever_asks() -> None:
    async with serving(hello, connections=100, per_address=None) as listening:
        address = listening.addresses[0]
        async with AsyncExitStack() as stack:
            for number in range(300):
                wire = await Wire.open(address, SOURCES[number % 8])
                stack.push_async_exit(wire)
                if number % 10 == 0:
                    assert (await ask(address)).status == 200
            counts = listening.counts
            assert counts.open <= 100
            assert (counts.evicted, counts.refused) == (counts.accepted - counts.open - 30, 0)


async def test_the_longest_idle_connection_goes_first() -> None:
    async with serving(path_of, connections=2) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as first, await Wire.open(address) as second:
            await first.send(request(path="/first"))
            assert (await first.reply()).body == b"/first"
            async with await Wire.open(address) as third:
                assert await second.rest() == b""
                for wire in (first, third):
                    await wire.send(request(path="/kept"))
                    assert (await wire.reply()).body == b"/kept"


async def test_connections_in_the_middle_of_headers_go_after_the_idle_ones() -> None:
    async with serving(path_of, connections=2, hesitation=0) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as begun, await Wire.open(address) as idle:
            await begun.send(b"GET / HTTP/1.1\r\n")
            await idle.send(request())
            assert (await idle.reply()).status == 200
            assert (await ask(address)).status == 200
            assert await idle.rest() == b""
            async with await Wire.open(address) as busy:
                await busy.send(b"GET / HT")
                assert (await ask(address)).status == 200
            reply = await begun.reply()
            assert (reply.status, reply.problem["status"], reply.headers["retry-after"]) == (503, 503, "1")


async def test_newcomers_outlast_a_crowd_of_unfinished_headers() -> None:
    async with serving(hello, connections=20, per_address=None, hesitation=PATIENCE) as listening:
        address = listening.addresses[0]
        async with AsyncExitStack() as stack:
            newcomer = await stack.enter_async_context(await Wire.open(address))
            for number in range(40):
                wire = await stack.enter_async_context(await Wire.open(address, SOURCES[number % 8]))
                await wire.send(b"GET / HT")
                assert (await ask(address)).status == 200
            await newcomer.send(request())
            assert (await newcomer.reply()).status == 200
            assert listening.counts.evicted > 20


async def test_a_request_under_way_is_never_closed_to_make_room() -> None:
    gate = Gate()
    async with serving(gate, connections=3) as listening:
        address = listening.addresses[0]
        async with wires(3, address, *SOURCES) as busy:
            for number, wire in enumerate(busy):
                await wire.send(request(path=f"/{number}"))
                await gate.reached.acquire()
            for _ in range(5):
                reply = await ask(address)
                assert (reply.status, reply.problem["status"]) == (503, 503)
                assert reply.headers["retry-after"] == "1"
            gate.opened.set()
            assert [(await wire.reply()).body for wire in busy] == [b"held /0", b"held /1", b"held /2"]
        assert (listening.counts.refused, listening.counts.evicted) == (5, 0)
        assert (await ask(address)).status == 200


async def test_a_crowd_that_is_turned_away_is_not_kept_for_its_farewell() -> None:
    gate = Gate()
    async with serving(gate, connections=1, linger=PATIENCE) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as busy:
            await busy.send(request())
            await gate.reached.acquire()
            async with wires(100, address) as crowd:
                said = [await wire.rest() for wire in crowd]
            assert sum(b"503" in each for each in said) >= 64
            gate.opened.set()
            assert (await busy.reply()).status == 200


async def test_one_address_has_its_own_cap_and_its_own_idle_connections_go() -> None:
    gate = Gate()
    async with serving(gate, per_address=2) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address, SOURCES[1]) as other, wires(2, address, SOURCES[0]) as own:
            async with await Wire.open(address, SOURCES[0]) as third:
                assert await own[0].rest() == b""
                for wire in (own[1], third):
                    await wire.send(request())
                    await gate.reached.acquire()
                assert (await ask(address, source=SOURCES[0])).status == 503
                assert (await ask(address, request(path="/free"), SOURCES[2])).status == 200
                gate.opened.set()
                for wire in (own[1], third):
                    assert (await wire.reply()).status == 200
            await other.send(request())
            assert (await other.reply()).status == 200


async def test_a_proxy_may_bring_more_connections_than_one_address() -> None:
    async with (
        serving(hello, per_address=1, proxies=frozenset({SOURCES[0]})) as listening,
        wires(5, listening.addresses[0], SOURCES[0]),
    ):
        assert (await ask(listening.addresses[0])).status == 200
        assert listening.counts.evicted == 0


@pytest.mark.usefixtures("_many_files")
async def test_two_thousand_idle_connections_from_eight_addresses_keep_nobody_out() -> None:
    async with serving(hello) as listening:
        address = listening.addresses[0]
        async with wires(2_000, address, *SOURCES) as crowd:
            for source in ("127.0.0.1", *SOURCES):
                assert (await ask(address, source=source)).status == 200
            await crowd[-1].send(request())
            assert (await crowd[-1].reply()).status == 200
            assert 1_500 < listening.counts.open <= 1_600
            assert listening.counts.refused == 0


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"hello world\r\n\r\n", id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", id="version 2.0"),
        pytest.param(b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", id="version 1.2"),
        pytest.param(b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", id="space in path"),
        pytest.param(b"GET /\0 HTTP/1.1\r\n" + HOST + b"\r\n", id="NUL in path"),
        pytest.param(b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n", id="high byte in path"),
        pytest.param(b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", id="asterisk"),
        pytest.param(b"GET http://[::1/ HTTP/1.1\r\n" + HOST + b"\r\n", id="broken URL"),
        pytest.param(b"GET http://a:99999/ HTTP/1.1\r\n" + HOST + b"\r\n", id="port"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\n", id="CONNECT"),
        pytest.param(b"CONNECT a:1 HTTP/1.1\r\n" + HOST + b"\r\nhello", id="CONNECT and more"),
        pytest.param(b"FOO / HTTP/1.1\r\n" + HOST + b"\r\n", id="unknown method"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST * 2 + b"\r\n", id="two hosts"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n b\r\n\r\n", id="obs-fold"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: a\0b\r\n\r\n", id="NUL"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X\0: a\r\n\r\n", id="NUL in name"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X : a\r\n\r\n", id="space before colon"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: a\rb\r\n\r\n", id="bare CR"),
        pytest.param(b"GET / HTTP/1.1\nHost: localhost\n\n", id="bare LF"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: a\xffb\r\n\r\n", id="not UTF-8"),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            id="length twice",
        ),
        pytest.param(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5, 5\r\n\r\nhello", id="two lengths"),
        pytest.param(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: +5\r\n\r\nhello", id="plus length"),
        pytest.param(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\nhello", id="minus length"),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 5" + b"0" * 30 + b"\r\n\r\nhello",
            id="huge length",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="length and chunked",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n"
            + HOST
            + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            id="chunked and length",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="xchunked"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            id="gzip, chunked",
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
            id="chunked, gzip",
        ),
        pytest.param(
            b"POST / HTTP/1.0\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            id="chunked in HTTP/1.0",
        ),
        pytest.param(request("POST", Transfer_Encoding="chunked") + b"zz\r\n", id="chunk size"),
        pytest.param(request("POST", Transfer_Encoding="chunked") + b"-5\r\nhello\r\n", id="minus chunk"),
        pytest.param(
            request("POST", Transfer_Encoding="chunked") + b"f" * 18 + b"\r\nhello", id="huge chunk"
        ),
        pytest.param(request("POST", Transfer_Encoding="chunked") + b"5\r\nhelloXX\r\n", id="chunk end"),
        pytest.param(request("POST", Transfer_Encoding="chunked") + b"5\nhello\n0\n\n", id="chunk line ends"),
        pytest.param(request("POST", Transfer_Encoding="chunked") + b"0\r\nX T\r\n\r\n", id="bad trailer"),
    ],
)
async def test_what_is_not_http_gets_one_problem_and_is_closed(
    garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(hello) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as wire:
            await wire.send(garbage)
            reply = await wire.reply()
            assert (reply.status, reply.problem["title"]) == (400, "Bad Request")
            assert reply.headers.get("server", "OpenRun") == "OpenRun"
            assert await wire.rest() == b""
        assert (await ask(address)).status == 200
    assert caplog.records == []


async def test_nothing_of_what_was_sent_is_repeated() -> None:
    marked = b"<script>alert(1)</script>"
    async with serving(hello) as listening:
        for data in (
            marked,
            b"GET /" + marked,
            b"GET / HTTP/1.1\r\n" + marked,
            b"GET / HTTP/1.1\r\nX" + marked,
        ):
            async with await Wire.open(listening.addresses[0]) as wire:
                await wire.send(data + b"\r\n\r\n")
                said = await wire.rest()
            assert said.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
            assert b"script" not in said
            assert b"html" not in said.lower()


@pytest.mark.parametrize(
    "large",
    [
        pytest.param(request(path="/" + "a" * 9_000), id="line"),
        pytest.param(request(X="a" * 9_000), id="value"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X" * 9_000 + b": 1\r\n\r\n", id="name"),
        pytest.param(b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 150 + b"\r\n", id="number"),
        pytest.param(TOO_MUCH, id="sum"),
        pytest.param(TOO_MUCH[:-2], id="sum, not complete"),
    ],
)
async def test_headers_over_a_limit_are_refused(large: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(hello) as listening:
        async with await Wire.open(listening.addresses[0]) as wire:
            await wire.send(large)
            reply = await wire.reply()
            assert (reply.status, reply.problem["status"]) == (431, 431)
            assert await wire.rest() == b""
        assert (await ask(listening.addresses[0], request(X="a" * 8_000))).status == 200
    assert caplog.records == []


async def test_an_unknown_expectation_is_refused() -> None:
    async with serving(hello) as listening:
        reply = await ask(listening.addresses[0], request(Expect="200-maybe"))
        assert (reply.status, reply.problem["status"]) == (417, 417)


async def test_a_handler_that_fails_is_answered_for_without_its_reasons(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail(_: web.BaseRequest) -> web.StreamResponse:
        raise TimeoutError("the secret reason")

    async with serving(fail) as listening:
        reply = await ask(listening.addresses[0], request(Accept="text/html"))
        assert (reply.status, reply.problem["status"]) == (500, 500)
        assert b"secret" not in reply.body
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_problem_that_a_handler_raises_is_its_response(caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/gone":
            raise web.HTTPGone(text="<b>gone</b>")
        raise Problem(409, "twice", headers={"X-Why": "so"})

    async with serving(refuse) as listening:
        reply = await ask(listening.addresses[0])
        assert (reply.status, reply.problem["detail"], reply.headers["x-why"]) == (409, "twice", "so")
        assert (await ask(listening.addresses[0], request(path="/gone"))).problem["status"] == 410
    assert caplog.records == []


async def test_pipelined_requests_are_answered_in_their_order() -> None:
    async with serving(path_of) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(b"".join(request(path=f"/{number}") for number in range(100)))
        for number in range(100):
            assert (await wire.reply()).body == f"/{number}".encode()


async def test_garbage_after_a_request_does_not_take_its_answer_away() -> None:
    gate = Gate()
    async with serving(gate) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request())
        await gate.reached.acquire()
        await wire.send(b"and now for something different\r\n\r\n")
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
        gate.opened.set()
        assert (await wire.reply()).status == 200
        assert (await wire.reply()).status == 400
        assert await wire.rest() == b""


async def test_headers_without_end_behind_a_request_close_the_connection_once_it_is_answered() -> None:
    gate = Gate()
    async with serving(gate) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request())
        await gate.reached.acquire()
        await wire.send(TOO_MUCH[:-2])
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
        gate.opened.set()
        assert (await wire.reply()).status == 200
        assert await wire.rest() == b""


async def test_a_client_that_has_ended_its_own_side_is_answered() -> None:
    gate = Gate()
    async with serving(gate) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request(path="/1") + request(path="/2"))
        await gate.reached.acquire()
        wire.end()
        assert (await ask(listening.addresses[0], request(path="/free"))).status == 200
        gate.opened.set()
        assert (await wire.reply()).body == b"held /1"
        assert (await wire.reply()).body == b"held /2"
        assert await wire.rest() == b""


@pytest.mark.parametrize("how", ["end", "reset", "close"])
async def test_a_stream_ends_as_soon_as_its_reader_is_gone(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    stream = Stream()
    async with serving(stream) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request())
        assert b"data: 1" in await wire.until(b"\n\n")
        await settled(stream.begun)
        getattr(wire, how)()
        await settled(stream.over)
        assert isinstance(stream.ended_by, asyncio.CancelledError)
    assert caplog.records == []


async def test_a_handler_is_cancelled_when_its_client_resets_the_connection() -> None:
    gate = Gate()
    async with serving(gate) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request())
        await gate.reached.acquire()
        wire.reset()
        await settled(gate.cancelled)


async def test_a_client_that_reads_nothing_is_cut_off() -> None:
    stream = Stream(bytes(2**20), endless=True)
    async with serving(stream, send=SOON) as listening:
        async with await Wire.open(listening.addresses[0]) as wire:
            await wire.send(request())
            await settled(stream.over)
            assert isinstance(stream.ended_by, asyncio.CancelledError)
        assert listening.counts.timed_out == 1


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("ending", [True, False])
async def test_a_response_that_nobody_fetches_does_not_keep_its_socket(
    *, ending: bool, buffered: bool
) -> None:
    asked = asyncio.Event()

    async def large(request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(body=bytes(2**24 if request.path == "/large" else 1))
        if request.path == "/large":
            asked.set()
            if ending:
                response.force_close()
        if buffered:
            assert request.transport is not None
            request.transport.set_write_buffer_limits(2**26)
        return response

    async with (
        serving(large, send=SOON, idle=SOON) as listening,
        await Wire.open(listening.addresses[0]) as wire,
        await Wire.open(listening.addresses[0]) as other,
        asyncio.timeout(PATIENCE),
    ):
        await wire.send(request(path="/large"))
        await settled(asked)
        while listening.counts.open > 1:
            await other.send(request())
            assert (await other.reply()).status == 200


async def test_stopping_closes_idle_connections_and_waits_for_the_others() -> None:
    gate = Gate()
    async with serving(gate) as listening, AsyncExitStack() as stack:
        address = listening.addresses[0]
        idle, begun, busy = [await stack.enter_async_context(await Wire.open(address)) for _ in range(3)]
        await begun.send(b"GET / HT")
        await busy.send(request())
        await gate.reached.acquire()
        stopping = asyncio.create_task(listening.stop(PATIENCE))
        assert await idle.rest() == b""
        assert (await begun.reply()).status == 503
        with pytest.raises(ConnectionRefusedError):
            await Wire.open(address)
        assert not stopping.done()
        gate.opened.set()
        reply = await busy.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await busy.rest() == b""
        await stopping
        assert listening.counts.open == 0


async def test_a_request_whose_body_is_under_way_is_still_read_while_the_server_stops() -> None:
    begun = asyncio.Event()

    async def count(request: web.BaseRequest) -> web.StreamResponse:
        begun.set()
        return web.Response(text=str(len((await read_body(request, 100)).raw)))

    async with serving(count) as listening:
        address = listening.addresses[0]
        async with await Wire.open(address) as idle, await Wire.open(address) as wire:
            await wire.send(request("POST", Content_Length="10") + b"hello")
            await settled(begun)
            stopping = asyncio.create_task(listening.stop(PATIENCE))
            assert await idle.rest() == b""
            await wire.send(b"hello")
            assert (await wire.reply()).body == b"10"
            assert await wire.rest() == b""
            await stopping


async def test_a_request_to_upgrade_is_answered_like_any_other() -> None:
    async with serving(path_of) as listening, await Wire.open(listening.addresses[0]) as wire:
        await wire.send(request(path="/1", Upgrade="websocket", Connection="upgrade") + b"\x81\x05hello")
        reply = await wire.reply()
        assert (reply.body, reply.headers["connection"]) == (b"/1", "close")
        assert await wire.rest() == b""


async def test_what_is_not_done_after_the_grace_is_cancelled() -> None:
    gate, stream = Gate(), Stream()

    async def either(request: web.BaseRequest) -> web.StreamResponse:
        return await (stream if request.path == "/stream" else gate)(request)

    async with serving(either) as listening, wires(2, listening.addresses[0]) as (held, reading):
        await held.send(request())
        await gate.reached.acquire()
        await reading.send(request(path="/stream"))
        await settled(stream.begun)
        await listening.stop(SOON)
        assert gate.cancelled.is_set()
        assert stream.over.is_set()
        assert await held.rest() == b""


async def test_no_socket_is_left_behind() -> None:
    def sockets() -> int:
        opened = 0
        for file in Path("/proc/self/fd").iterdir():
            try:
                opened += str(file.readlink()).startswith("socket:")
            except FileNotFoundError:
                continue
        return opened

    before = sockets()
    gate = Gate()
    async with serving(gate, connections=20, headers=SOON, linger=SOON) as listening:
        address = listening.addresses[0]
        async with wires(30, address) as crowd:
            for number, wire in enumerate(crowd[15:]):
                await wire.send(
                    (request(), b"GET /", b"rubbish\r\n\r\n", chunked(b"x" * 100)[:-10])[number % 4]
                )
            for wire in crowd[-3:]:
                wire.reset()
        await listening.stop(SOON)
    assert sockets() == before


async def test_the_cap_leaves_the_process_files_to_work_with(caplog: pytest.LogCaptureFixture) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, before[1]))
    try:
        async with serving(hello) as listening:
            assert 100 < listening.limits.connections < 1024 - 256
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert "ulimit" in caplog.text


async def test_addresses_of_ipv6_are_counted_by_the_network_of_a_client() -> None:
    gate = Gate()
    listening = await serve_connections(gate, limits=ConnectionLimits(per_address=1), host="::1")
    try:
        async with await Wire.open(listening.addresses[0], "::1") as wire:
            await wire.send(request())
            await gate.reached.acquire()
            assert (await ask(listening.addresses[0], source="::1")).status == 503
            gate.opened.set()
            assert (await wire.reply()).status == 200
    finally:
        await listening.stop(PATIENCE)


PIECES = st.sampled_from(
    [
        b"GET / HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\n",
        b"HTTP/1.0",
        HOST,
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"Upgrade: websocket\r\nConnection: upgrade\r\n",
        b"\r\n",
        b"hello",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b": ",
        b"//[",
        b"?#%zz",
    ]
)


@settings(max_examples=60)
@given(data=st.lists(PIECES | st.binary(max_size=12), max_size=12))
async def test_no_bytes_whatever_are_our_fault(data: list[bytes]) -> None:
    async with serving(hello, headers=SOON, linger=SOON) as listening:
        async with await Wire.open(listening.addresses[0]) as wire:
            for piece in data:
                await wire.send(piece)
            wire.end()
            said = await wire.rest()
        assert b"HTTP/1.1 5" not in said
        assert b"HTTP/1.0 5" not in said
        assert (await ask(listening.addresses[0])).status == 200
