"""A run as it will stand once the transaction under way is committed."""

from typing import Self

import msgspec

from openrun.core.types import FINAL, RunStatus
from openrun.store.admission import QUEUED, hold_of
from openrun.store.postgres.text import kept_or_none
from openrun.store.rows import Birth, EventRow, Release, Slice, Standing

DAMAGED = "damaged"
"""A `hold` that begins so is final: nothing makes the run due again."""


class Draft(msgspec.Struct):
    """The columns of a run that decide about a slice, or change by it, in the order in which they are read."""

    run_id: str
    flow_id: str
    parent_run_id: str | None
    replay_of: str | None
    status: str
    updated_at: int
    ended_at: int | None
    error: str | None
    seq: int
    bytes: int
    hash: str
    worker: str | None
    fence: int
    due_at: int | None
    crashes: int
    hold: str | None

    @classmethod
    def of_birth(cls, piece: Slice, birth: Birth) -> Self:
        """A run without events, held as the slice says, or by its queue."""
        return cls(
            run_id=piece.run_id,
            flow_id=birth.flow_id,
            parent_run_id=birth.parent_run_id,
            replay_of=birth.replay_of,
            status=RunStatus.PENDING,
            updated_at=0,
            ended_at=None,
            error=None,
            seq=piece.first - 1,
            bytes=0,
            hash="",
            worker=piece.worker,
            fence=piece.fence,
            due_at=None,
            crashes=0,
            hold=kept_or_none(hold_of(birth)),
        )

    @property
    def ended(self) -> bool:
        return self.status in FINAL

    @property
    def damaged(self) -> bool:
        return self.hold is not None and self.hold.startswith(DAMAGED)

    @property
    def queued(self) -> bool:
        """It waits to be admitted."""
        return self.hold is not None and self.hold.startswith(QUEUED)

    def advance(self, events: tuple[EventRow, ...], standing: Standing | None, *, crashed: bool) -> None:
        """Events were added, and the run stands so after them."""
        if events:
            self.seq, self.hash = events[-1].seq, events[-1].hash
            self.bytes += sum(size(event.body) for event in events)
            self.crashes = self.crashes if crashed else 0
        if standing is not None:
            self.status = standing.status.value
            self.updated_at = standing.updated_at
            self.ended_at = standing.ended_at
            self.error = kept_or_none(standing.error)

    def end(self) -> None:
        """Nobody needs to look after it any more."""
        self.worker = self.due_at = self.hold = None

    def let_go(self, release: Release, *, due_now: int | None) -> None:
        """The holder gives it back; `due_now` is the time if a message waits for it."""
        self.worker = None
        self.hold = kept_or_none(release.hold)
        self.due_at = release.due_at if due_now is None else due_now
        if self.damaged:
            self.due_at = None

    def leave_queue(self) -> None:
        """It takes no slot, and may go on at once."""
        self.hold = None

    def wake(self, now: int) -> bool:
        """Make it due now, unless somebody holds it, it is queued or nobody ever should; whether it is due by that."""
        if self.worker is not None or self.damaged or self.queued or self.ended:
            return False
        self.due_at = now if self.due_at is None else min(now, self.due_at)
        return True


def size(body: str) -> int:
    """Bytes of an event's body."""
    return len(body) if body.isascii() else len(body.encode())
