"""A server whose store has no room, or is away: callers are told so in time, and it comes back by itself."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from tests.server.site import Got
from tests.servers.postgres import PostgresServer

from .fleet import a_fleet, until
from .server_process import hooked, pure
from .serving import a_server, all_deliveries, all_ended
from .small_disk import SmallDisk, small_disk

SECONDS = 15.0
"""What any call may take, whatever the store does."""


def is_told(got: Got, status: int) -> bool:
    """Whether it is a problem of this status that says when to come again."""
    if got.status != status:
        return False
    assert got.headers["Content-Type"] == "application/problem+json"
    assert got.json["status"] == status
    assert int(got.headers["Retry-After"]) > 0
    return True


async def acknowledged_until(status: int, deliver: Callable[[str], Awaitable[Got]]) -> dict[str, str]:
    """Deliver until the answer is this problem; the runs of what was acknowledged before, by delivery."""
    runs: dict[str, str] = {}
    while True:
        delivery_id = f"{status}-{len(runs)}"
        got = await deliver(delivery_id)
        if is_told(got, status):
            return runs
        assert got.status == 202
        runs[delivery_id] = got.json["run_id"]


async def back(deliver: Callable[[str], Awaitable[Got]], delivery_id: str) -> str:
    """Deliver until it is acknowledged; the run."""

    async def there() -> str | None:
        got = await deliver(delivery_id)
        return got.json["run_id"] if got.status == 202 else None

    return await until(there)


async def test_a_full_disk_is_told_and_forgotten_once_it_has_room(tmp_path: Path) -> None:
    async with small_disk(tmp_path, SECONDS) as disk:
        runs = [(await disk.deliver(f"early-{number}")).json["run_id"] for number in range(5)]
        disk.fill()
        runs += (await acknowledged_until(507, disk.deliver)).values()
        for _ in range(3):
            assert is_told(await disk.deliver("again"), 507)
        assert (await disk.call("GET", "/livez")).status == 200
        assert (await disk.call("GET", "/readyz")).status == 503
        assert (await disk.call("GET", f"/v1/runs/{runs[0]}")).json["run_id"] == runs[0]
        disk.make_room()
        runs.append(await back(disk.deliver, "again"))
        await until(lambda: is_ready(disk))
        for run_id in runs:
            await until(lambda run_id=run_id: ended(disk, run_id))  # type: ignore[misc]
        disk.fill()
        asking = asyncio.ensure_future(disk.deliver("last"))
        await until(lambda: is_not_ready(disk))
        assert await disk.stop() == 0
        await asyncio.wait([asking])
        assert isinstance(asking.exception(), aiohttp.ClientError) or asking.result().status != 202


async def ended(disk: SmallDisk, run_id: str) -> bool:
    got = await disk.call("GET", f"/v1/runs/{run_id}")
    assert got.status == 200
    return bool(got.json["status"] == "succeeded")


async def is_ready(disk: SmallDisk) -> bool:
    return (await disk.call("GET", "/readyz")).status == 200


async def is_not_ready(disk: SmallDisk) -> bool:
    return not await is_ready(disk)


async def test_a_database_that_is_away_for_a_while_is_told_and_costs_nothing(
    postgres_of_its_own: PostgresServer,
) -> None:
    database = postgres_of_its_own
    timeout = aiohttp.ClientTimeout(SECONDS)
    async with a_fleet(database.create_database()) as fleet, aiohttp.ClientSession(timeout=timeout) as http:
        await fleet.app.add_flow(hooked("work", *pure(delay=0.2)))
        member, (host, port) = await a_server(fleet)

        async def ask(method: str, path: str, **headers: str) -> Got:
            url = f"http://{host}:{port}{path}"
            async with http.request(method, url, headers=headers) as response:
                return Got(response.status, response.headers, await response.text())

        async def deliver(delivery_id: str) -> Got:
            return await ask("POST", "/hooks/work", **{"Idempotency-Key": delivery_id})

        runs = {f"early-{number}": await back(deliver, f"early-{number}") for number in range(5)}
        await asyncio.to_thread(database.kill)
        runs |= await acknowledged_until(503, deliver)
        again = await asyncio.gather(*(deliver(f"away-{number}") for number in range(5)))
        assert all(is_told(each, 503) for each in again)
        assert (await ask("GET", "/livez")).status == 200
        assert (await ask("GET", "/readyz")).status == 503
        await asyncio.to_thread(database.start)
        runs |= {f"away-{number}": await back(deliver, f"away-{number}") for number in range(5)}
        await all_ended(fleet)
        kept = {each.delivery_id: each.run_id for each in await all_deliveries(fleet)}
        assert runs.items() <= kept.items()
        assert (await ask("GET", "/readyz")).status == 200
        await member.retire()
        await fleet.check()
