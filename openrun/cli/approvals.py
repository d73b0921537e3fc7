"""`openrun approvals`: what runs wait to be told."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.answers import OneWait, check_id
from openrun.cli.asking import SHORT_WAIT, commands, in_full, question, who
from openrun.cli.durable import store_arguments
from openrun.cli.options import listing, taking
from openrun.cli.refusal import guarded
from openrun.cli.rows import SHORT, at, since
from openrun.cli.screen import Screen, screen
from openrun.cli.secret import read_secrets
from openrun.cli.store_options import MaskedSecrets, StoreOptions, in_store, resolve_run
from openrun.cli.text import capped, clean, compact, pretty, safe_json
from openrun.cli.wording import signal_in_words
from openrun.core.asks import Ask, AskKind
from openrun.core.events import SignalReceived
from openrun.core.types import Json
from openrun.runtime.secrets import Redactor
from openrun.runtime.waits import asked
from openrun.store.rows import WaitRow

_LINES = 40
_WIDTH = 400
_OF_PEOPLE = (AskKind.APPROVAL, AskKind.INPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalsOptions(StoreOptions):
    """Which waits are listed."""

    run: Annotated[str | None, typer.Option(metavar="RUN", help="Only those of this run.")] = None
    kind: Annotated[
        list[AskKind] | None,
        typer.Option(
            metavar="KIND", help="approval, input, signal or event; repeatable. The first two when left out."
        ),
    ] = None
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="The oldest so many.")] = 50
    secrets: MaskedSecrets = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWait(OneWait):
    """A wait whose data is shown, secrets masked."""

    secrets: MaskedSecrets = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A wait, the flow of its run, and what it has been told so far."""

    row: WaitRow
    flow_id: str
    answers: Sequence[SignalReceived]
    now: int


def approvals() -> typer.Typer:
    """The command with its subcommand."""
    app = typer.Typer(name="approvals", help="What runs wait for people to say.", invoke_without_command=True)
    app.callback()(guarded(listing(ApprovalsOptions, list_waits)))
    app.command("show")(guarded(taking(ShownWait, show_wait)))
    return app


def list_waits(options: ApprovalsOptions) -> None:
    """List what runs wait for people to say, the oldest first; `show WAIT` shows one in full."""
    redactor = Redactor(read_secrets(options.secrets or ()))

    async def ask(app: App) -> tuple[list[WaitRow], int]:
        run_id = None if options.run is None else await resolve_run(app.store, options.run)
        kinds = options.kind or _OF_PEOPLE
        return await app.waits.open(kind=kinds, run_id=run_id, limit=options.limit + 1), await app.store.now()

    rows, now = in_store(options.store, ask)
    if options.as_json:
        _write(redactor.masked([in_full(row) for row in rows[: options.limit]]))
        return
    out = screen()
    if rows:
        out.print(_table(rows[: options.limit], now, redactor))
    else:
        out.print(Text("nobody waits for an answer", "dim"))
    if len(rows) > options.limit:
        out.print(Text("there are more; --limit N lists more", "dim"))


def show_wait(options: ShownWait) -> None:
    """Show all that a run asks, and the commands that answer it."""
    check_id(options.wait, "WAIT")
    redactor = Redactor(read_secrets(options.secrets or ()))
    found = in_store(options.store, lambda app: _looked(app, options.wait))
    if options.as_json:
        answers = [msgspec.to_builtins(each.answer) for each in found.answers]
        _write(redactor.masked(in_full(found.row) | {"flow_id": found.flow_id, "answers": answers}))
        return
    _show(screen(), found, redactor, store_arguments(options.store))


async def _looked(app: App, wait: str) -> Looked:
    row = await app.waits.get(wait)
    facts = await app.facts(row.run_id)
    return Looked(
        row=row,
        flow_id=(await app.row(row.run_id)).flow_id,
        answers=[
            fact for fact in facts if isinstance(fact, SignalReceived) and fact.answer.ask == row.wait_id
        ],
        now=await app.store.now(),
    )


def _table(rows: Sequence[WaitRow], now: int, redactor: Redactor) -> Table:
    ids = [row.wait_id for row in rows]
    width = SHORT_WAIT if len({each[:SHORT_WAIT] for each in ids}) == len(ids) else None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("wait", "age", "run", "step"):
        table.add_column(name, no_wrap=True)
    table.add_column("question", overflow="fold")
    table.add_column("who", overflow="fold")
    table.add_column("until", no_wrap=True)
    for row in rows:
        ask = asked(row)
        table.add_row(
            Text(row.wait_id[:width], "bold"),
            Text(since(row.created_at, now)),
            Text(row.run_id[:SHORT]),
            Text(clean(row.step_id, 40)),
            Text(question(ask, redactor)),
            Text(_quorum(ask)),
            Text(at(row.expires_at)),
        )
    return table


def _quorum(ask: Ask) -> str:
    return who(ask) if ask.quorum == 1 else f"{ask.quorum} of {who(ask)}"


def _show(out: Screen, found: Looked, redactor: Redactor, place: list[str]) -> None:
    row, ask = found.row, redactor.masked(asked(found.row))
    out.print(Text.assemble((question(ask, redactor, 400), "bold"), f"  {row.outcome or 'open'}"))
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("wait", row.wait_id),
        ("kind", row.kind),
        ("name", row.name),
        ("about", redactor.masked(row.correlation)),
        ("run", f"{row.run_id} of {found.flow_id}"),
        ("step", row.step_id if row.scope == "/" else f"{row.step_id} in {row.scope}"),
        ("who", _quorum(ask)),
        ("asked", f"{at(row.created_at)}, {since(row.created_at, found.now)} ago"),
        ("until", at(row.expires_at)),
        ("over", at(row.closed_at)),
    ):
        if value:
            table.add_row(Text(f"  {name}", "dim"), Text(clean(value, 1_000)))
    out.print(table)
    for name, data in (("payload", ask.payload), ("form", ask.form)):
        if data is not None:
            _show_data(out, name, data)
    for each in found.answers:
        out.print(Text(_said(redactor.masked(each))))
    if row.closed_at is None:
        out.print(Text("to answer", "bold"))
        for line in commands(asked(row), row.run_id, place):
            out.print(Text(f"  {line}"))


def _said(event: SignalReceived) -> str:
    answer = event.answer
    value = "" if answer.value is None else f": {compact(answer.value)}"
    reason = "" if answer.reason is None else f": {clean(answer.reason)}"
    return f"  {signal_in_words(event)}{value}{reason}"


def _show_data(out: Screen, name: str, data: Json) -> None:
    text, more = capped(pretty(data), _LINES, _WIDTH)
    out.print(Text(name, "bold"))
    out.print(Text(text + (f"\n… {more:,} more lines; --json prints all" if more else "")))


def _write(value: object) -> None:
    sys.stdout.write(safe_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")
