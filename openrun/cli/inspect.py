"""`openrun inspect`: where a run stands."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.affairs import Affairs
from openrun.cli.durable import store_arguments
from openrun.cli.rows import at, document, since, status_text, whereabouts
from openrun.cli.screen import Screen, screen
from openrun.cli.secret import read_secrets
from openrun.cli.store_options import ShownRun, in_store, resolve_run
from openrun.cli.text import capped, clean, pretty, safe_json
from openrun.cli.wording import error_in_words
from openrun.core.events import Failure, FlowCancelRequested, FlowCompleted, decode_fact
from openrun.core.types import FINAL, Json, RunStatus
from openrun.runtime.secrets import Redactor
from openrun.store.rows import ActivationRow, RunFilter, RunRow

_PAGE = 1_000
_ACTIVATIONS = 40
_CHILDREN = 20
_OUTPUT_LINES = 40
_OUTPUT_WIDTH = 400
_TAIL = 100
"""So many of a journal's last events are looked through for why the run was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the store says about one run."""

    row: RunRow
    activations: Sequence[ActivationRow]
    children: Sequence[RunRow]
    affairs: Affairs
    end: FlowCompleted | None
    why: str | None
    """Why it was cancelled."""
    now: int


def inspect(options: ShownRun) -> None:
    """Show where a run stands: its steps, what it waits for or why it is held, its children, output and failures.

    Also how to answer what it asks, effects of which nobody knows, what was undone, and what running steps report.
    """
    found = in_store(options.store, lambda app: _standing(app, options.run))
    redactor = Redactor(read_secrets(options.secrets or ()))
    if options.as_json:
        sys.stdout.write(_as_json(found, redactor) + "\n")
        return
    out = screen()
    _show_run(out, found, redactor)
    if found.activations:
        out.print(_table(found.activations, found.now, redactor))
    found.affairs.show(out, found.now, store_arguments(options.store), redactor)
    if found.children:
        _show_children(out, found.children)
    if found.end is not None:
        _show_end(out, redactor.masked(found.end))


async def _standing(app: App, prefix: str) -> Standing:
    run_id = await resolve_run(app.store, prefix)
    row = await app.row(run_id)
    end, why = None, None
    if row.status in FINAL:
        tail = [decode_fact(each.body) for each in await app.store.events(run_id, max(0, row.seq - _TAIL))]
        end = tail[-1] if isinstance(tail[-1], FlowCompleted) else None
        asked = [each for each in tail if isinstance(each, FlowCancelRequested)]
        why = asked[-1].reason if asked and row.status is RunStatus.CANCELLED else None
    activations = await _activations(app, run_id)
    return Standing(
        row=row,
        activations=activations,
        affairs=await Affairs.of(app, run_id, activations),
        children=await _children(app, run_id),
        end=end,
        why=why,
        now=await app.store.now(),
    )


async def _activations(app: App, run_id: str) -> list[ActivationRow]:
    found: list[ActivationRow] = []
    while True:
        page = await app.store.activations(run_id, after=found[-1].seq if found else 0, limit=_PAGE)
        found += page
        if len(page) < _PAGE:
            return found


async def _children(app: App, run_id: str) -> list[RunRow]:
    found: list[RunRow] = []
    while True:
        before = found[-1].run_id if found else None
        page = await app.store.runs(RunFilter(parent_run_id=run_id, before=before, limit=_PAGE))
        found += page
        if len(page) < _PAGE:
            return found


def _show_run(out: Screen, found: Standing, redactor: Redactor) -> None:
    row = found.row
    out.print(Text.assemble((clean(row.flow_id), "bold"), f"  {row.run_id}  ", status_text(row.status)))
    table = Table.grid(padding=(0, 2))
    facts = [*_facts(row, found.now), *([("because", found.why)] if found.why else [])]
    for name, value in facts:
        table.add_row(Text(f"  {name}", "dim"), Text(clean(redactor.masked(value), 1_000)))
    out.print(table)


def _facts(row: RunRow, now: int) -> Iterator[tuple[str, str]]:
    """What there is to say about the run as a whole."""
    yield "version", row.version[:12]
    yield "trigger", row.trigger or "none"
    yield "started", f"{at(row.created_at)}, {since(row.created_at, now)} ago"
    if row.ended_at is not None:
        yield "ended", f"{at(row.ended_at)}, after {since(row.created_at, row.ended_at)}"
    yield "journal", f"{row.seq:,} events, {row.bytes:,} bytes"
    for name, value in (
        ("where", whereabouts(row)),
        ("held", row.hold if row.worker is not None else None),
        ("crashes", f"{row.crashes}" if row.crashes else None),
        ("error", row.error),
        ("parent", row.parent_run_id),
        ("replays", row.replay_of),
    ):
        if value:
            yield name, value


def _table(rows: Sequence[ActivationRow], now: int, redactor: Redactor) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("step", "scope", "status", "attempt", "started", "took", "due"):
        table.add_column(name, no_wrap=True)
    table.add_column("error", overflow="fold")
    for row in rows[-_ACTIVATIONS:]:
        took = "" if row.started_at is None else since(row.started_at, row.ended_at or now)
        table.add_row(
            Text(clean(row.step_id, 40)),
            Text("" if row.scope == "/" else clean(row.scope, 40)),
            Text(row.status),
            Text("" if row.attempt is None else f"{row.attempt}"),
            Text(at(row.started_at)),
            Text(took),
            Text(at(row.due_at)),
            Text(clean(redactor.masked(row.error or ""), 400), "red"),
        )
    if len(rows) > _ACTIVATIONS:
        table.caption = f"the last {_ACTIVATIONS} of {len(rows):,}; --json prints all"
        table.caption_justify = "left"
    return table


def _show_children(out: Screen, children: Sequence[RunRow]) -> None:
    out.print(Text(f"children ({len(children):,})", "bold"))
    for child in children[:_CHILDREN]:
        out.print(Text.assemble(f"  {child.run_id}  {clean(child.flow_id, 40)}  ", status_text(child.status)))
    if len(children) > _CHILDREN:
        out.print(Text(f"  … and {len(children) - _CHILDREN:,} more; --json prints all", "dim"))


def _show_end(out: Screen, end: FlowCompleted) -> None:
    for failure in end.failures[:_CHILDREN]:
        out.print(_failure(failure))
    if end.output is None:
        return
    text, more = capped(pretty(end.output), _OUTPUT_LINES, _OUTPUT_WIDTH)
    out.print(Text("output", "bold"))
    out.print(Text(text + (f"\n… {more:,} more lines; --json prints all" if more else "")))


def _failure(failure: Failure) -> Text:
    handled, style = ("handled", "yellow") if failure.handled else ("unhandled", "red")
    place = clean(failure.step_id or "run") + ("" if failure.scope == "/" else f" {clean(failure.scope)}")
    return Text.assemble((place, "bold"), (f"  {handled}  ", style), error_in_words(failure.error))


def _as_json(found: Standing, redactor: Redactor) -> str:
    end = found.end
    whole: dict[str, Json] = {
        "run": document(found.row),
        "activations": [document(row) for row in found.activations],
        "children": [child.run_id for child in found.children],
        **found.affairs.as_json(),
        "because": found.why,
        "output": None if end is None else end.output,
        "failures": [] if end is None else [_failed(failure) for failure in end.failures],
    }
    return safe_json(json.dumps(redactor.masked(whole), ensure_ascii=False, indent=2))


def _failed(failure: Failure) -> Json:
    return {
        "step_id": failure.step_id,
        "scope": failure.scope,
        "handled": failure.handled,
        "error": failure.error.to_json(),
    }
