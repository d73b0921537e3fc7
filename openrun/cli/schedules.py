"""`openrun schedules`: what starts runs at its time, when next, and pausing and catching up on it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.options import ModuleNames, listing, taking
from openrun.cli.person import By, named
from openrun.cli.previews import PreviewOptions, preview
from openrun.cli.refusal import Refusal, guarded
from openrun.cli.rows import at, document, instant, since, status_text
from openrun.cli.schedule_name import (
    ScheduleName,
    find_schedule,
    instant_given,
    name_of,
    times_of,
    wall,
)
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, count, safe_json
from openrun.cli.ticks import TicksOptions, tick_document, ticks
from openrun.core.strict_json import decode
from openrun.steps.triggers.ticks import Ticks
from openrun.steps.triggers.zone import Zone
from openrun.store.timetable import ScheduleFilter, ScheduleRow
from openrun.triggers.moves import config_of
from openrun.triggers.schedules import Backfill


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulesOptions(StoreOptions):
    """Which schedules are listed."""

    flow: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this flow.")] = None
    paused: Annotated[bool, typer.Option("--paused", help="Only those that are paused.")] = False
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="So many.")] = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSchedule(StoreOptions):
    """A schedule of the store."""

    schedule: ScheduleName


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseOptions(OneSchedule):
    """Who pauses a schedule."""

    by: By = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillOptions(OneSchedule):
    """Which ticks of the past are to fire."""

    since: Annotated[
        str,
        typer.Option(
            metavar="INSTANT",
            help="From this instant on: a day or RFC 3339; without an offset in the schedule's zone.",
        ),
    ]
    until: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Ticks before this instant; now, when left out.")
    ] = None
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would fire.")] = False
    modules: ModuleNames = None


def schedules() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="schedules",
        help="Schedules of flows, and what became of their ticks.",
        invoke_without_command=True,
    )
    app.callback()(guarded(listing(SchedulesOptions, list_schedules)))
    app.command("preview")(guarded(taking(PreviewOptions, preview)))
    app.command("ticks")(guarded(taking(TicksOptions, ticks)))
    app.command("pause")(guarded(taking(PauseOptions, pause_schedule)))
    app.command("resume")(guarded(taking(OneSchedule, resume_schedule)))
    app.command("backfill")(guarded(taking(BackfillOptions, backfill)))
    return app


def list_schedules(options: SchedulesOptions) -> None:
    """List the schedules of the store: when each fires next, and what its newest run came to."""

    async def ask(app: App) -> tuple[list[ScheduleRow], int]:
        wanted = ScheduleFilter(
            flow_id=options.flow, paused=True if options.paused else None, limit=options.limit + 1
        )
        return await app.store.schedules(wanted), await app.store.now()

    rows, now = in_store(options.store, ask)
    shown = rows[: options.limit]
    if options.as_json:
        _write([_document(row, now) for row in shown])
        return
    out = screen()
    if shown:
        out.print(_table(shown, now))
    else:
        none = "no schedule is paused" if options.paused else "no flow of the store has a schedule"
        out.print(Text(none, "dim"))
    if len(rows) > options.limit:
        out.print(Text("there are more; --limit N lists more", "dim"))


def pause_schedule(options: PauseOptions) -> None:
    """Let a schedule start nothing until it is resumed; its ticks are noted as paused."""
    by = named(options.by)

    async def pause(app: App) -> tuple[ScheduleRow, int]:
        row = await find_schedule(app, options.schedule)
        await app.space(row.namespace).schedules.pause(row.flow_id, row.trigger, by=by)
        return await find_schedule(app, name_of(row)), await app.store.now()

    row, now = in_store(options.store, pause)
    _told(
        options, row, now, f"paused {name_of(row)}; `openrun schedules resume {name_of(row)}` lets it go on"
    )


def resume_schedule(options: OneSchedule) -> None:
    """Let a paused schedule go on from now; what it missed meanwhile stays undone (see backfill)."""

    async def resume(app: App) -> tuple[ScheduleRow, int]:
        row = await find_schedule(app, options.schedule)
        await app.space(row.namespace).schedules.resume(row.flow_id, row.trigger)
        return await find_schedule(app, name_of(row)), await app.store.now()

    row, now = in_store(options.store, resume)
    _told(options, row, now, f"resumed {name_of(row)}")


def backfill(options: BackfillOptions) -> None:
    """Fire the ticks of the past that have not fired, from --since on and before --until; those that have are skipped.

    At most 1,000 at a time, all at once: neither overlap nor jitter has a say. Exits with 3 for an unknown schedule.
    """

    async def fill(app: App) -> tuple[ScheduleRow, Backfill]:
        row = await find_schedule(app, options.schedule)
        zone = config_of(row.spec).timezone
        since = instant_given("--since", options.since, zone)
        until = (
            instant(await app.store.now())
            if options.until is None
            else instant_given("--until", options.until, zone)
        )
        if until <= since:
            raise Refusal(
                "--since is still to come" if options.until is None else "--until is not later than --since"
            )
        its = app.space(row.namespace).schedules
        return row, await its.backfill(row.flow_id, row.trigger, since, until, dry_run=options.dry_run)

    row, done = in_store(options.store, fill, modules=options.modules or ())
    if options.as_json:
        _write(_filled(done, dry_run=options.dry_run))
    else:
        _show_filled(row, done, dry_run=options.dry_run)


def _filled(done: Backfill, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "fired": [tick_document(each) for each in done.fired],
        "skipped_already": [instant(each).isoformat() for each in done.skipped_already],
        "more": done.more,
    }


def _show_filled(row: ScheduleRow, done: Backfill, *, dry_run: bool) -> None:
    out, zone = screen(), Zone.of(config_of(row.spec).timezone)
    for each in done.fired:
        run = "" if each.run_id is None else f"  run {each.run_id}"
        out.print(Text(f"{wall(zone.local(each.tick))}{run}"))
    words = f"{count(len(done.fired), 'tick')} {'would fire' if dry_run else 'fired'}"
    if done.skipped_already:
        words += f", {len(done.skipped_already):,} had fired before"
    out.print(Text(words, "dim"))
    if done.more:
        out.print(Text("there are more ticks; the same command again fires the next ones", "yellow"))


def _told(options: StoreOptions, row: ScheduleRow, now: int, words: str) -> None:
    if options.as_json:
        _write(_document(row, now))
    else:
        sys.stdout.write(f"{words}\n")


def _document(row: ScheduleRow, now: int) -> dict[str, Any]:
    found = {name: value for name, value in document(row).items() if name not in ("spec", "revision")}
    for name in ("cursor", "last_tick", "first_queued"):
        found[name] = _instant(found[name])
    next_at = _instant(_next_tick(row, now))
    return {**found, "next_at": next_at, "config": decode(row.spec)}


def _table(rows: Sequence[ScheduleRow], now: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("schedule", "times", "zone", "next", "in", "last"):
        table.add_column(name, no_wrap=name != "schedule", overflow="fold")
    table.add_column("", overflow="fold")
    for row in rows:
        config = config_of(row.spec)
        table.add_row(
            Text(name_of(row), "bold"),
            Text(times_of(config)),
            Text("" if config.cron is None else config.timezone),
            *map(Text, _next(row, now)),
            _last(row, now),
            Text(_state(row), "yellow"),
        )
    return table


def _next(row: ScheduleRow, now: int) -> tuple[str, str]:
    """When it fires next, and in what time; in its own zone, for that is what its expression says."""
    tick = _next_tick(row, now)
    if tick is None:
        return "", ""
    config = config_of(row.spec)
    there = Zone.of(config.timezone).local(tick)
    return at(tick) if config.cron is None else f"{there:%a %Y-%m-%d %H:%M}", since(now, tick)


def _next_tick(row: ScheduleRow, now: int) -> int | None:
    """Its next tick; None while nothing fires it, or when there is none."""
    if row.paused_at is not None or not row.enabled:
        return None
    return Ticks.of(config_of(row.spec)).next(now)


def _instant(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else instant(milliseconds).isoformat()


def _last(row: ScheduleRow, now: int) -> Text:
    if row.last_tick is None:
        return Text("none yet", "dim")
    status = Text("gone", "dim") if row.last_status is None else status_text(row.last_status)
    return Text.assemble(f"{since(row.last_tick, now)} ago: ", status)


def _state(row: ScheduleRow) -> str:
    words = []
    if row.paused_at is not None:
        words.append(f"paused by {clean(row.paused_by)}" if row.paused_by else "paused")
    if not row.enabled:
        words.append("its flow is disabled")
    if row.first_queued is not None:
        words.append(f"ticks from {at(row.first_queued)} on wait for the run before")
    return ", ".join(words)


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
