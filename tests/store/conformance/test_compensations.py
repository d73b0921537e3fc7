"""What was undone, and what a person has to look at because it could not be."""

from msgspec.structs import replace

from openrun.store.base import Store
from openrun.store.rows import CompensationRow
from tests.store.given import NOW, Told, accepted, enlisted, refused


async def failed(store: Store, run_id: str = "r1", **more: object) -> CompensationRow:
    """The undoing of a step of a new run has failed."""
    await enlisted(store, "w1")
    told = Told(run_id)
    row = told.undoes("book", "failed", error="ODD: it is", started_at=NOW - 5, **more)
    await accepted(store, told.begins(compensations=(row,)))
    return row


def settled(
    row: CompensationRow, resolution: str = "resolved", note: str | None = "by phone"
) -> CompensationRow:
    return replace(row, resolution=resolution, note=note, by="user:ada")


async def test_a_compensation_is_kept_as_it_was_written(store: Store) -> None:
    row = await failed(store, scope="/all[1]")
    assert await store.compensations("r1") == [row]


async def test_the_start_of_a_compensation_stays_when_it_is_not_told_again(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(compensations=(told.undoes("book"),)))
    done = told.undoes("book", "completed", ended_at=NOW + 3)
    await accepted(store, told.goes_on(compensations=(done,)))
    assert await store.compensations("r1") == [replace(done, started_at=NOW)]


async def test_several_words_about_one_compensation_in_one_batch_are_one_row(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    begins = told.begins(compensations=(told.undoes("book"),))
    done = told.undoes("book", "completed")
    await accepted(store, begins, told.goes_on(compensations=(done,)))
    assert await store.compensations("r1") == [replace(done, started_at=NOW)]


async def test_compensations_of_a_slice_that_is_refused_are_not_kept(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    stale = told.copy()
    stale.fence = 9
    await refused(store, stale.goes_on(compensations=(told.undoes("book"),)))
    assert await store.compensations("r1") == []


async def test_all_compensations_of_a_run_are_listed_in_their_order(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = [told.undoes(f"s{9 - n}", ("completed", "failed", "started")[n % 3], seq=n + 1) for n in range(9)]
    await accepted(store, told.begins(count=9, compensations=tuple(rows)))
    assert await store.compensations("r1") == rows
    assert await store.compensations("r9") == []


async def test_those_that_wait_for_a_person_are_listed_newest_first(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = (
        told.undoes("a", "failed", ended_at=NOW + 1),
        told.undoes("b", "completed", ended_at=NOW + 9),
        told.undoes("c", "expired", ended_at=NOW + 3),
        told.undoes("d"),
        told.undoes("e", "cancelled", ended_at=NOW + 2),
    )
    await accepted(store, told.begins(compensations=rows))
    await failed(store, "r2", ended_at=NOW + 4)
    assert [row.step_id for row in await store.compensations()] == ["book", "c", "e", "a"]
    assert [row.step_id for row in await store.compensations(limit=2)] == ["book", "c"]


async def test_one_that_was_settled_waits_for_nobody(store: Store) -> None:
    row = await failed(store)
    assert await store.settle_compensation(settled(row))
    assert await store.compensations() == []
    assert await store.compensations("r1") == [settled(row)]


async def test_what_a_person_says_may_be_odd(store: Store) -> None:
    row = await failed(store)
    assert await store.settle_compensation(settled(row, "ignored", note="nul \0"))
    (kept,) = await store.compensations("r1")
    assert (kept.resolution, kept.by) == ("ignored", "user:ada")
    assert kept.note in ("nul \0", "nul \N{SYMBOL FOR NULL}")


async def test_only_one_of_two_settles_it(store: Store, twin: Store) -> None:
    row = await failed(store)
    assert await store.settle_compensation(settled(row))
    assert not await twin.settle_compensation(settled(row, "ignored"))
    assert await store.compensations("r1") == [settled(row)]


async def test_what_is_under_way_or_done_or_not_there_cannot_be_settled(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = (told.undoes("a"), told.undoes("b", "completed"))
    await accepted(store, told.begins(compensations=rows))
    for row in (*rows, told.undoes("c", "failed"), replace(rows[0], scope="/x")):
        assert not await store.settle_compensation(settled(row))
    assert await store.compensations("r1") == sorted(rows, key=lambda row: row.seq)


async def test_nothing_but_the_word_of_the_person_is_settled(store: Store) -> None:
    row = await failed(store)
    other = replace(settled(row), status="completed", seq=77, error=None, ended_at=None)
    assert await store.settle_compensation(other)
    assert await store.compensations("r1") == [settled(row)]


async def test_a_slice_never_touches_what_a_person_said(store: Store) -> None:
    row = await failed(store)
    await store.settle_compensation(settled(row))
    told = Told("r1", seq=1, head=(await store.events("r1"))[0].hash)
    again = told.undoes("book", "expired", resolution="ignored", note="no", by="nobody")
    await accepted(store, told.goes_on(compensations=(again,)))
    (kept,) = await store.compensations("r1")
    assert (kept.status, kept.seq) == ("expired", 2)
    assert (kept.resolution, kept.note, kept.by) == ("resolved", "by phone", "user:ada")
