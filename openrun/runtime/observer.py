"""Who is told what runs do: logs, metrics, traces, and those who watch a run."""

from collections.abc import Sequence
from typing import Protocol

from openrun.core.events import Fact, Shown
from openrun.core.types import RunStatus


class Seen(Protocol):
    """A run that a worker holds, as far as it may be looked at: a `HeldRun`."""

    @property
    def run_id(self) -> str: ...

    @property
    def flow_id(self) -> str: ...

    @property
    def namespace(self) -> str: ...

    @property
    def fence(self) -> int:
        """Grows with each wake-up of the run: with each time that a worker takes it."""

    @property
    def history(self) -> Sequence[Fact]:
        """The journal as it was when the worker took the run; empty once the run has left, or when it is new."""

    @property
    def status(self) -> RunStatus: ...

    def step_type(self, step_id: str) -> str:
        """The type of a step of its flow: a key of the catalogue."""


class Observer(Protocol):
    """Told in the event loop, between commits: it must be quick, and what it raises is logged and goes no further."""

    def took(self, run: Seen) -> None:
        """A worker has taken the run, new or not; whatever it does now follows from that."""

    def heard(self, run: Seen, shown: Sequence[Shown]) -> None:
        """These events of the run are on disk, in order; derived ones and progress are among them.

        A step that is not pure is called after this has been told of its start. Progress is told of as it comes, and
        once more, by nothing at all, when it is on disk.
        """

    def left(self, run: Seen, why: str) -> None:
        """The worker holds the run no more: "ended", "rests", "handed back", "lost", "fault" or "duplicate"."""

    def trace(self, run: Seen, step_id: str, scope: str) -> tuple[str, str | None] | None:
        """`traceparent` and `tracestate` (W3C Trace Context) for what a step sends out; None to send none."""
