"""Versions of flows are kept for ever; one of each flow is current."""

from msgspec.structs import replace

from openrun.store.base import Store
from openrun.store.rows import VersionRow
from tests.store.given import NOW


def row(flow_id: str, version: str, document: str = "{}") -> VersionRow:
    return VersionRow(
        flow_id=flow_id, version=version, name=f"Flow {flow_id}", document=document, created_at=NOW
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
    assert await store.versions() == [row("orders", "v1", "")]


async def test_what_is_not_known_is_none(store: Store) -> None:
    assert await store.version("orders") is None
    await store.keep_version(row("orders", "v1"))
    assert await store.version("orders", "v2") is None
    assert await store.version("other", "v1") is None
    assert await store.version("other") is None


async def test_the_current_versions_are_told_by_id_without_their_documents(store: Store) -> None:
    assert await store.versions() == []
    for flow_id, version in (("c", "v1"), ("a", "v1"), ("b", "v1"), ("a", "v2")):
        await store.keep_version(row(flow_id, version, '{"large":1}'))
    assert await store.versions() == [row("a", "v2", ""), row("b", "v1", ""), row("c", "v1", "")]
