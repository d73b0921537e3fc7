"""Nothing of another namespace is shown or touched, by no method there is."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, get_type_hints

import msgspec
import pytest
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.base import Records, Store, StoreError
from openrun.store.bus_events import BusEventFilter, BusEventRow
from openrun.store.outbox import Notice, NotificationFilter, SubscriptionRow
from openrun.store.rows import (
    CompensationRow,
    DeliveryFilter,
    DeliveryRow,
    EffectFilter,
    Message,
    Posted,
    RunFilter,
    VersionRow,
    WaitFilter,
)
from openrun.store.scoped import ScopedStore
from openrun.store.tickets import LaneFilter, LaneRules, Ticket
from openrun.store.timetable import Move, ScheduleFilter, ScheduleRow, TickFilter, TickOutcome, TickRow
from tests.store.given import NOW, Told, accepted, enlisted, everything

Ask = Callable[[Records, str], Awaitable[Any]]
OWN, FOREIGN, NOBODY = "own-", "foreign-", "nobody-"
"""Namespaces, and what all ids in them begin with; there is nothing of nobody's."""
NUMBERS = {OWN: 1, FOREIGN: 2, NOBODY: 9}
"""Of their only events."""
METHODS = {
    name: method
    for name, method in inspect.getmembers(Records, inspect.isfunction)
    if not name.startswith("_")
}


def version(namespace: str, flow_id: str, name: str = "v1") -> VersionRow:
    return VersionRow(
        flow_id=flow_id, version=name, namespace=namespace, name=namespace, document=f'"{namespace}"', created_at=NOW
    )  # fmt: skip


def delivery(namespace: str) -> DeliveryRow:
    return DeliveryRow(
        run_id=f"{namespace}run", namespace=namespace, flow_id="orders", trigger="hook", received_at=NOW,
        method="POST", path=f"/{namespace}", digest="d", size=1,
    )  # fmt: skip


def schedule(namespace: str, flow_id: str, its: str = "v1") -> ScheduleRow:
    return ScheduleRow(
        namespace=namespace, flow_id=flow_id, trigger="cron", version=its, spec=f'"{namespace}"', cursor=NOW, due_at=NOW,
        created_at=NOW,
    )  # fmt: skip


def move(namespace: str, flow_id: str) -> Move:
    tick = TickRow(
        namespace=namespace, flow_id=flow_id, trigger="cron", tick=NOW + 1, outcome=TickOutcome.QUEUED, decided_at=NOW,
        reason=namespace,
    )  # fmt: skip
    return Move(
        namespace=namespace, flow_id=flow_id, trigger="cron", revision=0, cursor=NOW + 1, due_at=NOW + 2, ticks=(tick,)
    )  # fmt: skip


def event(namespace: str) -> BusEventRow:
    return BusEventRow(
        namespace=namespace, source=f"/{namespace}", event_id=f"{namespace}event", type="order.placed", body="{}",
        received_at=NOW, due_at=NOW,
    )  # fmt: skip


def ticket(namespace: str) -> Ticket:
    rules = LaneRules(limit=1)
    return Ticket(lane=f"{namespace}lane", pool=f"{namespace}pool", key=namespace, rules=rules)


def subscription(namespace: str) -> SubscriptionRow:
    return SubscriptionRow(
        subscription_id=f"{namespace}sub", namespace=namespace, url=f"https://{namespace}", types=("run.*",),
        created_at=NOW,
    )  # fmt: skip


def says(to: str) -> list[Message]:
    return [
        Message(run_id=f"{to}run", kind="signal", key=f"{to}said"),
        Message(run_id=f"{to}dead", kind="signal", key=f"{to}said"),
    ]


def settlement(of: str) -> CompensationRow:
    return CompensationRow(
        run_id=f"{of}run", step_id="pay", scope="/", status="failed", seq=1, resolution="ignored", by=of
    )


ABOUT: Mapping[str, Ask] = {
    "keep_version": lambda its, of: its.keep_version(
        version(of, f"{of}flow", "v9"), expected="v1", schedules=[schedule(of, f"{of}flow", "v9")]
    ),
    "version": lambda its, of: its.version(f"{of}flow", "v1", namespace=of),
    "versions": lambda its, of: its.versions(f"{of}flow", namespace=of),
    "flow": lambda its, of: its.flow(f"{of}flow", namespace=of),
    "enable": lambda its, of: its.enable(f"{of}flow", enabled=False, namespace=of),
    "post": lambda its, of: its.post(says(of)),
    "settle_compensation": lambda its, of: its.settle_compensation(settlement(of)),
    "discard": lambda its, of: its.discard(f"{of}dead"),
    "run": lambda its, of: its.run(f"{of}run"),
    "find": lambda its, of: its.find(of, 9, namespace=of),
    "runs": lambda its, of: its.runs(RunFilter(namespace=of, parent_run_id=f"{of}run")),
    "heads": lambda its, of: its.heads([f"{of}run", f"{of}dead"], namespace=of),
    "events": lambda its, of: its.events(f"{of}run"),
    "activations": lambda its, of: its.activations(f"{of}run"),
    "progress": lambda its, of: its.progress(f"{of}run"),
    "waiting_messages": lambda its, of: its.waiting_messages([f"{of}run", f"{of}dead"]),
    "tombstone": lambda its, of: its.tombstone(f"{of}gone"),
    "waits": lambda its, of: its.waits(WaitFilter(namespace=of, run_id=f"{of}run")),
    "find_waits": lambda its, of: its.find_waits(of, 9, namespace=of),
    "effects": lambda its, of: its.effects(EffectFilter(namespace=of, run_id=f"{of}run")),
    "find_effects": lambda its, of: its.find_effects(of, 9, namespace=of),
    "compensations": lambda its, of: its.compensations(f"{of}run", namespace=of),
    "dead_letter": lambda its, of: its.dead_letter(f"{of}dead"),
    "delivery": lambda its, of: its.delivery(f"{of}run"),
    "schedule": lambda its, of: its.schedule(f"{of}flow", "cron", namespace=of),
    "pause_schedule": lambda its, of: its.pause_schedule(f"{of}flow", "cron", at=NOW, by=of, namespace=of),
    "ticks": lambda its, of: its.ticks(TickFilter(namespace=of, flow_id=f"{of}flow", trigger="cron")),
    "bus_event": lambda its, of: its.bus_event(NUMBERS[of]),
    "revive_bus_event": lambda its, of: its.revive_bus_event(NUMBERS[of], NOW),
    "subscription": lambda its, of: its.subscription(f"{of}sub"),
    "disable_subscription": lambda its, of: its.disable_subscription(f"{of}sub", at=NOW, reason=of),
    "remove_subscription": lambda its, of: its.remove_subscription(f"{of}sub"),
    "notifications": lambda its, of: its.notifications(
        NotificationFilter(namespace=of, subscription_id=f"{of}sub", run_id=f"{of}run")
    ),
    "notification": lambda its, of: its.notification(f"{of}run-1-{of}sub"),
    "revive_notification": lambda its, of: its.revive_notification(f"{of}run-1-{of}sub", NOW),
}
"""Ways to ask about something by its id."""

AMONG: Mapping[str, Ask] = {
    "keep_version": lambda its, of: its.keep_version(
        version(of, "orders", "v9"), expected="v1", schedules=[schedule(of, "orders", "v9")]
    ),
    "version": lambda its, of: its.version("orders", namespace=of),
    "versions": lambda its, of: its.versions("orders", namespace=of),
    "flow": lambda its, of: its.flow("orders", namespace=of),
    "flows": lambda its, of: its.flows(of),
    "enable": lambda its, of: its.enable("orders", enabled=False, namespace=of),
    "find": lambda its, of: its.find("", 9, namespace=of),
    "runs": lambda its, of: its.runs(RunFilter(namespace=of)),
    "counts": lambda its, of: its.counts(of),
    "heads": lambda its, of: its.heads([f"{OWN}run", f"{FOREIGN}run"], namespace=of),
    "waits": lambda its, of: its.waits(WaitFilter(open=None, namespace=of)),
    "find_waits": lambda its, of: its.find_waits("", 9, namespace=of),
    "effects": lambda its, of: its.effects(EffectFilter(namespace=of)),
    "find_effects": lambda its, of: its.find_effects("", 9, namespace=of),
    "compensations": lambda its, of: its.compensations(namespace=of),
    "dead_letters": lambda its, of: its.dead_letters(namespace=of),
    "deliveries": lambda its, of: its.deliveries(DeliveryFilter(namespace=of)),
    "schedules": lambda its, of: its.schedules(ScheduleFilter(namespace=of)),
    "schedule": lambda its, of: its.schedule("orders", "cron", namespace=of),
    "pause_schedule": lambda its, of: its.pause_schedule("orders", "cron", at=NOW, by=of, namespace=of),
    "ticks": lambda its, of: its.ticks(TickFilter(namespace=of, flow_id="orders", trigger="cron")),
    "bus_events": lambda its, of: its.bus_events(BusEventFilter(namespace=of)),
    "lanes": lambda its, of: its.lanes(LaneFilter(namespace=of)),
    "subscriptions": lambda its, of: its.subscriptions(of),
    "notifications": lambda its, of: its.notifications(NotificationFilter(namespace=of)),
}
"""Ways to ask for what there is in a namespace."""

CHANGES = {"keep_version", "enable", "pause_schedule"}
"""Those of them that change it."""

MAKES = {"publish", "add_subscription"}
"""What they make is of the namespace in which it is made, whatever it says."""

NEITHER = {"now"}
"""Says nothing of any run."""


async def fill(store: Store, its: str, *, dead: int) -> None:
    """Something of everything, under ids that begin with the namespace."""
    for flow_id in ("orders", f"{its}flow"):
        await store.keep_version(version(its, flow_id), schedules=[schedule(its, flow_id)])
    await automate(store, its)
    told, gone = Told(f"{its}run", worker=None, fence=0), Told(f"{its}gone")
    await accepted(
        store,
        told.begins(
            namespace=its,
            delivery=delivery(its),
            activations=(told.at(f"{its}step"),),
            waits=(told.asks(f"{its}wait"),),
            effects=(told.calls(f"{its}effect"),),
            progress=(told.reports(f'"{its}"'),),
            compensations=(told.undoes("pay", "failed"),),
            notices=(Notice(type="run.started", seq=1, at=NOW, data=f'"{its}"'),),
        ),
        gone.begins(namespace=its),
        gone.ends(),
        Told(f"{its}child").begins(namespace=its, parent=f"{its}run"),
        Told(f"{its}queued", worker=None, fence=0).begins(namespace=its, ticket=ticket(its)),
    )
    await store.settle_notifications(
        [
            replace(each, due_at=None, dead_at=NOW, error=its)
            for each in await store.notifications(NotificationFilter(namespace=its))
        ]
    )
    for number in range(dead):
        failed = Told(f"{its}dead{number or ''}")
        await accepted(store, failed.begins(namespace=its, status=RunStatus.FAILED))
    await store.post([Message(run_id=f"{its}run", kind="signal", key=its)])
    await store.remove([f"{its}gone"])


async def automate(store: Store, its: str) -> None:
    """What starts runs by itself, or tells others of them."""
    await store.add_subscription(subscription(its))
    (number,) = await store.publish([event(its)])
    assert number == NUMBERS[its]
    await store.bus_events_failed([replace(event(its), number=number, due_at=None, dead_at=NOW, error=its)])
    moved = await store.move([move(its, flow_id) for flow_id in ("orders", f"{its}flow")])
    assert moved == [True, True]


async def all_of(store: Store, its: str) -> list[object]:
    """What there is in a namespace."""
    return [
        *[await everything(store, f"{its}{each}") for each in ("run", "child", "dead", "gone")],
        await store.tombstone(f"{its}gone"),
        await store.delivery(f"{its}run"),
        await store.flows(its),
        [await store.version(each, namespace=its) for each in ("orders", f"{its}flow")],
        await store.versions("orders", namespace=its),
        await store.counts(its),
        await store.schedules(ScheduleFilter(namespace=its)),
        [
            await store.ticks(TickFilter(namespace=its, flow_id=each, trigger="cron"))
            for each in ("orders", f"{its}flow")
        ],
        await store.bus_events(BusEventFilter(namespace=its)),
        await store.lanes(LaneFilter(namespace=its)),
        await store.subscriptions(its),
        await store.notifications(NotificationFilter(namespace=its)),
    ]


@pytest.fixture
async def filled(store: Store) -> Store:
    await enlisted(store, "w1")
    await fill(store, OWN, dead=1)
    await fill(store, FOREIGN, dead=2)
    return store


def test_every_method_is_behind_the_wall() -> None:
    """A new method of `Records` belongs into `ScopedStore`, and into the table that says how it is asked here."""
    assert set(METHODS) - set(vars(ScopedStore)) == set()
    assert set(METHODS) == {*ABOUT, *AMONG, *MAKES, *NEITHER}


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_that_takes_a_namespace_or_an_id_is_asked_for_another_one(name: str) -> None:
    for each in inspect.signature(METHODS[name]).parameters.values():
        kind = get_type_hints(METHODS[name]).get(each.name)
        narrows = each.name == "namespace" or "namespace" in getattr(kind, "__struct_fields__", ())
        assert not narrows or name in {*AMONG, *MAKES}, each.name
        points = each.name not in ("self", "enabled", "wanted") and each.default is inspect.Parameter.empty
        assert not points or name in {*ABOUT, *MAKES}, each.name


@pytest.mark.parametrize("name", sorted(ABOUT))
async def test_what_is_of_another_namespace_is_as_if_it_were_not_there(filled: Store, name: str) -> None:
    own, ask = ScopedStore(filled, OWN), ABOUT[name]
    before = await all_of(filled, FOREIGN)
    answer = await ask(own, FOREIGN)
    assert FOREIGN.encode() not in msgspec.json.encode(answer)
    assert answer == await ask(own, NOBODY)
    assert await all_of(filled, FOREIGN) == before
    # To those whose it is, it is there.
    foreign = ScopedStore(filled, FOREIGN)
    assert await ask(foreign, FOREIGN) != answer


@pytest.mark.parametrize("name", sorted(AMONG))
async def test_its_own_namespace_wins_over_one_that_is_asked_for(filled: Store, name: str) -> None:
    own, ask = ScopedStore(filled, OWN), AMONG[name]
    before = await all_of(filled, FOREIGN)
    expected = await ask(filled, OWN) if name not in CHANGES else True
    for named in (FOREIGN, NOBODY, OWN) if name != "keep_version" else (FOREIGN,):
        answer = await ask(own, named)
        assert answer == expected
        assert FOREIGN.encode() not in msgspec.json.encode(answer)
    assert await all_of(filled, FOREIGN) == before
    if name not in CHANGES:
        assert await ask(filled, FOREIGN) != expected


async def test_without_a_namespace_it_is_its_own(filled: Store) -> None:
    own = ScopedStore(filled, OWN)
    assert await own.flows() == await filled.flows(OWN)
    assert await own.flow("orders") == await filled.flow("orders", namespace=OWN)
    assert await own.runs(RunFilter()) == await filled.runs(RunFilter(namespace=OWN))
    assert await own.dead_letters() == await filled.dead_letters(namespace=OWN)
    assert await own.now() >= NOW


async def test_versions_and_switches_are_kept_in_its_own_namespace(filled: Store) -> None:
    own = ScopedStore(filled, OWN)
    row = version(FOREIGN, "orders", "v2")
    assert await own.keep_version(row)
    assert await filled.version("orders", namespace=OWN) == replace(row, namespace=OWN)
    assert await own.enable("orders", enabled=False, namespace=FOREIGN)
    flows = {each.namespace: each for each in await filled.flows() if each.flow_id == "orders"}
    assert [(each.version, each.enabled) for each in (flows[OWN], flows[FOREIGN])] == [
        ("v2", False),
        ("v1", True),
    ]


async def test_what_is_made_is_of_the_namespace_in_which_it_is_made(filled: Store) -> None:
    own, before = ScopedStore(filled, OWN), await all_of(filled, FOREIGN)
    # The same event in two namespaces is two events.
    number, known = await own.publish([event(FOREIGN), event(OWN)])
    assert known == 0
    assert await filled.bus_event(number) == replace(event(FOREIGN), namespace=OWN, number=number)
    row = replace(subscription(FOREIGN), subscription_id="new")
    await own.add_subscription(row)
    assert await filled.subscription("new") == replace(row, namespace=OWN)
    assert await all_of(filled, FOREIGN) == before


async def test_a_subscription_never_takes_the_place_of_another_ones(filled: Store) -> None:
    own, before = ScopedStore(filled, OWN), await all_of(filled, FOREIGN)
    with suppress(StoreError):
        await own.add_subscription(replace(subscription(FOREIGN), url="https://own"))
    assert await own.subscription(f"{FOREIGN}sub") is None
    assert await all_of(filled, FOREIGN) == before


async def test_schedules_are_kept_with_their_flow_in_its_own_namespace(filled: Store) -> None:
    own, before = ScopedStore(filled, OWN), await filled.schedules(ScheduleFilter(namespace=FOREIGN))
    kept = [schedule(FOREIGN, "other", "v2")]
    assert await own.keep_version(version(FOREIGN, "orders", "v2"), schedules=kept)
    row = await filled.schedule("orders", "cron", namespace=OWN)
    assert row is not None
    assert (row.version, row.spec) == ("v2", f'"{FOREIGN}"')
    assert await filled.schedules(ScheduleFilter(namespace=FOREIGN)) == before


async def test_of_messages_to_many_runs_only_those_to_its_own_are_kept(filled: Store) -> None:
    own = ScopedStore(filled, OWN)
    mixed = [*says(FOREIGN), *says(OWN), *says(NOBODY), *says(OWN)]
    none, pending = Posted(status=None), RunStatus.RUNNING
    fresh, over = Posted(status=pending, fresh=True), Posted(status=RunStatus.FAILED)
    again = Posted(status=pending)
    assert await own.post(mixed) == [none, none, fresh, over, none, none, again, over]
    keys = [each.key for each in await filled.waiting_messages([f"{FOREIGN}run", f"{OWN}run"])]
    assert keys == [OWN, FOREIGN, f"{OWN}said"]


async def test_its_own_is_told_and_taken_care_of(filled: Store) -> None:
    own = ScopedStore(filled, OWN)
    assert await own.settle_compensation(settlement(OWN))
    assert not await own.settle_compensation(settlement(OWN))
    assert await own.discard(f"{OWN}dead")
    assert await own.dead_letters() == []
    assert len(await filled.dead_letters()) == 2
    assert (await own.events(f"{OWN}run"), await own.progress(f"{OWN}run")) == (
        await filled.events(f"{OWN}run"),
        await filled.progress(f"{OWN}run"),
    )
