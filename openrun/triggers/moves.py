"""From what was decided about a schedule to what is written: rows of ticks, and the runs that they start."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from openrun.core.errors import PermanentError
from openrun.core.strict_json import decode
from openrun.core.types import Json
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks
from openrun.store.rows import Message, Slice
from openrun.store.timetable import Move, ScheduleRow, TickOutcome, TickRow
from openrun.triggers.decision import Decided, Decision

Bear = Callable[[ScheduleRow, Mapping[str, Json]], Awaitable[Slice]]
"""What makes the run of a tick, of this payload; raises PermanentError when there can be none."""

MakeRoom = Callable[[str, str], Message]
"""What asks a run to end, by the trigger that started it and its id."""

_REASON_LENGTH = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4_096)
def config_of(spec: str) -> TriggerScheduleConfig:
    """The config that a schedule's row tells of."""
    return TriggerScheduleConfig.model_validate(decode(spec))


def instant_of(at: int) -> datetime:
    """An instant of the store, in UTC."""
    return _EPOCH + timedelta(milliseconds=at)


def tick_id(row: ScheduleRow, tick: int) -> str:
    """What a tick is called wherever it is told of: `flow/trigger/2026-03-29T01:00:00Z`."""
    return f"{row.flow_id}/{row.trigger}/{_rfc3339(instant_of(tick))}"


def payload_of(row: ScheduleRow, tick: int, now: int) -> dict[str, Json]:
    """What the run of a tick is told."""
    zone = Ticks.of(config_of(row.spec)).zone
    return {
        "tick": tick_id(row, tick),
        "scheduled_time": _rfc3339(zone.local(tick)),
        "actual_time": _rfc3339(instant_of(now)),
    }


async def move_of(row: ScheduleRow, decision: Decision, bear: Bear, make_room: MakeRoom, now: int) -> Move:
    """What is to be written. A tick whose run cannot be is missed; other errors of `bear` are raised."""
    births: list[Slice] = []
    ticks: list[TickRow] = []
    for each in decision.ticks:
        born = None
        if each.outcome is TickOutcome.FIRED:
            try:
                born = await bear(row, payload_of(row, each.tick, now))
            except PermanentError as error:
                ticks.append(tick_row(row, missed(each.tick, error), now))
                continue
            births.append(born)
            # Others are not to wait until a whole backlog is made.
            await asyncio.sleep(0)
        ticks.append(tick_row(row, each, now, born))
    cancel = decision.cancel
    return Move(
        namespace=row.namespace,
        flow_id=row.flow_id,
        trigger=row.trigger,
        revision=row.revision,
        cursor=decision.cursor,
        due_at=decision.due_at,
        ticks=tuple(ticks),
        births=tuple(births),
        messages=() if cancel is None else (make_room(row.trigger, cancel),),
    )


def missed(tick: int, error: Exception) -> Decided:
    """A tick whose run cannot be."""
    return Decided(tick=tick, outcome=TickOutcome.MISSED, reason=str(error)[:_REASON_LENGTH])


def tick_row(
    row: ScheduleRow, its: Decided, now: int, born: Slice | None = None, *, backfilled: bool = False
) -> TickRow:
    """What is kept of a tick."""
    return TickRow(
        namespace=row.namespace,
        flow_id=row.flow_id,
        trigger=row.trigger,
        tick=its.tick,
        outcome=its.outcome,
        run_id=None if born is None else born.run_id,
        decided_at=now,
        reason=its.reason,
        backfilled=backfilled,
    )


def _rfc3339(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
