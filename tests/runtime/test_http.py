"""An engine sends with the client it is given, and leaves closing it to whoever made it."""

from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from openrun import Engine, StepRequest
from openrun.net.address import AllowList
from openrun.net.http import HttpClient, HttpRequest, HttpResponse
from openrun.steps.execution.request import StepRequestConfig
from tests.runtime.steps import flow_of

ELSEWHERE = "https://api.example.com"


class Redirecting(HttpClient):
    """Sends to a server of the test what is meant for another."""

    def __init__(self, target: str) -> None:
        super().__init__(allow=AllowList.parse([target]))
        self.target = target

    async def send(self, request: HttpRequest) -> HttpResponse:
        return await super().send(
            replace(request, url=request.url.replace(ELSEWHERE, f"http://{self.target}"))
        )


async def test_a_client_that_is_given_is_used_by_every_engine_and_closed_by_none() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"path": request.path})

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    flow = flow_of(StepRequest(id="get", config=StepRequestConfig(url=f"{ELSEWHERE}/a")))
    async with TestServer(app) as server, Redirecting(f"127.0.0.1:{server.port}") as client:
        for _ in range(2):
            async with Engine(http=client) as engine:
                run = await flow.execute(engine=engine)
            assert run.state["response"]["data"] == {"path": "/a"}


async def test_a_client_with_targets_beside_it_is_refused() -> None:
    async with HttpClient() as client:
        with pytest.raises(ValueError, match="give either `allow` or `http`"):
            Engine(http=client, allow=["127.0.0.1:9"])
