"""The port between a run's driver and its journal: what happened goes in, what may be seen comes out."""

from collections.abc import Callable
from typing import Any, Protocol

from openrun.core.events import Fact, Shown
from openrun.core.replay import state_at


class Log(Protocol):
    """Takes the facts of one run."""

    @property
    def durable(self) -> bool:
        """Facts go to a store: consequences outside the process wait for it."""

    @property
    def full(self) -> bool:
        """Nothing should start for now; the driver is told to go on later."""

    @property
    def draining(self) -> bool:
        """The run is about to be given back: nothing starts or wakes here any more."""

    def append(self, fact: Fact) -> None: ...

    def show(self, shown: Shown) -> None:
        """Show this to whoever watches, once everything appended so far may be seen."""

    def gate(self, then: Callable[[], None], *, commit: bool) -> None:
        """Call back, never within this call, when a step may start: with `commit`, once all so far is on disk."""

    def committed(self, then: Callable[[], None]) -> None:
        """Call back once all so far is on disk; where there is none, at once."""

    def ended(self) -> None:
        """A step whose gate has opened is over."""

    def take(self, number: int) -> None:
        """The next facts answer this message of the inbox."""

    def snapshot(self) -> Callable[[int], dict[str, Any]] | None:
        """What computes the state after a seq, where that can be done without waiting."""


class MemoryLog:
    """Keeps the facts in a list and shows everything at once."""

    durable = False
    full = False
    draining = False

    def __init__(self, show: Callable[[Shown], None]) -> None:
        self.facts: list[Fact] = []
        self.append = self.facts.append
        self.show = show

    def gate(self, then: Callable[[], None], *, commit: bool) -> None:
        raise NotImplementedError("nothing in memory waits for a disk")

    def committed(self, then: Callable[[], None]) -> None:
        then()

    def ended(self) -> None:
        """Nobody counts."""

    def take(self, number: int) -> None:
        raise NotImplementedError("a run in memory has no inbox")

    def snapshot(self) -> Callable[[int], dict[str, Any]]:
        return lambda seq: state_at(self.facts, seq)
