import gzip
import socket
from typing import Any

import pytest
from yarl import URL

from .conftest import World, failing, get
from .servers import Recorder, a_request, code_of, echo


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_connection_is_a_failure_to_connect(world: World, method: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/path?token=t"
        error = await failing(world.client(f"127.0.0.1:{URL(url).port}"), a_request(url, method))
    assert error.error.code == "CONNECT_FAILED"
    assert error.error.retryable
    assert f"{method} {url.partition('?')[0]}: cannot connect" in str(error)
    assert "token" not in str(error)


async def test_a_name_that_is_not_found_is_a_failure_to_connect(world: World) -> None:
    def not_found(*_args: Any, **_hints: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = await failing(world.client(lookup=not_found), "http://nowhere.example/")
    assert error.error.code == "CONNECT_FAILED"
    assert "'nowhere.example' was not found" in str(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_cannot_be_one_is_a_failure_to_connect(world: World, host: str) -> None:
    assert await code_of(get(world.client(), f"http://{host}/")) == "CONNECT_FAILED"


async def test_a_name_without_addresses_is_a_failure_to_connect(world: World) -> None:
    client = world.client(lookup=lambda *_args, **_hints: [])
    assert await code_of(get(client, "http://empty.example/")) == "CONNECT_FAILED"


async def test_plain_http_where_tls_was_wanted_is_a_tls_failure(world: World) -> None:
    origin = await world.serve(echo)
    error = await failing(world.client(origin), origin.with_scheme("https"))
    assert error.error.code == "TLS_FAILED"
    assert not error.error.retryable


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 ok\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"cut short")[:-9],
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_response_that_is_not_http_is_malformed(world: World, answer: bytes, method: str) -> None:
    origin = await world.serve_bytes(answer)
    error = await failing(world.client(origin), a_request(origin % {"token": "t"}, method))
    assert error.error.code == "MALFORMED_RESPONSE"
    assert not error.error.retryable
    assert "token" not in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nConte",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_response_that_breaks_off_is_a_lost_connection(
    world: World, answer: bytes, method: str
) -> None:
    origin = await world.serve_bytes(answer)
    error = await failing(world.client(origin), a_request(origin, method))
    assert error.error.code == "CONNECTION_LOST"
    assert error.error.retryable


async def test_an_error_carries_no_cause_that_could_show_the_query(world: World) -> None:
    origin = await world.serve_bytes(b"garbage\r\n\r\n")
    error = await failing(world.client(origin), origin % {"token": "t"})
    assert error.__cause__ is None
    assert error.__suppress_context__


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_request_with_an_effect_is_never_sent_twice(world: World, method: str) -> None:
    seen: list[bytes] = []
    origin = await world.serve_bytes(b"", seen=seen)
    assert await code_of(world.client(origin).send(a_request(origin, method))) == "CONNECTION_LOST"
    assert len(seen) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_request_that_was_lost_is_sent_once_more(world: World, method: str) -> None:
    seen: list[bytes] = []
    origin = await world.serve_bytes(b"", seen=seen)
    assert await code_of(world.client(origin).send(a_request(origin, method))) == "CONNECTION_LOST"
    assert len(seen) == 2


async def test_safe_requests_share_a_connection_and_others_have_their_own(world: World) -> None:
    recorder = Recorder()
    origin = await world.serve(recorder.handle)
    client = world.client(origin)
    for _ in range(3):
        await get(client, origin)
    assert len(recorder.connections) == 1
    for _ in range(3):
        await client.send(a_request(origin, "POST"))
    assert len(recorder.connections) == 4


async def test_a_server_that_hangs_up_on_the_tls_handshake_is_a_failure_to_connect(world: World) -> None:
    origin = await world.serve_bytes(b"", until=b"\x16")
    error = await failing(world.client(origin), origin.with_scheme("https"))
    assert error.error.code == "CONNECT_FAILED"
    assert str(error) == f"GET {origin.with_scheme('https')}: cannot connect: ConnectionResetError"
