"""`openrun schedules ticks`: what became of the ticks of a schedule."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.rows import document, instant, since
from openrun.cli.schedule_name import ScheduleName, find_schedule, wall
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, safe_json
from openrun.steps.triggers.zone import Zone
from openrun.store.timetable import ScheduleRow, TickOutcome, TickRow
from openrun.triggers.moves import config_of

_STYLES = {
    TickOutcome.FIRED: "green",
    TickOutcome.QUEUED: "cyan",
    TickOutcome.SKIPPED: "yellow",
    TickOutcome.MISSED: "red",
}
_SOON_MS = 1_000
"""A tick that is decided within this time was on time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicksOptions(StoreOptions):
    """Which ticks are listed."""

    schedule: ScheduleName
    outcome: Annotated[
        list[TickOutcome] | None,
        typer.Option(metavar="OUTCOME", help="Only ticks of this outcome, such as skipped; repeatable."),
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The newest so many.")] = 20


def ticks(options: TicksOptions) -> None:
    """List the ticks of a schedule that are decided, the newest first: what became of each, and the run it started.

    Outcomes: fired; skipped (the run before went on); queued (it waits for that one); missed (it came too late); coalesced (a later
    tick stands for it); paused.
    """

    async def ask(app: App) -> tuple[ScheduleRow, Sequence[TickRow]]:
        row = await find_schedule(app, options.schedule)
        found = await app.space(row.namespace).schedules.ticks(
            row.flow_id, row.trigger, outcome=tuple(options.outcome or ()), limit=options.limit
        )
        return row, found

    row, found = in_store(options.store, ask)
    if options.as_json:
        listed = [tick_document(each) for each in found]
        sys.stdout.write(safe_json(json.dumps(listed, ensure_ascii=False, indent=2)) + "\n")
        return
    out = screen()
    if found:
        out.print(_table(found, Zone.of(config_of(row.spec).timezone)))
    else:
        out.print(Text("no tick of it has been decided yet", "dim"))


def tick_document(row: TickRow) -> dict[str, Any]:
    """A tick as plain data."""
    return {**document(row), "tick": instant(row.tick).isoformat()}


def _table(rows: Sequence[TickRow], zone: Zone) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in (f"tick in {zone.name}", "outcome", "late", "run"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", overflow="fold")
    for row in rows:
        late = row.decided_at - row.tick
        table.add_row(
            Text(wall(zone.local(row.tick))),
            Text(row.outcome.value, _STYLES.get(row.outcome, "")),
            Text("" if row.backfilled or late < _SOON_MS else since(row.tick, row.decided_at)),
            Text(row.run_id or ""),
            Text(clean(_why(row), 200), "dim"),
        )
    return table


def _why(row: TickRow) -> str:
    words = ["backfilled"] if row.backfilled else []
    return ", ".join([*words, *([row.reason] if row.reason else [])])
