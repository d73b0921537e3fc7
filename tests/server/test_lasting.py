"""Answers that last do not take the place of all others."""

import asyncio
import contextlib

from openrun.server.config import ServerConfig
from openrun.server.connections import ConnectionLimits
from openrun.server.lasting import Lasting
from tests.server.site import Site, hook_flow, site


def test_strangers_of_one_address_get_so_many_places_and_everybody_the_rest() -> None:
    lasting = Lasting(4, 2)
    with contextlib.ExitStack() as stack:

        def gets_in(address: str, *, known: bool) -> bool:
            return stack.enter_context(lasting.place(address, known=known))

        assert [gets_in("a", known=False) for _ in range(3)] == [True, True, False]
        assert gets_in("b", known=False)
        assert not gets_in("c", known=False), "a place is left for those with a key"
        assert [gets_in("a", known=True) for _ in range(2)] == [True, False]
        assert lasting.count == 4
    assert lasting.count == 0


def slow(mode: str) -> dict[str, object]:
    flow = hook_flow(path="/slow", mode=mode, wait_seconds=60)
    flow["steps"].insert(1, {"id": "rest", "type": "delay", "config": {"seconds": 3_600}})
    flow["edges"] = [{"source": "hook", "target": "rest"}, {"source": "rest", "target": "say"}]
    return flow


async def kept(it: Site, count: int) -> list["asyncio.Task[object]"]:
    """So many callers, who are kept on the line."""
    waiting = [asyncio.create_task(it.hook("/slow")) for _ in range(count)]
    while it.server.lasting.count < count:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return waiting  # type: ignore[return-value]


async def test_who_finds_no_room_to_wait_gets_the_id_of_the_run_at_once() -> None:
    config = ServerConfig(port=0, lasting_per_address=2, grace=0.5)
    async with site(flows=[slow("last_step")], config=config) as it:
        waiting = await kept(it, 2)
        assert (await it.hook("/slow")).status == 202
        await it.server.stop()
        await asyncio.gather(*waiting)


async def test_streams_without_room_are_refused_and_others_stay_answered() -> None:
    config = ServerConfig(port=0, lasting_per_address=100, grace=0.5)
    limits = ConnectionLimits(connections=12)
    async with site(flows=[slow("stream")], config=config, limits=limits) as it:
        waiting = await kept(it, 4)
        refused = await it.hook("/slow")
        assert (refused.status, refused.headers["Retry-After"]) == (503, "10")
        assert (await it.call("GET", "/livez")).status == 200
        await it.server.stop()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_callers_behind_a_proxy_are_not_one_caller() -> None:
    config = ServerConfig(
        port=0, lasting_per_address=1, grace=0.5, proxies=frozenset({"127.0.0.1"}), hosts=frozenset()
    )
    async with site(flows=[slow("last_step")], config=config) as it:
        waiting = await kept(it, 3)
        await it.server.stop()
        await asyncio.gather(*waiting)
