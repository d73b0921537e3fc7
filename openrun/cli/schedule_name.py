"""FLOW/TRIGGER: which schedule a command is about, finding it in the store, and telling it."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from openrun.app import App
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.text import clean
from openrun.core.near import did_you_mean
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.store.rows import DEFAULT_NAMESPACE
from openrun.store.timetable import ScheduleFilter, ScheduleRow

_MOST = 1_000
_SHOWN = 5
_PARTS = 3
_UNITS = ((604_800, "w"), (86_400, "d"), (3_600, "h"), (60, "m"))

ScheduleName = Annotated[
    str,
    typer.Argument(
        metavar="FLOW/TRIGGER", help="The schedule; the flow alone is enough when it has no other."
    ),
]


async def find_schedule(app: App, given: str) -> ScheduleRow:
    """The schedule of this name, which may begin with a namespace. Raises `Refusal`: there is none, or more than one."""
    namespace, flow_id, trigger = _split(given)
    wanted = ScheduleFilter(namespace=namespace, flow_id=flow_id, limit=_MOST)
    rows = [row for row in await app.store.schedules(wanted) if trigger in (None, row.trigger)]
    if len(rows) == 1:
        return rows[0]
    if rows:
        names = ", ".join(name_of(row) for row in rows[:_SHOWN]) + (", …" if len(rows) > _SHOWN else "")
        raise Refusal(f"flow {flow_id!r} has {len(rows)} schedules", hint=f"say which: {names}")
    known = [name_of(row) for row in await app.store.schedules(ScheduleFilter(limit=_MOST))]
    near = did_you_mean(given, known)
    raise Refusal(
        f"the store has no schedule {given!r}",
        code=ExitCode.NOT_FOUND,
        hint=near if near and near.startswith("did") else "`openrun schedules` lists them",
    )


def _split(given: str) -> tuple[str, str, str | None]:
    parts = given.split("/")
    if not all(parts) or len(parts) > _PARTS:
        raise Refusal(f"{given!r} is no FLOW/TRIGGER", hint="`openrun schedules` lists what there is")
    if len(parts) == 1:
        return DEFAULT_NAMESPACE, parts[0], None
    *namespace, flow_id, trigger = parts
    return (namespace[0] if namespace else DEFAULT_NAMESPACE), flow_id, trigger


def name_of(row: ScheduleRow) -> str:
    """As commands take it: FLOW/TRIGGER, behind the namespace where that is not everybody's."""
    name = f"{clean(row.flow_id, 60)}/{clean(row.trigger, 60)}"
    return name if row.namespace == DEFAULT_NAMESPACE else f"{clean(row.namespace)}/{name}"


def times_of(config: TriggerScheduleConfig) -> str:
    """The cron expression, or "every 1h30m"."""
    if config.cron is not None:
        return config.cron
    assert config.interval is not None
    return f"every {spelled(seconds_in(config.interval))}"


def spelled(seconds: float) -> str:
    """A duration as a document may have it: 15m, 1h30m, 1.5s."""
    words = ""
    for size, unit in _UNITS:
        whole, seconds = divmod(seconds, size)
        words += f"{whole:.0f}{unit}" if whole else ""
    return words + (f"{seconds:g}s" if seconds or not words else "")


def instant_given(option: str, given: str, zone: str) -> datetime:
    """An instant as people write it: a day, or RFC 3339; without an offset it is meant in the zone. Raises `Refusal`."""
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        hint = "write 2026-03-29, 2026-03-29T02:30 or 2026-03-29T02:30:00+01:00"
        raise Refusal(f"{option}: {given[:60]!r} is no instant", hint=hint) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(zone))


def wall(moment: datetime) -> str:
    """A wall time with its offset: Sun 2026-03-29 03:00:00 +02:00."""
    offset = f"{moment:%z}"
    return f"{moment:%a %Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"
