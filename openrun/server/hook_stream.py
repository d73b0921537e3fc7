"""A webhook that answers with what its run tells, as it tells it: server-sent events for whoever called.

The caller is nobody who may look into the run: it hears what steps report (`context.emit`), what reply steps say, and
how it ended.
"""

import asyncio
import contextlib
import logging

import msgspec
from aiohttp import web

from openrun.core.events import FlowCompleted, StepCompleted, decode_fact
from openrun.core.types import Json
from openrun.server.route import REQUEST_ID, House
from openrun.server.stream import HEARTBEAT, STREAM_HEADERS
from openrun.space import DurableRun, Space
from openrun.store.base import StoreUnavailable
from openrun.store.rows import EventRow

_log = logging.getLogger("openrun.server")

_FIRST = asyncio.FIRST_COMPLETED


async def stream_hook(
    request: web.BaseRequest, house: House, space: Space, run: DurableRun
) -> web.StreamResponse:
    """Answer with `accepted` (the run's id), then `progress`, `reply` and `end`."""
    own = {"OpenRun-Run": run.run_id, "X-Request-ID": request[REQUEST_ID]}
    response = web.StreamResponse(headers={**STREAM_HEADERS, **own})
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    telling = loop.create_task(_tell(response, house, space, run))
    stopping = loop.create_task(house.stopped.wait())
    heartbeat = house.config.heartbeat
    house.metrics.streams += 1
    try:
        # Nobody on the line any more is no fault: the run goes on.
        with contextlib.suppress(ConnectionError):
            while not (await asyncio.wait([telling, stopping], timeout=heartbeat, return_when=_FIRST))[0]:
                await response.write(HEARTBEAT)
    finally:
        house.metrics.streams -= 1
        telling.cancel()
        stopping.cancel()
        await asyncio.wait([telling, stopping])
    fault = None if telling.cancelled() else telling.exception()
    if fault is not None and not isinstance(fault, ConnectionError | StoreUnavailable):
        # The answer has begun, so that nothing else can be said in its place.
        _log.error("the stream of run %s broke off", run.run_id, exc_info=fault)
    return response


async def _tell(response: web.StreamResponse, house: House, space: Space, run: DurableRun) -> None:
    await response.write(_event("accepted", {"run_id": run.run_id}))
    row = await space.row(run.run_id)
    program = await house.app.library.program(row.flow_id, row.version, row.namespace)
    replying = {
        step_id for step_id, kind in program.step_types.items() if house.app.catalog.get(kind).replies
    }
    async for page in space.follow(run.run_id):
        for progress in page.progress:
            await response.write(_event("progress", msgspec.json.decode(progress.data)))
        for event in page.events:
            told = _told(event, replying)
            if told is not None:
                await response.write(told)


def _told(row: EventRow, replying: set[str]) -> bytes | None:
    match decode_fact(row.body):
        case StepCompleted(step_id=step_id, result=result) if step_id in replying and result.error is None:
            return _event("reply", result.output)
        case FlowCompleted(status=status, run_id=run_id):
            return _event("end", {"run_id": run_id, "status": status.value})
        case _:
            return None


def _event(name: str, value: Json) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
