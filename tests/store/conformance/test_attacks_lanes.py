"""Lanes whose rules change while runs wait in them: a newer version of the flow asks for others."""

from typing import Any

import pytest

from openrun.store.base import Store
from openrun.store.tickets import AtLimit
from tests.store.conformance.test_tickets import born, ends, filled, ids, nothing_is_astray
from tests.store.given import accepted, enlisted


async def drained(store: Store, first: list[str]) -> list[str]:
    """All that is admitted until nothing is, each run ended at once."""
    seen, held = list(first), list(first)
    while held:
        await ends(store, *held)
        held = await ids(store)
        seen += held
    return seen


async def behind(store: Store, **newer: Any) -> None:
    """One run has all of a total of 1, two wait for it, and a fourth comes with other rules."""
    await enlisted(store, "w1")
    await accepted(store, born("r1", "a", total=1))
    assert await ids(store) == ["r1"]
    await accepted(store, born("r2", "b", total=1), born("r3", "c", total=1))
    assert await ids(store) == []
    await accepted(store, born("r4", "d", **newer))


@pytest.mark.parametrize("newer", [{"limit": 5}, {"total": 10}, {"rate": 100, "period_ms": 60_000}])
async def test_runs_that_wait_for_a_total_start_once_it_is_gone_or_raised(
    store: Store, newer: dict[str, Any]
) -> None:
    await behind(store, **newer)
    assert sorted([*await ids(store), *await ids(store)]) == ["r2", "r3", "r4"]
    await nothing_is_astray(store)


async def test_many_lanes_that_wait_for_a_total_start_all_once_it_is_gone(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, born("r", "a", total=1))
    await ids(store)
    await accepted(store, *(born(f"r{number:03}", f"k{number}", total=1) for number in range(200)))
    for _ in range(4):
        await ids(store)
    await accepted(store, born("s", "d", limit=5))
    assert len(await drained(store, ["r"])) == 202
    await nothing_is_astray(store)


async def test_a_total_that_is_lowered_lets_nothing_start_before_enough_have_ended(store: Store) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{number}", f"k{number}", total=5) for number in range(5)))
    assert len(await ids(store)) == 5
    await accepted(store, *(born(f"s{number}", f"l{number}", total=1) for number in range(5)))
    await ends(store, "r0", "r1", "r2", "r3")
    assert await ids(store) == []
    await ends(store, "r4")
    for _ in range(5):
        (held,) = await ids(store)
        await ends(store, held)
    assert await filled(store) == []


@pytest.mark.parametrize(
    "newer",
    [
        {"limit": 3},
        {"priority": 5},
        {"rate": 100, "period_ms": 60_000},
        {"quiet_ms": 1},
        {"limit": 1, "at_limit": AtLimit.KEEP_NEWEST},
        {"limit": 1, "at_limit": AtLimit.CANCEL_RUNNING},
        {"limit": 1, "at_limit": AtLimit.CANCEL_NEW},
    ],
)
async def test_nothing_stays_in_a_queue_whatever_its_rules_become(
    store: Store, newer: dict[str, Any]
) -> None:
    await enlisted(store, "w1")
    await accepted(store, *(born(f"r{number}", "k", limit=1, priority=number) for number in range(5)))
    first = await ids(store)
    await accepted(store, born("s", "k", **newer))
    await drained(store, first)
    while held := await ids(store):
        await drained(store, held)
    assert await filled(store) == []
    await nothing_is_astray(store)
