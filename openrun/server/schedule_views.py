"""Schedules as the API takes and tells them."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field

from openrun.core.durations import Seconds
from openrun.core.types import RunStatus
from openrun.server.instants import instant, instant_or_none
from openrun.server.paging import PageQuery
from openrun.server.run_views import RUN
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.schedule import CatchUp, Overlap, TriggerScheduleConfig
from openrun.steps.triggers.ticks import Ticks
from openrun.store.timetable import ScheduleRow, TickOutcome, TickRow
from openrun.triggers.moves import config_of
from openrun.triggers.schedules import Backfill, Fire

MOST_FIRES = 100
"""Most fires of a preview."""

_EARLIEST, _LATEST = 1970, 2999
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)?", re.ASCII)

_INSTANT = "2026-11-21T11:30:46.123000Z"
_TICK = "2026-11-21T01:30:00Z"
_VERSION = "9f2c4e1ab07d5836e4c1f0a92b7d68c35e0f1a4b8c9d7e6f5a3b2c1d0e9f8a7b"
_CONFIG = {"cron": "30 2 * * *", "timezone": "Europe/Berlin"}


def _read(given: object) -> object:
    # Read here, for pydantic takes a number in a text for seconds since 1970.
    if isinstance(given, str):
        if _RFC_3339.fullmatch(given) is None:
            raise ValueError("write an instant as RFC 3339 text, such as '2026-03-28T00:00:00Z'")
        return datetime.fromisoformat(given.upper())
    return given


def _within(given: datetime) -> datetime:
    if not _EARLIEST <= given.year <= _LATEST:
        raise ValueError(f"has to be in the years {_EARLIEST} to {_LATEST}")
    return given


Moment = Annotated[AwareDatetime, BeforeValidator(_read), AfterValidator(_within)]

_COUNT = Field(default=5, ge=1, le=MOST_FIRES, title="Count", description="So many fires.", examples=[5])
_AFTER = Field(
    default=None,
    title="After",
    description="Fires after this instant; after now, when left out.",
    examples=["2026-03-28T00:00:00Z"],
)


class SchedulesQuery(PageQuery):
    """Which schedules to list."""

    flow: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_-]{1,64}$",
        title="Flow",
        description="Only those of this flow, by id.",
        examples=["nightly-report"],
    )
    paused: bool | None = Field(
        default=None,
        title="Paused",
        description="Only those that are paused, or that are not.",
        examples=[False],
    )


class PreviewQuery(BaseModel, extra="forbid"):
    """How many fires, and from when on."""

    count: int = _COUNT
    after: Moment | None = _AFTER


class TicksQuery(PageQuery):
    """Which ticks to list."""

    outcome: tuple[TickOutcome, ...] = Field(
        default=(),
        title="Outcome",
        description="Only ticks of this outcome; repeatable.",
        examples=[["skipped"]],
    )


class PreviewBody(BaseModel, extra="forbid"):
    """A schedule that is in no flow: either `cron` or `interval`."""

    cron: str | None = Field(
        default=None,
        max_length=1_000,
        title="Cron",
        description="Five fields (minute, hour, day of month, month, day of week), or @hourly, @daily, ….",
        examples=["30 2 * * *"],
    )
    interval: Seconds | None = Field(
        default=None,
        title="Interval",
        description='In place of cron: seconds, or text such as "15m".',
        examples=["15m"],
    )
    timezone: str = Field(
        default="UTC",
        max_length=1_000,
        title="Time zone",
        description="IANA time zone that cron is meant in.",
        examples=["Europe/Berlin"],
    )
    count: int = _COUNT
    after: Moment | None = _AFTER


class BackfillBody(BaseModel, extra="forbid"):
    """Which ticks of the past are to fire."""

    since: Moment = Field(
        title="Since", description="The first instant of it.", examples=["2026-11-01T00:00:00Z"]
    )
    until: Moment = Field(
        title="Until",
        description="Where it ends: ticks before this instant.",
        examples=["2026-11-08T00:00:00Z"],
    )
    dry_run: bool = Field(
        default=False,
        title="Dry run",
        description="Only tell which ticks would fire.",
        examples=[True],
    )


class FireView(BaseModel):
    """A time at which a schedule fires."""

    at: datetime = Field(title="At", description="The instant, in UTC.", examples=[_TICK])
    local: str = Field(
        title="Local",
        description="The same as the clocks of its time zone show it, with the offset from UTC.",
        examples=["2026-11-21T02:30:00+01:00"],
    )
    note: str | None = Field(
        title="Note",
        description="What a change of the zone does to it; null where it does nothing.",
        examples=["first of two 02:30"],
    )


class FiresView(BaseModel):
    """Times at which a schedule fires, one after another."""

    timezone: str = Field(
        title="Time zone", description="The IANA time zone of `local`.", examples=["Europe/Berlin"]
    )
    fires: list[FireView] = Field(title="Fires", description="In their order.")


class ScheduleView(BaseModel):
    """A schedule trigger of a flow's current version."""

    flow: str = Field(title="Flow", description="Id of the flow.", examples=["nightly-report"])
    trigger: str = Field(title="Trigger", description="Id of the schedule step.", examples=["night"])
    version: str = Field(title="Version", description="Of the flow.", examples=[_VERSION])
    cron: str | None = Field(
        title="Cron", description="When it fires; null for an interval.", examples=["30 2 * * *"]
    )
    interval_seconds: float | None = Field(
        title="Interval", description="Seconds from one tick to the next; null for cron.", examples=[900]
    )
    timezone: str = Field(
        title="Time zone", description="IANA time zone that cron is meant in.", examples=["Europe/Berlin"]
    )
    overlap: Overlap = Field(
        title="Overlap",
        description="What becomes of a tick while the run before is still going on.",
        examples=["skip"],
    )
    catch_up: CatchUp = Field(
        title="Catch up",
        description="Which of the ticks that came while nobody was there fire late.",
        examples=["last"],
    )
    enabled: bool = Field(
        title="Enabled", description="Whether its flow is; else nothing fires.", examples=[True]
    )
    paused_at: datetime | None = Field(
        title="Paused at", description="Since when it is paused; null when it is not.", examples=[_INSTANT]
    )
    paused_by: str | None = Field(title="Paused by", description="Who paused it.", examples=["ada"])
    next_at: datetime | None = Field(
        title="Next at",
        description="Its next tick; null while it is paused or its flow disabled, and when there is none.",
        examples=[_TICK],
    )
    last_tick: datetime | None = Field(
        title="Last tick", description="The newest tick that started a run.", examples=[_TICK]
    )
    last_run_id: str | None = Field(title="Last run", description="The run that it started.", examples=[RUN])
    last_status: RunStatus | None = Field(
        title="Last status", description="How that run stands.", examples=["succeeded"]
    )
    queued_since: datetime | None = Field(
        title="Queued since",
        description="Its earliest tick that waits for the run before; null when none does.",
        examples=[None],
    )


class ScheduleDetail(ScheduleView):
    """A schedule with all that its step says, and when it fires next."""

    config: dict[str, Any] = Field(
        title="Config",
        description="The config of the step, defaults and its description left out.",
        examples=[_CONFIG],
    )
    next: list[FireView] = Field(
        title="Next", description="Its next five ticks, were it neither paused nor disabled."
    )


class TickView(BaseModel):
    """An instant at which a schedule was to fire, and what became of it."""

    tick: datetime = Field(title="Tick", description="When it was to fire.", examples=[_TICK])
    outcome: TickOutcome = Field(
        title="Outcome",
        description=(
            "fired; skipped (the run before went on); queued (it waits for that); missed (it came too late); "
            "coalesced (a later tick stands for it); paused."
        ),
        examples=["fired"],
    )
    run_id: str | None = Field(title="Run", description="The run that it started.", examples=[RUN])
    decided_at: datetime = Field(
        title="Decided at", description="When that was decided.", examples=[_INSTANT]
    )
    reason: str | None = Field(
        title="Reason",
        description="Why, where the outcome alone does not tell.",
        examples=["the run before is still going on"],
    )
    backfilled: bool = Field(
        title="Backfilled", description="Somebody asked for it afterwards.", examples=[False]
    )


class BackfillView(BaseModel):
    """What a backfill fired, or would fire."""

    dry_run: bool = Field(title="Dry run", description="Nothing was done.", examples=[False])
    fired: list[TickView] = Field(
        title="Fired", description="Its ticks, oldest first; those of a dry run have no run."
    )
    skipped_already: list[datetime] = Field(
        title="Skipped already", description="Ticks that had fired before.", examples=[[_TICK]]
    )
    more: bool = Field(
        title="More",
        description="There are more ticks than one call fires; the same call again fires the next ones.",
        examples=[False],
    )


def fire_view(fire: Fire) -> FireView:
    """A fire as the API tells it."""
    return FireView(at=instant(fire.tick), local=fire.local.isoformat(), note=fire.note)


def fires_view(config: TriggerScheduleConfig, fires: Sequence[Fire]) -> FiresView:
    """Fires of one schedule."""
    return FiresView(timezone=config.timezone, fires=[fire_view(each) for each in fires])


def schedule_view(row: ScheduleRow, now: int) -> ScheduleView:
    """A schedule as lists tell it, at this instant in ms."""
    return ScheduleView(**_members(row, now))


def schedule_detail(row: ScheduleRow, now: int, fires: Sequence[Fire]) -> ScheduleDetail:
    """A schedule with what it says, and when it fires next."""
    config = config_of(row.spec)
    return ScheduleDetail(
        **_members(row, now),
        config=config.model_dump(mode="json", exclude_defaults=True),
        next=[fire_view(each) for each in fires],
    )


def tick_view(row: TickRow) -> TickView:
    """What became of a tick."""
    return TickView(
        tick=instant(row.tick),
        outcome=row.outcome,
        run_id=row.run_id,
        decided_at=instant(row.decided_at),
        reason=row.reason,
        backfilled=row.backfilled,
    )


def backfill_view(done: Backfill, *, dry_run: bool) -> BackfillView:
    """What a backfill came to."""
    return BackfillView(
        dry_run=dry_run,
        fired=[tick_view(each) for each in done.fired],
        skipped_already=[instant(each) for each in done.skipped_already],
        more=done.more,
    )


def _members(row: ScheduleRow, now: int) -> dict[str, Any]:
    config = config_of(row.spec)
    fires = row.paused_at is None and row.enabled
    return {
        "flow": row.flow_id,
        "trigger": row.trigger,
        "version": row.version,
        "cron": config.cron,
        "interval_seconds": None if config.interval is None else seconds_in(config.interval),
        "timezone": config.timezone,
        "overlap": config.overlap,
        "catch_up": config.catch_up,
        "enabled": row.enabled,
        "paused_at": instant_or_none(row.paused_at),
        "paused_by": row.paused_by,
        "next_at": instant_or_none(Ticks.of(config).next(now) if fires else None),
        "last_tick": instant_or_none(row.last_tick),
        "last_run_id": row.last_run_id,
        "last_status": row.last_status,
        "queued_since": instant_or_none(row.first_queued),
    }
