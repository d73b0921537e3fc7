"""Keys: nothing of them is kept but their hash, and what is over opens nothing."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from openrun.runtime.clock import SystemClock
from openrun.server.access import ALL_NAMESPACES, ROLES, Role, Scope
from openrun.server.keyring import Keyring, hash_of
from openrun.store.memory import MemoryStore
from openrun.store.projection import in_ms
from tests.server.site import Site, hook_flow, site


class Shifted(SystemClock):
    """A clock that can be put forward."""

    ahead = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead)

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.mark.parametrize("role", Role)
async def test_a_key_allows_what_its_role_does(role: Role) -> None:
    store = MemoryStore()
    await store.open()
    keyring = Keyring(store, SystemClock())
    _, key = await keyring.create("ada", role, "default")
    principal = await keyring.principal(key)
    assert principal is not None
    assert (principal.scopes, principal.namespace) == (ROLES[role], "default")
    await store.close()


async def test_scopes_narrow_a_role_and_never_widen_it() -> None:
    store = MemoryStore()
    await store.open()
    keyring = Keyring(store, SystemClock())
    wanted = (Scope.RUNS_READ, Scope.KEYS_ADMIN)
    _, key = await keyring.create("ada", Role.OPERATOR, "default", scopes=wanted)
    principal = await keyring.principal(key)
    assert principal is not None
    assert principal.scopes == {Scope.RUNS_READ}
    await store.close()


async def test_a_key_that_is_revoked_or_has_expired_opens_nothing() -> None:
    clock = Shifted()
    store = MemoryStore()
    await store.open()
    keyring = Keyring(store, clock)
    row, revoked = await keyring.create("gone", Role.ADMIN, ALL_NAMESPACES)
    until = in_ms(clock.now() + timedelta(seconds=5))
    _, short = await keyring.create("short", Role.ADMIN, ALL_NAMESPACES, expires_at=until)
    assert await keyring.principal(revoked) is not None
    assert await keyring.principal(short) is not None
    assert await keyring.revoke(row.key_id)
    assert not await keyring.revoke(row.key_id)
    assert await keyring.principal(revoked) is None
    clock.ahead = 6.0
    assert await keyring.principal(short) is None
    assert await keyring.principal("or_nobody") is None
    assert await keyring.principal("x" * 100_000) is None
    await store.close()


async def test_the_first_key_is_made_once() -> None:
    store = MemoryStore()
    await store.open()
    keyring = Keyring(store, SystemClock())
    first = await keyring.first()
    assert first is not None
    assert await keyring.first() is None
    await keyring.given("chosen by the operator")
    await keyring.given("chosen by the operator")
    assert len(await store.keys()) == 2
    await store.close()


async def test_a_key_is_nowhere_in_the_database(tmp_path: Path) -> None:
    place = tmp_path / "openrun.db"
    async with site(str(place), flows=[hook_flow()]) as it:
        key = it.key
        assert (await it.call("GET", "/v1/flows")).status == 200
    dump = "\n".join(sqlite3.connect(place).iterdump())
    assert key not in dump
    assert hash_of(key) in dump


async def test_keys_are_taken_as_bearer_and_as_x_api_key(greeting: Site) -> None:
    for headers in (
        {"Authorization": f"Bearer {greeting.key}"},
        {"authorization": f"bearer {greeting.key}"},
        {"X-API-Key": greeting.key},
    ):
        assert (await greeting.call("GET", "/v1/flows", key=None, headers=headers)).status == 200
    for headers in (
        {"Authorization": f"Basic {greeting.key}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {greeting.key}x"},
        {"X-API-Key": greeting.key[:-1]},
    ):
        got = await greeting.call("GET", "/v1/flows", key=None, headers=headers)
        assert (got.status, got.headers["WWW-Authenticate"]) == (401, 'Bearer realm="openrun"')
