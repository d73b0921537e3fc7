"""Several processes of one machine share a SQLite file, and notice at once when one of them dies."""

import fcntl
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from openrun.store.base import StoreError
from openrun.store.rows import RunFilter
from openrun.store.schema import migrations
from openrun.store.sqlite import SqliteStore
from openrun.store.sqlite.alive import Alive
from tests.store.given import Clock, Told, accepted, beside, claimed, due, enlisted, until

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def store(sqlite: SqliteStore) -> SqliteStore:
    return sqlite


@contextmanager
def process(act: str, path: Path, worker: str = "w9") -> Iterator[subprocess.Popen[str]]:
    """Another process, stopped at its beginning until it is told to go on."""
    command = [sys.executable, "-m", "tests.store.sqlite_process", act, str(path), worker]
    with subprocess.Popen(  # noqa: S603
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        try:
            assert hear(other) == "here"
            yield other
        finally:
            other.kill()


def go_on(other: subprocess.Popen[str]) -> None:
    assert other.stdin is not None
    other.stdin.write("go on\n")
    other.stdin.flush()


def hear(other: subprocess.Popen[str]) -> str:
    assert other.stdout is not None
    return other.stdout.readline().strip()


def all_heard(other: subprocess.Popen[str]) -> list[str]:
    """What it told until it was done."""
    return list(iter(lambda: hear(other), "done"))


async def test_processes_that_claim_at_once_get_different_runs(path: Path, store: SqliteStore) -> None:
    run_ids = [f"r{number:03}" for number in range(200)]
    await due(store, *run_ids)
    with ExitStack() as stack:
        others = [stack.enter_context(process("hold", path, f"p{number}")) for number in range(3)]
        for each in others:
            go_on(each)
        got = [all_heard(each) for each in others]
    assert sorted(run_id for each in got for run_id in each) == run_ids
    assert {each.fence for each in await store.runs(RunFilter(limit=999))} == {1}


async def test_processes_may_open_a_new_file_at_once(path: Path) -> None:
    for turn in range(3):
        fresh = path.with_name(f"fresh{turn}.db")
        with ExitStack() as stack:
            others = [stack.enter_context(process("open", fresh)) for _ in range(4)]
            for each in others:
                go_on(each)
            assert [each.wait() for each in others] == [0] * 4
        with beside(fresh) as connection:
            applied = connection.execute("SELECT number FROM openrun_schema").fetchall()
        assert applied == [(each.number,) for each in migrations("sqlite")]


async def test_a_killed_process_is_noticed_at_once(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await due(store, *(f"r{number}" for number in range(7)))
    with process("hold", path, "p1") as other:
        go_on(other)
        assert len(all_heard(other)) == 7
        assert await claimed(store, "w1") == []
        other.kill()
        other.wait()
        first = await until(lambda: claimed(store, "w1", 3))
        assert [(each.fence, each.crashes) for each in first] == [(2, 1)] * 3
        assert len(await claimed(store, "w1")) == 4
    assert {each.worker for each in await store.workers() if each.lease_ms > 0} == {"w1"}
    assert [each.name for each in path.with_name("openrun.db.workers").iterdir()] == ["w1.lock"]


async def test_a_stopped_process_keeps_its_runs_until_its_lease_ends(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await due(store, "r1")
    with process("hold", path, "p1") as other:
        go_on(other)
        assert all_heard(other) == ["r1"]
        other.send_signal(signal.SIGSTOP)
        assert await claimed(store, "w1") == []
        with beside(path) as connection:
            connection.execute("UPDATE workers SET lease_until = 0 WHERE worker = 'p1'")
        assert [each.crashes for each in await claimed(store, "w1")] == [1]


async def test_a_process_that_ends_without_retiring_is_noticed(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    await due(store, "r1")
    with process("claim", path, "p1") as other:
        go_on(other)
        assert all_heard(other) == ["r1"]
        other.wait()
    await until(lambda: claimed(store, "w1"))


async def test_a_worker_is_looked_after_four_times_a_second_at_most(path: Path) -> None:
    boot = Clock(1_000_000)
    store, other = SqliteStore(path, boot=boot), SqliteStore(path, boot=boot)
    await store.open()
    await other.open()
    await enlisted(store, "w1")
    await enlisted(other, "p1")
    await accepted(other, Told("r1", worker="p1").begins())
    assert await claimed(store, "w1") == []
    await other.close()
    boot.at += 249
    assert await claimed(store, "w1") == []
    boot.at += 1
    assert len(await claimed(store, "w1")) == 1
    await store.close()


async def test_a_worker_is_at_work_in_one_process_only(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1")
    other = SqliteStore(path)
    await other.open()
    with pytest.raises(StoreError, match="w1"):
        await enlisted(other, "w1")
    await enlisted(store, "w1")
    await store.retire("w1")
    await enlisted(other, "w1")
    await other.close()


def test_a_lock_file_that_goes_while_it_is_being_locked_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, real = Clock(0), fcntl.flock
    removed: list[Path] = []

    def lock(handle: int, how: int) -> None:
        if not removed:
            removed.append(tmp_path / "w1.lock")
            removed[0].unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", lock)
    mine, other = Alive(tmp_path, clock), Alive(tmp_path, clock)
    mine.enlist("w1")
    assert removed
    assert (tmp_path / "w1.lock").exists()
    assert not other.is_dead("w1")
    mine.close()
    clock.at += 250
    assert other.is_dead("w1")


async def test_retiring_takes_the_lock_away(path: Path, store: SqliteStore) -> None:
    await enlisted(store, "w1", "w2")
    await store.retire("w1")
    await store.retire("nobody")
    assert [each.name for each in path.with_name("openrun.db.workers").iterdir()] == ["w2.lock"]


@pytest.mark.parametrize("worker", ["", "a/b", "../w1", "a b", "ä", "a\0", "w" * 201])
async def test_a_worker_whose_name_is_no_file_name_is_refused(store: SqliteStore, worker: str) -> None:
    with pytest.raises(StoreError, match="file name"):
        await enlisted(store, worker)
    assert await store.workers() == []


async def test_a_lock_file_that_somebody_removed_lets_the_lease_decide(
    path: Path, store: SqliteStore
) -> None:
    other = SqliteStore(path)
    await other.open()
    await enlisted(other, "p1")
    await enlisted(store, "w1")
    told = Told("r1", worker="p1")
    await accepted(other, told.begins())
    path.with_name("openrun.db.workers").joinpath("p1.lock").unlink()
    assert await claimed(store, "w1") == []
    await accepted(other, told.goes_on())
    await other.close()
