"""A power cut on SQLite alone: what a commit acknowledged is there with synchronous=FULL, and is not with less."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from .disk import Recording
from .files import POLICIES, Policy
from .given import Recorded, contents, record
from .loss import Damaged, Loss, losses
from .records import Kind

WRITER = str(Path(__file__).with_name("writer.py"))
COMMITS = 100
DRAWS = 3


def rows(directory: Path) -> set[str]:
    """The rows that are there."""
    if not (directory / "power.db").exists():
        return set()
    try:
        with closing(sqlite3.connect(directory / "power.db")) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            faults = connection.execute("PRAGMA integrity_check").fetchall()
            if faults != [("ok",)]:
                raise Damaged(str(faults))
            if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'kept'").fetchone():
                return set()
            found = connection.execute("SELECT number, text FROM kept").fetchall()
    except sqlite3.DatabaseError as error:
        raise Damaged(str(error)) from error
    return {str(number) for number, text in found if text == f"{number} " * 200}


def commits(recorder: Path, room: Path, synchronous: str, *, threads: int = 1) -> Recorded:
    recorded = record(recorder, room, WRITER, synchronous, str(COMMITS), str(threads))
    assert sorted(map(int, recorded.recording.acked(recorded.recording.cuts))) == [*range(COMMITS)]
    return recorded


def lost(recording: Recording, policy: Policy, room: Path, *, every: int = 1) -> list[Loss]:
    """What is lost at all cuts, or at every so many; each is drawn several times where there is anything to draw."""
    draws = DRAWS if policy == "random" else 1
    cuts = [cut for cut in range(0, recording.cuts + 1, every) for _ in range(draws)]
    return list(losses(recording, cuts, policy, Random(0), look=rows, room=room))  # noqa: S311


@pytest.fixture(scope="module")
def full(recorder: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return commits(recorder, tmp_path_factory.mktemp("full"), "FULL")


def test_the_recording_holds_all_that_sqlite_did(full: Recorded) -> None:
    files = contents(full.directory)
    del files["acks"]
    recording = full.recording
    assert recording.state_at(recording.cuts, "all", Random(0)) == files  # noqa: S311
    kinds = [each.kind for each in recording.records]
    assert kinds.count(Kind.SYNC) > COMMITS
    assert kinds.count(Kind.TRUNCATE) > 1
    assert kinds.count(Kind.UNLINK) > 0


@pytest.mark.parametrize("policy", POLICIES)
def test_no_acknowledged_row_is_lost_with_synchronous_full(
    full: Recorded, tmp_path: Path, policy: Policy
) -> None:
    assert lost(full.recording, policy, tmp_path) == []


@pytest.mark.parametrize("policy", POLICIES)
def test_no_acknowledged_row_is_lost_while_several_threads_commit(
    recorder: Path, tmp_path: Path, policy: Policy
) -> None:
    recording = commits(recorder, tmp_path, "FULL", threads=4).recording
    assert lost(recording, policy, tmp_path) == []


def test_acknowledged_rows_are_lost_with_synchronous_normal_but_nothing_is_damaged(
    recorder: Path, tmp_path: Path
) -> None:
    recording = commits(recorder, tmp_path, "NORMAL").recording
    for policy in ("none", "random"):
        found = lost(recording, policy, tmp_path)
        assert any(each.missing for each in found)
        assert [each.damage for each in found if each.damage] == []


@pytest.mark.parametrize("policy", ["none", "random"])
def test_acknowledged_rows_are_lost_with_synchronous_off(
    recorder: Path, tmp_path: Path, policy: Policy
) -> None:
    recording = commits(recorder, tmp_path, "OFF").recording
    found = lost(recording, policy, tmp_path, every=5)
    assert any(each.missing for each in found)


def test_databases_are_damaged_with_synchronous_off(recorder: Path, tmp_path: Path) -> None:
    recording = commits(recorder, tmp_path, "OFF").recording
    assert any(each.damage for each in lost(recording, "random", tmp_path, every=5))


def test_a_commit_whose_one_sync_does_nothing_is_found_out(full: Recorded, tmp_path: Path) -> None:
    records, ends = full.recording.records, [number for number, _ in full.recording.marks]
    commits_of_one_sync = [
        (end, syncs[0])
        for start, end in pairwise(ends)
        if len(syncs := [place for place in range(start, end) if records[place].kind is Kind.SYNC]) == 1
    ]
    assert len(commits_of_one_sync) > COMMITS // 3
    for end, sync in commits_of_one_sync[::5]:
        lame = Recording([*records[:sync], *records[sync + 1 :]])
        [loss] = losses(lame, [end - 1], "none", Random(0), look=rows, room=tmp_path)  # noqa: S311
        assert loss.missing == tuple(lame.acked(end - 1)[-1:])
