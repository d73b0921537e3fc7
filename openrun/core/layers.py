"""The values behind a run's state: every key with the versions that some activation may still read.

Values are plain JSON data and never changed in place, so that a version can be shared. A reader names the seq
it reads as of; a version is kept only while an activation that has not ended could read it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from openrun.core.interpolation import MISSING
from openrun.core.types import Json

Readers = Callable[[], tuple[int, int]]
"""The least and the largest seq at which anyone still reads."""


def nobody() -> tuple[int, int]:
    """`Readers` of what nobody reads any more."""
    return 1 << 62, -1


class Version(msgspec.Struct, gc=False):
    """A value as written at `seq`, and the version before it where that may still be read."""

    seq: int
    value: Any
    older: "Version | None"


class Layer:
    """Keys with versions; `outer` is the layer that shows through where a key is not set."""

    __slots__ = ("cells", "outer")

    def __init__(self, outer: "Layer | None") -> None:
        self.cells: dict[str, Version] = {}
        self.outer = outer

    def write(self, key: str, value: Json, seq: int, readers: Readers) -> None:
        """Set `key` as of `seq`; of the versions before, those are kept that one of `readers` may still read."""
        older = self.cells.get(key)
        if older is not None:
            oldest, newest = readers()
            if older.seq > newest:
                older = older.older
            elif older.seq <= oldest:
                older.older = None
        self.cells[key] = Version(seq, value, older)

    def own(self, key: str, at: int) -> Json:
        """The value of `key` in this very layer as of `at`, or MISSING."""
        cell = self.cells.get(key)
        while cell is not None and cell.seq > at:
            cell = cell.older
        return MISSING if cell is None else cell.value

    def read(self, key: str, at: int) -> Json:
        """The value of `key` as of `at`, looked up outward, or MISSING."""
        layer: Layer | None = self
        while layer is not None:
            value = layer.own(key, at)
            if value is not MISSING:
                return value
            layer = layer.outer
        return MISSING

    def keys(self, at: int) -> Iterator[str]:
        """Keys that have a value as of `at`, outer layers first, each once."""
        shown: dict[str, None] = dict.fromkeys(self.outer.keys(at) if self.outer else ())
        shown.update((key, None) for key in self.cells if self.own(key, at) is not MISSING)
        return iter(shown)
