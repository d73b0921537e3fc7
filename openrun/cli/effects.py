"""`openrun effects`: the calls to the outside that runs have made, and what became of them."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.answers import check_id
from openrun.cli.asking import SHORT_WAIT
from openrun.cli.options import taking
from openrun.cli.payload import read_value
from openrun.cli.person import By, named
from openrun.cli.refusal import Refusal, guarded
from openrun.cli.rows import SHORT, at, document, since
from openrun.cli.screen import screen
from openrun.cli.secret import read_secrets
from openrun.cli.store_options import MaskedSecrets, StoreOptions, in_store, resolve_run
from openrun.cli.text import capped, clean, pretty, safe_json
from openrun.core.effects import EffectStatus
from openrun.core.strict_json import decode
from openrun.runtime.secrets import Redactor
from openrun.store.rows import EffectRow

_LINES = 40
_WIDTH = 400
_STYLES = {
    EffectStatus.COMMITTED: "green",
    EffectStatus.FAILED: "red",
    EffectStatus.UNKNOWN: "bold red",
    EffectStatus.ABSENT: "yellow",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectsOptions(StoreOptions):
    """Which effects are listed."""

    run: Annotated[
        str | None, typer.Option(metavar="RUN", help="Only those of this run, in their order.")
    ] = None
    status: Annotated[
        list[EffectStatus] | None,
        typer.Option(metavar="STATUS", help="Only those of this status, such as unknown; repeatable."),
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="So many.")] = 50
    secrets: MaskedSecrets = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEffect(StoreOptions):
    """An effect of the store."""

    key: Annotated[
        str,
        typer.Argument(metavar="KEY", help="Key of the effect, or the beginning of it that no other has."),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEffect(OneEffect):
    """An effect whose data is shown, secrets masked."""

    secrets: MaskedSecrets = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleOptions(OneEffect):
    """What became of an effect."""

    value: Annotated[
        str | None,
        typer.Argument(
            metavar="[VALUE]", help="With --committed: its result, as JSON, @FILE, or - for stdin."
        ),
    ] = None
    committed: Annotated[bool, typer.Option("--committed", help="It took place.")] = False
    absent: Annotated[bool, typer.Option("--absent", help="It did not take place: do it.")] = False
    by: By = None


def effects() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="effects",
        help="Calls to the outside: list them, and say what became of those nobody knows about.",
        no_args_is_help=True,
    )
    app.command("ls")(guarded(taking(EffectsOptions, list_effects)))
    app.command("show")(guarded(taking(ShownEffect, show_effect)))
    app.command("resolve")(guarded(taking(SettleOptions, resolve_effect)))
    return app


def list_effects(options: EffectsOptions) -> None:
    """List effects: those of a run in their order, else the newest first."""
    redactor = Redactor(read_secrets(options.secrets or ()))

    async def ask(app: App) -> tuple[list[EffectRow], int]:
        run_id = None if options.run is None else await resolve_run(app.store, options.run)
        rows = await app.ledger.effects(run_id=run_id, status=options.status or (), limit=options.limit)
        return rows, await app.store.now()

    rows, now = in_store(options.store, ask)
    if options.as_json:
        _write(redactor.masked([in_full(row) for row in rows]))
        return
    out = screen()
    if rows:
        out.print(effects_table(rows, now, redactor))
    else:
        out.print(Text("there are no such effects", "dim"))


def show_effect(options: ShownEffect) -> None:
    """Show all that is known of one effect."""
    check_id(options.key, "KEY")
    redactor = Redactor(read_secrets(options.secrets or ()))
    row = in_store(options.store, lambda app: app.ledger.get(options.key))
    found = redactor.masked(in_full(row))
    if options.as_json:
        _write(found)
        return
    out = screen()
    table = Table.grid(padding=(0, 2))
    for name, value in found.items():
        if value is not None and name != "value":
            table.add_row(Text(name.replace("_", " "), "dim"), Text(clean(str(value), 1_000)))
    out.print(table)
    if row.value is not None:
        text, more = capped(pretty(found["value"]), _LINES, _WIDTH)
        out.print(Text("value", "bold"))
        out.print(Text(text + (f"\n… {more:,} more lines; --json prints all" if more else "")))


def resolve_effect(options: SettleOptions) -> None:
    """Say whether an effect took place of which nobody knows: --committed [VALUE] or --absent.

    Its run goes on with that. Exits with 3 for an unknown effect, 4 for one of which it is known.
    """
    if options.committed is options.absent:
        raise Refusal("give one of --committed [VALUE] and --absent")
    if options.absent and options.value is not None:
        raise Refusal("what did not take place has no VALUE")
    check_id(options.key, "KEY")
    value, by = read_value(options.value, "VALUE"), named(options.by)

    async def settle(app: App) -> EffectRow:
        return await app.ledger.resolve(options.key, committed=options.committed, value=value, by=by)

    row = in_store(options.store, settle)
    if options.as_json:
        _write({"run_id": row.run_id, "key": row.key, "committed": options.committed, "posted": True})
        return
    what = "took place" if options.committed else "did not take place"
    sys.stdout.write(f"run {row.run_id}: told that effect {clean(row.name, 60)} {what}\n")


def in_full(row: EffectRow) -> dict[str, Any]:
    """The effect as plain data, its value as JSON."""
    value = None if row.value is None else decode(row.value)
    return document(row) | {"value": value}


def effects_table(rows: Sequence[EffectRow], now: int, redactor: Redactor) -> Table:
    """A line for each effect."""
    ids = [row.key for row in rows]
    width = SHORT_WAIT if len({each[:SHORT_WAIT] for each in ids}) == len(ids) else None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("effect", "status", "run", "step", "name", "class", "begun"):
        table.add_column(name, no_wrap=True)
    table.add_column("error", overflow="fold")
    for row in rows:
        begun = "" if row.started_at is None else f"{at(row.started_at)}, {since(row.started_at, now)} ago"
        table.add_row(
            Text(row.key[:width], "bold"),
            Text(row.status, _STYLES.get(EffectStatus(row.status), "cyan")),
            Text(row.run_id[:SHORT]),
            Text(clean(row.step_id, 40)),
            Text(clean(row.name, 40)),
            Text(row.effect),
            Text(begun),
            Text(clean(redactor.masked(row.error or ""), 400), "red"),
        )
    return table


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
