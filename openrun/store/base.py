"""The protocol every store speaks. One conformance suite (tests/store/conformance) holds for all.

A store keeps runs: their events (the truth), rows derived from them in the same transaction, leases, inboxes,
flow versions. It decides nothing about runs; it refuses writes of those who do not hold them.

Leases belong to workers and not to single runs, so that renewing them is one row. A worker's lease lives in the
store's own clock (of a kind that no change of the wall clock moves); `due_at` of a run is wall-clock time, also
the store's.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from openrun.core.errors import OpenRunError
from openrun.core.types import RunStatus
from openrun.store.books import AnswerRow, AuditFilter, AuditRow, KeyRow
from openrun.store.bus_events import BusEventRecords, BusEvents
from openrun.store.outbox import Outbox, OutboxRecords
from openrun.store.rows import (
    DEFAULT_NAMESPACE,
    ActivationRow,
    Claim,
    CompensationRow,
    DeadLetter,
    DeliveryFilter,
    DeliveryRow,
    Derived,
    EffectFilter,
    EffectRow,
    EventRow,
    FlowRow,
    HeadRow,
    InboxRow,
    Message,
    Posted,
    ProgressRow,
    RunFilter,
    RunRow,
    Slice,
    Tombstone,
    Verdict,
    VersionRow,
    WaitFilter,
    WaitRow,
    WorkerRow,
)
from openrun.store.tickets import TicketRecords, Tickets
from openrun.store.timetable import ScheduleRow, Timetable, TimetableRecords


class StoreError(OpenRunError):
    """The store cannot do what it was asked to."""


class StoreUnavailable(StoreError):
    """The store cannot be reached, is busy or full: whether the last call took effect is not known. Try again."""


class StoreFull(StoreUnavailable):
    """There is no room for more: a disk is full. What was asked for may be asked again once there is."""


class RefusedBySchema(StoreError):
    """The database was made by a newer OpenRun, or is none of ours."""


class Renewer(Protocol):
    """Keeps a worker's lease alive, from a thread of its own and over a connection of its own."""

    def renew(self, worker: str, seconds: float) -> float:
        """Let the lease last that long from now; returns what was left of it in seconds (negative: expired).

        A lease that has expired is renewed too; runs that somebody else has claimed meanwhile stay theirs.
        Raises `StoreUnavailable`.
        """

    def close(self) -> None: ...


@runtime_checkable
class Hinting(Protocol):
    """A store that also tells when there may be something new, in place of being asked again and again."""

    def hints(self) -> AsyncIterator[None]: ...


class Records(TimetableRecords, BusEventRecords, OutboxRecords, TicketRecords, Protocol):
    """What there is to read of runs, and what may be said to them; of all namespaces, or of one (`scoped.py`).

    Where a `namespace` may be None, that is all of them. All methods raise `StoreUnavailable` when the store
    cannot be reached.
    """

    async def now(self) -> int:
        """The store's wall clock."""

    # -- flows ------------------------------------------------------------------------------------

    async def keep_version(
        self, row: VersionRow, *, expected: str | None = None, schedules: Sequence[ScheduleRow] = ()
    ) -> bool:
        """Keep a version and make it the current one of its flow; a known version becomes current again.

        With `expected`, only if that is the version which is current now ("": if there is no such flow); False when
        it is not, and nothing is kept. A new flow is enabled; a known one stays as it is.

        `schedules` are those of this version, and become the flow's: one whose `spec` is as it was keeps its
        `cursor`, `due_at`, pause and ticks; one with another spec keeps its pause and ticks; others go, with their
        ticks. Each that is changed has 1 added to its revision.
        """

    async def version(
        self, flow_id: str, version: str | None = None, *, namespace: str = DEFAULT_NAMESPACE
    ) -> VersionRow | None:
        """This version of a flow, or the current one."""

    async def versions(self, flow_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> list[VersionRow]:
        """All versions of a flow, the newest first, with an empty `document`."""

    async def flow(self, flow_id: str, *, namespace: str = DEFAULT_NAMESPACE) -> FlowRow | None: ...

    async def flows(self, namespace: str | None = None) -> list[FlowRow]:
        """All flows, by namespace and id."""

    async def enable(self, flow_id: str, *, enabled: bool, namespace: str = DEFAULT_NAMESPACE) -> bool:
        """Let the triggers of a flow start runs, or not; False when there is no such flow."""

    # -- saying something to runs -----------------------------------------------------------------

    async def post(self, messages: Sequence[Message]) -> list[Posted]:
        """Put messages into inboxes, in one transaction and in order; a run that nobody holds becomes due now."""

    async def settle_compensation(self, row: CompensationRow) -> bool:
        """Set `resolution`, `note` and `by` of one that is over without success and has none; False when there is none."""

    async def discard(self, run_id: str) -> bool:
        """Take a dead letter away; False when there is none."""

    # -- runs -------------------------------------------------------------------------------------

    async def run(self, run_id: str) -> RunRow | None: ...

    async def find(self, prefix: str, limit: int = 2, *, namespace: str | None = None) -> list[str]:
        """Ids of runs that begin so, at most `limit`."""

    async def runs(self, wanted: RunFilter) -> list[RunRow]:
        """Newest first (ids of runs grow with time)."""

    async def counts(self, namespace: str | None = None) -> Mapping[RunStatus, int]:
        """How many runs there are of each status that occurs."""

    async def heads(self, run_ids: Sequence[str], *, namespace: str | None = None) -> list[HeadRow]:
        """How far these runs are; those that are not there are left out."""

    async def events(self, run_id: str, after: int = 0, limit: int | None = None) -> list[EventRow]:
        """Events of a run whose seq is greater than `after`, in order."""

    async def activations(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ActivationRow]:
        """Where a run's activations stand, by the seq of the last event about them, greater than `after`."""

    async def progress(self, run_id: str, *, after: int = 0, limit: int = 1_000) -> list[ProgressRow]:
        """What steps of a run reported, by number, greater than `after`."""

    async def waiting_messages(self, run_ids: Sequence[str]) -> list[InboxRow]:
        """Messages that wait for these runs, in order."""

    async def tombstone(self, run_id: str) -> Tombstone | None: ...

    # -- waits, effects, compensations, dead letters, deliveries ----------------------------------

    async def waits(self, wanted: WaitFilter) -> list[WaitRow]:
        """Oldest first."""

    async def find_waits(self, prefix: str, limit: int = 2, *, namespace: str | None = None) -> list[WaitRow]:
        """Waits whose id begins so, open or closed, by id."""

    async def effects(self, wanted: EffectFilter) -> list[EffectRow]: ...

    async def find_effects(
        self, prefix: str, limit: int = 2, *, namespace: str | None = None
    ) -> list[EffectRow]:
        """Effects whose key begins so, by key."""

    async def compensations(
        self, run_id: str | None = None, limit: int = 100, *, namespace: str | None = None
    ) -> list[CompensationRow]:
        """Of one run, all by seq; without one, those that wait for a person, newest first."""

    async def dead_letters(self, limit: int = 100, *, namespace: str | None = None) -> list[DeadLetter]:
        """Newest first."""

    async def dead_letter(self, run_id: str) -> DeadLetter | None: ...

    async def deliveries(self, wanted: DeliveryFilter) -> list[DeliveryRow]:
        """Newest first."""

    async def delivery(self, run_id: str) -> DeliveryRow | None:
        """The delivery that started this run."""


class Store(Records, Timetable, BusEvents, Outbox, Tickets, Protocol):
    """Keeps runs, all that belongs to them, and what a server keeps beside them."""

    async def open(self) -> None:
        """Connect and bring the schema up to date, under a lock. Raises `RefusedBySchema` for a newer one."""

    async def close(self) -> None: ...

    # -- writing ----------------------------------------------------------------------------------

    async def commit(self, slices: Sequence[Slice]) -> list[Verdict]:
        """Write all slices in one durable transaction; each is kept whole or not at all, whatever the others are.

        A slice that is on disk already, under the same fence and with the same last hash, is `Committed`
        again: so a call whose outcome is not known can be repeated. One verdict per slice, in order.

        A slice is `Stale` unless the run exists, has not ended, stands at `first - 1`, is held by `worker` under
        `fence`, and the worker's lease has not expired. Events set the run's crash count to 0, unless the slice's
        release says `crashed`. A run that ends leaves its worker, loses its waiting messages and, when it failed
        and has no parent, is kept as a dead letter; a run that ended well takes the dead letter it replays away.
        """

    # -- holding ----------------------------------------------------------------------------------

    async def enlist(self, worker: str, seconds: float, *, host: str, pid: int) -> None:
        """Give a new worker its lease."""

    def renewer(self) -> Renewer:
        """A renewer; call and use it in the thread that renews."""

    async def retire(self, worker: str) -> None:
        """The worker leaves: its lease ends, and what it still holds is due at once, without a crash counted."""

    async def claim(self, worker: str, most: int, *, without: Sequence[str] = (), alone: bool) -> list[Claim]:
        """Take up to `most` due runs for this worker, those that are due longest first, each under its fence + 1.

        Due is what nobody holds and whose `due_at` has come, and what is held under an expired lease (its
        crash count grows by 1). Versions in `without` are left to others. `alone` asks for at most one run that has
        crashed twice or more, otherwise only others are given. Claiming clears `due_at` and `hold`.
        Raises `StoreError` when the worker itself has no valid lease.

        Before that, in the same transaction, it admits what waits in lanes and may start (`tickets.py`).
        """

    async def held_by(self, worker: str) -> list[RunRow]:
        """The runs that this worker holds, as the store knows it: also those of a claim whose answer was lost."""

    async def waiting_alone(self, *, without: Sequence[str] = ()) -> int:
        """How many due runs have crashed twice or more, those of the versions in `without` left out (see `claim`)."""

    async def next_due(self) -> int | None:
        """When the next run that nobody holds becomes due."""

    async def inbox(self, worker: str) -> list[InboxRow]:
        """Messages that wait for the runs this worker holds, in order."""

    async def hold(self, run_id: str, reason: str, *, due_at: int | None) -> None:
        """Say why a run that nobody holds does not go on, and when it may be claimed again; for `damaged` runs: never."""

    # -- reading ----------------------------------------------------------------------------------

    async def journals(self, run_ids: Sequence[str]) -> Mapping[str, list[EventRow]]:
        """All events of each of these runs, in order."""

    async def workers(self) -> list[WorkerRow]: ...

    async def orphans(self, limit: int = 100) -> list[str]:
        """Runs nobody will ever look after: there should be none.

        They are pending or running (not ended, waiting, paused or in review), and nobody holds them, they are not
        due at any time, and no `hold` names a reason.
        """

    # -- keys, audit, answers ---------------------------------------------------------------------

    async def add_key(self, row: KeyRow) -> None: ...

    async def key(self, hash: str) -> KeyRow | None:  # noqa: A002
        """The key with this hash, also one that is over."""

    async def keys(self, namespace: str | None = None) -> list[KeyRow]:
        """Newest first, those that are over included."""

    async def revoke_key(self, key_id: str, at: int) -> bool:
        """End a key; False when there is none, or it was ended before."""

    async def touch_key(self, key_id: str, at: int) -> None:
        """Note that a key was used."""

    async def add_audit(self, rows: Sequence[AuditRow]) -> None:
        """Add rows in order, each linked to the one before: `link(hash before, canonical JSON of the row without hash)`."""

    async def audit(self, wanted: AuditFilter) -> list[AuditRow]:
        """Newest first."""

    async def kept_answer(self, scope: str, key: str, now: int) -> AnswerRow | None:
        """The answer under this key, unless it has expired."""

    async def keep_answer(self, row: AnswerRow, now: int) -> AnswerRow:
        """Keep an answer unless one is kept already (expired ones make room); the one that is kept."""

    # -- keeping house ----------------------------------------------------------------------------

    async def ended_before(self, instant: int, limit: int) -> list[RunRow]:
        """Runs that ended before this, oldest first, whose parent, if any, has ended too."""

    async def remove(self, run_ids: Sequence[str]) -> list[Tombstone]:
        """Remove runs that have ended, with all that belongs to them; a tombstone of each stays."""

    async def rewrite(self, derived: Derived) -> None:
        """Replace the rows derived from a run's events; of compensations, what a person has said stays."""

    async def backup(self, target: Path) -> None:
        """Write a consistent copy while work goes on. Raises `StoreError` where the database has better tools."""
