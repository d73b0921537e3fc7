"""What callers are to make of errors of SQLite and of the file system below it."""

import errno
import os
import sqlite3
from pathlib import Path

from openrun.store.base import RefusedBySchema, StoreError, StoreFull, StoreUnavailable

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_MAYBE_FULL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_PIECE_BYTES = 65_536
"""More than SQLite asks for at once."""


def in_our_words(error: sqlite3.Error, path: Path | None) -> StoreError:
    """An error of SQLite over the database at `path` (None: in memory).

    SQLite tells a full disk by a code of its own when it writes pages, but not when it makes files grow or syncs them:
    there the file system is asked whether it has room.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code in _MAYBE_FULL and _is_full(path)):
        return StoreFull(f"there is no room for more in the SQLite database: {error}; free some on its disk")
    if code in _PASSING:
        return StoreUnavailable(f"the SQLite database is not available: {error}")
    if code == sqlite3.SQLITE_NOTADB:
        return RefusedBySchema(f"the file is no OpenRun database: {error}")
    return StoreError(f"SQLite: {error}")


def unavailable(error: OSError, what: str) -> StoreUnavailable:
    """What the file system did not do."""
    kind = StoreFull if error.errno in _NO_ROOM else StoreUnavailable
    return kind(f"{what}: {error}")


def _is_full(path: Path | None) -> bool:
    if path is None:
        return False
    try:
        its = os.statvfs(path.parent)
    except OSError:
        return False
    # File systems that make inodes as they need them count none.
    return its.f_bavail * its.f_frsize < _PIECE_BYTES or (its.f_files > 0 and its.f_favail == 0)
