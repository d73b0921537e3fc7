"""One namespace's schedules: looking at them, when they fire next, pausing, and catching up by hand."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Never, Protocol

from openrun.core.errors import OpenRunError
from openrun.core.near import did_you_mean
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks, in_ms
from openrun.store.timetable import (
    Move,
    ScheduleFilter,
    ScheduleRow,
    TickFilter,
    TickOutcome,
    TickRow,
    TimetableRecords,
)
from openrun.triggers.decision import Decided, decide
from openrun.triggers.moves import Bear, config_of, move_of, payload_of, tick_row

MOST_BACKFILLED = 1_000
"""Ticks that one call of `backfill` fires."""

_AROUND = 3
"""Fires that are shown before a change of the zone, and after it."""
_BATCH = 100
_YEAR_MS = 366 * 86_400_000
_NEAR_MS = 31 * 86_400_000
_LISTED = 1_000


class UnknownSchedule(OpenRunError, LookupError):
    """The flow has no such schedule, or there is no such flow."""


class Records(TimetableRecords, Protocol):
    """What the store knows of schedules, and what time it is there."""

    async def now(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """An instant at which a schedule fires; its jitter comes on top."""

    tick: int
    """In ms since 1970 UTC."""
    local: datetime
    """The same, as wall time of the schedule's zone, with its offset."""
    note: str | None = None
    """What a change of the zone does to it, such as "moved: 02:30 does not exist on that day"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """What a backfill fired, or (dry) would fire."""

    fired: list[TickRow] = field(default_factory=list)
    """Those of a dry run have no run."""
    skipped_already: list[int] = field(default_factory=list)
    """Ticks that had fired before."""
    more: bool = False
    """There are more ticks than one call fires; the same call again fires the next ones."""


def preview_of(config: TriggerScheduleConfig, count: int, after: datetime) -> list[Fire]:
    """The next fires of a schedule that need not be in any flow."""
    ticks = Ticks.of(config)
    return [_fire(ticks, in_ms(each)) for each in ticks.after(after, count)]


class Schedules:
    """The schedules of one namespace."""

    def __init__(
        self,
        records: Records,
        namespace: str,
        bear: Bear,
        move: Callable[[Sequence[Move]], Awaitable[list[bool]]],
        hint: Callable[[], None],
    ) -> None:
        """`bear` makes the runs of a backfill, `hint` says that there is something to look at."""
        self._records = records
        self._namespace = namespace
        self._bear = bear
        self._move = move
        self._hint = hint

    # -- looking ----------------------------------------------------------------------------------

    async def list(
        self,
        flow_id: str | None = None,
        paused: bool | None = None,
        after: tuple[str, str, str] | None = None,
        limit: int = 100,
    ) -> list[ScheduleRow]:
        """By flow and trigger; `after` is the (namespace, flow, trigger) that the page before ended with."""
        wanted = ScheduleFilter(
            namespace=self._namespace, flow_id=flow_id, paused=paused, after=after, limit=limit
        )
        return await self._records.schedules(wanted)

    async def get(self, flow_id: str, trigger: str) -> ScheduleRow:
        """One schedule. Raises `UnknownSchedule`."""
        row = await self._records.schedule(flow_id, trigger, namespace=self._namespace)
        if row is None:
            known = await self.list(limit=_LISTED)
            names = [each.trigger for each in known if each.flow_id == flow_id]
            hint = did_you_mean(trigger, names) or did_you_mean(flow_id, {each.flow_id for each in known})
            raise UnknownSchedule(
                f"flow {flow_id!r} has no schedule {trigger!r}; {hint or 'add a flow with one'}"
            )
        return row

    async def ticks(
        self,
        flow_id: str,
        trigger: str,
        outcome: Sequence[TickOutcome] = (),
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[TickRow]:
        """What became of its ticks, the newest first; `before` is the tick that the page before ended with."""
        await self.get(flow_id, trigger)
        wanted = TickFilter(
            namespace=self._namespace,
            flow_id=flow_id,
            trigger=trigger,
            outcome=tuple(outcome),
            before=before,
            limit=limit,
        )
        return await self._records.ticks(wanted)

    async def preview(
        self, flow_id: str, trigger: str, count: int = 5, after: datetime | None = None
    ) -> Sequence[Fire]:
        """When it fires next, were it neither paused nor disabled. Raises `UnknownSchedule`."""
        ticks = _ticks(await self.get(flow_id, trigger))
        since = await self._records.now() if after is None else in_ms(after)
        return [_fire(ticks, in_ms(each)) for each in ticks.after(ticks.zone.local(since), count)]

    async def zone_change(self, flow_id: str, trigger: str) -> Sequence[Fire] | None:
        """The fires around the next change of its zone; None when it has none within a year.

        Raises `UnknownSchedule`.
        """
        row = await self.get(flow_id, trigger)
        now = await self._records.now()
        return zone_change_of(config_of(row.spec), now)

    # -- steering ---------------------------------------------------------------------------------

    async def pause(self, flow_id: str, trigger: str, by: str | None = None) -> None:
        """Let its ticks go by until it is resumed; what is paused stays so. Raises `UnknownSchedule`."""
        await self.get(flow_id, trigger)
        now = await self._records.now()
        await self._records.pause_schedule(flow_id, trigger, at=now, by=by, namespace=self._namespace)

    async def resume(self, flow_id: str, trigger: str) -> None:
        """Let it fire again, from now on. Raises `UnknownSchedule`."""
        row = await self.get(flow_id, trigger)
        while row.paused_at is not None:
            # Else what came meanwhile, and nobody has looked at, would be caught up on.
            now = await self._records.now()
            decision = decide(row, config_of(row.spec), _ticks(row), now)
            if not decision.ticks:
                await self._records.pause_schedule(flow_id, trigger, at=None, namespace=self._namespace)
                break
            await self._move([await move_of(row, decision, self._bear, _nobody, now)])
            row = await self.get(flow_id, trigger)
        self._hint()

    async def backfill(
        self, flow_id: str, trigger: str, since: datetime, until: datetime, *, dry_run: bool = False
    ) -> Backfill:
        """Fire each tick from `since` on and before `until` that has not fired, whatever became of it.

        At most 1,000 in one call, none that is still to come, all at once: neither overlap nor jitter has a say.
        Raises `UnknownSchedule`, and PermanentError when its runs cannot be.
        """
        row = await self.get(flow_id, trigger)
        found = Backfill()
        end = min(in_ms(until) - 1, await self._records.now())
        at, owed, more = in_ms(since) - 1, list[int](), True
        while more and len(owed) <= MOST_BACKFILLED:
            page = _ticks(row).between(at, end, MOST_BACKFILLED)
            fired = await self._fired(row, page)
            found.skipped_already.extend(tick for tick in page if tick in fired)
            owed += [tick for tick in page if tick not in fired]
            more = len(page) == MOST_BACKFILLED
            at = page[-1] if page else at
        more = len(owed) > MOST_BACKFILLED
        owed = owed[:MOST_BACKFILLED]
        for first in range(0, len(owed), _BATCH):
            found.fired.extend(await self._fire(row, owed[first : first + _BATCH], dry=dry_run))
        self._hint()
        already = [tick for tick in found.skipped_already if not more or tick <= owed[-1]]
        return Backfill(fired=found.fired, skipped_already=already, more=more)

    async def _fired(self, row: ScheduleRow, page: Sequence[int]) -> set[int]:
        if not page:
            return set()
        wanted = TickFilter(
            namespace=row.namespace,
            flow_id=row.flow_id,
            trigger=row.trigger,
            outcome=(TickOutcome.FIRED,),
            since=page[0],
            before=page[-1] + 1,
            limit=len(page),
        )
        return {each.tick for each in await self._records.ticks(wanted)}

    async def _fire(self, row: ScheduleRow, batch: Sequence[int], *, dry: bool) -> Sequence[TickRow]:
        now = await self._records.now()
        decided = [Decided(tick=tick, outcome=TickOutcome.FIRED) for tick in batch]
        if dry:
            return [tick_row(row, each, now, backfilled=True) for each in decided]
        births = [await self._bear(row, payload_of(row, tick, now)) for tick in batch]
        rows = [
            tick_row(row, each, now, born, backfilled=True)
            for each, born in zip(decided, births, strict=True)
        ]
        while True:
            # As it stands by now: the scheduler moves it, too.
            row = await self.get(row.flow_id, row.trigger)
            its = Move(
                namespace=row.namespace,
                flow_id=row.flow_id,
                trigger=row.trigger,
                revision=row.revision,
                cursor=row.cursor,
                due_at=row.due_at,
                ticks=tuple(rows),
                births=tuple(births),
            )
            if (await self._move([its]))[0]:
                return rows


def zone_change_of(config: TriggerScheduleConfig, now: int) -> list[Fire] | None:
    """The fires around the next change of a schedule's zone; None when it has none within a year."""
    ticks = Ticks.of(config)
    changes = ticks.zone.changes(now, now + _YEAR_MS)
    if not changes:
        return None
    at = changes[0].at
    # Longer and longer before it, so that a schedule which is often due is not counted through.
    before: list[int] = []
    for hours in (6, 3 * 24, 31 * 24):
        before = ticks.between(at - hours * 3_600_000, at - 1, MOST_BACKFILLED)
        if len(before) >= _AROUND:
            break
    after = ticks.between(at - 1, at + _NEAR_MS, _AROUND)
    return [_fire(ticks, tick) for tick in (*before[-_AROUND:], *after)]


def _ticks(row: ScheduleRow) -> Ticks:
    return Ticks.of(config_of(row.spec))


def _fire(ticks: Ticks, tick: int) -> Fire:
    return Fire(tick=tick, local=ticks.zone.local(tick), note=ticks.note(tick))


def _nobody(trigger: str, run_id: str) -> Never:
    raise AssertionError(f"schedule {trigger!r} is paused: run {run_id!r} need not make room")
