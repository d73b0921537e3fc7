"""How long a run may take in all: its flow's timeout, or, once it stops, what is left for its steps marked always."""

from collections.abc import Callable
from datetime import datetime, timedelta

from openrun.runtime.clock import Clock
from openrun.runtime.watch import Deadlines


class Deadline:
    """The deadline of one run, counted from instants of its journal, so that it survives restarts."""

    __slots__ = ("_armed", "_clock", "_grace", "due", "stopping")

    def __init__(self, clock: Clock, grace: float, on_due: Callable[[], None]) -> None:
        self._clock = clock
        self._grace = grace
        self._armed: Deadlines[None] = Deadlines(clock, lambda _run: on_due())
        self.due: datetime | None = None
        self.stopping = False

    def begin(self, started: datetime, timeout: float | None) -> None:
        """The run began then, and may take `timeout` seconds."""
        if timeout is not None and not self.stopping:
            self._set(started + timedelta(seconds=timeout))

    def stop(self, since: datetime) -> None:
        """The run stops since then."""
        self.stopping = True
        self._set(since + timedelta(seconds=self._grace))

    def undo(self, until: datetime) -> None:
        """What the run did is being undone, and the step that is next has until then."""
        self.stopping = True
        self._set(until)

    def clear(self) -> None:
        """Nothing is due any more."""
        self.due = None
        self._armed.clear(None)

    def close(self) -> None:
        self._armed.close()

    def _set(self, due: datetime) -> None:
        self.due = due
        wait = (due - self._clock.now()) / timedelta(seconds=1)
        self._armed.set(None, self._clock.monotonic() + wait)
