"""Flows that leave all kinds of rows behind, and runs of them."""

from functools import partial
from itertools import pairwise
from typing import Any

from openrun import Flow, StepContext, TriggerManual, step
from openrun.app import App
from openrun.core.types import RunStatus
from openrun.store.rows import WaitFilter
from tests.store.given import until

Part = dict[str, Any]

START: Part = {"id": "start", "type": "trigger_manual"}


def keep(step_id: str, value: Any = 1) -> Part:
    return {"id": step_id, "type": "set_state", "config": {"key": step_id, "value": value}}


def row_of(flow_id: str, *parts: Part) -> Flow:
    """These steps one after another."""
    ids = ["start", *(part["id"] for part in parts)]
    edges = [{"source": a, "target": b} for a, b in pairwise(ids)]
    return Flow.from_dict({"id": flow_id, "name": flow_id, "steps": [START, *parts], "edges": edges})


async def _charged(amount: int) -> Part:
    return {"charged": amount, "note": "ü\0"}


@step
async def pay(context: StepContext, amount: int = 3) -> Part:
    """A step that reports, charges, and asks a person."""
    context.emit({"amount": amount})
    paid: Part = await context.effect("charge", _charged, amount)
    return {**paid, "by": await context.interrupt({"amount": amount}, title="Paid\0?")}


def undone(part: Part, undoing: Part) -> Part:
    return {**part, "compensate": undoing}


def _pays() -> Flow:
    flow = Flow(id="pays", name="pays")
    flow.add_edge(TriggerManual(id="start"), pay(id="pay"))
    return flow


PUT_BACK: Part = {"type": "set_state", "config": {"key": "back", "value": 1}}
FAIL: Part = {"type": "fail", "config": {"message": "no\0 way back"}}
DAMAGES = (
    "UPDATE events SET body = body || ' ' WHERE run_id = ? AND seq = 3",
    "UPDATE events SET body = CAST(x'ff' AS TEXT) WHERE run_id = ? AND seq = 3",
)
RETRY: Part = {"max_attempts": 3, "base_ms": 1, "jitter": 0, "retry_on": ["*"]}
FLOWS = (
    row_of("plain", keep("a"), keep("b", {"list": [1, 2], "text": "ü\u0000"}), keep("a2")),
    row_of("retries", {"id": "boom", "type": "fail", "config": {"message": "no\u0000 luck"}, "retry": RETRY}),
    row_of("naps", keep("a"), {"id": "nap", "type": "delay", "config": {"seconds": 0.01}}, keep("b")),
    row_of("waits", keep("a"), {"id": "nap", "type": "delay", "config": {"seconds": 3600}}, keep("b")),
    row_of(
        "each",
        {
            "id": "all",
            "type": "foreach",
            "config": {"items": "<<body.items>>", "body": {"steps": [keep("one", "<<item>>")], "edges": []}},
        },
        keep("after"),
    ),
    row_of("calls", {"id": "call", "type": "subflow", "config": {"flow": "plain", "input": {}}}, keep("b")),
    row_of("asks", keep("a"), {"id": "ask", "type": "approval", "config": {"title": "May\0 I?"}}),
    row_of("undoes", undone(keep("a"), PUT_BACK), undone(keep("b"), FAIL), {"id": "boom", **FAIL}),
    _pays(),
)


async def ended(app: App, flow: str, **given: Any) -> str:
    """The id of a run of this flow that has ended."""
    run = await app.start(flow, **given)
    await run.finished()
    return run.run_id


async def standing(app: App, run_id: str, status: RunStatus) -> str:
    """Wait until the run stands so."""

    async def stands() -> bool:
        return (await app.row(run_id)).status is status

    await until(stands)
    return run_id


async def waiting(app: App) -> str:
    """The id of a run that waits for an hour."""
    return await standing(app, (await app.start("waits")).run_id, RunStatus.WAITING)


async def of_people_and_money(app: App) -> list[str]:
    """Runs that undid what they did, wait for an approval, and have paid and wait for a word."""
    found = [await ended(app, "undoes")]
    for flow in ("asks", "pays"):
        run_id = (await app.start(flow)).run_id
        await until(partial(app.store.waits, WaitFilter(run_id=run_id)))
        found.append(run_id)
    return found


async def of_all_kinds(app: App) -> list[str]:
    """Runs that ended well, failed, were cancelled, wait, and are paused."""
    found = [await ended(app, flow) for flow in ("plain", "retries", "naps", "calls")]
    found.append(await ended(app, "each", input={"body": {"items": [1, 2, 3]}}))
    cancelled, paused = await waiting(app), await waiting(app)
    await app.cancel(cancelled)
    await app.ended(cancelled)
    await app.pause(paused)
    await standing(app, paused, RunStatus.PAUSED)
    return [*found, cancelled, paused, await waiting(app)]
