"""What one durable run has to say to the store, and who waits for the store to have heard it."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from openrun.core.events import Fact, FlowCompleted, FlowStarted, Shown, StepProgress, encode_event
from openrun.core.machine import Machine
from openrun.core.outstanding import standing
from openrun.core.types import FINAL
from openrun.runtime.children import end_of
from openrun.runtime.journal import Journal
from openrun.runtime.messages import MessageKind
from openrun.runtime.notices import notices_of
from openrun.runtime.slots import Slots
from openrun.store.chain import GENESIS, link
from openrun.store.outbox import Notice
from openrun.store.projection import (
    activation_rows,
    compensation_rows,
    effect_rows,
    error_text,
    in_ms,
    progress_row,
    wait_rows,
)
from openrun.store.rows import (
    Birth,
    Claim,
    Committed,
    Duplicate,
    EventRow,
    Message,
    ProgressRow,
    Release,
    Slice,
    Stale,
    Standing,
    Verdict,
    WaitRow,
)

_log = logging.getLogger("openrun.run")

_BACKLOG = 10_000
_RIPENING = 0.1


def unseen(_shown: Shown) -> None:
    """Nobody watches."""


class Holder(Protocol):
    """Holds the run for this process."""

    def lost(self, first: int, reason: str) -> None:
        """What follows from this seq was refused: the run is not this process's any more."""

    def unwritable(self, first: int, reason: str) -> None:
        """Nothing from this seq on can be written; the run is still held."""

    def known(self, duplicate: Duplicate) -> None:
        """The run is none: it was started before."""

    def heard(self, shown: Sequence[Shown]) -> None:
        """These events are on disk."""

    def relieved(self) -> None:
        """There is room again: the run may go on."""

    def too_long(self, message: str) -> None:
        """The run's journal is over its limits."""


class Writing(Protocol):
    """What the runs of one worker share."""

    @property
    def journal(self) -> Journal: ...

    @property
    def slots(self) -> Slots: ...

    @property
    def worker(self) -> str: ...

    @property
    def most(self) -> tuple[int, int]:
        """The events and the bytes that the journal of a run may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewHead:
    """The head of a run that is not in the store yet."""

    run_id: str
    parent_run_id: str | None
    namespace: str
    fence: int = 1
    seq: int = 0
    hash: str = GENESIS
    bytes: int = 0


Head = NewHead | Claim
"""Where a run's journal stands, and under what right it goes on."""


class RunLog:
    """The log of a run in a store; a source of the journal."""

    durable = True

    def __init__(
        self,
        place: Writing,
        head: Head,
        holder: Holder,
        show: Callable[[Shown], None],
        birth: Birth | None,
    ) -> None:
        journal, worker = place.journal, place.worker
        self._slots = place.slots
        self._running = 0
        """Places taken by its steps."""
        self._closed = False
        self.draining = False
        self._journal = journal
        self.run_id = head.run_id
        self.namespace = head.namespace
        self._parent = head.parent_run_id
        self._worker = worker
        self.fence = head.fence
        self._seq = head.seq
        self._hash = head.hash
        self._bytes = head.bytes
        self._most = place.most
        self._holder = holder
        self._watch = show
        self._birth = birth
        self.machine: Machine | None = None
        self.begun: FlowStarted | None = None
        self._facts: list[Fact] = []
        self._shown: list[Shown] = []
        self._gates: list[Callable[[], None]] = []
        self._flying: tuple[list[Shown], list[Callable[[], None]]] = ([], [])
        self._flying_from = self._seq + 1
        self._taken: list[int] = []
        self._children: list[Slice] = []
        self._messages: list[Message] = []
        self._progress: list[ProgressRow] = []
        self._reported = False
        """There is progress in the slice under way."""
        self._ripe = False
        """Progress has waited for long enough to be written without events."""
        self._ripening: asyncio.TimerHandle | None = None
        self._release: Release | None = None
        self._touched = False
        self._was_full = False
        self._over = False

    # -- the driver's side ------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """The store is behind: nothing more should start for now."""
        self._was_full = len(self._facts) > _BACKLOG
        return self._was_full or self.draining

    def append(self, fact: Fact) -> None:
        self._facts.append(fact)
        if not self._touched:
            self._touch(urgent=bool(self._gates))

    def show(self, shown: Shown) -> None:
        self._shown.append(shown)
        if type(shown) is StepProgress:
            self._progress.append(progress_row(shown))
        if not self._touched:
            self._touch(urgent=False)

    def gate(self, then: Callable[[], None], *, commit: bool) -> None:
        def open_gate() -> None:
            self._slots.take(lambda: self._enter(then))

        if commit:
            self.committed(open_gate)
        else:
            open_gate()

    def ended(self) -> None:
        self._running -= 1
        self._slots.give()

    def close(self) -> None:
        """The run is not driven here any more: its places are free."""
        self._closed = self._over = True
        if self._ripening is not None:
            self._ripening.cancel()
        for _ in range(self._running):
            self._slots.give()
        self._running = 0

    def _enter(self, then: Callable[[], None]) -> None:
        if self._closed:
            self._slots.give()
            return
        self._running += 1
        then()

    def take(self, number: int) -> None:
        self._taken.append(number)
        self._touch(urgent=False)

    def snapshot(self) -> Callable[[int], dict[str, Any]] | None:
        return None

    # -- beyond the run ---------------------------------------------------------------------------

    def committed(self, then: Callable[[], None]) -> None:
        """Call back once everything so far is on disk."""
        self._gates.append(then)
        self._touch(urgent=True)

    def bear(self, child: Slice) -> None:
        """Have a run made along with the facts so far."""
        self._children.append(child)
        self._touch(urgent=True)

    def tell(self, message: Message) -> None:
        """Have another run told along with the facts so far."""
        self._messages.append(message)
        self._touch(urgent=True)

    def release(self, release: Release) -> None:
        """Give the run back with the facts so far; nothing may follow."""
        self._release = release
        self._touch(urgent=True)

    def _touch(self, *, urgent: bool) -> None:
        if not self._over:
            self._touched = True
            self._journal.touch(self, urgent=urgent)

    # -- the journal's side -----------------------------------------------------------------------

    @property
    def pending(self) -> int:
        return len(self._facts)

    def slice(self) -> Slice | None:
        self._touched = False
        if self._over:
            return None
        if self._birth is not None and not self._facts:
            # Its driver has not begun: there is no run yet, and whoever waits for it waits on.
            return None
        if self._progress and not self._ripe and self._ripening is None:
            # Alone it is written a few times a second at most: it may come by the token.
            self._ripening = asyncio.get_running_loop().call_later(_RIPENING, self._ripen)
        if not self._something_to_write:
            # All before it is on disk: one slice of a run is under way at a time.
            self._flying = self._shown, self._gates
            self._shown, self._gates = [], []
            self.settled(Committed())
            return None
        facts, self._facts = self._facts, []
        first = self._flying_from = self._seq + 1
        rows = self._rows(facts)
        self._flying = self._shown, self._gates
        self._shown, self._gates = [], []
        part = Slice(
            run_id=self.run_id,
            worker=self._worker,
            fence=self.fence,
            first=first,
            events=rows,
            standing=self._standing(facts[-1]) if facts else None,
            birth=self._birth,
            activations=activation_rows(facts),
            children=tuple(self._children),
            messages=(*self._messages, *self._news(facts)),
            taken=tuple(self._taken),
            release=self._release,
            # Before the changes of its asks are taken.
            notices=self._notices(facts),
            waits=self._waits(),
            effects=effect_rows(facts),
            progress=tuple(self._progress),
            compensations=compensation_rows(facts),
        )
        self._reported = bool(self._progress)
        self._progress, self._ripe = [], False
        self._birth = None
        self._children, self._messages, self._taken = [], [], []
        return part

    def _ripen(self) -> None:
        self._ripening = None
        self._ripe = bool(self._progress)
        if self._ripe:
            self._touch(urgent=False)

    def _notices(self, facts: list[Fact]) -> tuple[Notice, ...]:
        if self.begun is None or self.machine is None:
            return ()
        return notices_of(facts, self.begun, self.namespace, self.machine.listening.changes)

    def _waits(self) -> tuple[WaitRow, ...]:
        changes = self.machine.listening.changes if self.machine is not None else []
        if not changes:
            return ()
        rows = wait_rows(self.run_id, changes)
        changes.clear()
        return rows

    @property
    def _something_to_write(self) -> bool:
        entailed = self._children or self._messages or self._taken or self._release or self._ripe
        return bool(self._facts or entailed)

    def settled(self, verdict: Verdict) -> None:
        shown, gates = self._flying
        self._flying = [], []
        match verdict:
            case Committed():
                self._heard(shown, gates)
            case Duplicate():
                self._over = True
                self._holder.known(verdict)
            case Stale(reason=reason):
                self._over = True
                self._holder.lost(self._flying_from, reason)

    def failed(self, fault: Exception) -> None:
        self._over = True
        self._holder.unwritable(self._flying_from, f"its journal cannot be written: {fault}")

    def _heard(self, shown: list[Shown], gates: list[Callable[[], None]]) -> None:
        if self._reported:
            # Progress was shown before it was written: that it is on disk now is news to those who read it there.
            self._reported = False
            self._holder.heard(())
        if shown:
            self._holder.heard(shown)
        if self._watch is not unseen:
            for each in shown:
                self._tell_watcher(each)
        for then in gates:
            then()
        if self._was_full:
            self._was_full = False
            self._holder.relieved()

    def _tell_watcher(self, shown: Shown) -> None:
        try:
            self._watch(shown)
        except Exception:  # noqa: BLE001
            # Whoever watches must not stop the run, nor those that share its commit.
            _log.exception("run %s is watched no more: its watcher failed", self.run_id)
            self._watch = unseen

    def _rows(self, facts: list[Fact]) -> tuple[EventRow, ...]:
        rows = []
        run_id, fence, last, seq = self.run_id, self.fence, self._hash, self._seq
        for fact in facts:
            body = encode_event(fact).decode()
            seq += 1
            last = link(last, run_id, seq, fence, body)
            self._bytes += len(body)
            rows.append(EventRow(run_id, seq, fence, last, body))
        self._hash, self._seq = last, seq
        self._weigh()
        return tuple(rows)

    def _weigh(self) -> None:
        events, size = self._most
        if self._seq > events or self._bytes > size:
            self._most = (self._seq * 2, self._bytes * 2)
            self._holder.too_long(
                f"the journal of run {self.run_id} has {self._seq} events and {self._bytes} bytes; "
                f"the limits are {events} and {size}"
            )

    def _standing(self, last: Fact) -> Standing:
        assert self.machine is not None
        return standing_of(self.machine, last)

    def _news(self, facts: list[Fact]) -> tuple[Message, ...]:
        """The parent of a run hears of its end."""
        last = facts[-1] if facts else None
        if self._parent is None or not isinstance(last, FlowCompleted):
            return ()
        status, output, error = end_of(last)
        body = {
            "run_id": self.run_id,
            "status": status.value,
            "output": output,
            "error": None if error is None else error.to_json(),
        }
        key = f"child:{self.run_id}"
        return (Message(run_id=self._parent, kind=MessageKind.CHILD, key=key, body=body),)


def standing_of(machine: Machine, last: Fact) -> Standing:
    """Where a run stands after its last fact, as the store keeps it."""
    status = standing(machine)
    at = in_ms(last.timestamp)
    error = None
    if isinstance(last, FlowCompleted):
        error = next((each.error for each in last.failures if not each.handled), None)
    return Standing(
        status=status,
        updated_at=at,
        ended_at=at if status in FINAL else None,
        error=error_text(error),
    )
