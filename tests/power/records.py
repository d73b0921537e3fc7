"""The log that a recorded process leaves: what it did to files, in order."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

HEAD = struct.Struct("=IIIIQQ")
MAGIC = 0x43757421


class Kind(IntEnum):
    """As `enum kind` in recorder.c."""

    CREATE = 1
    WRITE = 2
    TRUNCATE = 3
    ALLOCATE = 4
    SYNC = 5
    SYNC_DIRECTORY = 6
    UNLINK = 7
    RENAME = 8
    REFUSED = 9


class Unreadable(Exception):
    """The log is damaged, or holds what cannot be replayed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One call. `place` is an offset or a size; a rename's name is both names with a zero byte between."""

    kind: Kind
    name: str
    inode: int
    place: int
    data: memoryview


def read(path: Path) -> list[Record]:
    """All records. The last one may be cut short, for its process may have been killed while it wrote it."""
    log, start = memoryview(path.read_bytes()), 0
    records: list[Record] = []
    while start + HEAD.size <= len(log):
        magic, kind, name_length, data_length, inode, place = HEAD.unpack_from(log, start)
        if magic != MAGIC:
            raise Unreadable(f"{path} is damaged after record {len(records)}")
        name_start = start + HEAD.size
        data_start = name_start + name_length
        start = data_start + data_length
        if start > len(log):
            break
        name = str(log[name_start:data_start], "utf-8", "surrogateescape")
        if kind == Kind.REFUSED:
            raise Unreadable(f"record {len(records) + 1} of {path} cannot be replayed: {name}")
        data = log[data_start:start]
        records.append(Record(kind=Kind(kind), name=name, inode=inode, place=place, data=data))
    return records
