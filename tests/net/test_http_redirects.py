import pytest
from aiohttp import web

from .conftest import World, failing, get
from .servers import Recorder, a_request


async def test_a_redirect_is_followed_to_its_end(world: World) -> None:
    async def step_down(request: web.Request) -> web.Response:
        left = int(request.path[1:])
        if left:
            raise web.HTTPFound(f"/{left - 1}")
        return web.Response(text="there")

    origin = await world.serve(step_down)
    client = world.client(origin)
    response = await get(client, origin / "5")
    assert response.body == b"there"
    assert response.url == str(origin / "0")
    error = await failing(client, origin / "6")
    assert error.error.code == "TOO_MANY_REDIRECTS"
    assert not error.error.retryable


async def test_a_redirect_is_returned_when_it_is_not_to_be_followed(world: World) -> None:
    origin = await world.serve(Recorder(302, "/elsewhere").handle)
    response = await world.client(origin).send(a_request(origin, follow_redirects=False))
    assert response.status == 302
    assert response.headers["location"] == "/elsewhere"


async def test_a_location_that_cannot_be_requested_is_no_fault_if_not_followed(world: World) -> None:
    origin = await world.serve(Recorder(302, "file:///etc/passwd").handle)
    response = await world.client(origin).send(a_request(origin, follow_redirects=False))
    assert response.status == 302


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://a.example/", "http://u:p@a.example/"])
async def test_a_redirect_to_what_is_not_the_web_is_refused(world: World, location: str) -> None:
    origin = await world.serve(Recorder(302, location).handle)
    error = await failing(world.client(origin), origin)
    assert error.error.code == "INVALID_URL"


async def test_credentials_do_not_follow_a_redirect_to_another_origin(world: World) -> None:
    target = Recorder()
    there = await world.serve(target.handle)
    here = await world.serve(Recorder(307, there).handle)
    await world.client(here, there).send(
        a_request(
            here,
            "POST",
            headers={
                "Authorization": "Bearer t",
                "Cookie": "a=b",
                "X-Api-Key": "k",
                "Host": "h",
                "X-Plain": "1",
            },
            body=b"body",
        )
    )
    [(method, headers, body)] = target.seen
    assert (method, body) == ("POST", b"body")
    assert headers["x-plain"] == "1"
    assert headers["host"] == f"127.0.0.1:{there.port}"
    assert headers.keys().isdisjoint({"authorization", "cookie", "x-api-key"})


async def test_credentials_follow_a_redirect_within_an_origin(world: World) -> None:
    seen: list[str | None] = []

    async def once(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        if request.path == "/":
            raise web.HTTPSeeOther("/there")
        return web.Response()

    origin = await world.serve(once)
    await world.client(origin).send(
        a_request(origin, "POST", headers={"Authorization": "Bearer t"}, body=b"body")
    )
    assert seen == ["Bearer t", "Bearer t"]
