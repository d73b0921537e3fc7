"""What the server does for every request: names, hosts, origins, health, and its own end."""

import asyncio

import aiohttp
import pytest

from openrun.server.config import ServerConfig
from openrun.store.base import StoreUnavailable
from openrun.store.memory import MemoryStore
from tests.server.site import Got, Site, hook_flow, site


async def test_a_request_has_a_name_that_the_caller_may_choose(greeting: Site) -> None:
    chosen = await greeting.call("GET", "/v1/nothing", headers={"X-Request-ID": "mine-1"})
    assert (chosen.headers["X-Request-ID"], chosen.json["request_id"]) == ("mine-1", "mine-1")
    for hostile in ("x" * 200, "two words", "ünsinn"):
        got = await greeting.call("GET", "/livez", headers={"X-Request-ID": hostile})
        assert got.headers["X-Request-ID"] != hostile


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example"])
async def test_the_api_does_not_answer_for_other_hosts(greeting: Site, host: str) -> None:
    got = await greeting.call("GET", "/v1/flows", headers={"Host": host})
    assert got.status in (400, 403)
    assert (await greeting.call("GET", "/livez", headers={"Host": "10.0.0.7"})).status == 200


async def test_named_hosts_are_answered() -> None:
    config = ServerConfig(port=0, hosts=frozenset({"flows.example.com"}))
    async with site(flows=[hook_flow()], config=config) as it:
        assert (await it.call("GET", "/v1/flows", headers={"Host": "flows.example.com"})).status == 200
        assert (await it.call("GET", "/v1/flows", headers={"Host": "localhost:9"})).status == 200


async def test_pages_of_others_may_change_nothing(greeting: Site) -> None:
    body = {"flow": "greet", "input": {}}
    for origin, status in (("https://evil.example", 403), ("null", 403), (greeting.server.url, 202)):
        got = await greeting.call("POST", "/v1/runs", body=body, headers={"Origin": origin})
        assert got.status == status, origin
    assert (await greeting.call("GET", "/v1/flows", headers={"Origin": "https://evil.example"})).status == 200


async def test_probes_say_how_it_stands_and_no_more_than_asked(greeting: Site) -> None:
    ready = await greeting.call("GET", "/readyz", key=None)
    assert (ready.status, ready.json, ready.headers["Cache-Control"]) == (200, {"status": "ok"}, "no-store")
    verbose = await greeting.call("GET", "/readyz?verbose", key=None)
    assert verbose.json["checks"] == {
        "server": "ok",
        "store": "ok",
        "journal": "ok",
        "worker": "ok",
        "bus": "ok",
    }
    assert (await greeting.call("GET", "/healthz", key=None)).status == 200


class Away(MemoryStore):
    """A store that can be taken away."""

    away = False

    async def now(self) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return await super().now()


async def test_without_a_store_it_lives_and_is_not_ready() -> None:
    store = Away()
    async with site(store, flows=[hook_flow()]) as it:
        store.away = True
        assert (await it.call("GET", "/livez", key=None)).status == 200
        got = await it.call("GET", "/readyz?verbose", key=None)
        assert (got.status, got.json["checks"]["store"]) == (503, "unavailable")
        store.away = False
        assert (await it.call("GET", "/readyz", key=None)).status == 200


async def test_a_server_whose_redis_is_away_is_ready_and_says_so() -> None:
    # Nobody listens at port 1.
    async with site(bus="redis://127.0.0.1:1/0") as it:

        async def checked() -> Got:
            return await it.call("GET", "/readyz?verbose", key=None)

        # That Redis does not answer has no signal.
        while (got := await checked()).json["checks"]["bus"] == "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert (got.status, got.json["status"]) == (200, "ok")
        assert got.json["checks"]["bus"] == "Redis is away, events come from the store"


async def test_a_server_that_stops_answers_who_is_waiting() -> None:
    flow = hook_flow(path="/slow", mode="last_step", wait_seconds=60)
    flow["steps"].insert(1, {"id": "rest", "type": "delay", "config": {"seconds": 1}})
    flow["edges"] = [{"source": "hook", "target": "rest"}, {"source": "rest", "target": "say"}]
    async with site(flows=[flow]) as it:
        waiting = asyncio.create_task(it.hook("/slow"))
        while not it.app.worker or not it.app.worker.held:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await it.server.stop()
        assert (await waiting).status == 201
        with pytest.raises(aiohttp.ClientConnectionError):
            await it.hook("/slow")


async def test_who_waits_for_too_long_when_the_server_stops_gets_the_id_of_the_run() -> None:
    flow = hook_flow(path="/slow", mode="last_step", wait_seconds=60)
    flow["steps"].insert(1, {"id": "rest", "type": "delay", "config": {"seconds": 3_600}})
    flow["edges"] = [{"source": "hook", "target": "rest"}, {"source": "rest", "target": "say"}]
    config = ServerConfig(port=0, grace=1.0)
    async with site(flows=[flow], config=config) as it:
        waiting = asyncio.create_task(it.hook("/slow"))
        while not it.app.worker or not it.app.worker.held:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await it.server.stop()
        got = await waiting
        assert got.status == 202
        assert (await it.app.row(got.json["run_id"])).ended_at is None


async def test_on_loopback_pages_of_others_reach_no_webhook_that_anyone_may_call() -> None:
    proof = {"scheme": "header", "name": "X-Proof", "secret": "proof"}
    flows = [hook_flow(path="/open"), hook_flow(path="/proved", flow_id="proved", signature=proof)]
    async with site(flows=flows, secrets={"proof": "given by hand"}) as it:
        for headers in ({"Host": "rebound.example"}, {"Origin": "https://evil.example"}):
            assert (await it.hook("/open", headers=headers)).status == 403
            proved = {**headers, "X-Proof": "given by hand"}
            assert (await it.hook("/proved", headers=proved)).status == 202
        assert (await it.hook("/open")).status == 202
