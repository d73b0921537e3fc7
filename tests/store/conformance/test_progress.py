"""What steps report while they run: kept once, in order."""

from msgspec.structs import replace

from openrun.store.base import Store
from openrun.store.rows import Committed, ProgressRow
from tests.store.given import NOW, Told, accepted, enlisted, refused


async def reported(store: Store, run_id: str = "r1") -> list[str]:
    return [row.data for row in await store.progress(run_id)]


async def test_a_report_is_kept_as_it_was_written_and_gets_a_number(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    row = told.reports('{"done":"\U0001f4b6"}', scope="/all[1]", attempt=3, at=NOW + 4)
    await accepted(store, told.begins(progress=(row,)))
    (kept,) = await store.progress("r1")
    assert kept.number > 0
    assert replace(kept, number=0) == row


async def test_numbers_grow_and_reports_keep_their_order(store: Store) -> None:
    await enlisted(store, "w1")
    told, other = Told("r1"), Told("r2")
    await accepted(
        store,
        told.begins(progress=tuple(told.reports(str(number)) for number in range(20))),
        other.begins(progress=tuple(other.reports(str(number)) for number in range(20))),
        told.goes_on(progress=(told.reports("20"), told.reports("21"))),
    )
    await accepted(store, told.goes_on(progress=(told.reports("22"),)))
    rows = await store.progress("r1")
    assert [row.data for row in rows] == [str(number) for number in range(23)]
    numbers = [row.number for row in rows]
    assert numbers == sorted(set(numbers))
    assert await reported(store, "r2") == [str(number) for number in range(20)]


async def test_reports_are_read_page_by_page(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(progress=tuple(told.reports(str(number)) for number in range(9))))
    rows = await store.progress("r1")
    found: list[ProgressRow] = []
    while page := await store.progress("r1", after=found[-1].number if found else 0, limit=4):
        found += page
    assert found == rows
    assert await store.progress("r9") == []


async def test_a_slice_offered_again_reports_nothing_twice(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    begins = told.begins(progress=(told.reports("1"),))
    more = told.goes_on(progress=(told.reports("2"), told.reports("3")))
    await accepted(store, begins)
    await accepted(store, begins, more)
    assert await store.commit([more, more]) == [Committed(), Committed()]
    assert await reported(store) == ["1", "2", "3"]


async def test_a_slice_twice_in_one_batch_reports_once(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    begins = told.begins(progress=(told.reports("1"),))
    await accepted(store, begins, begins)
    assert await reported(store) == ["1"]


async def test_reports_of_a_slice_that_is_refused_are_not_kept(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    stale = told.copy()
    stale.fence = 9
    await refused(store, stale.goes_on(progress=(told.reports("1"),)))
    assert await reported(store) == []


async def test_numbers_go_on_growing_after_other_runs_were_removed(store: Store) -> None:
    await enlisted(store, "w1")
    told, other = Told("r1"), Told("r2")
    await accepted(
        store,
        told.begins(progress=(told.reports("1"),)),
        other.begins(progress=(other.reports("x"),)),
        other.ends(),
    )
    (last,) = await store.progress("r1")
    await store.remove(["r2"])
    await accepted(store, told.goes_on(progress=(told.reports("2"),)))
    assert [row.data for row in await store.progress("r1", after=last.number)] == ["2"]


async def test_reports_without_events_are_kept_if_the_run_is_held(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    alone = told.says(progress=(told.reports("1"),))
    await accepted(store, alone)
    assert await reported(store) == ["1"]
    await refused(store, replace(alone, fence=9))
    assert await reported(store) == ["1"]
    await accepted(store, told.goes_on())
