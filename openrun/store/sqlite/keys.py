"""API keys."""

import sqlite3

from msgspec.structs import asdict

from openrun.store.base import StoreError
from openrun.store.books import KeyRow
from openrun.store.sqlite.connection import as_json, ask, look_up, tell, writing
from openrun.store.sqlite.text import clean


def add(connection: sqlite3.Connection, row: KeyRow) -> None:
    given = asdict(row) | {"name": clean(row.name)}
    given["scopes"] = None if row.scopes is None else as_json([clean(each) for each in row.scopes])
    with writing(connection):
        if tell(connection, "add_key", **given):
            return
        known = key(connection, row.hash)
    # One that was added by a call whose outcome was not known is there already.
    if known is None or known.key_id != row.key_id:
        raise StoreError(f"there is a key {row.key_id!r} already, or one with the same hash: make a new one")


def key(connection: sqlite3.Connection, digest: str) -> KeyRow | None:
    return look_up(connection, "key", KeyRow, hash=digest)


def keys(connection: sqlite3.Connection, namespace: str | None) -> list[KeyRow]:
    return ask(connection, "keys", list[KeyRow], namespace=namespace)


def revoke(connection: sqlite3.Connection, key_id: str, at: int) -> bool:
    with writing(connection):
        return tell(connection, "revoke_key", key_id=key_id, at=at) > 0


def touch(connection: sqlite3.Connection, key_id: str, at: int) -> None:
    with writing(connection):
        tell(connection, "touch_key", key_id=key_id, at=at)
