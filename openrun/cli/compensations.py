"""`openrun compensations`: what was to be undone and was not, and waits for a person."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.options import listing, taking
from openrun.cli.person import By, named
from openrun.cli.refusal import guarded
from openrun.cli.rows import SHORT, at, document
from openrun.cli.screen import screen
from openrun.cli.secret import read_secrets
from openrun.cli.store_options import MaskedSecrets, OneRun, StoreOptions, in_store, resolve_run
from openrun.cli.text import clean, safe_json
from openrun.core.undoing import CompensationStatus
from openrun.runtime.secrets import Redactor
from openrun.store.rows import CompensationRow

_STYLES = {CompensationStatus.STARTED: "cyan", CompensationStatus.COMPLETED: "green"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CompensationsOptions(StoreOptions):
    """Which compensations are listed."""

    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="All of this run, also those that succeeded.")
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="So many.")] = 100
    secrets: MaskedSecrets = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCompensation(OneRun):
    """The undoing of a step."""

    step: Annotated[str, typer.Argument(metavar="STEP", help="Id of the step that was to be undone.")]
    scope: Annotated[str, typer.Option(metavar="SCOPE", help="Where it ran, as inspect shows it.")] = "/"
    by: By = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHandOptions(OneCompensation):
    """That it was undone by hand."""

    note: Annotated[str | None, typer.Option(metavar="TEXT", help="What was done.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IgnoreOptions(OneCompensation):
    """That it stays as it is."""

    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why nothing has to be undone.")]


def compensations() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="compensations", help="What was to be undone, and was not.", invoke_without_command=True
    )
    app.callback()(guarded(listing(CompensationsOptions, list_compensations)))
    app.command("resolve")(guarded(taking(ByHandOptions, resolve_by_hand)))
    app.command("ignore")(guarded(taking(IgnoreOptions, ignore)))
    return app


def list_compensations(options: CompensationsOptions) -> None:
    """List what could not be undone and waits for a person, the newest first; or with --run all of a run."""
    redactor = Redactor(read_secrets(options.secrets or ()))

    async def ask(app: App) -> list[CompensationRow]:
        run_id = None if options.run is None else await resolve_run(app.store, options.run)
        return await app.ledger.compensations(run_id, options.limit)

    rows = in_store(options.store, ask)
    if options.as_json:
        _write(redactor.masked([document(row) for row in rows]))
        return
    out = screen()
    if rows:
        out.print(compensations_table(rows, redactor))
    elif options.run is None:
        out.print(Text("nothing that was to be undone waits for anybody", "dim"))
    else:
        out.print(Text("nothing of this run was to be undone", "dim"))


def resolve_by_hand(options: ByHandOptions) -> None:
    """Say that a step has been undone by hand. Exits with 3 when its undoing waits for nobody."""
    _settle(options, "resolved", options.note)


def ignore(options: IgnoreOptions) -> None:
    """Say that a step does not have to be undone. Exits with 3 when its undoing waits for nobody."""
    _settle(options, "ignored", options.reason)


def compensations_table(rows: Sequence[CompensationRow], redactor: Redactor) -> Table:
    """A line for each of them."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "step", "scope", "undoing", "ended"):
        table.add_column(name, no_wrap=True)
    table.add_column("error", overflow="fold")
    table.add_column("said", overflow="fold")
    for row in rows:
        table.add_row(
            Text(row.run_id[:SHORT]),
            Text(clean(row.step_id, 40)),
            Text("" if row.scope == "/" else clean(row.scope, 40)),
            Text(row.status, _STYLES.get(CompensationStatus(row.status), "red")),
            Text(at(row.ended_at)),
            Text(clean(redactor.masked(row.error or ""), 400), "red"),
            Text(_said(row, redactor)),
        )
    return table


def is_left(row: CompensationRow) -> bool:
    """It did not succeed, and nobody has said anything."""
    return row.resolution is None and row.status not in _STYLES


def _said(row: CompensationRow, redactor: Redactor) -> str:
    if row.resolution is None:
        return ""
    note = f": {redactor.masked(row.note)}" if row.note else ""
    return clean(f"{row.resolution} by {row.by or 'somebody'}{note}", 400)


def _settle(options: OneCompensation, resolution: Literal["resolved", "ignored"], note: str | None) -> None:
    by = named(options.by)

    async def settle(app: App) -> CompensationRow:
        run_id = await resolve_run(app.store, options.run)
        return await app.ledger.settle(
            run_id, options.step, options.scope, resolution=resolution, note=note, by=by
        )

    row = in_store(options.store, settle)
    if options.as_json:
        _write(document(row))
    else:
        sys.stdout.write(f"run {row.run_id}: the undoing of {clean(row.step_id, 60)} is {resolution}\n")


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
