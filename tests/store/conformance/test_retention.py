"""Old runs can be removed, derived rows made anew, and everything copied."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from openrun.core.types import RunStatus
from openrun.store.base import Store, StoreError
from openrun.store.rows import Derived, Duplicate, EffectFilter, Standing, Tombstone, WaitFilter
from openrun.store.sqlite import SqliteStore
from tests.store.given import (
    FINAL,
    NOTHING,
    NOW,
    Told,
    accepted,
    claimed,
    commit,
    enlisted,
    everything,
    key,
    message,
    refused,
)

RUNNING = Standing(status=RunStatus.RUNNING, updated_at=NOW)


def everything_of(told: Told) -> Derived:
    """A row of each kind that is derived."""
    return Derived(
        run_id=told.run_id,
        standing=RUNNING,
        activations=(told.at("a"),),
        waits=(told.asks(f"{told.run_id}-w"),),
        effects=(told.calls(f"{told.run_id}-k"),),
        compensations=(told.undoes("a", "failed", started_at=NOW),),
    )


async def ended(
    store: Store, run_id: str, at: int = NOW, status: RunStatus = RunStatus.SUCCEEDED, **birth: Any
) -> Told:
    await enlisted(store, "w1")
    told = Told(run_id)
    rows = everything_of(told)
    begins = told.begins(
        activations=rows.activations,
        waits=rows.waits,
        effects=rows.effects,
        progress=(told.reports("1"),),
        compensations=rows.compensations,
        **birth,
    )
    await accepted(store, begins, told.ends(status, at=at))
    return told


async def old(store: Store, instant: int, limit: int = 100) -> list[str]:
    return [each.run_id for each in await store.ended_before(instant, limit)]


@pytest.mark.parametrize("status", FINAL)
async def test_runs_that_ended_before_are_told(store: Store, status: RunStatus) -> None:
    await ended(store, "r1", NOW, status)
    assert await old(store, NOW) == []
    (row,) = await store.ended_before(NOW + 1, 10)
    assert row == await store.run("r1")


async def test_the_oldest_are_told_first_up_to_a_limit(store: Store) -> None:
    for place, at in enumerate((5, 9, 1, 7)):
        await ended(store, f"r{place}", NOW + at)
    assert await old(store, NOW + 9) == ["r2", "r0", "r3"]
    assert await old(store, NOW + 9, limit=2) == ["r2", "r0"]


async def test_runs_that_go_on_are_never_old(store: Store) -> None:
    await enlisted(store, "w1")
    waits = Told("r2")
    await accepted(store, Told("r1").begins(), waits.begins(), waits.waits())
    assert await old(store, NOW * 2) == []


async def test_children_stay_as_long_as_their_parent_goes_on(store: Store) -> None:
    await enlisted(store, "w1")
    parent = Told("r1")
    await accepted(store, parent.begins())
    await ended(store, "c1", NOW, parent="r1")
    await ended(store, "c2", NOW, parent="r9")
    assert await old(store, NOW + 1) == ["c2"]
    await accepted(store, parent.ends(at=NOW + 100))
    assert sorted(await old(store, NOW + 1)) == ["c1", "c2"]


async def test_a_removed_run_leaves_a_tombstone_only(store: Store) -> None:
    told = await ended(store, "r1", status=RunStatus.FAILED)
    other = await ended(store, "r2", status=RunStatus.FAILED)
    before = await store.now()
    (tombstone,) = await store.remove(["r1"])
    expected = Tombstone(
        run_id="r1",
        flow_id="orders",
        status=RunStatus.FAILED,
        events=2,
        hash=told.head,
        removed_at=tombstone.removed_at,
    )
    assert tombstone == expected
    assert before <= tombstone.removed_at <= await store.now()
    assert await store.tombstone("r1") == tombstone
    assert await everything(store, "r1") == NOTHING
    assert await store.find("r") == ["r2"]
    assert await store.counts() == {"failed": 1}
    assert len(await store.events("r2")) == other.seq
    assert len(await store.activations("r2")) == 1
    assert len(await store.waits(WaitFilter())) == 1
    assert len(await store.effects(EffectFilter())) == 1
    assert len(await store.progress("r2")) == 1
    assert [row.run_id for row in await store.compensations()] == ["r2"]
    assert await store.tombstone("r2") is None


async def test_what_has_not_ended_is_not_removed(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    await store.post([message("r1", "m1")])
    before = await everything(store, "r1")
    await ended(store, "r2")
    assert [each.run_id for each in await store.remove(["r1", "r2", "r3"])] == ["r2"]
    assert await everything(store, "r1") == before
    assert await store.tombstone("r1") is None
    await accepted(store, told.goes_on())


async def test_what_was_removed_is_not_removed_again(store: Store) -> None:
    await ended(store, "r1")
    (tombstone,) = await store.remove(["r1"])
    assert await store.remove(["r1"]) == []
    assert await store.remove([]) == []
    assert await store.tombstone("r1") == tombstone


async def test_many_are_removed_at_once(store: Store) -> None:
    run_ids = [f"r{number}" for number in range(30)]
    for run_id in run_ids:
        await ended(store, run_id)
    assert sorted(each.run_id for each in await store.remove(run_ids[:20])) == sorted(run_ids[:20])
    assert len(await store.find("r", limit=99)) == 10


async def test_a_start_does_not_happen_again_because_its_run_was_removed(store: Store) -> None:
    await ended(store, "r1", dedupe=key("once"))
    await store.remove(["r1"])
    again = await commit(store, Told("r2").begins(dedupe=key("once")))
    assert again == Duplicate(run_id="r1", same_payload=True)


async def test_a_removed_run_hears_nothing_and_gets_no_events(store: Store) -> None:
    told = await ended(store, "r1")
    await store.remove(["r1"])
    (posted,) = await store.post([message("r1", "m1")])
    assert posted.status is None
    await refused(store, told.goes_on())
    assert await store.events("r1") == []


async def test_derived_rows_can_be_made_anew(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = tuple(told.at(step, seq=place + 1) for place, step in enumerate("abc"))
    await accepted(
        store, told.begins(count=3, activations=rows), Told("r2").begins(activations=(Told("r2").at("a"),))
    )
    anew = [told.at("x", "failed", seq=2, error="ODD: it is"), told.at("b", "succeeded", seq=3, ended_at=NOW)]
    standing = Standing(status=RunStatus.WAITING, updated_at=NOW + 3, error="why")
    await store.rewrite(Derived(run_id="r1", standing=standing, activations=tuple(anew)))
    assert await store.activations("r1") == anew
    row = await store.run("r1")
    assert row is not None
    assert (row.status, row.updated_at, row.ended_at, row.error) == ("waiting", NOW + 3, None, "why")
    assert (row.worker, row.fence, row.seq, row.hash) == ("w1", 1, 3, told.head)
    assert await store.counts() == {"waiting": 1, "running": 1}
    assert len(await store.activations("r2")) == 1
    await store.rewrite(Derived(run_id="r1", standing=RUNNING))
    assert await store.activations("r1") == []
    await accepted(store, told.goes_on())


async def test_waits_and_effects_can_be_made_anew(store: Store) -> None:
    await enlisted(store, "w1")
    told, other = Told("r1"), Told("r2")
    old = everything_of(told)
    effects = (told.calls("k1", args_hash="old", value="1"), told.calls("k2"))
    begins = told.begins(waits=old.waits, effects=effects, progress=(told.reports("1"),))
    theirs = everything_of(other)
    await accepted(store, begins, other.begins(waits=theirs.waits, effects=theirs.effects))
    waits = (told.asks("new"), told.asks("newer", created_at=NOW + 1, closed_at=NOW, outcome="received"))
    anew = (told.calls("k1", "unknown", ended_at=NOW),)
    await store.rewrite(Derived(run_id="r1", standing=RUNNING, waits=waits, effects=anew))
    assert await store.waits(WaitFilter(open=None, run_id="r1")) == list(waits)
    assert await store.effects(EffectFilter(run_id="r1")) == list(anew)
    assert len(await store.progress("r1")) == 1
    assert await store.waits(WaitFilter(run_id="r2")) == list(theirs.waits)
    assert await store.effects(EffectFilter(run_id="r2")) == list(theirs.effects)


async def test_compensations_made_anew_keep_what_a_person_said(store: Store) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    rows = (told.undoes("a", "failed", started_at=NOW), told.undoes("gone", "failed"), told.undoes("b"))
    await accepted(store, told.begins(compensations=rows))
    for row in rows[:2]:
        assert await store.settle_compensation(replace(row, resolution="ignored", note="so be it", by="ada"))
    anew = (told.undoes("a", "expired", seq=1), told.undoes("b", "completed", seq=2))
    await store.rewrite(Derived(run_id="r1", standing=RUNNING, compensations=anew))
    said = replace(anew[0], resolution="ignored", note="so be it", by="ada")
    assert await store.compensations("r1") == [said, anew[1]]
    await store.rewrite(Derived(run_id="r1", standing=RUNNING))
    assert await store.compensations("r1") == []


async def test_nothing_is_made_anew_of_a_run_that_is_not_there(store: Store) -> None:
    await store.rewrite(everything_of(Told("r1")))
    assert await everything(store, "r1") == NOTHING


async def test_a_backup_has_everything_or_is_refused(store: Store, tmp_path: Path) -> None:
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins(), Told("r2", worker=None, fence=0).begins())
    target = tmp_path / "copy.db"
    try:
        await store.backup(target)
    except StoreError:
        assert not target.exists()
        return
    await accepted(store, told.goes_on())
    copy = SqliteStore(target)
    await copy.open()
    try:
        assert len(await copy.events("r1")) == 1
        assert await copy.find("r") == ["r1", "r2"]
        await enlisted(copy, "w2")
        assert [each.run_id for each in await claimed(copy, "w2")] == ["r2"]
    finally:
        await copy.close()
    with pytest.raises(StoreError):
        await store.backup(target)
