"""How a step decides by its inbound edges: the truth table of the four join modes, and nothing else.

Edges settle as fired or as dead with a reason; a reason's number grows with how bad it is. Every activation
that catches a failure has a bit of its own: a caught edge carries the bits of who caught, a fired edge those
of the `error` firings it descends from. A
caught edge is *taken care of* when the fired inbound edges descend from all that caught on it.
"""

from enum import Enum
from typing import Final

from openrun.core.types import JoinMode, SkipReason

FIRED: Final = 0
NOT_TAKEN: Final = 1
SKIPPED: Final = 2
CANCELLED: Final = 3
CAUGHT: Final = 4
FAILED: Final = 5

_QUIET: Final = 1 << NOT_TAKEN | 1 << SKIPPED

REASONS: Final = {
    NOT_TAKEN: SkipReason.NOT_TAKEN,
    SKIPPED: SkipReason.SKIPPED,
    CANCELLED: SkipReason.CANCELLED,
    CAUGHT: SkipReason.CAUGHT,
    FAILED: SkipReason.FAILED,
}


class Verdict(Enum):
    """What a step does once it can decide."""

    WAIT = "wait"
    RUN = "run"
    FAIL = "fail"
    PASS = "pass"  # noqa: S105
    """It does not run; its edges die with `Tally.reason`."""


class Tally:
    """The inbound edges of one step in one frame, counted as they settle."""

    __slots__ = ("caught", "decided", "descent", "fired", "own_pending", "own_seen", "pending", "seen")

    def __init__(self, pending: int, own_pending: int) -> None:
        self.pending = pending
        self.own_pending = own_pending
        self.fired = 0
        self.seen = 0
        """Bit set of the states seen."""
        self.own_seen = 0
        self.caught = 0
        """Bit set of who caught on dead edges."""
        self.descent = 0
        """Bit set of the `error` firings that the fired edges descend from."""
        self.decided = False

    def add(self, state: int, mask: int, *, own: bool = True) -> None:
        self.pending -= 1
        bit = 1 << state
        self.seen |= bit
        if own:
            self.own_pending -= 1
            self.own_seen |= bit
        if state == FIRED:
            self.fired += 1
            self.descent |= mask
        elif state == CAUGHT:
            self.caught |= mask

    def has(self, state: int) -> bool:
        return bool(self.seen >> state & 1)

    @property
    def uncaught(self) -> bool:
        """A caught edge stays that nobody took care of."""
        return self.has(CAUGHT) and bool(self.caught & ~self.descent or not self.fired)

    @property
    def reason(self) -> int:
        """The reason with which the edges of a step die that does not run."""
        if not self.own_seen & ~_QUIET:
            return SKIPPED
        if self.has(FAILED):
            return FAILED
        if self.uncaught:
            return CAUGHT
        return CANCELLED if self.has(CANCELLED) else SKIPPED


_LOUD: Final = 1 << FIRED | 1 << FAILED | 1 << CAUGHT


def decide(mode: JoinMode, tally: Tally, *, always: bool) -> Verdict:
    """The verdict for a step that has not decided yet, after an edge of it settled.

    A plain NO_WAIT step is never asked: each fired edge starts it at once.
    """
    if not tally.own_pending and not tally.own_seen & ~_QUIET:
        return Verdict.PASS
    if mode is JoinMode.FIRST_SUCCESS and tally.fired and not always:
        return Verdict.RUN
    if tally.pending:
        return Verdict.WAIT
    if always:
        return Verdict.RUN
    return _settled(mode, tally)


def _settled(mode: JoinMode, tally: Tally) -> Verdict:
    if mode is JoinMode.ALL_DONE:
        return Verdict.RUN if tally.seen & _LOUD else Verdict.PASS
    if tally.has(FAILED):
        return Verdict.FAIL
    if mode is JoinMode.ALL_SUCCESS and tally.fired and not tally.uncaught and not tally.has(CANCELLED):
        return Verdict.RUN
    return Verdict.PASS
