"""The births under way in a process: runs that somebody asked for, and that are not yet on disk.

Each of them holds its input in memory until the store has it. A store that is slower than those who ask would let them
pile up without end; so the next one is turned away while it has cost nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from openrun.runtime.errors import Overloaded

_RETRY_AFTER = 1.0


class StartQueue:
    """`with queue.place():` holds one of so many places; the loop's thread alone uses it."""

    __slots__ = ("_most", "depth", "refused")

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self.depth = 0
        """Births under way."""
        self.refused = 0
        """Those turned away so far."""

    def check(self) -> None:
        """Raises `Overloaded` while there is no place."""
        if self.depth >= self._most:
            self.refused += 1
            raise Overloaded(
                f"{self.depth:,} runs are being started and are not on disk yet; try again later, or raise the "
                "limit `start_queue`",
                retry_after=_RETRY_AFTER,
            )

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place until the block ends, however it does. Raises `Overloaded`."""
        self.check()
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
