"""A server whose store has no room, or is away: callers are told so in time, and it comes back by itself."""

import asyncio
from pathlib import Path

from tests.server.site import Got

from .fleet import until
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


async def acknowledged_until(disk: SmallDisk, status: int) -> list[str]:
    """Deliver until the answer is this problem; the runs of all that were acknowledged before."""
    runs: list[str] = []
    while True:
        got = await disk.deliver(f"{status}-{len(runs)}")
        if is_told(got, status):
            return runs
        assert got.status == 202
        runs.append(got.json["run_id"])


async def test_a_full_disk_is_told_and_forgotten_once_it_has_room(tmp_path: Path) -> None:
    async with small_disk(tmp_path, SECONDS) as disk:
        await disk.call("GET", "/v1/runs")
        runs = [(await disk.deliver(f"early-{number}")).json["run_id"] for number in range(5)]
        disk.fill()
        runs += await acknowledged_until(disk, 507)
        for _ in range(3):
            assert is_told(await disk.deliver("again"), 507)
        assert (await disk.call("GET", "/livez")).status == 200
        assert (await disk.call("GET", "/readyz")).status == 503
        assert (await disk.call("GET", f"/v1/runs/{runs[0]}")).json["run_id"] == runs[0]
        disk.make_room()

        async def back() -> str | None:
            got = await disk.deliver("again")
            return got.json["run_id"] if got.status == 202 else None

        runs.append(await until(back))
        assert (await disk.call("GET", "/readyz")).status == 200
        for run_id in runs:
            await until(lambda run_id=run_id: ended(disk, run_id))  # type: ignore[misc]
        assert await disk.stop() == 0


async def ended(disk: SmallDisk, run_id: str) -> bool:
    got = await disk.call("GET", f"/v1/runs/{run_id}")
    assert got.status == 200
    return bool(got.json["status"] == "succeeded")
