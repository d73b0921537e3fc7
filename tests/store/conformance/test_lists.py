"""What is kept is found again: by id, in lists, page by page."""

import asyncio
from collections.abc import Sequence

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import Release, RunFilter
from tests.store.given import LEASE_SECONDS, NOW, Told, accepted, commit, enlisted

STATUSES = (RunStatus.RUNNING, RunStatus.WAITING, RunStatus.SUCCEEDED, RunStatus.FAILED)
FLOWS = ("orders", "bills", "mails")


async def many(store: Store, count: int = 60) -> list[str]:
    """Runs of several flows and statuses, every fifth a child of the first, every seventh on hold."""
    await enlisted(store, "w1")
    run_ids = [f"r{number:03}" for number in range(count)]
    slices = []
    for number, run_id in enumerate(run_ids):
        held = number % 7 == 0 and number % 4 < 2
        slices.append(
            Told(run_id).begins(
                flow_id=FLOWS[number % 3],
                status=STATUSES[number % 4],
                parent="r000" if number % 5 == 4 else None,
                release=Release(due_at=None, hold="paused") if held else None,
            )
        )
    await accepted(store, *slices)
    return run_ids


async def ids(store: Store, **wanted: object) -> list[str]:
    filled: dict[str, object] = {"limit": 1_000, **wanted}
    return [each.run_id for each in await store.runs(RunFilter(**filled))]  # type: ignore[arg-type]


def chosen(run_ids: Sequence[str], places: Sequence[int]) -> list[str]:
    """Newest first."""
    return [run_ids[place] for place in reversed(places)]


async def test_a_run_is_found_by_its_id(store: Store) -> None:
    await many(store, 3)
    row = await store.run("r001")
    assert row is not None
    assert row.run_id == "r001"
    assert await store.run("r") is None


async def test_runs_are_found_by_how_they_begin(store: Store) -> None:
    await enlisted(store, "w1")
    names = ["ab1", "ab2", "ab3", "a%", "a_", "b", "AB1"]
    await accepted(store, *(Told(each).begins() for each in names))
    assert await store.find("ab") == ["ab1", "ab2"]
    assert await store.find("ab", limit=9) == ["ab1", "ab2", "ab3"]
    assert await store.find("ab2") == ["ab2"]
    assert await store.find("a%", limit=9) == ["a%"]
    assert await store.find("a_", limit=9) == ["a_"]
    assert await store.find("x") == []
    assert len(await store.find("", limit=99)) == len(names)


async def test_runs_are_listed_newest_first(store: Store) -> None:
    run_ids = await many(store)
    assert await ids(store) == run_ids[::-1]
    assert await ids(store, limit=3) == run_ids[:-4:-1]
    assert len(await store.runs(RunFilter())) == 50


@pytest.mark.parametrize("limit", [1, 7, 60])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"status": (RunStatus.RUNNING,)},
        {"status": (RunStatus.RUNNING, RunStatus.FAILED)},
        {"flow_id": "bills"},
        {"flow_id": "bills", "status": (RunStatus.WAITING, RunStatus.SUCCEEDED)},
        {"parent_run_id": "r000"},
        {"held": True},
        {"held": False, "status": (RunStatus.WAITING,)},
    ],
)
async def test_pages_follow_each_other(store: Store, wanted: dict[str, object], limit: int) -> None:
    await many(store)
    found: list[str] = []
    before = None
    while page := await ids(store, **wanted, before=before, limit=limit):
        found += page
        before = page[-1]
    assert found == await ids(store, **wanted)
    assert found


async def test_lists_may_be_narrowed(store: Store) -> None:
    run_ids = await many(store)
    rows = {each.run_id: each for each in await store.runs(RunFilter(limit=1_000))}
    for statuses in ((), (RunStatus.WAITING,), (RunStatus.RUNNING, RunStatus.FAILED), (RunStatus.ABORTED,)):
        for flow_id in (None, "bills", "nothing"):
            for parent in (None, "r000", "r999"):
                for held in (None, True, False):
                    expected = [
                        run_id
                        for run_id in reversed(run_ids)
                        if (not statuses or rows[run_id].status in statuses)
                        and flow_id in (None, rows[run_id].flow_id)
                        and parent in (None, rows[run_id].parent_run_id)
                        and held in (None, rows[run_id].hold is not None)
                    ]
                    wanted = {"status": statuses, "flow_id": flow_id, "parent_run_id": parent, "held": held}
                    assert await ids(store, **wanted) == expected, wanted
                    assert await ids(store, **wanted, limit=2) == expected[:2], wanted


async def test_runs_are_counted_by_status(store: Store) -> None:
    assert await store.counts() == {}
    await many(store, 42)
    assert await store.counts() == {"running": 11, "waiting": 11, "succeeded": 10, "failed": 10}
    assert all(isinstance(each, RunStatus) for each in await store.counts())


async def test_events_are_read_from_anywhere(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, begins := told.begins(count=10))
    rows = list(begins.events)
    assert await store.events("r1") == rows
    assert await store.events("r1", after=4) == rows[4:]
    assert await store.events("r1", after=4, limit=3) == rows[4:7]
    assert await store.events("r1", limit=0) == []
    assert await store.events("r1", after=10) == []
    assert await store.events("r9") == []


async def test_a_long_journal_is_read_whole(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    slices = [told.begins(count=4_000), told.goes_on(4_000), told.goes_on(4_000)]
    await accepted(store, *slices)
    rows = [row for each in slices for row in each.events]
    assert await store.events("r1") == rows
    assert await store.events("r1", after=100, limit=11_000) == rows[100:11_100]
    assert await store.journals(["r1"]) == {"r1": rows}


async def test_journals_of_many_runs_are_read_at_once(store: Store) -> None:
    await enlisted(store, "w1")
    births = {
        f"r{number}": Told(f"r{number}").begins(count=3, note="x" * (900_000 if number % 3 else 10))
        for number in range(6)
    }
    await accepted(store, *births.values())
    wanted = ["r4", "r1", "r0", "r3", "r5"]
    assert await store.journals(wanted) == {each: list(births[each].events) for each in wanted}
    assert dict(await store.journals([])) == {}
    assert (await store.journals(["r9"])).get("r9", []) == []


async def test_activations_are_read_by_the_seq_of_their_last_event(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = [told.at("each", scope=f"/{9 - place}", seq=place + 1) for place in range(10)]
    await accepted(store, told.begins(count=10, activations=tuple(rows)), Told("r2").begins())
    assert await store.activations("r1") == rows
    assert await store.activations("r1", after=4) == rows[4:]
    assert await store.activations("r1", after=4, limit=2) == rows[4:6]
    assert await store.activations("r2") == []
    again = told.at("each", "succeeded", scope="/7")
    await accepted(store, told.goes_on(activations=(again,)))
    assert await store.activations("r1", after=9) == [rows[9], again]


async def test_reading_goes_on_while_others_write(store: Store, twin: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(count=500))

    async def write() -> None:
        for _ in range(20):
            await accepted(store, told.goes_on(100))

    writing = asyncio.create_task(write())
    while not writing.done():
        row = await twin.run("r1")
        rows = await twin.events("r1")
        assert row is not None
        assert row.seq <= len(rows)
        assert (len(rows) - 500) % 100 == 0
        assert rows[row.seq - 1].hash == row.hash
    await writing
    assert len(await twin.events("r1")) == 2_500


async def test_the_stores_clock_is_utc_in_ms(store: Store) -> None:
    first, second = await store.now(), await store.now()
    assert NOW < first <= second < first + LEASE_SECONDS * 1_000


async def test_what_is_kept_is_there_for_the_next_who_opens(store: Store, twin: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await commit(store, told.begins())
    assert await twin.run("r1") == await store.run("r1")
    await accepted(twin, told.goes_on())
    assert await twin.events("r1") == await store.events("r1")
