"""What starts runs and tells of them is examined too: only what needs somebody is a problem."""

from openrun.app import App
from openrun.house.automation import look_at_automation
from openrun.house.doctor import examine
from openrun.store.bus_events import BusEventRow
from openrun.store.memory import MemoryStore
from openrun.store.outbox import SubscriptionRow
from openrun.store.rows import VersionRow
from openrun.store.timetable import ScheduleRow
from tests.store.given import NOW

MINUTE = 60_000


def version(at: int) -> VersionRow:
    return VersionRow(flow_id="report", version="v1", name="Report", document="{}", created_at=at)


def schedule(due_at: int) -> ScheduleRow:
    return ScheduleRow(
        namespace="default",
        flow_id="report",
        trigger="daily",
        version="v1",
        spec="{}",
        cursor=due_at - 1,
        due_at=due_at,
        created_at=NOW,
    )


async def test_a_store_without_automation_has_nothing_to_say(app: App) -> None:
    found = await look_at_automation(app.store, await app.store.now())
    assert found.problems == ()
    assert (found.dead_events, found.dead_notifications, found.disabled_subscriptions) == ((), (), ())


async def test_a_schedule_that_nobody_fires_is_a_problem() -> None:
    wall = NOW
    async with App(MemoryStore(now=lambda: wall), work=False) as app:
        await app.store.keep_version(version(NOW), schedules=[schedule(NOW + MINUTE)])
        wall = NOW + 2 * MINUTE - 1
        assert (await examine(app.store)).problems == ()
        wall += 1
        found = await examine(app.store)
    assert found.automation.late_schedules == ("report/daily",)
    assert found.problems == ("schedule 'report/daily' has been due for a minute, and nobody fires it",)


async def test_what_was_given_up_is_told_and_is_no_problem() -> None:
    wall = NOW
    async with App(MemoryStore(now=lambda: wall), work=False) as app:
        event = BusEventRow(
            namespace="default", source="/a", event_id="1", type="t", body="{}", received_at=NOW, due_at=NOW
        )
        await app.store.publish([event])
        (taken,) = await app.store.take_bus_events(NOW, 1, MINUTE)
        await app.store.bus_events_failed(
            [
                BusEventRow(
                    number=taken.number,
                    namespace="default",
                    source="/a",
                    event_id="1",
                    type="t",
                    body="{}",
                    received_at=NOW,
                    due_at=None,
                    dead_at=NOW,
                    error="no",
                )
            ]
        )
        subscription = SubscriptionRow(
            subscription_id="s1",
            namespace="default",
            url="https://example.com",
            types=("run.*",),
            created_at=NOW,
        )
        await app.store.add_subscription(subscription)
        await app.store.disable_subscription("s1", at=NOW, reason="410")
        found = await examine(app.store)
    assert found.automation.dead_events == (taken.number,)
    assert found.automation.disabled_subscriptions == ("s1",)
    assert found.problems == ()
