"""A file and the names of files, each as it is now and as it is for certain after a power cut.

Between the two lie changes that nobody synced: each may be found on the disk or not. A sync moves them over.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal, assert_never, get_args

Policy = Literal["none", "all", "random"]
POLICIES: tuple[Policy, ...] = get_args(Policy)
SECTOR = 512


@dataclass(frozen=True, slots=True)
class Write:
    place: int
    data: memoryview


@dataclass(frozen=True, slots=True)
class Truncate:
    size: int


@dataclass(frozen=True, slots=True)
class Allocate:
    """The file is at least so long."""

    size: int


Change = Write | Truncate | Allocate


def lengthen(content: bytearray, size: int) -> None:
    content.extend(bytes(max(0, size - len(content))))


def apply(change: Change, content: bytearray) -> None:
    match change:
        case Write(place, data):
            lengthen(content, place)
            content[place : place + len(data)] = data
        case Truncate(size):
            del content[size:]
            lengthen(content, size)
        case Allocate(size):
            lengthen(content, size)
        case _:
            assert_never(change)


def sectors(write: Write) -> Iterator[Write]:
    """The parts of a write that a disk takes one by one."""
    start, end = write.place, write.place + len(write.data)
    for sector in range(start - start % SECTOR, end, SECTOR):
        low, high = max(start, sector), min(end, sector + SECTOR)
        yield Write(low, write.data[low - start : high - start])


def remains(change: Change, rng: random.Random) -> Iterator[Change]:
    """What is found of a change that was never synced: a third of all is lost, a third is whole, a third torn."""
    fate = rng.randrange(3)
    if fate == 1 or (fate and not isinstance(change, Write)):
        yield change
    elif fate == 2 and isinstance(change, Write):
        yield from (part for part in sectors(change) if rng.random() < 0.5)


class File:
    def __init__(self) -> None:
        self.current = bytearray()
        self.durable = bytearray()
        self.unsynced: list[Change] = []

    def change(self, change: Change) -> None:
        apply(change, self.current)
        self.unsynced.append(change)

    def sync(self) -> None:
        for change in self.unsynced:
            apply(change, self.durable)
        self.unsynced.clear()

    def after_cut(self, policy: Policy, rng: random.Random) -> bytes:
        match policy:
            case "none":
                return bytes(self.durable)
            case "all":
                return bytes(self.current)
            case "random":
                # Order needs no choice of its own: of two writes to a sector, the lost one is the one overwritten.
                content = bytearray(self.durable)
                for change in self.unsynced:
                    for part in remains(change, rng):
                        apply(part, content)
                return bytes(content)
            case _:
                assert_never(policy)


# What names mean after one act; None is no file. An act is found on the disk with all its names or with none.
Act = dict[str, File | None]
Entries = dict[str, File]


def enter(act: Act, entries: Entries) -> None:
    for name, file in act.items():
        if file is None:
            entries.pop(name, None)
        else:
            entries[name] = file


class Names:
    def __init__(self) -> None:
        self.current: Entries = {}
        self.durable: Entries = {}
        self.unsynced: list[Act] = []

    def change(self, act: Act) -> None:
        enter(act, self.current)
        self.unsynced.append(act)

    def sync_directory(self, directory: str) -> None:
        names = {name for act in self.unsynced for name in act}
        inside = {name for name in names if PurePosixPath(name).parent == PurePosixPath(directory)}
        self._sync(inside, len(self.unsynced))

    def sync_file(self, file: File) -> None:
        """A file that is synced is found again: under the name it was given last."""
        given = [place for place, act in enumerate(self.unsynced) if file in act.values()]
        if given:
            names = {name for name, meant in self.unsynced[given[-1]].items() if meant is file}
            self._sync(names, given[-1] + 1)

    def _sync(self, names: set[str], end: int) -> None:
        """Let what the first `end` acts did to these names last, and what those acts built upon."""
        lasting, open_acts = [], self.unsynced[end:]
        for act in reversed(self.unsynced[:end]):
            if names.isdisjoint(act):
                open_acts.insert(0, act)
            else:
                names |= act.keys()
                lasting.append(act)
        for act in reversed(lasting):
            enter(act, self.durable)
        self.unsynced = open_acts

    def after_cut(self, policy: Policy, rng: random.Random) -> Entries:
        match policy:
            case "none":
                return dict(self.durable)
            case "all":
                return dict(self.current)
            case "random":
                return self._some(rng)
            case _:
                assert_never(policy)

    def _some(self, rng: random.Random) -> Entries:
        entries, lost = dict(self.durable), set[str]()
        for act in self.unsynced:
            if lost.isdisjoint(act) and rng.random() < 0.5:
                enter(act, entries)
            else:
                lost |= act.keys()
        return entries
