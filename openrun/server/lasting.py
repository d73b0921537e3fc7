"""Answers that last: streams, and callers who wait for a run. There is room for so many, and for so many of one caller.

Each keeps a connection for as long as a run goes on. Without a bound a few could keep all there are, and nobody else
would be answered.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator


class Lasting:
    """Counts the answers that last."""

    def __init__(self, most: int, per_address: int) -> None:
        """`most` in all; `per_address` of one address whose caller has no key."""
        self._most = most
        self._per_address = per_address
        self._strangers: Counter[str] = Counter()
        self.count = 0

    @contextlib.contextmanager
    def place(self, address: str | None, *, known: bool) -> Iterator[bool]:
        """Whether there is a place; taken for as long as the context lasts. `known` callers have a key."""
        stranger = None if known else address or ""
        if not self._has_room(stranger):
            yield False
            return
        self._take(stranger)
        try:
            yield True
        finally:
            self._give(stranger)

    def _has_room(self, stranger: str | None) -> bool:
        if stranger is None:
            return self.count < self._most
        # Some places are left for those who have a key, whatever strangers do.
        theirs = self._strangers.total() < self._most * 3 // 4
        return self.count < self._most and theirs and self._strangers[stranger] < self._per_address

    def _take(self, stranger: str | None) -> None:
        self.count += 1
        if stranger is not None:
            self._strangers[stranger] += 1

    def _give(self, stranger: str | None) -> None:
        self.count -= 1
        if stranger is not None:
            self._strangers[stranger] -= 1
            if not self._strangers[stranger]:
                del self._strangers[stranger]
