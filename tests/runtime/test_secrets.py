"""Secrets reach the other side and nothing that is kept or shown."""

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openrun import Engine, InvalidFlow, StepRequest, StepSetState
from openrun.core.events import encode_event
from openrun.steps.execution.auth import BasicAuth, BearerAuth
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from tests.runtime.steps import flow_of

CANARY = "Canary-7f3A91"


async def serve(status: int, seen: list[str]) -> TestServer:
    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.Response(status=status, text="nothing to see")

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    return server


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_a_secret_in_a_header_is_sent_and_never_recorded(status: int) -> None:
    seen: list[str] = []
    server = await serve(status, seen)
    config = StepRequestConfig(
        url=f"http://127.0.0.1:{server.port}/x?key=<<secrets.api>>",
        headers={"Authorization": "Bearer <<secrets.api>>"},
    )
    async with Engine(allow=[f"127.0.0.1:{server.port}"], secrets={"api": CANARY}) as engine:
        shown = [encode_event(each) async for each in flow_of(StepRequest(config=config)).run(engine=engine)]
    await server.close()
    assert seen == [f"Bearer {CANARY}"]
    assert CANARY.encode() not in b"".join(shown)


async def test_a_secret_in_an_address_that_cannot_be_reached_is_masked_in_the_error() -> None:
    config = StepRequestConfig(url="http://127.0.0.1:9/<<secrets.api>>/x")
    async with Engine(allow=["127.0.0.1:9"], secrets={"api": CANARY}) as engine:
        run = await flow_of(StepRequest(config=config)).execute(engine=engine)
    assert CANARY not in repr(run.events)
    assert "***" in run.failures[0].error.message


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (BearerAuth(bearer="<<secrets.api>>"), f"Bearer {CANARY}"),
        ({"bearer": "<<secrets.api>>"}, f"Bearer {CANARY}"),
        (
            BasicAuth(username="shop", password="<<secrets.api>>"),
            BasicAuth(username="shop", password=CANARY).header(),
        ),
    ],
)
async def test_a_secret_in_an_auth_is_sent_however_the_auth_is_written(
    auth: BearerAuth | BasicAuth | dict[str, str], sent: str
) -> None:
    seen: list[str] = []
    server = await serve(200, seen)
    config = StepRequestConfig(url=f"http://127.0.0.1:{server.port}/", auth=auth)
    async with Engine(allow=[f"127.0.0.1:{server.port}"], secrets={"api": CANARY}) as engine:
        await flow_of(StepRequest(config=config)).execute(engine=engine)
    await server.close()
    assert seen == [sent]


async def test_an_auth_whose_value_reads_like_a_template_is_sent_as_it_is() -> None:
    seen: list[str] = []
    server = await serve(200, seen)
    config = StepRequestConfig(
        url=f"http://127.0.0.1:{server.port}/", auth=BearerAuth(bearer="<<secrets.api>>")
    )
    async with Engine(allow=[f"127.0.0.1:{server.port}"], secrets={"api": "<<x>>"}) as engine:
        await flow_of(StepRequest(config=config)).execute(engine=engine)
    await server.close()
    assert seen == ["Bearer <<x>>"]


async def test_a_secret_as_a_host_is_masked_however_it_is_spelled() -> None:
    async with Engine(secrets={"api": CANARY}) as engine:
        config = StepRequestConfig(url="http://<<secrets.api>>.invalid/x")
        run = await flow_of(StepRequest(config=config)).execute(engine=engine)
    assert CANARY.lower() not in repr(run.events).lower()


def test_a_secret_where_none_is_accepted_is_refused_before_the_run() -> None:
    step = StepSetState(config=StepSetStateConfig(key="leak", value="x <<secrets.api>>"))
    with pytest.raises(InvalidFlow, match="SECRET_NOT_ALLOWED"):
        flow_of(step).run()


@pytest.mark.parametrize("template", ["<<$>>", "{{ steps }}", "<<$..api>>"])
async def test_the_whole_state_does_not_hold_the_secrets(template: str) -> None:
    step = StepSetState(config=StepSetStateConfig(key="all", value=template))
    async with Engine(secrets={"api": CANARY}) as engine:
        run = await flow_of(step).execute(engine=engine)
    assert CANARY not in repr(run.events)
