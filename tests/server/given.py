"""Flows as documents, and runs of them, for tests of the API."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

from openrun.core.types import RunStatus
from tests.server.hostile import PATIENCE
from tests.server.site import Site


def flow_of(flow_id: str, *steps: dict[str, Any]) -> dict[str, Any]:
    """Steps one after another, behind a trigger by hand."""
    every = [{"id": "begin", "type": "trigger_manual"}, *steps]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(every)]
    return {"id": flow_id, "name": flow_id.title(), "steps": every, "edges": edges}


def sets(step_id: str, **values: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "set_state", "config": {"values": values}}


def waits(step_id: str = "wait", seconds: str = "1h") -> dict[str, Any]:
    return {"id": step_id, "type": "delay", "config": {"seconds": seconds}}


def fails(step_id: str = "boom") -> dict[str, Any]:
    return {"id": step_id, "type": "fail", "config": {"message": "no luck", "code": "NO_LUCK"}}


def approval(step_id: str = "manager", **config: Any) -> dict[str, Any]:
    return {"id": step_id, "type": "approval", "config": {"title": "Refund?", **config}}


async def started(place: Site, flow: str, **body: Any) -> str:
    got = await place.call("POST", "/v1/runs", body={"flow": flow, **body})
    assert got.status == 202, got.text
    return str(got.json["run_id"])


async def finished(place: Site, flow: str, **body: Any) -> str:
    run_id = await started(place, flow, **body)
    await place.app.ended(run_id)
    return run_id


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for a condition of the store."""
    async with asyncio.timeout(PATIENCE):
        # The store has no signal for conditions like these.
        while not await holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def stands(place: Site, run_id: str, *statuses: RunStatus) -> None:
    """Wait until a run has one of these statuses."""

    async def holds() -> bool:
        return (await place.app.row(run_id)).status in statuses

    await until(holds)
