"""What is found after a power cut: the rules of disk.py, one by one, on what real processes did."""

from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from .disk import Files, Recording, write_to
from .files import POLICIES, Policy
from .given import contents, record
from .records import Kind, Record

DRAWS = 200
SECTOR = 512


def states(recording: Recording, policy: Policy, *, cut: int | None = None) -> list[Files]:
    """What the disk holds at this cut, or the last one: drawn many times, each state once."""
    rng = Random(0)  # noqa: S311
    cuts = [recording.cuts if cut is None else cut] * (DRAWS if policy == "random" else 1)
    found: list[Files] = []
    for _, files in recording.states(cuts, policy, rng):
        if files not in found:
            found.append(files)
    return found


def of(recorder: Path, room: Path, script: str) -> Recording:
    return record(recorder, room, "-c", "import os\n" + script).recording


def make(name: str, content: str) -> str:
    """Lines that make a file that is there for certain."""
    return f"f = os.open({name!r}, os.O_RDWR | os.O_CREAT)\nos.write(f, {content.encode()!r})\nos.fsync(f)\n"


@pytest.mark.parametrize("policy", POLICIES)
def test_what_was_synced_is_there(recorder: Path, tmp_path: Path, policy: Policy) -> None:
    recording = of(recorder, tmp_path, make("a", "old"))
    assert states(recording, policy) == [{"a": b"old"}]


def test_what_was_not_synced_may_be_there_or_not(recorder: Path, tmp_path: Path) -> None:
    recording = of(recorder, tmp_path, make("a", "old") + "os.pwrite(f, b'new', 0)\nos.pwrite(f, b'!', 3)")
    assert states(recording, "none") == [{"a": b"old"}]
    assert states(recording, "all") == [{"a": b"new!"}]
    found = {files["a"] for files in states(recording, "random")}
    assert found == {b"old", b"new", b"old!", b"new!"}


def test_a_cut_undoes_what_comes_after_it(recorder: Path, tmp_path: Path) -> None:
    recording = of(recorder, tmp_path, make("a", "old") + "os.pwrite(f, b'new', 0)\nos.fsync(f)")
    assert [states(recording, "all", cut=cut) for cut in range(recording.cuts + 1)] == [
        [{}],
        [{"a": b""}],
        [{"a": b"old"}],
        [{"a": b"old"}],
        [{"a": b"new"}],
        [{"a": b"new"}],
    ]
    assert states(recording, "none", cut=4) == [{"a": b"old"}]
    assert states(recording, "none", cut=5) == [{"a": b"new"}]


def test_a_write_is_torn_between_sectors_and_nowhere_else(recorder: Path, tmp_path: Path) -> None:
    script = make("a", "a" * 3 * SECTOR) + f"os.pwrite(f, b'b' * {2 * SECTOR}, {SECTOR // 2})"
    found = {files["a"] for files in states(of(recorder, tmp_path, script), "random")}
    edges = [
        {place for place, (left, right) in enumerate(pairwise(content), 1) if left != right}
        for content in found
    ]
    assert len(found) == 2**3
    assert set().union(*edges) == {SECTOR // 2, SECTOR, 2 * SECTOR, 2 * SECTOR + SECTOR // 2}


def test_a_sync_of_one_file_says_nothing_of_another(recorder: Path, tmp_path: Path) -> None:
    script = make("a", "old") + "os.pwrite(f, b'new', 0)\n" + make("b", "other")
    assert states(of(recorder, tmp_path, script), "none") == [{"a": b"old", "b": b"other"}]


def test_a_lost_write_before_a_kept_one_leaves_zeros(recorder: Path, tmp_path: Path) -> None:
    recording = of(recorder, tmp_path, make("a", "old") + "os.pwrite(f, b'end', 6)")
    assert {"a": b"old\0\0\0end"} in states(recording, "random")


def test_a_truncation_lasts_when_the_file_is_synced(recorder: Path, tmp_path: Path) -> None:
    recording = of(recorder, tmp_path, make("a", "old") + "os.ftruncate(f, 1)\nos.fsync(f)")
    assert states(recording, "none", cut=recording.cuts - 1) == [{"a": b"old"}]
    assert {files["a"] for files in states(recording, "random", cut=recording.cuts - 1)} == {b"old", b"o"}
    assert states(recording, "none") == [{"a": b"o"}]


def test_a_file_lasts_when_it_or_its_directory_is_synced(recorder: Path, tmp_path: Path) -> None:
    script = "os.write(os.open('a', os.O_WRONLY | os.O_CREAT), b'x')\n"
    unsynced = of(recorder, tmp_path, script)
    assert states(unsynced, "none") == [{}]
    found = states(unsynced, "random")
    assert [each in found for each in ({}, {"a": b""}, {"a": b"x"})] == [True] * 3
    by_directory = of(recorder, tmp_path, "os.unlink('a')\n" + script + "os.fsync(os.open('.', os.O_RDONLY))")
    assert states(by_directory, "none") == [{"a": b""}]


def test_an_unlink_lasts_when_the_directory_is_synced(recorder: Path, tmp_path: Path) -> None:
    script = make("a", "old") + "os.unlink('a')\nos.fsync(f)\n" + make("b", "other")
    recording = of(recorder, tmp_path, script + "os.fsync(os.open('.', os.O_RDONLY))")
    assert states(recording, "none", cut=recording.cuts - 1) == [{"a": b"old", "b": b"other"}]
    assert states(recording, "all", cut=recording.cuts - 1) == [{"b": b"other"}]
    assert states(recording, "none") == [{"b": b"other"}]


def test_a_sync_of_a_directory_says_nothing_of_the_one_below(recorder: Path, tmp_path: Path) -> None:
    script = "os.mkdir('below')\nopen('below/a', 'w').close()\nopen('b', 'w').close()\n"
    recording = of(recorder, tmp_path, script + "os.fsync(os.open('.', os.O_RDONLY))")
    assert states(recording, "none") == [{"b": b""}]


def test_a_rename_over_a_file_gives_the_one_or_the_other(recorder: Path, tmp_path: Path) -> None:
    script = make("a", "old") + make("b", "new") + "os.rename('b', 'a')\n"
    recording = of(recorder, tmp_path, script + "os.fsync(f)")
    before, after = {"a": b"old", "b": b"new"}, {"a": b"new"}
    assert states(recording, "none", cut=recording.cuts - 1) == [before]
    found = states(recording, "random", cut=recording.cuts - 1)
    assert len(found) == 2
    assert before in found
    assert after in found
    assert states(recording, "none") == [after]


def test_a_file_that_is_synced_is_there_under_its_last_name_only(recorder: Path, tmp_path: Path) -> None:
    script = "f = os.open('a', os.O_RDWR | os.O_CREAT)\nos.rename('a', 'b')\nos.fsync(f)\n"
    recording = of(recorder, tmp_path, script)
    for policy in POLICIES:
        assert states(recording, policy) == [{"b": b""}]


def test_a_sync_of_a_file_says_nothing_of_its_unlinking(recorder: Path, tmp_path: Path) -> None:
    script = "f = os.open('a', os.O_RDWR | os.O_CREAT)\nos.unlink('a')\nos.fsync(f)\n"
    recording = of(recorder, tmp_path, script)
    assert states(recording, "none") == [{"a": b""}]
    assert states(recording, "all") == [{}]


def test_a_renamed_file_is_never_lost_to_the_next_of_its_name(recorder: Path, tmp_path: Path) -> None:
    script = make("a", "old") + "os.rename('a', 'b')\nopen('a', 'w').close()"
    for files in states(of(recorder, tmp_path, script), "random"):
        assert b"old" in files.values()


def test_a_new_file_under_an_old_name_takes_its_place_when_synced(recorder: Path, tmp_path: Path) -> None:
    script = make("a", "old and long") + "os.unlink('a')\nos.close(f)\n" + make("a", "new")
    recording = of(recorder, tmp_path, script)
    assert states(recording, "none", cut=recording.cuts - 1) == [{"a": b"old and long"}]
    assert states(recording, "none") == [{"a": b"new"}]


def test_an_inode_number_that_is_given_again_is_another_file() -> None:
    def one(kind: Kind, name: str = "", data: bytes = b"") -> Record:
        return Record(kind=kind, name=name, inode=7, place=0, data=memoryview(data))

    old = [one(Kind.CREATE, "a"), one(Kind.WRITE, data=b"old and long"), one(Kind.SYNC)]
    new = [one(Kind.UNLINK, "a"), one(Kind.CREATE, "b"), one(Kind.WRITE, data=b"new"), one(Kind.SYNC)]
    recording = Recording([*old, *new])
    assert states(recording, "none") == [{"a": b"old and long", "b": b"new"}]
    assert states(recording, "all") == [{"b": b"new"}]


def test_marks_are_no_files_and_stand_where_they_were_written(recorder: Path, tmp_path: Path) -> None:
    script = "acks = os.open('acks', os.O_WRONLY | os.O_CREAT)\nos.write(acks, b'one\\n')\n"
    recording = of(recorder, tmp_path, script + make("a", "x") + "os.write(acks, b'two\\nthree\\n')")
    assert [recording.acked(cut) for cut in (0, 1, 2, 5, 6)] == [
        [],
        [],
        ["one"],
        ["one"],
        ["one", "two", "three"],
    ]
    assert states(recording, "all") == [{"a": b"x"}]


def test_what_a_cut_left_can_be_written_out(recorder: Path, tmp_path: Path) -> None:
    recording = of(recorder, tmp_path, "os.mkdir('below')\n" + make("below/a", "x") + make("b", "y"))
    [files] = states(recording, "none")
    write_to(tmp_path / "left", files)
    assert contents(tmp_path / "left") == files


def test_cuts_must_be_moments_of_the_recording_in_order(recorder: Path, tmp_path: Path) -> None:
    recording, rng = of(recorder, tmp_path, make("a", "x")), Random(0)  # noqa: S311
    for cuts in ([-1], [recording.cuts + 1], [2, 1]):
        with pytest.raises(ValueError, match="cut"):
            list(recording.states(cuts, "none", rng))
