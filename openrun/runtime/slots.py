"""How many steps a process runs at once."""

from collections import deque
from collections.abc import Callable


class Slots:
    """A number of places, given in the order in which they were asked for."""

    __slots__ = ("_free", "_waiting")

    def __init__(self, most: int) -> None:
        self._free = most
        self._waiting: deque[Callable[[], None]] = deque()

    def take(self, then: Callable[[], None]) -> None:
        """Call `then` once a place is its own: now, or when another is given back."""
        if self._free:
            self._free -= 1
            then()
        else:
            self._waiting.append(then)

    def give(self) -> None:
        """Give a place back."""
        if self._waiting:
            self._waiting.popleft()()
        else:
            self._free += 1
