"""Events between flows where Redis carries them."""

from pathlib import Path
from uuid import uuid4

from openrun.app import App
from tests.triggers.listening import an_event, begun, by_hand, emits, ended, on_event, settled


async def test_two_servers_share_the_events_that_redis_carries(redis_server_url: str, tmp_path: Path) -> None:
    bus = f"{redis_server_url}?stream=openrun:tests:{uuid4().hex}"
    path = tmp_path / "openrun.db"
    flows = [
        on_event("ship", "order.paid", emits("order.sent")),
        on_event("thank", "order.sent"),
        on_event(
            "close",
            all_of=[{"event_type": "order.paid"}, {"event_type": "order.sent"}],
            within="1h",
            correlation="<<event.correlationid>>",
        ),
    ]
    async with App(path, flows=flows, bus=bus) as app, App(path, bus=bus) as _other:
        pay = by_hand("pay", emits("order.paid", correlation="<<body.id>>"))
        for number in range(20):
            await app.start(pay, input={"body": {"id": f"o-{number}"}})
        await app.events.publish([an_event("e1")])
        for flow_id, count in (("ship", 21), ("thank", 21), ("close", 20)):
            await ended(app, flow_id, count)
        rows = await settled(app)
        assert len(rows) == 42
        for run in await ended(app, "close", 20):
            paid, sent = (await begun(app, run)).input["events"]
            assert paid["correlationid"] == sent["correlationid"]
            assert sent["causationid"] == paid["id"]
