"""Servers die while they hand out events: none is lost, none starts a run twice, none is emitted twice."""

from collections import Counter

from openrun.app import App
from openrun.core.types import RunStatus
from tests.triggers.listening import an_event, begun, emits, ended, on_event, runs, settled, until

from .fleet import Fleet

FLOWS = (
    on_event("ship", "order.paid", emits("order.sent")),
    on_event("thank", "order.sent"),
    on_event(
        "close",
        all_of=[{"event_type": "order.paid"}, {"event_type": "order.sent"}],
        within="1h",
        correlation="<<event.correlationid>>",
    ),
)
ROUNDS, ORDERS = 5, 8


async def test_events_start_each_run_once_though_the_servers_die(fleet: Fleet) -> None:
    app: App = fleet.app
    for flow in FLOWS:
        await app.add_flow(flow)
    members = [await fleet.worker() for _ in range(2)]
    for number in range(ROUNDS):
        names = [f"{number}-{at}" for at in range(ORDERS)]
        events = [an_event(name, extensions={"correlationid": name}) for name in names]
        assert await app.events.publish(events) == [True] * ORDERS
        # In the middle of it: one more has its run, and the others are on their way.
        await _at_least(app, number * ORDERS + 1)
        await members.pop(0).kill()
        members.append(await fleet.worker())
    count = ROUNDS * ORDERS
    every = [run for flow in FLOWS for run in await ended(app, flow.id or "", count)]
    assert {run.status for run in every} == {RunStatus.SUCCEEDED}
    rows = await settled(app)
    assert Counter(row.type for row in rows) == {"order.paid": count, "order.sent": count}
    pairs = [(await begun(app, run)).input["events"] for run in await ended(app, "close", count)]
    assert len({each["id"] for pair in pairs for each in pair}) == 2 * count
    assert all(paid["correlationid"] == sent["correlationid"] for paid, sent in pairs)
    await fleet.check()


async def _at_least(app: App, count: int) -> None:
    async def holds() -> bool:
        return len(await runs(app, "ship")) >= count

    await until(holds)
