"""`openrun lanes`: how full the limits of flows are."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.rows import instant, since
from openrun.cli.schedule_name import spelled
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, count, safe_json
from openrun.store.rows import DEFAULT_NAMESPACE
from openrun.store.tickets import LaneFilter, LaneRow, LaneRules


@dataclass(frozen=True, slots=True, kw_only=True)
class LanesOptions(StoreOptions):
    """Which lanes are listed."""

    flow: Annotated[str | None, typer.Option(metavar="ID", help="Only those of this flow.")] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="So many.")] = 100


def lanes(options: LanesOptions) -> None:
    """List the lanes of flows with limits: what runs in each, what waits and since when, by flow and key.

    A lane that nothing runs or waits in is not there.
    """

    async def ask(app: App) -> tuple[list[LaneRow], int]:
        wanted = LaneFilter(flow_id=options.flow, limit=options.limit + 1)
        return await app.store.lanes(wanted), await app.store.now()

    rows, now = in_store(options.store, ask)
    shown = rows[: options.limit]
    if options.as_json:
        listed = [_document(row) for row in shown]
        sys.stdout.write(safe_json(json.dumps(listed, ensure_ascii=False, indent=2)) + "\n")
        return
    out = screen()
    if shown:
        out.print(_table(shown, now))
    else:
        out.print(Text("nothing runs or waits in a lane", "dim"))
    if len(rows) > options.limit:
        out.print(Text("there are more; --limit N lists more", "dim"))


def _document(row: LaneRow) -> dict[str, Any]:
    since_when = None if row.oldest is None else instant(row.oldest).isoformat()
    return {**msgspec.to_builtins(row), "oldest": since_when}


def _table(rows: Sequence[LaneRow], now: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("flow", no_wrap=True)
    table.add_column("key", overflow="fold")
    table.add_column("running", justify="right", no_wrap=True)
    table.add_column("queued", justify="right", no_wrap=True)
    table.add_column("waiting", no_wrap=True)
    table.add_column("limits", overflow="fold")
    for row in rows:
        most = "" if row.rules.limit is None else f" of {row.rules.limit:,}"
        table.add_row(
            Text(clean(_flow(row), 60)),
            Text(clean(row.key, 80)),
            Text(f"{row.running:,}{most}"),
            Text(f"{row.queued:,}", "yellow" if row.queued else ""),
            Text("" if row.oldest is None else since(row.oldest, now)),
            Text("; ".join(_limits(row.rules)), "dim"),
        )
    return table


def _flow(row: LaneRow) -> str:
    return row.flow_id if row.namespace == DEFAULT_NAMESPACE else f"{row.namespace}/{row.flow_id}"


def _limits(rules: LaneRules) -> Iterator[str]:
    """In the words of the document."""
    if rules.limit is not None:
        yield f"{rules.limit:,} at once, {rules.at_limit}"
    if rules.total is not None:
        yield f"{rules.total:,} in all"
    if rules.rate is not None:
        over = "cancel" if rules.cancel_over_rate else "queue"
        yield f"{count(rules.rate, 'start')} per {_time(rules.period_ms)}, {over}"
    if rules.quiet_ms:
        most = "" if rules.quiet_max_ms is None else f", {_time(rules.quiet_max_ms)} at most"
        yield f"debounce {_time(rules.quiet_ms)}{most}"


def _time(milliseconds: int) -> str:
    return spelled(milliseconds / 1_000)
