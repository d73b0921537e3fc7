"""What is wrong with a store is said in words; what only takes its time is not wrong."""

from openrun.app import App
from openrun.core.types import RunStatus
from openrun.house.doctor import Held, examine, kind_of
from openrun.store.memory import MemoryStore
from openrun.store.rows import Release
from openrun.store.schema import migrations
from openrun.store.sqlite import SqliteStore
from tests.house.given import of_all_kinds
from tests.store.given import GIVEN_BACK, NOW, Told, accepted, due, enlisted, lets_expire

FAR = 2**53


async def test_a_store_at_work_has_no_problems(app: App) -> None:
    run_ids = await of_all_kinds(app)
    found = await examine(app.store)
    assert found.problems == ()
    assert found.counts["succeeded"] == 5
    assert [each.run_id for each in found.dead_letters] == [run_ids[1]]
    assert app.worker is not None
    assert [each.worker for each in found.workers] == [app.worker.name]
    assert found.workers[0].lease_ms > 0
    assert found.schema == len(migrations("sqlite"))
    assert (found.orphans, found.holds, found.overdue, found.resting) == ((), (), None, ())


async def test_holds_are_problems(app: App) -> None:
    await enlisted(app.store, "other")
    told = Told("r", worker="other")
    await accepted(app.store, told.begins(), told.waits(hold="damaged: event 3 is missing"))
    found = await examine(app.store)
    assert found.holds == (Held(run_id="r", hold="damaged: event 3 is missing"),)
    assert found.problems == ("run r is held: damaged: event 3 is missing",)


async def test_orphans_are_problems(app: App) -> None:
    await enlisted(app.store, "other")
    told = Told("r", worker="other")
    await accepted(app.store, told.begins(), told.says(release=GIVEN_BACK))
    found = await examine(app.store)
    assert found.orphans == ("r",)
    assert found.problems == ("run r is an orphan: nobody will ever look after it",)


async def test_a_run_that_nobody_claims_is_a_problem_and_says_why() -> None:
    wall = NOW
    store = MemoryStore(now=lambda: wall)
    async with App(store, work=False):
        await due(store, "r1", "r2")
        assert (await examine(store)).problems == ()
        wall += 90_000
        found = await examine(store)
        assert found.problems == ("run r1 has been due for 90 s, and nobody claims it: no worker is at work",)
        await enlisted(store, "w")
        assert (await examine(store)).problems[0].endswith("the workers are full, or leave it out")


async def test_runs_of_workers_that_are_gone_are_a_problem_only_when_no_other_is_there() -> None:
    store = MemoryStore()
    async with App(store, work=False):
        await enlisted(store, "w1")
        await accepted(store, Told("r").begins())
        await lets_expire(store, "w1")
        assert (await examine(store)).problems == (
            "1 run is held by workers that are gone, and no worker is there to take it over",
        )
        await enlisted(store, "w2")
        assert (await examine(store)).problems == ()


async def test_runs_that_wait_for_long_are_told_longest_first() -> None:
    wall = NOW
    store = MemoryStore(now=lambda: wall)
    async with App(store, work=False):
        await enlisted(store, "w1")
        for run_id, at in (("r1", NOW), ("r2", NOW - 1_000), ("r3", NOW + 86_400_000)):
            told = Told(run_id)
            rests = Release(due_at=FAR)
            await accepted(store, told.begins(at=at, status=RunStatus.WAITING, release=rests))
        wall += 7 * 86_400_000 + 1
        found = await examine(store)
        assert [each.run_id for each in found.resting] == ["r2", "r1"]
        assert found.problems == ()


def test_the_kind_of_a_store_is_told() -> None:
    assert kind_of(MemoryStore())[0] == "memory"
    assert kind_of(SqliteStore("x.db"))[0] == "sqlite"
