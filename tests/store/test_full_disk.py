"""A full disk is told as such, loses nothing that was there, and is no trouble any more once it has room."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from openrun.store.base import Store, StoreFull, StoreUnavailable
from openrun.store.sqlite import SqliteStore
from openrun.store.sqlite.faults import in_our_words, unavailable
from tests.store.given import Told, accepted, enlisted, everything

ROOT = Path(__file__).parent.parent.parent
MOUNT = 'mount -t tmpfs -o size=48m none "$1" && exec "$2" -m tests.store.full_disk_process "$1"'
ALONE = ["unshare", "--user", "--map-root-user", "--mount"]


def test_a_disk_that_is_full_now_and_then_costs_only_what_was_asked_meanwhile(tmp_path: Path) -> None:
    if shutil.which("unshare") is None or subprocess.run([*ALONE, "true"], check=False).returncode:  # noqa: S603
        pytest.skip("a small file system of its own cannot be mounted here")
    command = [*ALONE, "sh", "-c", MOUNT, "sh", str(tmp_path), sys.executable]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["full"] * 16


async def test_a_database_that_may_not_grow_is_full(sqlite: SqliteStore) -> None:
    await enlisted(sqlite, "w1")
    told = Told("r1")
    await accepted(sqlite, told.begins())
    before = await everything(sqlite, "r1")
    await sqlite._writer.run(lambda its: its.execute("PRAGMA max_page_count = 1").fetchone())
    large = told.goes_on(note="x" * 1_000_000)
    for _ in range(2):
        with pytest.raises(StoreFull, match="room"):
            await sqlite.commit([large])
    assert await everything(sqlite, "r1") == before
    await sqlite._writer.run(lambda its: its.execute("PRAGMA max_page_count = 1000000").fetchone())
    await accepted(sqlite, large)
    assert len(await sqlite.events("r1")) == 2


def fault(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_CANTOPEN]
)
@pytest.mark.parametrize(
    ("left", "kind"),
    [((0, 9), StoreFull), ((15, 9), StoreFull), ((16, 9), StoreUnavailable), ((99, 0), StoreFull)],
)
def test_a_fault_of_the_disk_is_a_full_one_when_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, left: tuple[int, int], kind: type[Exception]
) -> None:
    pages, inodes = left
    its = SimpleNamespace(f_bavail=pages, f_frsize=4_096, f_files=100, f_favail=inodes)
    monkeypatch.setattr(os, "statvfs", lambda _: its)
    assert type(in_our_words(fault(code), tmp_path / "openrun.db")) is kind


def test_a_fault_of_the_disk_is_no_full_one_where_there_is_room_or_nobody_can_tell(tmp_path: Path) -> None:
    for path in (tmp_path / "openrun.db", tmp_path / "no" / "where.db", None):
        found = in_our_words(fault(sqlite3.SQLITE_IOERR_WRITE), path)
        assert type(found) is StoreUnavailable
    assert type(in_our_words(fault(sqlite3.SQLITE_FULL), None)) is StoreFull


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, StoreFull), (errno.EDQUOT, StoreFull), (errno.EACCES, StoreUnavailable)],
)
def test_a_file_that_cannot_be_made_tells_whether_there_was_room(number: int, kind: type[Exception]) -> None:
    found = unavailable(OSError(number, os.strerror(number)), "'openrun.db' cannot be made")
    assert type(found) is kind
    assert str(found).startswith("'openrun.db' cannot be made: ")


@pytest.mark.parametrize("opened", ["postgres"], indirect=True)
async def test_a_postgres_without_room_is_full_until_it_has_some(store: Store, postgres_url: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    await enlisted(store, "w1")
    told = Told("r1")
    await accepted(store, told.begins())
    before = await everything(store, "r1")
    more = told.goes_on()
    with psycopg.connect(postgres_url, autocommit=True) as beside:
        beside.execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END; $$"
        )
        beside.execute("CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk()")
        for _ in range(2):
            with pytest.raises(StoreFull, match="could not extend file"):
                await store.commit([more])
        assert await everything(store, "r1") == before
        beside.execute("DROP TRIGGER full_disk ON events")
    await accepted(store, more)
