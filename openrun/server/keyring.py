"""API keys: made, known again, and ended. A key itself is shown once and kept nowhere."""

import contextlib
import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from openrun.core.errors import OpenRunError
from openrun.runtime.clock import Clock
from openrun.runtime.ids import NewRunId, new_secret, uuid7
from openrun.server.access import ALL_NAMESPACES, ROLES, Principal, Role, Scope
from openrun.store.base import Store, StoreUnavailable
from openrun.store.books import KeyRow
from openrun.store.projection import in_ms

PREFIX = "or_"

_FRESH = 1.0
"""How long, in seconds, a key is taken for what it was when it was looked up."""
_TOUCH_MS = 60_000
_MOST = 10_000
_LONGEST = 200
_GIVEN = "given"
"""Name of the key that the operator chose."""


class UnusableName(OpenRunError, ValueError):
    """A name has characters that cannot be seen, or none that can."""


class UnusableKey(OpenRunError, ValueError):
    """A key that was ended opens nothing, whoever gives it."""


@dataclass(frozen=True, slots=True)
class _Known:
    row: KeyRow | None
    at: float


class Keyring:
    """The keys of a store."""

    def __init__(self, store: Store, clock: Clock, new_id: NewRunId = uuid7) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._known: dict[str, _Known] = {}

    async def create(
        self,
        name: str,
        role: Role,
        namespace: str,
        *,
        scopes: Iterable[Scope] | None = None,
        expires_at: int | None = None,
        key: str | None = None,
    ) -> tuple[KeyRow, str]:
        """A new key and what is kept of it; `scopes` narrow the role, `expires_at` is in ms since 1970.

        `key` is one that the operator chose, in place of a random one. Raises `UnusableName` for a name that could
        be taken for another one.
        """
        _check_name(name)
        secret = key or f"{PREFIX}{new_secret()}"
        row = KeyRow(
            key_id=self._new_id(),
            namespace=namespace,
            name=name,
            hash=hash_of(secret),
            role=role.value,
            scopes=None if scopes is None else tuple(sorted(each.value for each in scopes)),
            created_at=in_ms(self._clock.now()),
            expires_at=expires_at,
        )
        await self._store.add_key(row)
        self._known.pop(row.hash, None)
        return row, secret

    async def first(self) -> str | None:
        """A key of an admin for a store that has no keys at all; None when it has."""
        if await self._store.keys():
            return None
        return (await self.create("first", Role.ADMIN, ALL_NAMESPACES))[1]

    async def given(self, key: str) -> None:
        """Make the key that the operator chose the one of the admin: one that was given before opens nothing more.

        Raises `UnusableKey` for one that was ended.
        """
        known = await self._store.key(hash_of(key))
        if known is not None and known.revoked_at is not None:
            raise UnusableKey("the key that was given was given before, and ended since: choose another one")
        for row in await self._store.keys():
            is_given = row.name == _GIVEN and row.namespace == ALL_NAMESPACES
            if is_given and row.revoked_at is None and row.hash != hash_of(key):
                await self.revoke(row.key_id)
        if known is None:
            await self.create(_GIVEN, Role.ADMIN, ALL_NAMESPACES, key=key)

    async def principal(self, key: str) -> Principal | None:
        """Whose key it is; None for one that is unknown, has expired or was revoked (in the last second, perhaps)."""
        return None if len(key) > _LONGEST else await self._holder(hash_of(key))

    async def holds(self, principal: Principal) -> bool:
        """Whether the key by which somebody was let in still allows all that it did."""
        now = await self._holder(principal.hash)
        return now is not None and now.scopes >= principal.scopes

    async def _holder(self, digest: str) -> Principal | None:
        row = await self._row(digest)
        now = in_ms(self._clock.now())
        if (
            row is None
            or row.revoked_at is not None
            or (row.expires_at is not None and row.expires_at <= now)
        ):
            return None
        return principal_of(row)

    async def revoke(self, key_id: str) -> bool:
        """End a key; False when there is none, or it was ended before."""
        self._known.clear()
        return await self._store.revoke_key(key_id, in_ms(self._clock.now()))

    async def _row(self, digest: str) -> KeyRow | None:
        at = self._clock.monotonic()
        known = self._known.get(digest)
        if known is not None and at - known.at < _FRESH:
            return known.row
        row = await self._store.key(digest)
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[digest] = _Known(row, at)
        now = in_ms(self._clock.now())
        if row is not None and (row.used_at is None or now - row.used_at > _TOUCH_MS):
            # Whoever may read must be let in by a store that takes nothing.
            with contextlib.suppress(StoreUnavailable):
                await self._store.touch_key(row.key_id, now)
        return row


def _check_name(name: str) -> None:
    # Whoever approves is told of by the name of a key.
    hidden = any(unicodedata.category(each) in ("Cf", "Zl", "Zp", "Zs") and each != " " for each in name)
    if not name.strip() or name != name.strip() or not name.isprintable() or hidden:
        raise UnusableName("the name of a key is text that can be seen, without spaces around it")


def hash_of(key: str) -> str:
    # A key has 256 random bits: there is nothing that a slow hash would protect.
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()


def principal_of(row: KeyRow) -> Principal:
    """Who holds a key. One whose role this version does not know may do nothing."""
    role = Role(row.role) if row.role in set(Role) else None
    allowed = ROLES[role] if role is not None else frozenset[Scope]()
    narrowed = (
        allowed if row.scopes is None else frozenset(each for each in allowed if each.value in row.scopes)
    )
    return Principal(
        key_id=row.key_id,
        name=row.name,
        role=role or Role.USER,
        scopes=narrowed,
        namespace=row.namespace,
        hash=row.hash,
    )
