"""`openrun schedules preview`: when a schedule fires next, and what a change of the clocks does to it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.refusal import Refusal
from openrun.cli.rows import instant, since
from openrun.cli.schedule_name import find_schedule, instant_given, name_of, spelled, times_of, wall
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import safe_json
from openrun.core.types import Json
from openrun.steps.spelling import seconds_in
from openrun.steps.triggers.schedule import TriggerScheduleConfig
from openrun.steps.triggers.ticks import in_ms
from openrun.store.timetable import ScheduleRow
from openrun.triggers.moves import config_of
from openrun.triggers.schedules import Fire, preview_of, zone_change_of


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewOptions(StoreOptions):
    """Which schedule is looked ahead of, and how far."""

    schedule: Annotated[
        str | None,
        typer.Argument(metavar="[FLOW/TRIGGER]", help="The schedule; or give --cron or --interval."),
    ] = None
    cron: Annotated[
        str | None, typer.Option(metavar="EXPRESSION", help="An expression that is in no flow.")
    ] = None
    interval: Annotated[
        str | None, typer.Option(metavar="TIME", help="An interval that is in no flow, such as 15m.")
    ] = None
    timezone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="With --cron: the zone it is meant in (UTC).")
    ] = None
    count: Annotated[int, typer.Option(metavar="N", min=1, max=1_000, help="So many fires.")] = 5
    after: Annotated[
        str | None,
        typer.Option(
            metavar="INSTANT",
            help="Fires after this: a day or RFC 3339, without an offset in the zone; now, when left out.",
        ),
    ] = None
    zone_change: Annotated[
        bool, typer.Option("--zone-change", help="Those around the next change of the zone's clocks.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Fires, and what they are those of."""

    name: str | None
    config: TriggerScheduleConfig
    fires: Sequence[Fire] | None
    """None where the zone has no change within a year."""
    now: int


def preview(options: PreviewOptions) -> None:
    """Show when a schedule fires next, in its own zone; what a change of the clocks does is said beside it.

    Without a schedule it needs no store: `openrun schedules preview --cron '30 2 * * *' --timezone Europe/Berlin`.
    """
    _check(options)
    found = _of_an_expression(options) if options.schedule is None else _of_a_flow(options, options.schedule)
    if options.as_json:
        fires = [_document(each) for each in found.fires or ()]
        whole = {"timezone": found.config.timezone, "fires": fires}
        sys.stdout.write(safe_json(json.dumps(whole, ensure_ascii=False, indent=2)) + "\n")
    else:
        _show(found, options)


def _check(options: PreviewOptions) -> None:
    given = [each is not None for each in (options.schedule, options.cron, options.interval)]
    if sum(given) != 1:
        raise Refusal("give one of FLOW/TRIGGER, --cron and --interval")
    if options.timezone is not None and options.cron is None:
        raise Refusal("--timezone goes with --cron; a schedule of a flow has its own")
    if options.zone_change and options.after is not None:
        raise Refusal("--zone-change is about the next change from now on; give --after without it")


def _of_a_flow(options: PreviewOptions, name: str) -> Preview:
    async def ask(app: App) -> tuple[ScheduleRow, int]:
        return await find_schedule(app, name), await app.store.now()

    row, now = in_store(options.store, ask)
    config = config_of(row.spec)
    return Preview(name=name_of(row), config=config, fires=_fires(options, config, now), now=now)


def _of_an_expression(options: PreviewOptions) -> Preview:
    given = {"cron": options.cron, "timezone": options.timezone, "interval": options.interval}
    try:
        config = TriggerScheduleConfig.model_validate(
            {name: each for name, each in given.items() if each is not None}
        )
    except ValidationError as invalid:
        found = invalid.errors(include_url=False, include_context=False, include_input=False)
        details = [f"--{each['loc'][0]}: {each['msg'].removeprefix('Value error, ')}" for each in found]
        raise Refusal("this is no schedule:", details=details) from None
    now = in_ms(datetime.now(UTC))
    return Preview(name=None, config=config, fires=_fires(options, config, now), now=now)


def _fires(options: PreviewOptions, config: TriggerScheduleConfig, now: int) -> Sequence[Fire] | None:
    if options.zone_change:
        return zone_change_of(config, now)
    after = options.after
    since = instant(now) if after is None else instant_given("--after", after, config.timezone)
    return preview_of(config, options.count, since)


def _document(fire: Fire) -> dict[str, Json]:
    return {"at": instant(fire.tick).isoformat(), "local": fire.local.isoformat(), "note": fire.note}


def _show(found: Preview, options: PreviewOptions) -> None:
    out = screen()
    title = times_of(found.config) + ("" if found.config.cron is None else f" in {found.config.timezone}")
    if found.config.jitter is not None:
        title += f", up to {spelled(seconds_in(found.config.jitter))} later"
    out.print(Text(title if found.name is None else f"{found.name}: {title}", "dim"))
    if found.fires is None:
        out.print(Text(f"the clocks of {found.config.timezone} do not change within a year"))
        return
    if not found.fires:
        out.print(Text("it does not fire within five years"))
        return
    table = Table.grid(padding=(0, 2))
    for each in found.fires:
        relative = "" if options.after is not None else f"in {since(found.now, each.tick)}"
        table.add_row(Text(wall(each.local)), Text(relative, "dim"), Text(each.note or "", "yellow"))
    out.print(table)
