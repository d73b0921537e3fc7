"""Subscriptions that are there to hurt others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from openrun.runtime.notifications import MOST_SUBSCRIPTIONS
from openrun.server.access import Role
from tests.server.given import flow_of, sets
from tests.server.site import Site, site


class Hearers:
    """At `/hangs` nobody answers until the end; `told` is set once `/hears` was asked."""

    def __init__(self) -> None:
        self.told, self._end = asyncio.Event(), asyncio.Event()
        self.hanging = 0
        self.all_hang = asyncio.Event()
        self.port = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Hearers"]:
        app = web.Application()
        app.router.add_post("/hangs", self._hangs)
        app.router.add_post("/hears", self._hears)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self._end.set()
            await runner.cleanup()

    async def _hangs(self, _request: web.Request) -> web.Response:
        self.hanging += 1
        if self.hanging >= MOST_SUBSCRIPTIONS:
            self.all_hang.set()
        await self._end.wait()
        return web.Response()

    async def _hears(self, _request: web.Request) -> web.Response:
        self.told.set()
        return web.Response()


async def subscribes(it: Site, key: str, url: str) -> int:
    got = await it.call("POST", "/v1/subscriptions", key=key, body={"url": url, "types": ["run.*"]})
    return got.status


async def test_a_namespace_whose_receivers_all_hang_delays_no_other_namespace() -> None:
    async with Hearers().listening() as hearers:
        address = f"127.0.0.1:{hearers.port}"
        async with site(allow=[address]) as it:
            evil, good = [await it.key_for(Role.ADMIN, each) for each in ("evil", "good")]
            for key in (evil, good):
                await it.call("POST", "/v1/flows", key=key, body=flow_of("plain", sets("a", x=1)))
            assert await subscribes(it, good, f"http://{address}/hears") == 201
            for _ in range(MOST_SUBSCRIPTIONS):
                assert await subscribes(it, evil, f"http://{address}/hangs") == 201
            assert await subscribes(it, evil, f"http://{address}/hangs") == 422
            for _ in range(3):
                await it.call("POST", "/v1/runs", key=evil, body={"flow": "plain"})
            async with asyncio.timeout(15):
                await hearers.all_hang.wait()
                await it.call("POST", "/v1/runs", key=good, body={"flow": "plain"})
                await hearers.told.wait()


async def test_what_is_said_about_a_subscription_holds_no_secret() -> None:
    async with site(secrets={"key": "sesame-open"}) as it:
        body = {"url": "https://example.com/", "types": ["run.*"], "description": "is sesame-open"}
        made = await it.call("POST", "/v1/subscriptions", body=body)
        assert (made.status, made.json["description"]) == (201, "is ***")
        path = f"/v1/subscriptions/{made.json['subscription_id']}/disable"
        off = await it.call("POST", path, body={"reason": "sesame-open"})
        assert off.json["disabled_reason"] == "***"
        for fault in ({"secret": "sesame-open"}, {"url": "https://example.com/?q=sesame%2Dopen"}):
            got = await it.call("POST", "/v1/subscriptions", body={**body, **fault})
            assert got.status == 422
            assert "sesame" not in got.text
