"""Versions of flows are kept for ever; one of each flow is current."""

import asyncio

from msgspec.structs import replace

from openrun.store.base import Store
from openrun.store.rows import FlowRow, VersionRow
from tests.store.given import NOW


def row(flow_id: str, version: str, document: str = "{}") -> VersionRow:
    return VersionRow(
        flow_id=flow_id, version=version, name=f"Flow {flow_id}", document=document, created_at=NOW
    )


def flow(flow_id: str, version: str, *, enabled: bool = True) -> FlowRow:
    return FlowRow(
        namespace="default",
        flow_id=flow_id,
        version=version,
        name=f"Flow {flow_id}",
        enabled=enabled,
        created_at=NOW,
    )


async def test_a_version_is_kept_to_the_letter(store: Store) -> None:
    kept = row("orders", "v1", '{"name":"ä😀 \'\\u0000","steps":[' + "1," * 100_000 + "1]}")
    await store.keep_version(kept)
    assert await store.version("orders", "v1") == kept
    assert await store.version("orders") == kept


async def test_the_last_version_kept_is_current(store: Store) -> None:
    await store.keep_version(row("orders", "v1"))
    await store.keep_version(row("orders", "v2"))
    assert await store.version("orders") == row("orders", "v2")
    assert await store.version("orders", "v1") == row("orders", "v1")


async def test_a_known_version_becomes_current_again(store: Store) -> None:
    await store.keep_version(row("orders", "v1"))
    await store.keep_version(row("orders", "v2"))
    await store.keep_version(replace(row("orders", "v1"), created_at=NOW + 9))
    assert await store.version("orders") == row("orders", "v1")
    assert [each.version for each in await store.flows()] == ["v1"]


async def test_what_is_not_known_is_none(store: Store) -> None:
    assert await store.version("orders") is None
    await store.keep_version(row("orders", "v1"))
    assert await store.version("orders", "v2") is None
    assert await store.version("other", "v1") is None
    assert await store.version("other") is None


async def test_flows_are_told_by_id_each_with_its_current_version(store: Store) -> None:
    assert await store.flows() == []
    for flow_id, version in (("c", "v1"), ("a", "v1"), ("b", "v1"), ("a", "v2")):
        await store.keep_version(row(flow_id, version, '{"large":1}'))
    assert await store.flows() == [flow("a", "v2"), flow("b", "v1"), flow("c", "v1")]
    assert await store.flow("a") == flow("a", "v2")
    assert await store.flow("d") is None


async def test_versions_of_a_flow_are_told_newest_first_without_their_documents(store: Store) -> None:
    assert await store.versions("a") == []
    rows = [row("a", "v1", "1"), row("a", "v3", "3"), row("b", "v1", "b"), row("a", "v2", "2")]
    older = replace(row("a", "v0", "0"), created_at=NOW - 1)
    for each in (*rows, older, rows[0]):
        await store.keep_version(each)
    assert await store.versions("a") == [
        replace(each, document="") for each in (rows[3], rows[1], rows[0], older)
    ]


async def test_a_version_is_kept_only_over_the_one_that_was_expected(store: Store) -> None:
    first, second = row("orders", "v1"), row("orders", "v2")
    assert not await store.keep_version(first, expected="v0")
    assert await store.flow("orders") is None
    assert await store.keep_version(first, expected="")
    for wrong in ("", "v2", "v0"):
        assert not await store.keep_version(second, expected=wrong)
        assert await store.version("orders", "v2") is None
        assert await store.version("orders") == first
    assert await store.keep_version(second, expected="v1")
    assert not await store.keep_version(first, expected="v1")
    assert await store.version("orders") == second
    assert await store.keep_version(first)


async def test_of_two_who_expect_the_same_one_wins(store: Store, twin: Store) -> None:
    await store.keep_version(row("orders", "v0"))
    for turn in range(5):
        current = await store.version("orders")
        assert current is not None
        tries = [
            (store, twin)[number % 2].keep_version(
                row("orders", f"{turn}.{number}"), expected=current.version
            )
            for number in range(6)
        ]
        kept = await asyncio.gather(*tries)
        assert sorted(kept) == [False] * 5 + [True]
        assert await twin.flow("orders") == flow("orders", f"{turn}.{kept.index(True)}")
    assert len(await store.versions("orders")) == 6


async def test_of_two_who_expect_no_flow_one_wins(store: Store, twin: Store) -> None:
    for turn in range(5):
        tries = [
            (store, twin)[number % 2].keep_version(row(f"f{turn}", f"v{number}"), expected="")
            for number in range(6)
        ]
        kept = await asyncio.gather(*tries)
        assert sorted(kept) == [False] * 5 + [True]
        assert [each.version for each in await store.versions(f"f{turn}")] == [f"v{kept.index(True)}"]


async def test_a_flow_is_enabled_until_somebody_disables_it(store: Store) -> None:
    assert not await store.enable("orders", enabled=False)
    assert not await store.enable("orders", enabled=True)
    await store.keep_version(row("orders", "v1"))
    assert await store.enable("orders", enabled=False)
    assert await store.enable("orders", enabled=False)
    assert await store.flow("orders") == flow("orders", "v1", enabled=False)
    await store.keep_version(row("orders", "v2"))
    await store.keep_version(row("bills", "v1"))
    assert await store.flows() == [flow("bills", "v1"), flow("orders", "v2", enabled=False)]
    assert await store.enable("orders", enabled=True)
    assert await store.flow("orders") == flow("orders", "v2")
