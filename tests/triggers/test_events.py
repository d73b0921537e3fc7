"""Events start runs and reach those that wait for them, once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from openrun import StateContainer, Step, StepConfig, StepRunResult
from openrun.app import App
from openrun.core.types import RunStatus
from openrun.steps.catalog import StepCatalog
from openrun.steps.execution.emit import MOST_HOPS
from openrun.store.base import StoreUnavailable
from openrun.store.bus_events import BusEventRow
from openrun.triggers.dispatcher import NotDelivered
from tests.triggers.listening import (
    an_event,
    awaits,
    begun,
    by_hand,
    emits,
    ended,
    on_event,
    runs,
    settled,
    until,
)


@pytest.fixture
async def app(store_place: str) -> AsyncIterator[App]:
    async with App(store_place) as each:
        yield each


def a_row(event: Any) -> BusEventRow:
    return BusEventRow(
        namespace="default",
        source=event.source,
        event_id=event.id,
        type=event.type,
        body=event.to_json(),
        received_at=1,
        due_at=None,
    )


async def test_an_event_starts_a_run_of_every_flow_with_a_trigger_for_it(app: App) -> None:
    for flow in (on_event("one", "order.*"), on_event("two", "**"), on_event("other", "user.created")):
        await app.add_flow(flow)
    event = an_event("e1", data={"id": 7}, time="2026-03-01T12:00:00Z")
    assert await app.events.publish([event]) == [True]
    for flow_id in ("one", "two"):
        (run,) = await ended(app, flow_id, 1)
        assert run.trigger == "on"
        assert (await begun(app, run)).input == {
            "event": event.plain(),
            "event_type": "order.paid",
            "event_data": {"id": 7},
            "event_timestamp": "2026-03-01T12:00:00Z",
        }
    await settled(app)
    assert await runs(app, "other") == []


async def test_an_event_that_comes_again_starts_nothing(app: App) -> None:
    await app.add_flow(on_event("one", "order.*"))
    assert await app.events.publish([an_event("e1")]) == [True]
    assert await app.events.publish([an_event("e1"), an_event("e2")]) == [False, True]
    await ended(app, "one", 2)


async def test_an_event_that_nobody_was_there_for_is_handed_out_later(tmp_path: Path) -> None:
    path = tmp_path / "openrun.db"
    async with App(path, flows=[on_event("one", "order.*")], work=False) as publisher:
        await publisher.events.publish([an_event("e1")])
        assert await runs(publisher, "one") == []
    async with App(path) as app:
        await ended(app, "one", 1)


async def test_an_event_that_is_handed_over_again_starts_nothing(app: App) -> None:
    await app.add_flow(on_event("one", "order.*"))
    row = a_row(an_event("e1"))
    await asyncio.gather(*(app.listening.dispatcher.handle(row) for _ in range(5)))
    await app.listening.dispatcher.handle(row)
    await ended(app, "one", 1)


async def test_a_filter_keeps_out_what_is_not_meant(app: App) -> None:
    await app.add_flow(on_event("large", "order.paid", filter="{{ event_data.total > 100 }}"))
    await app.events.publish([an_event(str(total), data={"total": total}) for total in (50, 150, "many")])
    await settled(app)
    (run,) = await ended(app, "large", 1)
    assert (await begun(app, run)).input["event_data"] == {"total": 150}
    assert app.listening.dispatcher.refused == 1


async def test_a_filter_that_cannot_read_events_warns_once(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    await app.add_flow(on_event("large", "order.paid", filter="{{ event_data.total > 100 }}"))
    caplog.set_level("WARNING", "openrun.events")
    await app.events.publish([an_event(str(number), data={"total": "many"}) for number in range(5)])
    await settled(app)
    assert app.listening.dispatcher.refused == 5
    (warned,) = caplog.records
    assert "large" in warned.getMessage()


async def test_a_flow_that_is_disabled_takes_no_events(app: App) -> None:
    await app.add_flow(on_event("one", "order.*"))
    await app.store.enable("one", enabled=False)
    app.listening.triggers.forget()
    await app.events.publish([an_event("e1")])
    await settled(app)
    assert await runs(app, "one") == []


async def test_a_new_version_of_a_flow_takes_events_at_once(app: App) -> None:
    await app.add_flow(on_event("one", "order.paid"))
    await app.events.publish([an_event("e1")])
    await ended(app, "one", 1)
    await app.add_flow(on_event("one", "order.sent"))
    await app.events.publish([an_event("e2", "order.paid"), an_event("e3", "order.sent")])
    await settled(app)
    newest = (await ended(app, "one", 2))[-1]
    assert (await begun(app, newest)).input["event"]["id"] == "e3"


async def test_a_flow_that_another_server_keeps_takes_events_soon(tmp_path: Path) -> None:
    path = tmp_path / "openrun.db"
    async with App(path) as app, App(path, work=False) as other:
        await app.events.publish([an_event("e0")])
        await settled(app)
        await other.add_flow(on_event("one", "order.*"))

        async def taken() -> bool:
            await app.events.publish([an_event(str(uuid4()))])
            await settled(app)
            return bool(await runs(app, "one"))

        await until(taken)


async def test_events_of_a_namespace_are_for_its_own_flows(app: App) -> None:
    shop = app.space("shop")
    await app.add_flow(on_event("one", "order.*"))
    await shop.add_flow(on_event("one", "order.*"))
    await shop.events.publish([an_event("e1")])
    await settled(app)
    (run,) = await runs(app, "one")
    assert run.namespace == "shop"
    assert await app.space("other").events.list() == []
    assert len(await shop.events.list()) == 1


class Unheard(Step):
    """Is known to one server, and to none of the others."""

    async def run(self, state: StateContainer, config: StepConfig) -> StepRunResult:
        return StepRunResult.success(self.id)


async def test_a_flow_whose_code_is_missing_keeps_no_other_from_its_event(tmp_path: Path) -> None:
    """The event is handed over again for as long as it may be, to whoever has the code."""
    path, catalog = tmp_path / "openrun.db", StepCatalog.builtin()
    catalog.add("unheard", Unheard)
    flow = on_event("two", "order.*")
    flow.add(flow.steps[0] >> Unheard(id="unheard"))
    async with App(path, work=False, catalog=catalog) as other:
        await other.add_flow(flow)
        async with App(path, flows=[on_event("one", "order.*")]) as app:
            row = a_row(an_event("e1"))
            with pytest.raises(NotDelivered, match="trigger two/on: MissingCode"):
                await app.listening.dispatcher.handle(row)
            await ended(app, "one", 1)
            assert await runs(app, "two") == []
        await other.listening.dispatcher.handle(row)
        assert [len(await runs(other, flow_id)) for flow_id in ("one", "two")] == [1, 1]


# -- waits ----------------------------------------------------------------------------------------


async def test_a_run_that_waits_hears_of_the_event_that_it_is_about(app: App) -> None:
    flow = by_hand("ship", awaits("order.paid", correlation="<<body.order>>"))
    one = await app.start(flow, input={"body": {"order": "7"}})
    two = await app.start(flow, input={"body": {"order": "8"}})
    anything = await app.start(by_hand("any", awaits("order.paid")))
    await _all_wait(app, 3)
    await app.events.publish([an_event("e1", data={"sum": 3}, extensions={"correlationid": "7"})])
    heard = await one.output()
    assert (heard["event"], heard["value"]) == ("order.paid", {"sum": 3})
    assert (await anything.output())["value"] == {"sum": 3}
    assert await two.status() is RunStatus.WAITING
    await app.events.publish([an_event("e2", subject="8", data=1)])
    assert (await two.output())["value"] == 1


async def test_the_correlation_of_an_event_counts_before_its_subject(app: App) -> None:
    flow = by_hand("ship", awaits("order.paid", correlation="<<body.order>>"))
    run = await app.start(flow, input={"body": {"order": "7"}})
    await _all_wait(app, 1)
    await app.events.publish([an_event("e1", subject="7", extensions={"correlationid": "9"})])
    await settled(app)
    assert await run.status() is RunStatus.WAITING


async def _all_wait(app: App, count: int) -> None:
    async def holds() -> bool:
        return len(await app.waits.open(kind=["event"])) == count

    await until(holds)


# -- from flow to flow ----------------------------------------------------------------------------


async def test_a_flow_starts_another_by_an_event_and_passes_on_what_it_belongs_to(app: App) -> None:
    await app.add_flow(on_event("ship", "order.paid", emits("order.sent")))
    await app.add_flow(on_event("thank", "order.sent"))
    pay = by_hand("pay", emits("order.paid", data="<<body>>", correlation="<<body.id>>"))
    first = await app.start(pay, input={"body": {"id": "o-7"}})
    (shipped,) = await ended(app, "ship", 1)
    (thanked,) = await ended(app, "thank", 1)
    paid, sent = [(await begun(app, each)).input["event"] for each in (shipped, thanked)]
    assert paid == await first.output()
    assert (paid["source"], sent["source"]) == ("/flows/pay", "/flows/ship")
    assert (paid["correlationid"], sent["correlationid"]) == ("o-7", "o-7")
    assert sent["causationid"] == paid["id"]
    assert [(await begun(app, each)).hops for each in (shipped, thanked)] == [1, 2]


async def test_flows_that_start_each_other_stop_at_the_hop_limit(app: App) -> None:
    await app.add_flow(on_event("ping", "ping", emits("pong")))
    await app.add_flow(on_event("pong", "pong", emits("ping")))
    await app.events.publish([an_event("e1", "ping")])
    pings = await ended(app, "ping", MOST_HOPS // 2 + 1)
    pongs = await ended(app, "pong", MOST_HOPS // 2)
    await settled(app)
    assert [run.status for run in (*pings[:-1], *pongs)] == [RunStatus.SUCCEEDED] * MOST_HOPS
    assert pings[-1].status is RunStatus.FAILED
    assert "EVENT_HOPS" in (pings[-1].error or "")


async def test_an_event_that_has_come_too_far_starts_nothing(app: App) -> None:
    """Whoever published it."""
    await app.add_flow(on_event("one", "order.*"))
    await app.events.publish(
        [an_event(str(hops), extensions={"openrunhops": hops}) for hops in (MOST_HOPS, MOST_HOPS + 1)]
    )
    await settled(app)
    (run,) = await ended(app, "one", 1)
    assert (await begun(app, run)).input["event"]["id"] == str(MOST_HOPS)


async def test_a_child_run_is_as_far_from_outside_as_its_parent(app: App) -> None:
    await app.add_flow(by_hand("child", emits("told")))
    await app.add_flow(
        on_event("parent", "go", {"id": "sub", "type": "subflow", "config": {"flow": "child"}})
    )
    await app.events.publish([an_event("e1", "go", extensions={"openrunhops": 3})])
    await ended(app, "parent", 1)
    (run,) = await ended(app, "child", 1)
    assert (await begun(app, run)).hops == 3
    told = next(row for row in await settled(app) if row.type == "told")
    assert '"openrunhops":4' in told.body


async def test_a_run_that_is_run_again_is_as_far_from_outside_as_it_was(app: App) -> None:
    fails = {"id": "fail", "type": "fail", "config": {"message": "no"}}
    await app.add_flow(on_event("one", "go", fails))
    await app.events.publish([an_event("e1", "go", extensions={"openrunhops": 3})])
    (failed,) = await ended(app, "one", 1)
    again = await app.replay_dead(failed.run_id)
    forked = await app.retry(failed.run_id)
    for run_id in (again.run_id, forked.run_id):
        assert (await begun(app, await app.row(run_id))).hops == 3


async def test_a_step_that_is_run_again_after_a_crash_publishes_one_event(tmp_path: Path) -> None:
    """The process dies after the event is in the store and before its step is recorded to have ended."""
    path = tmp_path / "openrun.db"
    flow = by_hand("pay", emits("order.paid"))
    published = asyncio.Event()
    async with App(path, flows=[on_event("ship", "order.paid")]) as app:
        publish = app.listening.bus.publish

        async def publish_and_hang(events: Any) -> list[bool]:
            await publish(events)
            published.set()
            await asyncio.get_running_loop().create_future()
            return []

        app.listening.bus.publish = publish_and_hang  # type: ignore[method-assign]
        run = await app.start(flow)
        await published.wait()
        await app.close(grace=0)
    async with App(path) as app:
        await app.ended(run.run_id)
        await ended(app, "ship", 1)
        (row,) = await settled(app)
        assert (await app.row(run.run_id)).status is RunStatus.SUCCEEDED
        assert row.type == "order.paid"


async def test_a_step_waits_for_a_store_that_is_away(app: App) -> None:
    publish, calls = app.listening.bus.publish, 0

    async def away_at_first(events: Any) -> list[bool]:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise StoreUnavailable("the store is away")
        return await publish(events)

    app.listening.bus.publish = away_at_first  # type: ignore[method-assign]
    run = await app.start(by_hand("pay", emits("order.paid")))
    assert (await app.ended(run.run_id)).status is RunStatus.SUCCEEDED
    assert [row.type for row in await settled(app)] == ["order.paid"]


async def test_secrets_are_masked_in_what_is_published() -> None:
    async with App(":memory:", secrets={"key": "sesame-open"}) as app:
        flow = by_hand("pay", emits("order.paid", data="<<body>>"))
        run = await app.start(flow, input={"body": {"a": ["x sesame-open y"]}})
        await app.ended(run.run_id)
        (row,) = await settled(app)
        assert "sesame" not in row.body
        assert "x *** y" in row.body
