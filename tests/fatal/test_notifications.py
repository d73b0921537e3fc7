"""Those who deliver notifications die: what they had in hand is delivered all the same, under the same id."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from openrun.store.outbox import NotificationFilter, NotificationRow
from tests.runtime.hearer import Hearer

from .fleet import FORKS, Fleet, Member, until
from .flows import a_row, calls
from .process import DIED, Death
from .teller import TellerOrders, tell

FORKS.set_forkserver_preload(["tests.fatal.teller", "openrun.store.postgres"])

QUIET = a_row("quiet", {"id": "kept", "type": "set_state", "config": {"key": "kept", "value": 1}})


@pytest.fixture
async def hearer() -> AsyncIterator[Hearer]:
    async with Hearer() as made:
        yield made


async def a_teller(fleet: Fleet, hearer: Hearer, *, dies: bool = False) -> Member:
    member = fleet.member(tell, {}, TellerOrders(receiver=hearer.address, dies=dies))
    assert await member.heard() == "here"
    return member


async def subscribe(fleet: Fleet, url: str, *types: str) -> str:
    """Whoever delivers may reach what the test's own process may not."""
    row = await fleet.app.notifications.subscribe("https://receiver.invalid/", types)
    await fleet.app.notifications.remove(row.subscription_id)
    await fleet.app.store.add_subscription(replace(row, url=url))
    return row.subscription_id


async def notifications(fleet: Fleet, run_id: str | None = None) -> list[NotificationRow]:
    return await fleet.app.store.notifications(NotificationFilter(run_id=run_id, limit=1_000))


async def delivered(fleet: Fleet, count: int) -> list[NotificationRow]:
    """Wait until so many notifications are delivered, and all there are."""

    async def there() -> list[NotificationRow] | None:
        rows = await notifications(fleet)
        return rows if len(rows) == count and all(row.delivered_at is not None for row in rows) else None

    return await until(there)


async def test_what_was_under_way_when_its_process_was_killed_is_delivered_under_the_same_id(
    fleet: Fleet, hearer: Hearer
) -> None:
    hearer.held.add("/hook")
    await subscribe(fleet, hearer.url(), "run.started")
    await fleet.start(QUIET)
    first = await a_teller(fleet, hearer)
    await hearer.reached(1)
    await first.kill()
    hearer.held.clear()
    await a_teller(fleet, hearer)
    one, again = await hearer.reached(2)
    assert (one.id, one.body) == (again.id, again.body)
    (row,) = await delivered(fleet, 1)
    assert (row.notification_id, row.attempts) == (one.id, 2)


async def test_what_a_receiver_took_and_nobody_wrote_down_is_delivered_again(
    fleet: Fleet, hearer: Hearer
) -> None:
    await subscribe(fleet, hearer.url(), "run.started")
    await fleet.start(QUIET)
    dying = await a_teller(fleet, hearer, dies=True)
    assert await dying.ended() == DIED
    assert len(hearer.heard) == 1
    await a_teller(fleet, hearer)
    one, again = await hearer.reached(2)
    assert one.id == again.id
    (row,) = await delivered(fleet, 1)
    assert row.attempts == 2


async def test_two_processes_share_what_there_is_to_deliver(fleet: Fleet, hearer: Hearer) -> None:
    await subscribe(fleet, hearer.url(), "run.started")
    tellers = [await a_teller(fleet, hearer) for _ in range(2)]
    for _ in range(40):
        await fleet.start(QUIET)
    await delivered(fleet, 40)
    assert Counter(Counter(each.id for each in hearer.heard).values()) == {1: 40}
    for each in tellers:
        assert await each.retire() == 0


@pytest.mark.parametrize("commit", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_run_tells_what_is_committed_and_nothing_else_wherever_its_worker_dies(
    fleet: Fleet, when: str, commit: int
) -> None:
    await subscribe(fleet, "https://receiver.invalid/", "run.*")
    run = await fleet.start(calls(fleet.receiver.address, "one", "two"))
    (born,) = await notifications(fleet)
    assert (born.type, born.seq, born.run_id) == ("run.started", 1, run.run_id)
    worker = await fleet.worker(death=Death(when=when, commit=commit))  # type: ignore[arg-type]
    if await fleet.ends_or_dies(run, worker):
        told = {row.type for row in await notifications(fleet)}
        ended = (await fleet.app.row(run.run_id)).ended_at is not None
        assert told == ({"run.started", "run.succeeded"} if ended else {"run.started"})
        await fleet.worker()
    row = await fleet.ended(run)
    rows = await notifications(fleet, run.run_id)
    assert sorted((each.seq, each.type) for each in rows) == [(1, "run.started"), (row.seq, "run.succeeded")]
