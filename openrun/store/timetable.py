"""Schedules and their ticks: rows, and what a store does with them. Instants are UTC in ms since 1970.

The truth about a tick is its row: (schedule, tick) is unique, and it has an outcome. Whoever decides about a schedule
reads its row, decides, and writes a `Move` that holds only if the schedule is still at the `revision` that was read:
so several servers at one store decide each tick once, and the run that a tick starts is born in the transaction that
writes the tick down.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from openrun.core.types import RunStatus
from openrun.store.rows import Message, Slice


class TickOutcome(StrEnum):
    """What became of a tick; FIRED is final, and QUEUED becomes FIRED, COALESCED or MISSED."""

    FIRED = "fired"
    SKIPPED = "skipped"
    """The run before was still going on, and the schedule says `skip`."""
    QUEUED = "queued"
    """It waits for the run before."""
    MISSED = "missed"
    """It came too late: nobody was there within the catch-up window."""
    COALESCED = "coalesced"
    """A later tick stands for it."""
    PAUSED = "paused"
    """The schedule was paused, or its flow disabled."""


class ScheduleRow(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule trigger of a flow's current version."""

    namespace: str
    flow_id: str
    trigger: str
    version: str
    """Of the flow."""
    spec: str
    """Canonical JSON of the trigger's config: when it fires, and what is done about overlaps and late ticks."""
    cursor: int
    """Ticks up to this instant, it included, are decided."""
    due_at: int | None
    """When it wants to be looked at next; None is never again."""
    revision: int = 0
    """Counts its changes."""
    created_at: int
    paused_at: int | None = None
    paused_by: str | None = None
    enabled: bool = True
    """Whether its flow is; set by the store."""
    last_run_id: str | None = None
    """The run that its newest fired tick started; set by the store, as are the next three."""
    last_status: RunStatus | None = None
    last_tick: int | None = None
    """Its newest fired tick."""
    first_queued: int | None = None
    """Its earliest tick that is QUEUED."""


class TickRow(msgspec.Struct, frozen=True, kw_only=True):
    """One instant at which a schedule was to fire, and what became of it."""

    namespace: str
    flow_id: str
    trigger: str
    tick: int
    outcome: TickOutcome
    run_id: str | None = None
    decided_at: int
    reason: str | None = None
    """Why, in words, where the outcome alone does not tell."""
    backfilled: bool = False


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one schedule; all of it is kept, or nothing.

    It is refused when the schedule is gone or has another `revision`. It adds 1 to the revision.
    """

    namespace: str
    flow_id: str
    trigger: str
    revision: int
    """That was read."""
    cursor: int
    due_at: int | None
    ticks: tuple[TickRow, ...] = ()
    """New ones, or others for those that are there; a FIRED one stays as it is (and is no fault)."""
    births: tuple[Slice, ...] = ()
    """The runs that its ticks start, held by nobody."""
    messages: tuple[Message, ...] = ()
    """To runs that are to make room."""


class ScheduleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which schedules to list, by (namespace, flow_id, trigger); `after` is where the page before ended."""

    namespace: str | None = None
    flow_id: str | None = None
    paused: bool | None = None
    after: tuple[str, str, str] | None = None
    limit: int = 100


class TickFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which ticks of one schedule to list, newest first; `before` and `since` bound `tick` (exclusive, inclusive)."""

    namespace: str = "default"
    flow_id: str
    trigger: str
    outcome: tuple[TickOutcome, ...] = ()
    since: int | None = None
    before: int | None = None
    limit: int = 100


class TimetableRecords(Protocol):
    """Of all namespaces, or of one (`scoped.py`)."""

    async def schedules(self, wanted: ScheduleFilter) -> list[ScheduleRow]: ...

    async def schedule(
        self, flow_id: str, trigger: str, *, namespace: str = "default"
    ) -> ScheduleRow | None: ...

    async def pause_schedule(
        self,
        flow_id: str,
        trigger: str,
        *,
        at: int | None,
        by: str | None = None,
        namespace: str = "default",
    ) -> bool:
        """Pause a schedule, or with `at=None` resume it, and let it be looked at now; False when there is none.

        It adds 1 to the revision. Pausing a paused one is no act.
        """

    async def ticks(self, wanted: TickFilter) -> list[TickRow]:
        """Newest first."""


class Timetable(TimetableRecords, Protocol):
    """What those who fire schedules need, of all namespaces."""

    async def due_schedules(self, now: int, limit: int = 100) -> list[ScheduleRow]:
        """Those whose `due_at` has come, longest due first."""

    async def next_schedule(self) -> int | None:
        """When the next schedule wants to be looked at."""

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """Keep what was decided, in one durable transaction; False for each that is refused. Births as in `commit`."""

    async def forget_ticks(self, before: int, limit: int = 10_000) -> int:
        """Remove ticks older than this, QUEUED ones and each schedule's newest fired one left out; how many."""
