import socket
from typing import Any

import pytest
from aiohttp import ClientConnectorError, ClientSession, TCPConnector, web
from yarl import URL

from openrun.net.guard import AddressRefused, PublicResolver, guarded_socket
from openrun.net.http import HttpRequest
from openrun.net.resolver import Lookup, ThreadResolver

from .conftest import World, failing, get


def answering(*addresses: str) -> Lookup:
    """A look-up that finds these addresses for every name."""

    def lookup(_host: str, port: int, **_hints: Any) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in addresses
        ]

    return lookup


class Counter:
    """A handler that counts its requests."""

    def __init__(self) -> None:
        self.requests = 0

    async def __call__(self, _request: web.Request) -> web.Response:
        self.requests += 1
        return web.Response(text="inside")


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
async def inside(world: World, counter: Counter) -> URL:
    return await world.serve(counter)


@pytest.fixture
def resolver() -> ThreadResolver:
    return ThreadResolver(answering("10.0.0.1", "1.1.1.1", "::1", "2606:4700::1111"))


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "017700000001",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "[::1%25lo]",
        "\uff11\uff12\uff17.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "169.254.169.254",
    ],
)
async def test_no_way_of_writing_a_private_host_reaches_it(
    world: World, inside: URL, counter: Counter, host: str
) -> None:
    client = world.client()
    error = await failing(client, f"http://{host}:{inside.port}/")
    # A numeric host in a form of its own is not a URL to newer releases of aiohttp.
    assert error.error.code in {"ADDRESS_REFUSED", "INVALID_URL"}
    assert not error.error.retryable
    assert counter.requests == 0


async def test_a_refusal_names_the_host_the_address_and_the_way_out(world: World) -> None:
    client = world.client(lookup=answering("10.1.2.3"))
    error = await failing(client, "http://intranet.example:8080/path?token=t")
    assert error.error.code == "ADDRESS_REFUSED"
    assert error.error.details == {"host": "intranet.example", "port": 8080, "address": "10.1.2.3"}
    assert "GET http://intranet.example:8080/path:" in str(error)
    assert "10.1.2.3" in str(error)
    assert "'intranet.example:8080' to the allowlist" in str(error)
    assert "token" not in str(error)


async def test_a_refused_ipv6_literal_is_written_like_an_allowlist_entry(world: World) -> None:
    error = await failing(world.client(), "http://[::1]:8080/")
    assert "'[::1]:8080' to the allowlist" in str(error)


async def test_a_name_whose_addresses_are_all_private_is_refused(world: World) -> None:
    client = world.client(lookup=answering("::1", "127.0.0.1", "fd00::1"))
    error = await failing(client, "http://intranet.example/")
    assert error.error.code == "ADDRESS_REFUSED"
    assert "::1, 127.0.0.1, fd00::1" in str(error)


async def test_every_method_is_guarded(world: World, inside: URL, counter: Counter) -> None:
    client = world.client()
    for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "QUERY"):
        error = await failing(client, HttpRequest(method=method, url=str(inside), timeout=10))
        assert error.error.code == "ADDRESS_REFUSED"
    assert counter.requests == 0


async def test_an_allowlisted_name_may_lead_anywhere(world: World, inside: URL) -> None:
    client = world.client(f"db.internal:{inside.port}", lookup=answering("127.0.0.1"))
    response = await get(client, inside.with_host("db.internal"))
    assert response.body == b"inside"


async def test_an_allowlisted_host_is_refused_on_another_port(
    world: World, inside: URL, counter: Counter
) -> None:
    other = await world.serve(counter)
    client = world.client(inside)
    assert (await get(client, inside)).body == b"inside"
    assert (await failing(client, other)).error.code == "ADDRESS_REFUSED"
    assert counter.requests == 1


async def test_a_kept_connection_of_an_allowlisted_host_serves_no_other_name(
    world: World, inside: URL, counter: Counter
) -> None:
    client = world.client(inside, lookup=answering("127.0.0.1"))
    await get(client, inside)
    error = await failing(client, inside.with_host("rebound.example"))
    assert error.error.code == "ADDRESS_REFUSED"
    assert counter.requests == 1


async def test_a_redirect_to_a_refused_address_is_not_followed(
    world: World, inside: URL, counter: Counter
) -> None:
    async def redirect(_request: web.Request) -> web.Response:
        raise web.HTTPFound(str(inside))

    origin = await world.serve(redirect)
    error = await failing(world.client(origin), origin)
    assert error.error.code == "ADDRESS_REFUSED"
    assert error.error.details == {"host": "127.0.0.1", "port": inside.port, "address": "127.0.0.1"}
    assert counter.requests == 0


async def test_the_environment_does_not_send_requests_through_a_proxy(
    world: World, inside: URL, counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", str(inside))
    monkeypatch.setenv("HTTP_PROXY", str(inside))
    error = await failing(world.client(lookup=answering("10.0.0.1")), "http://intranet.example/")
    assert error.error.code == "ADDRESS_REFUSED"
    assert counter.requests == 0


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.1", "2130706433", "localhost", "", "1.1.1.1 ", "01.1.1.1"]
)
def test_no_socket_is_made_for_what_is_not_a_public_ipv4_literal(address: str) -> None:
    with pytest.raises(AddressRefused):
        guarded_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)))


@pytest.mark.parametrize("address", ["::1", "fe80::1%lo", "::ffff:1.1.1.1", "localhost"])
def test_no_socket_is_made_for_what_is_not_a_public_ipv6_literal(address: str) -> None:
    with pytest.raises(AddressRefused):
        guarded_socket((socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 80, 0, 0)))


def test_no_socket_is_made_for_another_family() -> None:
    with pytest.raises(AddressRefused):
        guarded_socket((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", ("1.1.1.1", 80)))


def test_a_public_address_gets_an_unconnected_socket() -> None:
    with guarded_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 80))) as made:
        assert made.family is socket.AF_INET


async def test_only_public_addresses_of_an_answer_are_tried(resolver: ThreadResolver) -> None:
    found = await PublicResolver(resolver).resolve("mixed.example", 443)
    assert [result["host"] for result in found] == ["1.1.1.1", "2606:4700::1111"]


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("::1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
async def test_the_socket_factory_alone_stops_aiohttp_and_its_refusal_arrives_whole(
    addresses: tuple[str, ...], inside: URL, counter: Counter
) -> None:
    resolver = ThreadResolver(answering(*addresses))
    connector = TCPConnector(resolver=resolver, socket_factory=guarded_socket)
    async with ClientSession(connector=connector) as session:
        with pytest.raises(ClientConnectorError) as caught:
            await session.get(inside.with_host("rebound.example"))
    await resolver.close()
    assert isinstance(caught.value.os_error, AddressRefused)
    assert counter.requests == 0
