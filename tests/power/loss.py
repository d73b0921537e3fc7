"""What was acknowledged and is not there after a power cut."""

import hashlib
import random
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .disk import Files, Recording, write_to
from .files import Policy


class Damaged(Exception):
    """The files of a disk after a power cut cannot be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    cut: int
    policy: Policy
    missing: tuple[str, ...]
    damage: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    present: frozenset[str]
    damage: str | None


# Opens the files in a directory and tells what of the acknowledged is there; raises `Damaged`.
Look = Callable[[Path], Collection[str]]


def losses(
    recording: Recording,
    cuts: Iterable[int],
    policy: Policy,
    rng: random.Random,
    *,
    look: Look,
    room: Path,
) -> Iterator[Loss]:
    """Cuts after which something acknowledged is missing or all is damaged. `room` is for files, which are removed.

    States that differ in nothing, of which there are many, are looked at once.
    """
    known: dict[bytes, Found] = {}
    for cut, files in recording.states(cuts, policy, rng):
        key = fingerprint(files)
        if key not in known:
            known[key] = found(files, look, room / "disk")
        missing = tuple(line for line in recording.acked(cut) if line not in known[key].present)
        if missing or known[key].damage is not None:
            yield Loss(cut=cut, policy=policy, missing=missing, damage=known[key].damage)


def fingerprint(files: Files) -> bytes:
    told = hashlib.blake2b()
    for name, content in sorted(files.items()):
        told.update(f"{len(name)} {len(content)} {name}".encode("utf-8", "surrogateescape"))
        told.update(content)
    return told.digest()


def found(files: Files, look: Look, directory: Path) -> Found:
    write_to(directory, files)
    try:
        return Found(present=frozenset(look(directory)), damage=None)
    except Damaged as error:
        return Found(present=frozenset(), damage=str(error))
    finally:
        shutil.rmtree(directory)
