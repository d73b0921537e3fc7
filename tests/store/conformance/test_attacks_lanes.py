"""Lanes whose rules change while runs wait in them."""

import pytest

from openrun.store.base import Store
from openrun.store.tickets import AtLimit
from tests.store.conformance.test_tickets import born, ends, filled, ids, nothing_is_astray
from tests.store.given import accepted, claimed, enlisted


async def drained(store: Store, first: list[str]) -> list[str]:
    """All that is admitted until nothing is, each run ended at once."""
    seen, held = list(first), list(first)
    while held:
        await ends(store, *held)
        held = await ids(store)
        seen += held
    return seen


async def test_runs_that_wait_for_a_total_start_once_a_newer_version_has_none(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a", total=1))
    assert await ids(store) == ["r1"]
    await accepted(store, born("r2", "b", total=1), born("r3", "c", total=1))
    assert await ids(store) == []
    await accepted(store, born("r4", "d", limit=5))
    got = await ids(store)
    got += await ids(store)
    assert sorted(got) == ["r2", "r3", "r4"], await filled(store)
    await nothing_is_astray(store)


async def test_runs_that_wait_for_a_total_start_all_after_the_total_is_gone_and_all_ends(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a", total=1))
    assert await ids(store) == ["r1"]
    await accepted(store, born("r2", "b", total=1), born("r3", "c", total=1))
    assert await ids(store) == []
    await accepted(store, born("r4", "d", limit=5))
    got = await ids(store)
    assert sorted(await drained(store, ["r1", *got])) == ["r1", "r2", "r3", "r4"], await filled(store)
    await nothing_is_astray(store)


async def test_raised_total(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a", total=1))
    assert await ids(store) == ["r1"]
    await accepted(store, born("r2", "b", total=1), born("r3", "c", total=1))
    assert await ids(store) == []
    await accepted(store, born("r4", "d", total=10))
    got = await ids(store)
    got += await ids(store)
    assert sorted(got) == ["r2", "r3", "r4"], await filled(store)
    await nothing_is_astray(store)


async def test_lowered_total(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{n}", f"k{n}", total=5) for n in range(5)))
    assert len(await ids(store)) == 5
    await accepted(store, *(born(f"s{n}", f"l{n}", total=1) for n in range(5)))
    assert await ids(store) == []
    seen = []
    await ends(store, "r0", "r1", "r2", "r3")
    assert await ids(store) == []
    await ends(store, "r4")
    held = await ids(store)
    while held:
        assert len(held) == 1
        seen += held
        await ends(store, *held)
        held = await ids(store)
    assert len(seen) == 5
    await nothing_is_astray(store)


@pytest.mark.parametrize("to", ["limit", "none", "rate", "quiet", "keep", "cancel_running"])
async def test_rules_change(store: Store, to: str) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{n}", "k", limit=1, priority=n) for n in range(5)))
    first = await ids(store)
    rules = {
        "limit": {"limit": 3},
        "none": {"priority": 5},
        "rate": {"rate": 100, "period_ms": 60_000},
        "quiet": {"quiet_ms": 1},
        "keep": {"limit": 1, "at_limit": AtLimit.KEEP_NEWEST},
        "cancel_running": {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING},
    }[to]
    await accepted(store, born("s", "k", **rules))
    seen = await drained(store, first)
    for _ in range(5):
        seen += await drained(store, await ids(store))
    print(to, seen, await filled(store))
    assert await filled(store) == []
    await nothing_is_astray(store)
