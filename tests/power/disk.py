"""What a disk can hold when the power fails, at any point of a recording.

The rules are those that POSIX and the journalling file systems of Linux keep, and not more:

* What was written before a sync of its file is there, in the size the file had.
* What was not synced may be there or not, each write and each truncation by itself, whatever their order; a write
  may be torn between sectors of 512 bytes. Bytes that were not written to are never harmed.
* A name (a file made, renamed or unlinked) is as it was until its directory is synced. A sync of a file also
  makes the name last that it was given. A rename is there in whole or not at all.
* Directories are made only as far as files need them.

The policy says how much of the unsynced is found: "none", "all", or at "random" a part of it.
"""

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Self, assert_never

from .files import Allocate, File, Names, Policy, Truncate, Write
from .records import Kind, Record, Unreadable, read

Files = dict[str, bytes]

# A write to this file at the top of the directory is no change but a mark: lines of what was acknowledged by then.
MARKS = "acks"


class Disk:
    """Takes records one by one."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {}
        self._names = Names()

    def apply(self, record: Record) -> None:
        match record.kind:
            case Kind.CREATE | Kind.UNLINK | Kind.RENAME | Kind.SYNC_DIRECTORY:
                self._apply_to_names(record)
            case Kind.WRITE:
                self._file(record).change(Write(record.place, record.data))
            case Kind.TRUNCATE:
                self._file(record).change(Truncate(record.place))
            case Kind.ALLOCATE:
                self._file(record).change(Allocate(record.place))
            case Kind.SYNC:
                file = self._file(record)
                file.sync()
                self._names.sync_file(file)
            case Kind.REFUSED:
                raise Unreadable(record.name)
            case _:
                assert_never(record.kind)

    def after_cut(self, policy: Policy, rng: random.Random) -> Files:
        entries = self._names.after_cut(policy, rng)
        return {name: file.after_cut(policy, rng) for name, file in entries.items() if name != MARKS}

    def _apply_to_names(self, record: Record) -> None:
        match record.kind:
            case Kind.CREATE:
                file = self._files[record.inode] = File()
                self._names.change({record.name: file})
            case Kind.UNLINK:
                self._names.change({record.name: None})
            case Kind.RENAME:
                before, after = record.name.split("\0")
                self._names.change({before: None, after: self._file(record)})
            case Kind.SYNC_DIRECTORY:
                self._names.sync_directory(record.name)

    def _file(self, record: Record) -> File:
        file = self._files.get(record.inode)
        if file is None:
            raise Unreadable(f"a {record.kind.name} of a file that was there before the recording began")
        return file


class Recording:
    """All that happened, with `cuts` moments at which the power can fail: cut n comes right after record n."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = tuple(records)
        self.marks = tuple(marks(self.records))

    @classmethod
    def load(cls, log: Path) -> Self:
        return cls(read(log))

    @property
    def cuts(self) -> int:
        return len(self.records)

    def acked(self, cut: int) -> list[str]:
        """What had been acknowledged before this cut, in order."""
        return [line for place, line in self.marks if place <= cut]

    def state_at(self, cut: int, policy: Policy, rng: random.Random) -> Files:
        """What the disk can hold, by name; of many cuts `states` gives it much faster."""
        return next(self.states([cut], policy, rng))[1]

    def states(self, cuts: Iterable[int], policy: Policy, rng: random.Random) -> Iterator[tuple[int, Files]]:
        """Each of these cuts, which must not decrease, with what the disk can hold then."""
        disk, records, done = Disk(), iter(self.records), 0
        for cut in cuts:
            if not done <= cut <= self.cuts:
                raise ValueError(f"cut {cut} after cut {done} of {self.cuts}")
            for record in islice(records, cut - done):
                disk.apply(record)
            done = cut
            yield cut, disk.after_cut(policy, rng)


def marks(records: Iterable[Record]) -> Iterator[tuple[int, str]]:
    """Each acknowledged line, with the number of the record that says so."""
    inode = None
    for number, record in enumerate(records, 1):
        if record.kind is Kind.CREATE and record.name == MARKS:
            inode = record.inode
        elif record.kind is Kind.WRITE and record.inode == inode:
            yield from ((number, line) for line in str(record.data, "utf-8").splitlines())


def write_to(directory: Path, files: Files) -> None:
    """Make this directory, which must not exist, with these files in it."""
    directory.mkdir(parents=True)
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
