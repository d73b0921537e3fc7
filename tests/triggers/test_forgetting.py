"""Events that were handled are known for a while, and forgotten then."""

from msgspec.structs import replace

from openrun.app import App
from openrun.triggers.base import KEEP_SECONDS
from openrun.triggers.forgetting import Forgetting
from tests.triggers.listening import an_event, settled

KEPT = KEEP_SECONDS * 1_000


async def test_an_event_is_known_for_a_week_after_it_was_handled() -> None:
    async with App(":memory:") as app:
        await app.events.publish([an_event("e1")])
        (row,) = await settled(app)
        assert row.handled_at is not None
        now = row.handled_at + KEPT
        forgetting = Forgetting(app.store, lambda: now)
        assert await forgetting.forget() == 0
        assert await app.events.publish([an_event("e1")]) == [False]
        now += 1
        assert await forgetting.forget() == 1
        assert await app.events.publish([an_event("e1")]) == [True]


async def test_an_event_that_was_given_up_stays_until_somebody_looks_into_it() -> None:
    async with App(":memory:", work=False) as app:
        await app.events.publish([an_event("e1"), an_event("e2")])
        row = (await app.events.list())[0]
        await app.store.bus_events_failed([replace(row, due_at=None, dead_at=1, error="no")])
        assert await Forgetting(app.store, lambda: row.received_at + 2 * KEPT).forget() == 0
        assert len(await app.events.list()) == 2
