"""What runs wait to be told: written with their events, found by age, kind, run, name and id."""

import pytest

from openrun.core.types import RunStatus
from openrun.store.base import Store
from openrun.store.rows import WaitFilter, WaitRow
from tests.store.given import NOW, Told, accepted, commit, enlisted, refused

KINDS = ("approval", "signal", "event", "input")


async def many(store: Store, count: int = 60) -> list[WaitRow]:
    """Waits of five runs: every third is closed, of all kinds, names and correlations; oldest first."""
    await enlisted(store, "w1")
    tellers = [Told(f"r{number}") for number in range(5)]
    rows = [
        tellers[number % 5].asks(
            f"{number * 7919 % 1000:03}-{number}",
            kind=KINDS[number % 4],
            name=("", "paid", "shipped")[number % 3 if number % 2 else 0],
            correlation=(None, "42", "43")[number % 3 if number % 2 else 0],
            created_at=NOW + number // 4,
            closed_at=NOW + 99 if number % 3 == 2 else None,
            outcome="answered" if number % 3 == 2 else None,
        )
        for number in range(count)
    ]
    await accepted(
        store,
        *(each.begins(waits=tuple(row for row in rows if row.run_id == each.run_id)) for each in tellers),
    )
    return sorted(rows, key=lambda row: (row.created_at, row.wait_id))


async def waits(store: Store, **wanted: object) -> list[WaitRow]:
    filled: dict[str, object] = {"limit": 1_000, **wanted}
    return await store.waits(WaitFilter(**filled))  # type: ignore[arg-type]


async def test_a_wait_is_kept_as_it_was_written(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    row = told.asks(
        "0a1b",
        scope="/all[3]",
        kind="event",
        name="order.paid",
        correlation="42",
        title="Pay \U0001f4b6",
        ask='{"kind":"event","payload":"\\u0000"}',
        expires_at=NOW + 5,
    )
    await accepted(store, told.begins(waits=(row,)))
    assert await waits(store) == [row]


async def test_a_wait_that_has_changed_is_written_over_whole(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(waits=(told.asks("a", expires_at=NOW + 5), told.asks("b"))))
    closed = told.asks("a", title=None, closed_at=NOW + 7, outcome="approved", name="new")
    await accepted(store, told.goes_on(waits=(closed,)))
    assert await waits(store) == [told.asks("b")]
    assert await waits(store, open=False) == [closed]


async def test_a_wait_opened_and_closed_at_once_is_closed(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    closed = told.asks("a", closed_at=NOW, outcome="received")
    await accepted(store, told.begins(waits=(told.asks("a"),)), told.goes_on(waits=(closed,)))
    assert await waits(store, open=None) == [closed]


async def test_waits_of_a_slice_that_is_refused_are_not_kept(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    stale = told.copy()
    stale.fence = 9
    await refused(store, stale.goes_on(waits=(told.asks("a"),)))
    assert await waits(store, open=None) == []


async def test_a_slice_offered_again_changes_no_wait(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    begins = told.begins(waits=(told.asks("a"),))
    await accepted(store, begins)
    closed = told.asks("a", closed_at=NOW, outcome="expired")
    await accepted(store, told.goes_on(waits=(closed,)))
    await accepted(store, begins)
    assert await waits(store, open=None) == [closed]


async def test_a_run_born_with_a_wait_waits(store: Store) -> None:
    await enlisted(store, "w1")
    parent, child = Told("r1"), Told("c1", worker=None, fence=0)
    born = child.begins(parent="r1", waits=(child.asks("a"),))
    await accepted(store, parent.begins(children=(born,)))
    assert await waits(store) == [child.asks("a")]


async def test_runs_do_not_share_waits_of_one_id(store: Store) -> None:
    await enlisted(store, "w1")
    one, other = Told("r1"), Told("r2")
    await accepted(store, one.begins(waits=(one.asks("a"),)), other.begins(waits=(other.asks("a"),)))
    await accepted(store, one.goes_on(waits=(one.asks("a", closed_at=NOW, outcome="cancelled"),)))
    assert await waits(store) == [other.asks("a")]


async def test_waits_of_a_run_that_has_ended_stay(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    closed = told.asks("a", closed_at=NOW, outcome="cancelled")
    await accepted(
        store, told.begins(waits=(told.asks("a"),)), told.ends(RunStatus.CANCELLED, waits=(closed,))
    )
    assert await waits(store, open=None, run_id="r1") == [closed]


async def test_waits_are_listed_oldest_first(store: Store) -> None:
    rows = await many(store)
    assert await waits(store) == [row for row in rows if row.closed_at is None]
    assert len(await store.waits(WaitFilter(limit=7))) == 7
    assert len(await store.waits(WaitFilter())) == 40


@pytest.mark.parametrize("is_open", [True, False, None])
@pytest.mark.parametrize("kind", [(), ("approval",), ("event", "approval"), ("nothing",)])
@pytest.mark.parametrize("run_id", [None, "r1", "r9"])
async def test_lists_of_waits_may_be_narrowed(
    store: Store, is_open: bool | None, kind: tuple[str, ...], run_id: str | None
) -> None:
    rows = await many(store)
    for name, correlation in ((None, None), ("paid", None), ("paid", "42"), ("shipped", "42"), (None, "42")):
        expected = [
            row
            for row in rows
            if is_open in (None, row.closed_at is None)
            and (not kind or row.kind in kind)
            and run_id in (None, row.run_id)
            and name in (None, row.name)
            and (name is None or correlation in (None, row.correlation))
        ]
        wanted = {"open": is_open, "kind": kind, "run_id": run_id, "name": name, "correlation": correlation}
        assert await waits(store, **wanted) == expected, wanted
        assert await waits(store, **wanted, limit=2) == expected[:2], wanted


async def test_those_that_wait_about_nothing_in_particular_are_found_apart(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = (
        told.asks("a", name="paid", correlation=None, created_at=NOW),
        told.asks("b", name="paid", correlation="42", created_at=NOW),
        told.asks("c", name="shipped", correlation=None, created_at=NOW),
        told.asks("d", name="paid", correlation=None, created_at=NOW + 1),
        told.asks("e", name="paid", correlation=None, created_at=NOW, closed_at=NOW, outcome="answered"),
    )
    await accepted(store, told.begins(waits=rows))
    assert await waits(store, name="paid", uncorrelated=True) == [rows[0], rows[3]]
    assert await waits(store, name="paid", uncorrelated=True, limit=1) == [rows[0]]
    assert await waits(store, name="paid", uncorrelated=True, kind=("nothing",)) == []


@pytest.mark.parametrize("limit", [1, 7, 60])
@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"open": False},
        {"open": None},
        {"kind": ("approval",)},
        {"kind": ("approval", "signal")},
        {"run_id": "r2"},
        {"name": "paid"},
        {"name": "paid", "correlation": "42"},
    ],
)
async def test_pages_of_waits_follow_each_other(store: Store, wanted: dict[str, object], limit: int) -> None:
    await many(store)
    found: list[WaitRow] = []
    after = None
    while page := await waits(store, **wanted, after=after, limit=limit):
        found += page
        after = (page[-1].created_at, page[-1].wait_id)
    assert found == await waits(store, **wanted)
    assert found


async def test_waits_are_found_by_how_their_ids_begin(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = [told.asks(each) for each in ("ab1", "ab2", "ab3", "a%", "b")]
    closed = told.asks("ab2", closed_at=NOW, outcome="rejected")
    await accepted(store, told.begins(waits=tuple(rows)), told.goes_on(waits=(closed,)))
    assert await store.find_waits("ab") == [rows[0], closed]
    assert await store.find_waits("ab", limit=9) == [rows[0], closed, rows[2]]
    assert await store.find_waits("a%", limit=9) == [rows[3]]
    assert await store.find_waits("x") == []


async def test_names_and_correlations_may_be_of_any_length(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    name, correlation = "n" * 20_000, "c" * 20_000
    row = told.asks("a", name=name, correlation=correlation)
    await accepted(store, told.begins(waits=(row, told.asks("b", name=name + "x", correlation=correlation))))
    assert await waits(store, name=name) == [row]
    assert await waits(store, name=name, correlation=correlation) == [row]


async def test_odd_texts_are_found_as_they_were_written(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    row = told.asks("a", name="nul \0", correlation="\0\ufdd0", title="\0 title")
    await accepted(store, told.begins(waits=(row,)))
    (found,) = await waits(store, name="nul \0", correlation="\0\ufdd0")
    assert found.wait_id == "a"
    assert found.title in ("\0 title", "\N{SYMBOL FOR NULL} title")
    assert await waits(store, name="nul ", correlation="\0\ufdd0") == []


async def test_many_waits_of_many_runs_are_written_at_once(store: Store) -> None:
    await enlisted(store, "w1")
    tellers = [Told(f"r{number:03}") for number in range(100)]
    births = [
        each.begins(waits=tuple(each.asks(f"{each.run_id}-{n}", created_at=NOW + n) for n in range(20)))
        for each in tellers
    ]
    await accepted(store, *births)
    assert len(await waits(store, limit=10_000)) == 2_000
    assert [row.wait_id for row in await waits(store, limit=2)] == ["r000-0", "r001-0"]
    assert len(await waits(store, run_id="r042")) == 20


async def test_a_wait_needs_no_more_than_its_own_run_to_be_accepted(store: Store) -> None:
    await enlisted(store, "w1")
    good, bad = Told("r1"), Told("r2")
    verdicts = await store.commit([good.begins(waits=(good.asks("a"),)), bad.goes_on(waits=(bad.asks("b"),))])
    assert [type(each).__name__ for each in verdicts] == ["Committed", "Stale"]
    assert await waits(store) == [good.asks("a")]
    await commit(store, good.goes_on())
