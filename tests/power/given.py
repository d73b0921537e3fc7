"""Processes that are recorded."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .build import environment
from .disk import Recording

SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a process did below a directory, and the directory as it left it."""

    recording: Recording
    directory: Path


def record(recorder: Path, room: Path, *arguments: str) -> Recorded:
    """Run our interpreter with these arguments in `room/data`, which is recorded; again in one room: on and on."""
    directory, log = room / "data", room / "log"
    directory.mkdir(exist_ok=True)
    done = subprocess.run(  # noqa: S603 (our own interpreter and programs)
        [sys.executable, "-I", *arguments],
        cwd=directory,
        env=environment(recorder, directory, log),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Recorded(recording=Recording.load(log), directory=directory)


def contents(directory: Path, *, without: str = "-shm") -> dict[str, bytes]:
    """All files by their names, but for those that end so."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and not path.name.endswith(without)
    }
