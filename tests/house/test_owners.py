"""Every run that has not ended has an owner, and one that has none is named."""

from collections.abc import Callable

from openrun.app import App
from openrun.core.types import RunStatus
from openrun.house.doctor import examine
from openrun.house.owners import Owners, Owning
from openrun.house.roll import UNENDED, every_run
from openrun.runtime.worker import WorkerOptions
from openrun.store.base import Store
from openrun.store.rows import Release, RunFilter, Slice
from openrun.store.tickets import LaneRules, Ticket
from tests.house.given import FLOWS, of_all_kinds, of_people_and_money
from tests.store.given import NOW, Told, accepted, enlisted, until

FAR = 2**53
WEEK_MS = 7 * 86_400_000


async def owners(store: Store) -> Owners:
    owning = Owning()
    async for page in every_run(store, RunFilter(status=UNENDED)):
        for row in page:
            owning.see(row)
    return await owning.owners(store)


def rests(told: Told, status: RunStatus = RunStatus.WAITING, due_at: int | None = None) -> Slice:
    return told.goes_on(status=status, release=Release(due_at=due_at))


async def test_runs_of_all_kinds_have_owners_held_or_at_rest(opened: Callable[[], Store]) -> None:
    async with App(opened(), flows=FLOWS, options=WorkerOptions(patience=0.02)) as app:
        await of_all_kinds(app)
        await of_people_and_money(app)

        async def rest() -> bool:
            found = await owners(app.store)
            assert found.nobody == ()
            return found.counts == {"asked": 2, "due": 1, "paused": 1}

        await until(rest)


async def test_each_kind_of_owner_is_counted(app: App) -> None:
    await enlisted(app.store, "w1")
    leased, held, due, asks, parent, child, paused, review = (
        Told(name) for name in ("leased", "held", "due", "asks", "parent", "child", "paused", "review")
    )
    await accepted(app.store, *(told.begins() for told in (leased, held, due, asks, parent, paused, review)))
    await accepted(app.store, child.begins(parent="parent"))
    await accepted(
        app.store,
        held.waits(hold="damaged: event 3 is missing"),
        rests(due, due_at=FAR),
        asks.goes_on(status=RunStatus.WAITING, release=Release(due_at=None), waits=(asks.asks("wait-1"),)),
        rests(parent),
        rests(paused, RunStatus.PAUSED),
        rests(review, RunStatus.NEEDS_REVIEW),
    )
    found = await owners(app.store)
    assert found.nobody == ()
    assert found.counts == {
        "asked": 1,
        "due": 1,
        "has children": 1,
        "held": 1,
        "in review": 1,
        "leased": 2,
        "paused": 1,
    }


async def test_a_run_that_waits_for_its_turn_is_counted_as_queued(app: App) -> None:
    ticket = Ticket(lane="lane", pool="pool", key="acme", rules=LaneRules(quiet_ms=WEEK_MS))
    await accepted(app.store, Told("queued", worker=None, fence=0).begins(ticket=ticket))
    found = await examine(app.store)
    assert (found.owners.counts, found.holds, found.problems) == ({"queued": 1}, (), ())


async def test_a_run_that_waits_for_nothing_is_named(app: App) -> None:
    await enlisted(app.store, "w1")
    left, undoing, ended = Told("left"), Told("undoing"), Told("ended")
    await accepted(app.store, *(told.begins() for told in (left, undoing)), ended.begins(parent="left"))
    await accepted(
        app.store,
        rests(left),
        rests(undoing, RunStatus.COMPENSATING),
        ended.ends(RunStatus.SUCCEEDED, at=NOW),
    )
    found = await examine(app.store)
    assert set(found.owners.nobody) == {"left", "undoing"}
    assert "run left waits for nothing: no timer, no open wait, no child run" in found.problems
    assert len(found.problems) == 2


async def test_an_orphan_is_told_once(app: App) -> None:
    await enlisted(app.store, "w1")
    told = Told("r")
    await accepted(app.store, told.begins())
    await accepted(app.store, rests(told, RunStatus.RUNNING))
    found = await examine(app.store)
    assert (found.orphans, found.owners.nobody) == (("r",), ("r",))
    assert len(found.problems) == 1


async def test_a_run_that_has_gone_on_since_it_was_seen_is_not_named(app: App) -> None:
    await enlisted(app.store, "w1")
    told = Told("r")
    await accepted(app.store, told.begins())
    await accepted(app.store, rests(told))
    owning = Owning()
    row = await app.store.run("r")
    assert row is not None
    owning.see(row)
    await app.cancel("r")
    assert (await owning.owners(app.store)).nobody == ()
