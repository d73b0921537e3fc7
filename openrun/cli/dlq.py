"""`openrun dlq`: dead letters, the runs that failed and that nobody has dealt with yet."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.options import ModuleNames, taking
from openrun.cli.refusal import ExitCode, Refusal, guarded
from openrun.cli.rows import document, since
from openrun.cli.screen import screen
from openrun.cli.store_options import OneRun, StoreOptions, in_store, resolve_run
from openrun.cli.text import clean, safe_json
from openrun.store.rows import DeadLetter


@dataclass(frozen=True, slots=True, kw_only=True)
class LettersOptions(StoreOptions):
    """How many dead letters are listed."""

    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The newest so many.")] = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions(OneRun):
    """Which dead letter is run again, and where its steps are found."""

    modules: ModuleNames = None


def dlq() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="dlq", help="Runs that failed: list them, run them again, put them aside.", no_args_is_help=True
    )
    app.command("ls")(guarded(taking(LettersOptions, list_letters)))
    app.command("show")(guarded(taking(OneRun, show_letter)))
    app.command("replay")(guarded(taking(ReplayOptions, replay_letter)))
    app.command("discard")(guarded(taking(OneRun, discard_letter)))
    return app


def list_letters(options: LettersOptions) -> None:
    """List the dead letters, newest first."""

    async def ask(app: App) -> tuple[list[DeadLetter], int]:
        return await app.store.dead_letters(options.limit), await app.store.now()

    letters, now = in_store(options.store, ask)
    if options.as_json:
        _write([document(letter) for letter in letters])
        return
    out = screen()
    if not letters:
        out.print(Text("there are no dead letters", "dim"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("run", "flow", "failed", "replays"):
        table.add_column(name, no_wrap=True)
    table.add_column("error", overflow="fold")
    for letter in letters:
        table.add_row(
            Text(letter.run_id),
            Text(clean(letter.flow_id, 40)),
            Text(f"{since(letter.failed_at, now)} ago"),
            Text(f"{letter.replays:,}"),
            Text(clean(letter.error or "", 400), "red"),
        )
    out.print(table)


def show_letter(options: OneRun) -> None:
    """Show one dead letter."""
    letter = in_store(options.store, lambda app: _letter(app, options.run))
    if options.as_json:
        _write(document(letter))
        return
    out = screen()
    table = Table.grid(padding=(0, 2))
    for name, value in document(letter).items():
        if value is not None:
            table.add_row(Text(name.replace("_", " "), "dim"), Text(clean(str(value), 1_000)))
    out.print(table)


def replay_letter(options: ReplayOptions) -> None:
    """Run a dead letter again from its beginning, in a new run; a worker does it."""

    async def ask(app: App) -> tuple[str, str]:
        letter = await _letter(app, options.run)
        return letter.run_id, (await app.replay_dead(letter.run_id)).run_id

    run_id, fresh = in_store(options.store, ask, modules=options.modules or ())
    if options.as_json:
        _write({"run_id": fresh, "replay_of": run_id})
    else:
        sys.stdout.write(f"run {fresh} repeats {run_id}\n")


def discard_letter(options: OneRun) -> None:
    """Put a dead letter aside; the run itself stays in the store."""

    async def ask(app: App) -> str:
        letter = await _letter(app, options.run)
        await app.store.discard(letter.run_id)
        return letter.run_id

    run_id = in_store(options.store, ask)
    if options.as_json:
        _write({"run_id": run_id, "discarded": True})
    else:
        sys.stdout.write(f"run {run_id} is no dead letter any more\n")


async def _letter(app: App, prefix: str) -> DeadLetter:
    run_id = await resolve_run(app.store, prefix)
    letter = await app.store.dead_letter(run_id)
    if letter is None:
        hint = "`openrun dlq ls` lists those that are"
        raise Refusal(f"run {run_id} is no dead letter", code=ExitCode.NOT_FOUND, hint=hint)
    return letter


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
