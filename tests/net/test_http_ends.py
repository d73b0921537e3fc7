import asyncio

import pytest
from aiohttp import web

from openrun.net.http import HttpClient

from .conftest import World, failing, get
from .servers import PATIENCE, SOON, Stuck, StuckLookup, a_request, code_of, echo


@pytest.mark.parametrize("headers_first", [False, True])
async def test_a_slow_response_hits_the_timeout(world: World, headers_first: bool) -> None:
    stuck = Stuck(headers_first=headers_first)
    origin = await world.serve(stuck.handle)
    error = await failing(world.client(origin), a_request(origin % {"token": "t"}, timeout=SOON))
    assert error.error.code == "TIMEOUT"
    assert error.error.retryable
    assert str(error) == f"GET {origin}: not finished within 0.05 s"


async def test_a_slow_name_lookup_hits_the_timeout_and_holds_up_no_closing(world: World) -> None:
    lookup = StuckLookup()
    client = world.client(lookup=lookup)
    assert await code_of(client.send(a_request("http://slow.example/", timeout=SOON))) == "TIMEOUT"
    await client.close()
    assert not lookup.released.is_set()
    lookup.released.set()


async def test_one_timeout_covers_all_redirects(world: World) -> None:
    async def for_ever(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/")

    origin = await world.serve(for_ever)
    sending = world.client(origin).send(a_request(origin, timeout=SOON, max_redirects=10**9))
    assert await code_of(sending) == "TIMEOUT"


async def test_a_cancelled_request_hangs_up(world: World) -> None:
    stuck = Stuck(headers_first=True)
    origin = await world.serve(stuck.handle)
    sending = asyncio.create_task(get(world.client(origin), origin))
    async with asyncio.timeout(PATIENCE):
        await stuck.reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await stuck.left.wait()


@pytest.mark.parametrize("headers_first", [False, True])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_closing_ends_a_request_under_way_as_a_lost_connection(
    world: World, method: str, headers_first: bool
) -> None:
    stuck = Stuck(headers_first=headers_first)
    origin = await world.serve(stuck.handle)
    client = world.client(origin)
    sending = asyncio.create_task(client.send(a_request(origin, method)))
    async with asyncio.timeout(PATIENCE):
        await stuck.reached.wait()
        await client.close()
        assert await code_of(sending) == "CONNECTION_LOST"


async def test_closing_ends_a_request_that_waits_for_a_name(world: World) -> None:
    lookup = StuckLookup()
    client = world.client(lookup=lookup)
    sending = asyncio.create_task(get(client, "http://slow.example/"))
    async with asyncio.timeout(PATIENCE):
        await lookup.reached.wait()
        await client.close()
        assert await code_of(sending) == "CONNECTION_LOST"
    lookup.released.set()


async def test_cancelling_a_request_while_the_client_closes_is_still_a_cancellation(world: World) -> None:
    lookup = StuckLookup()
    client = world.client(lookup=lookup)
    sending = asyncio.create_task(get(client, "http://slow.example/"))
    async with asyncio.timeout(PATIENCE):
        await lookup.reached.wait()
        sending.cancel()
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await sending
    lookup.released.set()


async def test_a_closed_client_sends_nothing_and_may_be_closed_again(world: World) -> None:
    origin = await world.serve(echo)
    async with world.client(origin) as client:
        await get(client, origin)
    await client.close()
    assert await code_of(get(client, origin)) == "CONNECTION_LOST"


async def test_a_client_that_was_never_used_can_be_closed() -> None:
    async with HttpClient():
        pass


def test_a_client_can_be_made_outside_an_event_loop() -> None:
    client = HttpClient()
    asyncio.run(client.close())


async def test_many_requests_at_once_all_get_their_own_answer(world: World) -> None:
    origin = await world.serve(echo)
    client = world.client(origin)
    answers = await asyncio.gather(*(get(client, origin / str(number)) for number in range(300)))
    assert all(f'"/{number}"'.encode() in answer.body for number, answer in enumerate(answers))
