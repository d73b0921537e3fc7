import asyncio
import gzip

import pytest
from aiohttp import web

from .conftest import World, failing, get
from .servers import MIB, PATIENCE, Recorder, a_request, echo


async def test_a_request_arrives_as_it_was_written(world: World) -> None:
    origin = await world.serve(echo)
    response = await world.client(origin).send(
        a_request(
            origin / "a b",
            "post",
            headers={"X-One": "1", "Content-Type": "text/x"},
            query={"q": ["1", "2"]},
            body=b"hello",
        )
    )
    assert response.status == 200
    assert response.url == str(origin / "a b" % {"q": ["1", "2"]})
    assert response.content_type == "application/json"
    assert response.charset == "utf-8"
    for part in (b'"method": "POST"', b'"path": "/a%20b?q=1&q=2"', b'"x-one": "1"', b'"body": "hello"'):
        assert part in response.body
    assert b'"content-type": "text/x"' in response.body
    assert b'"content-length": "5"' in response.body


async def test_a_body_without_a_content_type_is_not_given_one(world: World) -> None:
    origin = await world.serve(echo)
    response = await world.client(origin).send(a_request(origin, "PUT", body=b"hello"))
    assert b'"content-type"' not in response.body
    assert b'"user-agent": "OpenRun"' in response.body


async def test_a_large_body_is_sent_whole(world: World) -> None:
    async def whole(request: web.Request) -> web.Response:
        total = 0
        async for chunk in request.content.iter_any():
            total += len(chunk)
        return web.Response(text=str(total))

    origin = await world.serve(whole)
    response = await world.client(origin).send(a_request(origin, "POST", body=bytes(5 * MIB)))
    assert response.body == str(5 * MIB).encode()


async def test_no_status_raises(world: World) -> None:
    async def teapot(request: web.Request) -> web.Response:
        return web.Response(status=int(request.path[1:]), text="sorry")

    origin = await world.serve(teapot)
    client = world.client(origin)
    for status in (300, 400, 404, 418, 429, 500, 503, 599):
        assert (await get(client, origin / str(status))).status == status


async def test_header_names_are_lower_case_and_repeated_ones_are_joined(world: World) -> None:
    answer = b"HTTP/1.1 200 OK\r\nX-Two: a\r\nx-two: b\r\nX-Odd: \xff\r\nContent-Length: 0\r\n\r\n"
    origin = await world.serve_bytes(answer)
    response = await get(world.client(origin), origin)
    assert response.headers == {"x-two": "a, b", "x-odd": "ÿ", "content-length": "0"}
    assert response.content_type == ""
    assert response.charset is None


async def test_cookies_are_not_kept_between_requests(world: World) -> None:
    async def cookie(request: web.Request) -> web.Response:
        return web.Response(text=request.headers.get("Cookie", "none"), headers={"Set-Cookie": "a=b; Path=/"})

    origin = await world.serve(cookie)
    client = world.client(origin)
    assert (await get(client, origin)).body == b"none"
    assert (await get(client, origin)).body == b"none"


async def test_a_compressed_body_is_decompressed_and_no_longer_said_to_be_compressed(world: World) -> None:
    async def zipped(_request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"text" * 100), headers={"Content-Encoding": "gzip"})

    origin = await world.serve(zipped)
    response = await get(world.client(origin), origin)
    assert response.body == b"text" * 100
    assert "content-encoding" not in response.headers
    assert "content-length" not in response.headers


async def test_a_head_request_has_no_body_whatever_its_headers_say(world: World) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99999999\r\n\r\n"
    origin = await world.serve_bytes(answer)
    response = await world.client(origin).send(a_request(origin, "HEAD"))
    assert response.body == b""
    assert response.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nX-Injected: 1"),
        ("X-A", "1\nX-Injected: 1"),
        ("X-A", "1\r"),
        ("X-A", "1\x00"),
        ("X-A", "1\x7f"),
        ("X-A", "\ud800"),
        ("X-A\r\nX-Injected", "1"),
        ("X-A: 1\nX-Injected", "1"),
        ("X A", "1"),
        ("X-A:", "1"),
        ("X-Ä", "1"),
        ("", "1"),
        ("Content-Length", "3"),
        ("transfer-encoding", "chunked"),
        ("Connection", "close"),
        ("Upgrade", "websocket"),
        ("Expect", "100-continue"),
    ],
)
async def test_a_header_that_could_change_the_message_is_refused(world: World, name: str, value: str) -> None:
    recorder = Recorder()
    origin = await world.serve(recorder.handle)
    error = await failing(world.client(origin), a_request(origin, headers={name: value}))
    assert error.error.code == "INVALID_HEADER"
    assert repr(name) in str(error)
    assert recorder.seen == []


async def test_the_value_of_a_refused_header_is_not_shown(world: World) -> None:
    error = await failing(
        world.client(), a_request("http://a.example/", headers={"Authorization": "hunter2\n"})
    )
    assert "hunter2" not in str(error)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\nX: 1", "GET /other HTTP/1.1\r\n", "CONNECT", "trace"])
async def test_a_method_that_is_none_or_opens_a_tunnel_is_refused(world: World, method: str) -> None:
    error = await failing(world.client(), a_request("http://a.example/", method))
    assert error.error.code == "INVALID_METHOD"


async def test_a_request_does_not_show_its_secrets() -> None:
    text = repr(a_request("http://a.example/?hunter2", headers={"A": "hunter2"}, body=b"hunter2"))
    assert "hunter2" not in text


async def test_an_endless_body_hits_the_cap(world: World) -> None:
    stopped = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(64 * 1024))
        finally:
            stopped.set()

    origin = await world.serve(endless)
    error = await failing(world.client(origin), a_request(origin, max_bytes=MIB))
    assert error.error.code == "VALUE_TOO_LARGE"
    assert error.error.details == {"limit": MIB}
    assert not error.error.retryable
    async with asyncio.timeout(PATIENCE):
        await stopped.wait()


async def test_an_endless_body_that_nobody_wants_is_not_read(world: World) -> None:
    stopped = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=202)
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(64 * 1024))
        finally:
            stopped.set()

    origin = await world.serve(endless)
    response = await world.client(origin).send(a_request(origin, "POST", wants_body=False))
    assert (response.status, response.body) == (202, b"")
    async with asyncio.timeout(PATIENCE):
        await stopped.wait()


async def test_a_gzip_bomb_hits_the_cap(world: World) -> None:
    bomb = gzip.compress(bytes(50 * MIB))
    assert len(bomb) < MIB // 8

    async def explode(_request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    origin = await world.serve(explode)
    error = await failing(world.client(origin), a_request(origin, max_bytes=MIB))
    assert error.error.code == "VALUE_TOO_LARGE"
