"""A copy of a database, made while work goes on."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from openrun.store.base import StoreError
from openrun.store.sqlite.connection import sync_directory
from openrun.store.sqlite.faults import unavailable


def back_up(source: sqlite3.Connection, target: Path) -> None:
    """Write the state of this moment into a new file; under its name stands all of it or nothing."""
    part = target.with_name(f"{target.name}.part")
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with _removed_on_failure(part, target):
            _copy(source, part)
            part.replace(target)
            sync_directory(target.parent)
    except FileExistsError as error:
        raise StoreError(f"{str(target)!r} exists already; a backup goes into a new file") from error
    except OSError as error:
        raise unavailable(error, f"a backup cannot be written to {str(target)!r}") from error


@contextmanager
def _removed_on_failure(*files: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for each in files:
            each.unlink(missing_ok=True)
        raise


def _copy(source: sqlite3.Connection, part: Path) -> None:
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        os.fsync(handle)
    finally:
        os.close(handle)
