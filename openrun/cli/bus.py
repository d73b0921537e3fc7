"""`openrun bus`: the events that were published, and those that were given up."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.options import listing, taking
from openrun.cli.refusal import guarded
from openrun.cli.rows import at, document
from openrun.cli.screen import screen
from openrun.cli.store_options import StoreOptions, in_store
from openrun.cli.text import clean, safe_json
from openrun.core.strict_json import decode
from openrun.store.bus_events import BusEventRow


@dataclass(frozen=True, slots=True, kw_only=True)
class BusOptions(StoreOptions):
    """Which events are listed."""

    dead: Annotated[bool, typer.Option("--dead", help="Only those that were given up.")] = False
    event_type: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Only those of this very type.")
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="The newest so many.")] = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class OneEvent(StoreOptions):
    """Which event is meant."""

    number: Annotated[int, typer.Argument(metavar="NUMBER", min=1, help="Number of the event.")]


def bus() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="bus",
        help="Events that were published: list them, look at one, hand out again what was given up.",
        invoke_without_command=True,
    )
    app.callback()(guarded(listing(BusOptions, list_events)))
    app.command("show")(guarded(taking(OneEvent, show_event)))
    app.command("replay")(guarded(taking(OneEvent, replay_event)))
    return app


def list_events(options: BusOptions) -> None:
    """List events, newest first."""

    async def ask(app: App) -> list[BusEventRow]:
        dead = True if options.dead else None
        return await app.events.list(event_type=options.event_type, dead=dead, limit=options.limit)

    rows = in_store(options.store, ask)
    if options.as_json:
        _write([_shown(row) for row in rows])
        return
    out = screen()
    if not rows:
        out.print(Text("there are no events", "dim"))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("number", "came", "type", "source", "state"):
        table.add_column(name, no_wrap=name != "source")
    table.add_column("error", overflow="fold")
    for row in rows:
        table.add_row(
            Text(str(row.number)),
            Text(at(row.received_at)),
            Text(clean(row.type, 80)),
            Text(clean(row.source, 80)),
            _state(row),
            Text(clean(row.error or "", 400), "red"),
        )
    out.print(table)


def show_event(options: OneEvent) -> None:
    """Show one event, and what became of it."""
    row = in_store(options.store, lambda app: app.events.get(options.number))
    _write(_shown(row))


def replay_event(options: OneEvent) -> None:
    """Hand out an event again that was given up; whoever got it before gets it no second time.

    Exits with 3 for an unknown event, 4 for one that was not given up.
    """
    row = in_store(options.store, lambda app: app.events.replay(options.number))
    if options.as_json:
        _write(_shown(row))
    else:
        sys.stdout.write(f"event {row.number} will be handed out again\n")


def _state(row: BusEventRow) -> Text:
    if row.dead_at is not None:
        return Text("dead", "red")
    return Text("waiting", "blue") if row.handled_at is None else Text("handled", "green")


def _shown(row: BusEventRow) -> dict[str, object]:
    plain = document(row)
    return {**{name: value for name, value in plain.items() if name != "body"}, "event": decode(row.body)}


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
