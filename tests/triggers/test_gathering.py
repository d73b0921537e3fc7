"""Several events as one precondition: a run once all of them have come, each used once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openrun.app import App
from openrun.bus.cloud_event import CloudEvent
from openrun.store.base import StoreUnavailable
from openrun.store.bus_events import BusEventRow, GatheredRow
from openrun.triggers.gathering import complete
from tests.triggers.listening import an_event, begun, ended, on_event, runs, settled

HOUR = 3_600_000
LATE = 4_102_444_800_000
"""In the year 2100: what is gathered here is not among what is forgotten while an app begins."""
BOTH: dict[str, Any] = {
    "all_of": [{"event_type": "order.paid"}, {"event_type": "order.packed"}],
    "within": "1h",
    "correlation": "<<event_data.order>>",
}


@pytest.fixture
async def app(store_place: str) -> AsyncIterator[App]:
    async with App(store_place, flows=[on_event("ship", **BOTH)]) as each:
        yield each


def event(event_id: str, kind: str, order: int = 1, **more: Any) -> CloudEvent:
    return an_event(event_id, f"order.{kind}", {"order": order}, **more)


def row(event: CloudEvent, at: int = 0, attempts: int = 1) -> BusEventRow:
    return BusEventRow(
        namespace="default",
        source=event.source,
        event_id=event.id,
        type=event.type,
        body=event.to_json(),
        received_at=LATE + at,
        due_at=None,
        attempts=attempts,
    )


async def sets(app: App, count: int, flow_id: str = "ship") -> list[list[str]]:
    """The ids of the events of each run, oldest run first."""
    every = await ended(app, flow_id, count)
    return [[each["id"] for each in (await begun(app, run)).input["events"]] for run in every]


async def test_a_run_starts_once_all_have_come_whatever_their_order(app: App) -> None:
    packed = event("b", "packed", extensions={"openrunhops": 2})
    await app.events.publish([packed])
    await settled(app)
    assert await runs(app, "ship") == []
    paid = event("a", "paid", time="2026-03-01T12:00:00Z")
    await app.events.publish([paid])
    (run,) = await ended(app, "ship", 1)
    start = await begun(app, run)
    assert start.input["events"] == [paid.plain(), packed.plain()]
    assert start.input["event_data"] == {"order": 1}
    assert start.hops == 2
    await settled(app)


async def test_the_event_of_a_run_is_the_one_that_came_last(app: App) -> None:
    await app.listening.dispatcher.handle(row(event("a", "paid"), at=2))
    await app.listening.dispatcher.handle(row(event("b", "packed"), at=1))
    (run,) = await ended(app, "ship", 1)
    assert (await begun(app, run)).input["event"]["id"] == "a"


async def test_events_go_together_by_what_they_have_in_common(app: App) -> None:
    await app.listening.dispatcher.handle(row(event("a1", "paid", 1)))
    await app.listening.dispatcher.handle(row(event("b2", "packed", 2)))
    assert await runs(app, "ship") == []
    await app.listening.dispatcher.handle(row(event("b1", "packed", 1)))
    await app.listening.dispatcher.handle(row(event("a2", "paid", 2)))
    assert await sets(app, 2) == [["a1", "b1"], ["a2", "b2"]]


async def test_events_that_are_too_far_apart_do_not_go_together(app: App) -> None:
    await app.listening.dispatcher.handle(row(event("a1", "paid"), at=0))
    await app.listening.dispatcher.handle(row(event("b1", "packed"), at=HOUR + 1))
    assert await runs(app, "ship") == []
    await app.listening.dispatcher.handle(row(event("a2", "paid"), at=HOUR + 2))
    assert await sets(app, 1) == [["a2", "b1"]]


async def test_an_event_that_is_handed_over_late_goes_with_those_of_its_time(app: App) -> None:
    await app.listening.dispatcher.handle(row(event("b", "packed"), at=3 * HOUR))
    await app.listening.dispatcher.handle(row(event("a", "paid"), at=0))
    assert await runs(app, "ship") == []


async def test_the_oldest_go_together_and_each_is_used_once(app: App) -> None:
    for at, name in enumerate(("a1", "a2", "a3")):
        await app.listening.dispatcher.handle(row(event(name, "paid"), at=at))
    for at, name in enumerate(("b1", "b2"), 3):
        await app.listening.dispatcher.handle(row(event(name, "packed"), at=at))
    assert await sets(app, 2) == [["a1", "b1"], ["a2", "b2"]]


@pytest.mark.parametrize("attempts", [1, 2])
async def test_an_event_that_is_handed_over_again_is_not_used_again(app: App, attempts: int) -> None:
    for each in (event("a1", "paid"), event("b1", "packed")):
        await app.listening.dispatcher.handle(row(each))
    # Also when it was given up meanwhile, and its attempts are counted anew.
    await app.listening.dispatcher.handle(row(event("a1", "paid"), attempts=attempts))
    await app.listening.dispatcher.handle(row(event("b2", "packed")))
    assert await sets(app, 1) == [["a1", "b1"]]
    await app.listening.dispatcher.handle(row(event("a2", "paid")))
    assert await sets(app, 2) == [["a1", "b1"], ["a2", "b2"]]


@pytest.mark.parametrize("part", ["gather", "ungather"])
async def test_a_crash_between_the_run_and_letting_go_of_its_events_starts_no_second_one(
    app: App, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = row(event("a1", "paid")), row(event("b1", "packed"))
    await app.listening.dispatcher.handle(first)
    fails = _failing(getattr(app.store, part), after=2 if part == "gather" else 0)
    with monkeypatch.context() as patch:
        patch.setattr(app.store, part, fails)
        with pytest.raises(Exception, match="the store has gone"):
            await app.listening.dispatcher.handle(second)
    await ended(app, "ship", 1)
    # Others come before it is handed over again.
    await app.listening.dispatcher.handle(row(event("a2", "paid")))
    await app.listening.dispatcher.handle(second)
    assert await sets(app, 1) == [["a1", "b1"]]
    await app.listening.dispatcher.handle(row(event("b2", "packed")))
    assert await sets(app, 2) == [["a1", "b1"], ["a2", "b2"]]


def _failing(call: Callable[..., Any], after: int) -> Callable[..., Any]:
    calls = 0

    async def fails(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > after:
            raise StoreUnavailable("the store has gone")
        return await call(*given)

    return fails


async def test_events_that_come_at_once_make_one_run_of_each_set(app: App) -> None:
    every = [event(f"{kind}{at}", kind) for at in range(10) for kind in ("paid", "packed")]
    await app.events.publish(every)
    await settled(app)
    found = await sets(app, 10)
    assert sorted(name for each in found for name in each) == sorted(each.id for each in every)


async def test_two_servers_over_one_store_make_one_run_of_each_set(app: App) -> None:
    async with App(app.store, work=False) as _other:
        rows = [row(event(f"{kind}{at}", kind)) for at in range(10) for kind in ("paid", "packed")]
        await asyncio.gather(
            *(place.listening.dispatcher.handle(each) for each in rows for place in (app, _other))
        )
        found = await sets(app, 10)
        assert sorted(name for each in found for name in each) == sorted(each.event_id for each in rows)


def waiting(part: int, at: int) -> GatheredRow:
    return GatheredRow(
        namespace="default",
        flow_id="f",
        trigger="t",
        key="=",
        part=part,
        source="/",
        event_id=f"{part}-{at}",
        at=at,
        expires_at=at + 10,
        body="",
    )


@given(
    rows=st.lists(
        st.builds(waiting, st.integers(0, 2), st.integers(0, 30)), unique_by=lambda each: each.event_id
    )
)
@settings(max_examples=300)
def test_what_comes_later_changes_nothing_about_the_oldest_set(rows: list[GatheredRow]) -> None:
    found: list[str] = []
    for count in range(len(rows) + 1):
        now = [each.event_id for each in complete(rows[:count], 3)]
        if found:
            assert now == found
        found = now
    if found:
        chosen = complete(rows, 3)
        assert [each.part for each in chosen] == [0, 1, 2]
        assert max(each.at for each in chosen) - min(each.at for each in chosen) <= 10
