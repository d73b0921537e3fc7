"""No event of a journal can be changed, left out, moved or added without being found."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from openrun.store.chain import GENESIS, BrokenChain, broken, link
from openrun.store.rows import EventRow
from tests.store.given import journal

Rows = list[EventRow]
PLACES = st.integers(0, 5)


def whole() -> Rows:
    return list(journal("r1", 1, 6, fence=1, previous=GENESIS))


def fault(rows: Rows, *, last: int = 6, head: str | None = None) -> BrokenChain:
    found = broken(rows, last=last, head=whole()[-1].hash if head is None else head)
    assert found is not None
    return found


def test_a_link_is_64_hex_digits_over_all_its_parts() -> None:
    links = {
        link("", "r", 1, 1, "{}"),
        link("a", "r", 1, 1, "{}"),
        link("", "s", 1, 1, "{}"),
        link("", "r", 2, 1, "{}"),
        link("", "r", 1, 2, "{}"),
        link("", "r", 1, 1, "{ }"),
        link("", "r", 11, 1, "{}"),
        link("", "r", 1, 11, "{}"),
    }
    assert len(links) == 8
    assert {len(each) for each in links} == {64}
    assert int(max(links), 16) > 0


def test_a_journal_as_it_was_written_is_whole() -> None:
    rows = whole()
    assert broken(rows, last=6, head=rows[-1].hash) is None
    assert broken([], last=0, head=GENESIS) is None


def test_the_fence_may_grow_within_a_journal() -> None:
    first = journal("r1", 1, 2, fence=1, previous=GENESIS)
    second = journal("r1", 3, 2, fence=7, previous=first[-1].hash)
    assert broken([*first, *second], last=4, head=second[-1].hash) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda row: replace(row, body=row.body + " "),
        lambda row: replace(row, fence=row.fence + 1),
        lambda row: replace(row, run_id="r2"),
        lambda row: replace(row, hash=row.hash[::-1]),
    ],
    ids=["body", "fence", "run", "hash"],
)
@given(place=PLACES)
def test_an_event_that_was_changed_is_named(change: Callable[[EventRow], EventRow], place: int) -> None:
    rows = whole()
    rows[place] = change(rows[place])
    assert fault(rows).seq == place + 1


@given(place=PLACES)
def test_an_event_that_was_changed_with_its_hash_breaks_the_next_link(place: int) -> None:
    rows = whole()
    old = rows[place]
    previous = rows[place - 1].hash if place else GENESIS
    rows[place] = replace(old, body="{}", hash=link(previous, "r1", old.seq, 1, "{}"))
    assert fault(rows).seq == min(place + 2, 6)


@given(place=PLACES)
def test_an_event_that_is_missing_is_named(place: int) -> None:
    rows = whole()
    del rows[place]
    assert fault(rows).seq == place + 1


@given(one=PLACES, other=PLACES)
def test_events_that_have_changed_places_are_named(one: int, other: int) -> None:
    rows = whole()
    rows[one], rows[other] = rows[other], rows[one]
    if one != other:
        assert fault(rows).seq == min(one, other) + 1


@given(one=PLACES, other=PLACES)
def test_events_that_have_changed_places_and_numbers_are_named(one: int, other: int) -> None:
    rows = whole()
    rows[one], rows[other] = replace(rows[other], seq=one + 1), replace(rows[one], seq=other + 1)
    if one != other:
        assert fault(rows).seq == min(one, other) + 1


def test_an_event_too_many_is_found() -> None:
    rows = whole()
    more = journal("r1", 7, 1, fence=1, previous=rows[-1].hash)
    assert "counts 6" in fault([*rows, *more], head=more[-1].hash).reason


def test_an_end_that_is_missing_is_found_by_the_count_and_by_the_head() -> None:
    rows = whole()[:4]
    assert fault(rows).seq == 5
    assert fault(rows, last=4).reason == "the run's hash is not that of its last event"


def test_the_journal_of_another_run_is_found() -> None:
    rows = [replace(each, run_id="r2") for each in whole()]
    assert fault(rows) == BrokenChain(seq=1, reason="event 1 is not what was written")
