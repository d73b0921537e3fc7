"""A server with something of everything, in a thread of its own: for clients that are not asynchronous."""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeVar

from openrun import Flow, StepContext, step
from openrun.server.access import Role
from openrun.server.config import ServerConfig
from openrun.steps.catalog import StepCatalog
from openrun.steps.triggers.webhook import TriggerWebhookConfig
from openrun.store.rows import RunFilter
from openrun.triggers.routes import Endpoint
from tests.server.site import Site, site

ResultT = TypeVar("ResultT")

PATIENCE = 30
ENOUGH = {"/v1/approvals": 12, "/v1/effects?status=unknown": 4, "/v1/dead-letters": 8, "/v1/compensations": 4}
ORDER = {
    "type": "object",
    "required": ["lines"],
    "properties": {"lines": {"type": "array", "maxItems": 3, "items": {"$ref": "#/$defs/line"}}},
    "$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}},
}


@step
async def pay(context: StepContext) -> Any:
    """A call to a bank of which nobody knows whether it was made."""

    async def charge() -> None:
        raise TimeoutError

    return await context.effect("charge", charge, effect="at_most_once")


@step
async def wonder(context: StepContext) -> Any:
    """Asks somebody for anything at all."""
    return await context.interrupt({"which": "colour"}, title="Which colour?")


def flow_of(flow_id: str, *steps: Mapping[str, Any], **trigger: Any) -> dict[str, Any]:
    """Steps one after another, behind a webhook where `trigger` has a path, else behind a trigger by hand."""
    first: dict[str, Any] = {"id": "begin", "type": "trigger_manual"}
    if trigger:
        first = {"id": "begin", "type": "trigger_webhook", "config": trigger}
    every = [first, *steps]
    edges = [{"source": a["id"], "target": b["id"]} for a, b in pairwise(every)]
    return {"id": flow_id, "name": flow_id.title(), "steps": every, "edges": edges}


SETS = {"id": "charge", "type": "set_state", "config": {"values": {"total": "<<body.total ?? 1>>"}}}
FAILS = {"id": "boom", "type": "fail", "config": {"message": "no luck", "code": "NO_LUCK"}}
SAYS = {"id": "say", "type": "reply", "config": {"status": 201, "body": {"got": "<<body ?? null>>"}}}
UNDOES_BADLY = {**SETS, "compensate": {"type": "fail", "config": {"message": "cannot be undone"}}}
BY_HAND = (
    flow_of("orders", SETS),
    flow_of("slow", SETS, {"id": "wait", "type": "delay", "config": {"seconds": "1h"}}),
    flow_of("broken", SETS, FAILS),
    flow_of("ask", {"id": "ask", "type": "approval", "config": {"title": "Pay?", "payload": {"amount": 5}}}),
    flow_of("doubt", {"id": "pay", "type": "pay"}),
    flow_of("wonder", {"id": "wonder", "type": "wonder"}),
    flow_of("undone", UNDOES_BADLY, FAILS),
    flow_of("parent", {"id": "sub", "type": "subflow", "config": {"flow": "orders"}}),
)
OFTEN = {"ask": 6, "wonder": 6, "doubt": 4, "broken": 4, "undone": 4}
"""Runs that calls may use up, and how many there are."""
HOOKED = (
    flow_of("order", SETS, path="/orders/{shop}", input_schema=ORDER, methods=["POST", "PUT"]),
    flow_of("echo", SAYS, path="/echo", mode="respond", methods=["POST", "GET"]),
    flow_of("last", SETS, path="/last", mode="last_step", description="Waits for the end."),
    flow_of("tell", SAYS, path="/tell", mode="stream"),
    flow_of("signed", SETS, path="/signed", signature={"scheme": "github", "secrets": ["hub"]}),
)
TIMED = {
    "id": "yearly",
    "name": "Yearly",
    "steps": [{"id": "year", "type": "trigger_schedule", "config": {"cron": "@yearly"}}, SETS],
    "edges": [{"source": "year", "target": "charge"}],
}
SECRETS = {"hub": "It's a Secret to Everybody"}


def endpoints() -> list[Endpoint]:
    """The webhooks of the flows."""
    return [
        Endpoint(
            flow_id=flow["id"],
            version="",
            step_id="begin",
            config=TriggerWebhookConfig.model_validate(flow["steps"][0]["config"]),
        )
        for flow in HOOKED
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """The server, and by parameter of a path the names that are taken."""

    url: str
    address: tuple[str, int]
    key: str
    names: Mapping[str, list[str]]
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    """Run something in the server's loop."""
    site: Site


@contextmanager
def crowded() -> Iterator[Crowded]:
    """Started, filled, and ended with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(work: Coroutine[Any, Any, ResultT]) -> ResultT:
        done: Future[ResultT] = asyncio.run_coroutine_threadsafe(work, loop)
        return done.result(PATIENCE)

    stack = AsyncExitStack()
    try:
        made = run(_enter(stack))
        names = run(_fill(made))
        yield Crowded(
            url=made.server.url, address=made.server.address, key=made.key, names=names, run=run, site=made
        )
    finally:
        run(stack.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _enter(stack: AsyncExitStack) -> Site:
    catalog = StepCatalog.builtin()
    catalog.add("pay", pay)
    catalog.add("wonder", wonder)
    config = ServerConfig(port=0, grace=0.5, refresh=0.05)
    made = await stack.enter_async_context(site(catalog=catalog, secrets=SECRETS, config=config))
    for flow in (flow_of("orders"), *BY_HAND, *HOOKED, TIMED):
        await made.app.add_flow(Flow.from_json(json.dumps(flow), catalog=catalog))
    await made.server.flows_changed()
    return made


async def _subscribed(made: Site) -> list[str]:
    """Subscriptions: to what happens here, and to what does not."""
    wanted = [
        ("openrun:events", "run.failed"),
        *(("https://receiver.example/hook", "run.aborted") for _ in range(4)),
    ]
    answers = [
        await made.call("POST", "/v1/subscriptions", body={"url": url, "types": [each]})
        for url, each in wanted
    ]
    assert {each.status for each in answers} == {201}, answers[0].text
    return [each.json["subscription_id"] for each in answers[1:]]


async def _fill(made: Site) -> dict[str, list[str]]:
    subscriptions = await _subscribed(made)
    for flow in BY_HAND:
        for _ in range(OFTEN.get(flow["id"], 1)):
            got = await made.call("POST", "/v1/runs", body={"flow": flow["id"]})
            assert got.status == 202, got.text
    got = await made.hook("/orders/shop", {"lines": [{"sku": "a"}]})
    assert got.status == 202, got.text
    await _settled(made)
    rows = await made.app.store.runs(RunFilter())
    flows = await made.app.store.flows()
    spare, _ = await made.server.keyring.create("spare", Role.USER, "default")
    await made.server.keyring.create("other", Role.ADMIN, "other")
    waits = (await made.call("GET", "/v1/approvals")).json["items"]
    effects = (await made.call("GET", "/v1/effects")).json["items"]
    assert (await made.call("GET", "/v1/deliveries")).json["items"]
    undone = (await made.call("GET", "/v1/compensations")).json["items"]
    dead = (await made.call("GET", "/v1/dead-letters")).json["items"]
    for number in range(4):
        body = {"type": "order.paid", "data": {"number": number}}
        assert (await made.call("POST", "/v1/events", body=body)).status == 202
    events = (await made.call("GET", "/v1/events")).json["items"]
    told = (await made.call("GET", "/v1/notifications")).json["items"]
    return {
        "run_id": [row.run_id for row in rows if row.flow_id not in ("ask", "wonder")],
        "compensations.step_id": ["charge"],
        "compensations.run_id": [each["run_id"] for each in undone],
        "dead letters.run_id": [each["run_id"] for each in dead],
        "deliveries.run_id": [row.run_id for row in rows if row.flow_id == "order"],
        "flow_id": [flow.flow_id for flow in flows],
        "schedules.flow_id": ["yearly"],
        "trigger": ["year"],
        "version": [flow.version for flow in flows],
        "step_id": ["charge", "boom", "begin"],
        "key_id": [spare.key_id],
        # Approvals and inputs by turns, so that either half has both.
        "wait_id": [each["wait_id"] for each in sorted(waits, key=lambda each: str(each["wait_id"]))],
        "effects.key": [each["key"] for each in effects],
        "steps.key": ["request", "approval"],
        "number": [str(each["number"]) for each in events],
        "subscription_id": subscriptions,
        "notification_id": [each["notification_id"] for each in told],
    }


async def _settled(made: Site) -> None:
    """Until each run has ended, or waits for what does not come by itself."""
    async with asyncio.timeout(PATIENCE):
        for row in await made.app.store.runs(RunFilter()):
            if row.flow_id not in ("slow", "ask", "doubt", "wonder"):
                await made.app.ended(row.run_id)
        for place, enough in ENOUGH.items():
            while len((await made.call("GET", place)).json["items"]) < enough:  # noqa: ASYNC110
                # What is asked for here is on disk a moment after the run has come to it.
                await asyncio.sleep(0.01)
