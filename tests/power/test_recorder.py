"""The recorder itself: it sees every call, in order, in every process, and refuses what it cannot describe."""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from .build import CannotRecord, build, environment
from .conftest import give_way
from .disk import Recording
from .given import contents, record
from .records import Kind, Unreadable, read

EVERY_CALL = """
import os
made = os.open("a", os.O_RDWR | os.O_CREAT)
os.write(made, b"x" * 5_000)
os.lseek(made, 100, os.SEEK_SET)
os.write(made, b"after a seek")
os.pwrite(made, b"in the middle", 4_000)
os.writev(made, [b"several ", b"", b"parts"])
os.pwritev(made, [b"several ", b"parts"], 6_000)
os.dup2(made, 99)
os.close(made)
os.write(99, b"by another number")
os.posix_fallocate(99, 0, 9_000)
os.ftruncate(99, 8_000)
os.fsync(99)
os.fdatasync(99)
end = os.open("a", os.O_WRONLY | os.O_APPEND)
os.write(end, b"at the end")
os.pwrite(end, b"at the end in spite of the offset", 5)
os.truncate("a", 8_015)
os.mkdir("below")
with open("below/b", "w") as file:
    file.write("one")
with open("below/b", "w") as file:
    file.write("shorter and longer " * 1_000)
os.rename("below/b", "c")
open("d", "w").close()
os.replace("d", "c")
os.write(os.open("e", os.O_WRONLY | os.O_CREAT), b"e")
here = os.open("below", os.O_RDONLY)
os.write(os.open("f", os.O_WRONLY | os.O_CREAT | os.O_EXCL, dir_fd=here), b"f")
os.rename("f", "g", src_dir_fd=here, dst_dir_fd=here)
os.unlink("e")
gone = os.open("h", os.O_RDWR | os.O_CREAT)
os.remove("h")
os.write(gone, b"to a file without a name")
again = os.open("h", os.O_RDWR | os.O_CREAT)
os.write(again, b"to the next of the name")
os.write(gone, b"to neither")
"""

# Many write to one place at nearly one time; what is there tells who was last.
OVER_EACH_OTHER = """
import os
file = os.open("a", os.O_RDWR | os.O_CREAT)
def write(name):
    for place in range(500):
        os.pwrite(file, name, place)
"""


def test_replaying_every_record_gives_the_files_that_are_there(recorder: Path, tmp_path: Path) -> None:
    recorded = record(recorder, tmp_path, "-c", EVERY_CALL)
    assert state(recorded.recording) == contents(recorded.directory)
    assert {each.kind for each in recorded.recording.records} == {*Kind} - {Kind.REFUSED, Kind.SYNC_DIRECTORY}


def test_calls_that_fail_are_not_recorded(recorder: Path, tmp_path: Path) -> None:
    script = """
import os
for call in (
    lambda: os.unlink("nothing"),
    lambda: os.rename("nothing", "something"),
    lambda: os.open("nothing", os.O_RDONLY),
    lambda: os.write(os.open(".", os.O_RDONLY), b""),
    lambda: os.truncate("nothing", 1),
    lambda: os.ftruncate(99, 1),
    lambda: os.fsync(99),
):
    try:
        call()
    except OSError as error:
        assert error.errno, error
    else:
        raise AssertionError
"""
    assert record(recorder, tmp_path, "-c", script).recording.cuts == 0


def test_files_elsewhere_and_shared_memory_are_left_alone(recorder: Path, tmp_path: Path) -> None:
    script = """
import os
for path in ("../elsewhere", "../data-too", "power.db-shm"):
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(file, b"content")
    os.fsync(file)
    os.unlink(path)
    os.write(file, b"more")
"""
    assert record(recorder, tmp_path, "-c", script).recording.cuts == 0


def test_a_directory_under_another_name_is_the_same_directory(recorder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "alias").symlink_to("data")
    script = "open('../alias/../alias/a', 'w').write('x')"
    assert state(record(recorder, tmp_path, "-c", script).recording) == {"a": b"x"}


def test_processes_and_forks_share_one_log_in_order(recorder: Path, tmp_path: Path) -> None:
    script = (
        OVER_EACH_OTHER
        + """
import subprocess, sys
children = []
for name in (b"1", b"2", b"3"):
    if not (pid := os.fork()):
        write(name)
        os._exit(0)
    children.append(pid)
write(b"0")
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
subprocess.run([sys.executable, "-c", "open('b', 'w').write('x' * 9)"], check=True)
"""
    )
    record(recorder, tmp_path, "-c", script)
    recorded = record(recorder, tmp_path, "-c", "open('a', 'a').write('a later process')")
    files = contents(recorded.directory)
    assert state(recorded.recording) == files
    assert files["b"] == b"x" * 9
    assert files["a"].endswith(b"a later process")


def test_threads_record_in_the_order_in_which_they_write(recorder: Path, tmp_path: Path) -> None:
    script = (
        OVER_EACH_OTHER
        + """
import threading
threads = [threading.Thread(target=write, args=(name,)) for name in (b"0", b"1", b"2", b"3")]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
    )
    recorded = record(recorder, tmp_path, "-c", script)
    assert state(recorded.recording) == contents(recorded.directory)


@pytest.mark.parametrize(
    "call",
    [
        "os.link('a', 'b')",
        "os.symlink('a', 'b')",
        "os.mkdir('b') or os.rename('b', 'c')",
        "os.rename('a', '../moved')",
        "os.open('b', os.O_WRONLY | os.O_CREAT | os.O_SYNC)",
        "mmap.mmap(os.open('a', os.O_RDWR), 1)",
        "os.sendfile(os.open('b', os.O_WRONLY | os.O_CREAT), os.open('a', os.O_RDONLY), 0, 1)",
        "os.copy_file_range(os.open('a', os.O_RDONLY), os.open('b', os.O_WRONLY | os.O_CREAT), 1)",
    ],
)
def test_a_call_that_cannot_be_replayed_makes_the_log_unreadable(
    recorder: Path, tmp_path: Path, call: str
) -> None:
    with pytest.raises(Unreadable, match="cannot be replayed"):
        record(recorder, tmp_path, "-c", f"import mmap, os\nopen('a', 'w').write('x')\n{call}")


def test_a_file_from_before_the_recording_is_refused(recorder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("old")
    recorded = record(recorder, tmp_path, "-c", "open('a', 'a').write('new')")
    with pytest.raises(Unreadable, match="before the recording began"):
        state(recorded.recording)


def test_a_last_record_that_was_cut_short_is_left_out(recorder: Path, tmp_path: Path) -> None:
    whole = record(recorder, tmp_path, "-c", "open('a', 'w').write('x' * 100)").recording
    log = tmp_path / "log"
    log.write_bytes(log.read_bytes()[:-1])
    assert len(read(log)) == whole.cuts - 1
    log.write_bytes(b"?" * 100)
    with pytest.raises(Unreadable, match="damaged"):
        read(log)


def test_a_log_that_cannot_be_written_ends_the_process_rather_than_lose_a_record(
    recorder: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ""],
        env=environment(recorder, tmp_path, tmp_path / "nowhere" / "log"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode < 0
    assert "OPENRUN_RECORD_LOG cannot be opened" in done.stderr


def test_without_a_compiler_the_tests_are_skipped_aloud_but_fail_in_ci(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotRecord, match="no C compiler"):
        build(tmp_path)
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="why"):
        give_way("why")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="why"):
        give_way("why")


def test_a_preloaded_library_of_others_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD", "/other.so")
    told = environment(Path("/recorder.so"), Path("/data"), Path("/log"))
    assert told["LD_PRELOAD"] == "/recorder.so:/other.so"
    assert told["PATH"] == os.environ["PATH"]


def state(recording: Recording) -> dict[str, bytes]:
    """What is there when no power is ever cut."""
    return recording.state_at(recording.cuts, "all", Random(0))  # noqa: S311
