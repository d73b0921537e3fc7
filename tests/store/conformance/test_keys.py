"""API keys are known by their hashes, end, and stay to be told."""

from typing import Any

import pytest
from msgspec.structs import replace

from openrun.store.base import Store, StoreError
from openrun.store.books import KeyRow
from tests.store.given import NOW


def row(key_id: str, **more: Any) -> KeyRow:
    given: dict[str, Any] = {
        "namespace": "default", "name": f"Key {key_id}", "hash": key_id * 32, "role": "operator", "created_at": NOW,
        **more,
    }  # fmt: skip
    return KeyRow(key_id=key_id, **given)


async def test_a_key_is_found_by_its_hash(store: Store) -> None:
    whole = row("k1", namespace="*", name="ä😀'\"", scopes=("runs:read", "ü"), expires_at=NOW + 9)
    rows = [whole, row("k2", scopes=()), row("k3", revoked_at=NOW, used_at=NOW - 1)]
    for each in rows:
        await store.add_key(each)
        assert await store.key(each.hash) == each
    assert await store.key("k1") is None
    assert await store.key("") is None


async def test_keys_are_told_newest_first(store: Store) -> None:
    assert await store.keys() == []
    rows = [row("k1"), row("k2", namespace="red", created_at=NOW - 1), row("k3"), row("k4", namespace="*")]
    for each in rows:
        await store.add_key(each)
    assert await store.keys() == [rows[3], rows[2], rows[0], rows[1]]
    assert await store.keys("red") == [rows[1]]
    assert await store.keys("*") == [rows[3]]
    assert await store.keys("nowhere") == []


@pytest.mark.parametrize("odd", [{"key_id": "k2"}, {"hash": "other"}])
async def test_a_key_that_is_there_is_not_written_over(store: Store, odd: dict[str, str]) -> None:
    await store.add_key(row("k1"))
    with pytest.raises(StoreError, match="already"):
        await store.add_key(replace(row("k1", role="admin"), **odd))
    assert await store.keys() == [row("k1")]


async def test_adding_a_key_once_more_is_no_fault(store: Store) -> None:
    await store.add_key(row("k1"))
    await store.touch_key("k1", NOW)
    await store.add_key(row("k1"))
    assert await store.keys() == [row("k1", used_at=NOW)]


async def test_a_key_ends_once(store: Store) -> None:
    await store.add_key(row("k1"))
    assert not await store.revoke_key("k2", NOW)
    assert await store.revoke_key("k1", NOW)
    assert not await store.revoke_key("k1", NOW + 9)
    assert await store.key(row("k1").hash) == row("k1", revoked_at=NOW)
    assert await store.keys() == [row("k1", revoked_at=NOW)]


async def test_a_key_was_used_when_it_was_used_last(store: Store) -> None:
    await store.add_key(row("k1"))
    for at, used_at in ((NOW, NOW), (NOW + 5, NOW + 5), (NOW + 1, NOW + 5)):
        await store.touch_key("k1", at)
        assert await store.key(row("k1").hash) == row("k1", used_at=used_at)
    await store.touch_key("k9", NOW)


async def test_keys_are_there_for_the_next_who_opens(store: Store, twin: Store) -> None:
    await store.add_key(row("k1"))
    assert await twin.key(row("k1").hash) == row("k1")
    await twin.revoke_key("k1", NOW)
    assert await store.keys() == await twin.keys() == [row("k1", revoked_at=NOW)]
