"""How all runs stand, as the store tells it."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from openrun.core.types import RunStatus
from openrun.store.bus_events import BusEventRow
from openrun.store.memory import MemoryStore
from openrun.store.outbox import Notice, SubscriptionRow
from openrun.store.rows import Release
from openrun.telemetry.metrics import Metrics
from tests.store.given import GIVEN_BACK, NOW, Clock, Told, accepted, claimed, due, enlisted

DAY_MS = 24 * 3_600_000


@pytest.fixture
def now() -> Clock:
    return Clock(NOW)


@pytest.fixture
def boot() -> Clock:
    return Clock(1_000_000)


@pytest.fixture
async def store(now: Clock, boot: Clock) -> AsyncIterator[MemoryStore]:
    store = MemoryStore(now=now, boot=boot)
    await store.open()
    yield store
    await store.close()


async def surveyed(metrics: Metrics, store: MemoryStore) -> dict[str, float]:
    """All gauges and counters, by name and the value of their one label."""
    await metrics.survey(store)
    families = text_string_to_metric_families(metrics.render()[1].decode())
    return {
        ":".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
        if len(sample.labels) <= 1
    }


async def test_an_empty_store_has_nothing(store: MemoryStore) -> None:
    told = await surveyed(Metrics(), store)
    assert told["openrun_store_up"] == 1
    assert told["openrun_queue_depth:start"] == 0
    assert told["openrun_queue_oldest_age_seconds"] == 0
    assert told["openrun_stored_runs:needs_review"] == 0


async def test_what_is_due_grows_old(store: MemoryStore, now: Clock) -> None:
    await accepted(
        store, *(Told(each, worker=None, fence=0).begins(status=RunStatus.PENDING) for each in ("r1", "r2"))
    )
    first = await store.next_due()
    assert first is not None
    now.at = first + 90_000
    told = await surveyed(Metrics(), store)
    assert told["openrun_queue_depth:start"] == 2
    assert told["openrun_queue_oldest_age_seconds"] == 90


async def test_what_is_due_later_is_not_old(store: MemoryStore) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins(release=Release(due_at=NOW + DAY_MS)))
    assert (await surveyed(Metrics(), store))["openrun_queue_oldest_age_seconds"] == 0


async def test_runs_are_told_by_status_parked_and_stuck(store: MemoryStore) -> None:
    await enlisted(store, "w1")
    for number, status in enumerate((RunStatus.WAITING, RunStatus.PAUSED, RunStatus.NEEDS_REVIEW)):
        await accepted(store, Told(f"r{number}").begins(status=status, release=GIVEN_BACK))
    await accepted(store, Told("r8").begins(release=Release(due_at=None, hold="damaged: no")))
    await accepted(store, Told("r9").begins(status=RunStatus.SUCCEEDED))
    told = await surveyed(Metrics(), store)
    assert told["openrun_stored_runs:waiting"] == 1
    assert told["openrun_stored_runs:succeeded"] == 1
    assert told["openrun_runs_parked"] == 3
    assert told["openrun_runs_stuck"] == 2
    assert told["openrun_runs_unowned"] == 0


async def test_what_was_given_up_is_counted(store: MemoryStore) -> None:
    told = await surveyed(Metrics(), store)
    names = ("openrun_events_dead", "openrun_notifications_dead", "openrun_subscriptions_disabled")
    assert [told[each] for each in names] == [0, 0, 0]
    event = BusEventRow(
        namespace="default", source="/a", event_id="1", type="t", body="{}", received_at=NOW, due_at=NOW
    )
    (number,) = await store.publish([event])
    await store.bus_events_failed([replace(event, number=number, due_at=None, dead_at=NOW, error="no")])
    await store.add_subscription(
        SubscriptionRow(
            subscription_id="s1",
            namespace="default",
            url="https://a.example",
            types=("run.*",),
            created_at=NOW,
        )
    )
    notice = Notice(type="run.started", seq=1, at=NOW, data="{}")
    await accepted(store, Told("r1", worker=None, fence=0).begins(notices=(notice,)))
    (row,) = await store.take_notifications(await store.now(), 10, 10, 1_000)
    await store.settle_notifications([replace(row, due_at=None, dead_at=NOW)])
    await store.disable_subscription("s1", at=NOW)
    told = await surveyed(Metrics(), store)
    assert [told[each] for each in names] == [1, 1, 1]


async def test_an_orphan_is_seen(store: MemoryStore) -> None:
    await enlisted(store, "w1")
    await accepted(store, Told("r1").begins(release=GIVEN_BACK))
    assert (await surveyed(Metrics(), store))["openrun_runs_unowned"] == 1


async def test_a_lease_that_runs_out_is_counted_once(store: MemoryStore, boot: Clock) -> None:
    metrics = Metrics()
    await due(store, "r1")
    await enlisted(store, "w1")
    await claimed(store, "w1")
    told = await surveyed(metrics, store)
    assert (told["openrun_workers"], told["openrun_leases_expired_total"]) == (1, 0)
    boot.at += DAY_MS
    for _ in range(2):
        told = await surveyed(metrics, store)
        assert (told["openrun_workers"], told["openrun_leases_expired_total"]) == (0, 1)


async def test_a_store_that_is_away_is_told_of_and_nothing_old_in_its_place(store: MemoryStore) -> None:
    metrics = Metrics()
    assert "openrun_runs_parked" in await surveyed(metrics, store)
    await store.close()
    told = await surveyed(metrics, store)
    assert told["openrun_store_up"] == 0
    assert "openrun_runs_parked" not in told
