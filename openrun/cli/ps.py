"""`openrun ps`: the runs of a store."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.rows import SHORT, document, since, status_text, whereabouts
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, safe_json
from openrun.core.types import RunStatus
from openrun.store.rows import DEFAULT_NAMESPACE, RunFilter, RunRow

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class PsOptions(StoreOptions):
    """Which runs are listed."""

    status: Annotated[
        list[RunStatus] | None, typer.Option(metavar="STATUS", help="Only runs of this status; repeatable.")
    ] = None
    flow: Annotated[str | None, typer.Option(metavar="ID", help="Only runs of this flow.")] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The newest so many.")] = 20
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Runs, newest first, and how many of each status the store has."""

    runs: Sequence[RunRow]
    counts: Mapping[RunStatus, int]
    now: int


def ps(options: PsOptions) -> None:
    """List the newest runs of the store, and how many there are of each status."""

    async def ask(app: App) -> Listing:
        return Listing(
            runs=await _runs(app, options), counts=await app.store.counts(), now=await app.store.now()
        )

    found = in_store(options.store, ask)
    if options.as_json:
        sys.stdout.write(_as_json(found) + "\n")
    else:
        _print(found)


async def _runs(app: App, options: PsOptions) -> list[RunRow]:
    runs: list[RunRow] = []
    while True:
        room = _PAGE if options.every else min(_PAGE, options.limit - len(runs))
        wanted = RunFilter(
            status=tuple(options.status or ()),
            flow_id=options.flow,
            before=runs[-1].run_id if runs else None,
            limit=room,
        )
        page = await app.store.runs(wanted) if room else []
        runs += page
        if len(page) < room or not page:
            return runs


def _print(found: Listing) -> None:
    out = screen()
    if found.runs:
        out.print(_table(found))
    total = ", ".join(f"{count:,} {status.value}" for status, count in sorted(found.counts.items()))
    out.print(Text(total or "the store has no runs", "dim"))


def _table(found: Listing) -> Table:
    ids = [row.run_id for row in found.runs]
    # Children of one run may share the beginning of their ids.
    width = SHORT if len({run_id[:SHORT] for run_id in ids}) == len(ids) else None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "flow", "status", "age"):
        table.add_column(name, no_wrap=True)
    table.add_column("seq", justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for row in found.runs:
        table.add_row(
            Text(row.run_id[:width]),
            Text(clean(_flow(row), 60)),
            status_text(row.status),
            Text(since(row.created_at, found.now)),
            Text(f"{row.seq:,}"),
            Text(whereabouts(row), "dim"),
        )
    return table


def _flow(row: RunRow) -> str:
    """The flow, and whose it is where that is not everybody's."""
    return row.flow_id if row.namespace == DEFAULT_NAMESPACE else f"{row.namespace}/{row.flow_id}"


def _as_json(found: Listing) -> str:
    counts = {status.value: count for status, count in found.counts.items()}
    listing = {"runs": [document(row) for row in found.runs], "counts": counts}
    return safe_json(json.dumps(listing, ensure_ascii=False, indent=2))
