"""What is known of calls to the outside: written with the events that say so, found by run, status, age and key."""

from openrun.store.base import Store
from openrun.store.rows import EffectFilter, EffectRow
from tests.store.given import NOW, Told, accepted, enlisted, refused

STATUSES = ("started", "committed", "failed", "unknown", "absent")


async def many(store: Store, count: int = 40) -> list[EffectRow]:
    """Effects of three runs and all statuses, newest first."""
    await enlisted(store, "w1")
    tellers = [Told(f"r{number}") for number in range(3)]
    rows = [
        tellers[number % 3].calls(
            f"{number * 7919 % 1000:03}",
            STATUSES[number % 5],
            seq=count - number,
            started_at=NOW + number // 4,
            ended_at=NOW + 99 if number % 5 else None,
        )
        for number in range(count)
    ]
    await accepted(
        store,
        *(each.begins(effects=tuple(row for row in rows if row.run_id == each.run_id)) for each in tellers),
    )
    return sorted(rows, key=lambda row: (row.started_at or 0, row.key), reverse=True)


async def effects(store: Store, **wanted: object) -> list[EffectRow]:
    filled: dict[str, object] = {"limit": 1_000, **wanted}
    return await store.effects(EffectFilter(**filled))  # type: ignore[arg-type]


async def test_an_effect_is_kept_as_it_was_written(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    row = told.calls(
        "k1",
        "committed",
        scope="/all[2]",
        ordinal=3,
        attempt=2,
        args_hash="beef",
        value='{"id":"\U0001f4b6"}',
        error="ODD: it is",
        by="user:ada",
        started_at=NOW,
        ended_at=NOW + 5,
    )
    await accepted(store, told.begins(effects=(row,)))
    assert await effects(store) == [row]


async def test_start_value_and_arguments_stay_when_they_are_not_told_again(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    first = told.calls("k1", args_hash="beef", value="1", by="user:ada", error="X: x", ended_at=NOW)
    await accepted(store, told.begins(effects=(first,)))
    second = told.calls("k1", "unknown", attempt=2, ended_at=NOW + 9)
    await accepted(store, told.goes_on(effects=(second,)))
    (kept,) = await effects(store)
    assert (kept.status, kept.attempt, kept.seq, kept.ended_at) == ("unknown", 2, 2, NOW + 9)
    assert (kept.started_at, kept.value, kept.args_hash) == (NOW, "1", "beef")
    assert (kept.by, kept.error) == (None, None)


async def test_start_value_and_arguments_that_are_told_again_are_new(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(effects=(told.calls("k1", args_hash="old", value="1"),)))
    row = told.calls("k1", args_hash="new", value="2", started_at=NOW + 1)
    await accepted(store, told.goes_on(effects=(row,)))
    assert await effects(store) == [row]


async def test_several_words_about_one_effect_in_one_batch_are_one_row(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(
        store,
        told.begins(effects=(told.calls("k1", args_hash="beef"),)),
        told.goes_on(effects=(told.calls("k1", "committed", value="7", ended_at=NOW + 1),)),
    )
    (kept,) = await effects(store)
    assert (kept.status, kept.value, kept.args_hash) == ("committed", "7", "beef")
    assert (kept.started_at, kept.ended_at) == (NOW, NOW + 1)


async def test_effects_of_a_slice_that_is_refused_are_not_kept(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    stale = told.copy()
    stale.fence = 9
    await refused(store, stale.goes_on(effects=(told.calls("k1"),)))
    assert await effects(store) == []


async def test_a_slice_offered_again_changes_no_effect(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    begins = told.begins(effects=(told.calls("k1"),))
    await accepted(store, begins)
    await accepted(store, told.goes_on(effects=(told.calls("k1", "committed", ended_at=NOW + 1),)))
    await accepted(store, begins)
    assert [row.status for row in await effects(store)] == ["committed"]


async def test_runs_do_not_share_effects_of_one_key(store: Store) -> None:
    await enlisted(store, "w1")
    one, other = Told("r1"), Told("r2")
    await accepted(store, one.begins(effects=(one.calls("k"),)), other.begins(effects=(other.calls("k"),)))
    await accepted(store, one.goes_on(effects=(one.calls("k", "failed", ended_at=NOW),)))
    assert await effects(store, run_id="r2") == [Told("r2").calls("k")]


async def test_effects_of_a_run_are_listed_by_their_last_event(store: Store) -> None:
    rows = [row for row in await many(store) if row.run_id == "r1"]
    assert await effects(store, run_id="r1") == sorted(rows, key=lambda row: row.seq)
    assert len(await effects(store, run_id="r1", limit=3)) == 3
    assert await effects(store, run_id="r9") == []


async def test_effects_are_listed_newest_first(store: Store) -> None:
    rows = await many(store)
    assert await effects(store) == rows
    assert await effects(store, limit=7) == rows[:7]


async def test_lists_of_effects_may_be_narrowed_by_status(store: Store) -> None:
    rows = await many(store)
    for statuses in (("unknown",), ("started", "unknown"), ("unknown", "unknown"), ("nothing",), STATUSES):
        expected = [row for row in rows if row.status in statuses]
        assert await effects(store, status=statuses) == expected
        assert await effects(store, status=statuses, limit=3) == expected[:3]
        of_run = sorted((row for row in expected if row.run_id == "r0"), key=lambda row: row.seq)
        assert await effects(store, status=statuses, run_id="r0") == of_run


async def test_an_effect_whose_start_is_not_known_is_as_new_as_its_end(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = (
        told.calls("a", started_at=NOW + 1),
        told.calls("b", "committed", ended_at=NOW + 2),
        told.calls("c", started_at=NOW + 3),
    )
    await accepted(store, told.begins(effects=rows))
    assert [row.key for row in await effects(store)] == ["c", "b", "a"]


async def test_effects_are_found_by_how_their_keys_begin(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = [told.calls(each) for each in ("ab1", "ab2", "ab3", "a_", "b")]
    await accepted(store, told.begins(effects=tuple(rows)))
    assert await store.find_effects("ab") == rows[:2]
    assert await store.find_effects("ab", limit=9) == rows[:3]
    assert await store.find_effects("a_", limit=9) == [rows[3]]
    assert await store.find_effects("x") == []


async def test_a_large_value_is_kept_whole(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    row = told.calls("k1", "committed", value=f'"{"x" * 2_000_000}"', ended_at=NOW)
    await accepted(store, told.begins(effects=(row,)))
    assert await effects(store) == [row]
