"""A connection to SQLite: how it is set up, and how it is asked.

Python gives its lock away at every row that SQLite steps to, and gets it back only after milliseconds while the
event loop's thread is busy. So statements are few, each takes all its rows as one JSON text, and each answers
with one JSON text in one row.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

import msgspec

from openrun.store.base import StoreError
from openrun.store.schema import query

T = TypeVar("T")

_BUSY_MS = 5_000
_CACHE_KIB = 16_384
_CHECKPOINT_PAGES = 4_000
_PAUSE_SECONDS = 0.01

BEYOND = "\U0010ffff"
"""After all that may follow the beginning of an id."""


def connect(path: Path, synchronous: str) -> sqlite3.Connection:
    """A connection for the thread that calls."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        _set_up(connection, synchronous)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_to_memory() -> sqlite3.Connection:
    """A database that lasts as long as its connection."""
    return sqlite3.connect(":memory:", isolation_level=None)


def make_file(path: Path) -> None:
    """Make sure that the database's file is there, for its owner alone, and that a power cut does not undo that."""
    _make_directory(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the names in a directory outlast a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_directory(path: Path) -> None:
    if path.is_dir():
        return
    _make_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def _set_up(connection: sqlite3.Connection, synchronous: str) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    _use_wal(connection)
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Two that open a new file at once are both refused at first: SQLite does not wait in this place."""
    pause = Event()
    for left in reversed(range(int(_BUSY_MS / 1000 / _PAUSE_SECONDS))):
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not left or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            pause.wait(_PAUSE_SECONDS)
            continue
        if mode != "wal":
            raise StoreError(
                f"this file system cannot keep a write-ahead log; SQLite offers {mode!r} in its place"
            )
        return


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One durable transaction; whatever goes wrong in it, at its end too, undoes all of it."""
    _undo(connection)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        _undo(connection)
        raise


def _undo(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def as_json(value: Any) -> str:
    """A parameter with many rows."""
    return msgspec.json.encode(value).decode()


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def _decoded(text: str, kind: type[T]) -> T:
    by: Any = kind
    answer: T = _decoder(by).decode(text)
    return answer


def ask(connection: sqlite3.Connection, name: str, kind: type[T], /, **given: Any) -> T:
    """What a query answers that always has an answer."""
    (text,) = connection.execute(query("sqlite", name), given).fetchone()
    return _decoded(text, kind)


def look_up(connection: sqlite3.Connection, name: str, kind: type[T], /, **given: Any) -> T | None:
    """The one row that a query finds, or None."""
    found = connection.execute(query("sqlite", name), given).fetchone()
    return None if found is None else _decoded(found[0], kind)


def tell(connection: sqlite3.Connection, statement: str, /, **given: Any) -> int:
    """Change rows; how many there were."""
    return connection.execute(query("sqlite", statement), given).rowcount
