"""`openrun explain`: why a step ran, or did not."""

import contextlib
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from openrun.app import App
from openrun.cli.journal import check_belongs, read_journal
from openrun.cli.options import RunOptions
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.rows import whereabouts
from openrun.cli.screen import Screen, error_screen, screen
from openrun.cli.secret import read_secrets
from openrun.cli.session import Session, see_through
from openrun.cli.source import STDIN
from openrun.cli.store_options import DEFAULT_STORE, StorePlace, in_store, resolve_run
from openrun.cli.text import clean, count, safe_json
from openrun.cli.view import LiveView, NoView
from openrun.core.events import Fact
from openrun.core.explain import Explanation, InboundEdge
from openrun.core.explain import explain as explained
from openrun.core.graph import Graph
from openrun.core.machine import UnexpectedFact
from openrun.core.near import did_you_mean
from openrun.core.types import RunStatus
from openrun.runtime.engine import Run
from openrun.runtime.queued import is_queued
from openrun.runtime.secrets import Redactor
from openrun.store.rows import RunRow

_SCOPES = 20
_RUN_ID = re.compile(r"[0-9a-f]{8}[0-9a-f-]{0,28}|[0-9a-f]{4,7}")
_VERDICTS = {
    "ran": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "skipped": ("·", "dim"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions(RunOptions):
    """Which step is to be explained, in which run."""

    flow: Annotated[
        str, typer.Argument(metavar="FLOW|RUN", help="A flow as for `run`, or the id of a run in the store.")
    ]
    step: Annotated[str, typer.Argument(metavar="STEP", help="Id of the step.")]
    events: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-", help="Events of a past run, from `openrun run --json`; else it is run now."
        ),
    ] = None
    store: StorePlace = DEFAULT_STORE


def explain(options: ExplainOptions) -> None:
    """Say why a step ran or did not: how each edge to it settled, and the rule that decided.

    A run of the store is explained from its journal. With --events it explains that run of a FLOW; without, it
    runs the flow first. Exits with 0 once it has explained.
    """
    if _is_run(options.flow):
        _explain_recorded(options)
        return
    if options.events == STDIN and STDIN in (options.flow, options.payload):
        raise Refusal("only one of FLOW, --input and --events can come from stdin")
    out = screen()
    with contextlib.redirect_stdout(sys.stderr):
        session = Session.of(options)
        _check_step(session, options.step)
        if options.events is not None:
            facts = read_journal(options.events)
            program = session.flow.program(session.catalog)
            check_belongs(facts, program, options.events)
            _show(out, program.graph, options, facts)
        elif code := _run_first(out, session, options):
            raise typer.Exit(code)


def _is_run(name: str) -> bool:
    return _RUN_ID.fullmatch(name) is not None and not Path(name).exists()


def _explain_recorded(options: ExplainOptions) -> None:
    """Explain a run of the store; no step runs."""
    if options.events is not None:
        raise Refusal("--events goes with a FLOW; the store has the events of a run")

    async def ask(app: App) -> tuple[Graph, Sequence[Fact], RunRow]:
        row = await app.row(await resolve_run(app.store, options.flow))
        program = await app.library.program(row.flow_id, row.version)
        return program.graph, await app.facts(row.run_id), row

    out = screen()
    with contextlib.redirect_stdout(sys.stderr):
        redactor = Redactor(read_secrets(options.secrets or ()))
        graph, facts, row = in_store(options.store, ask, modules=options.modules or ())
        names = list(_names(graph))
        _check_known(options.step, names, facts[0].flow_id)
        if is_queued(row):
            error_screen().print(Text(f"the run has not begun; {whereabouts(row)}", "yellow"))
        _show(out, graph, options, [redactor.masked(fact) for fact in facts])


def _names(graph: Graph) -> Iterator[str]:
    yield from graph.index
    for body in graph.bodies.values():
        yield from _names(body)


def _run_first(out: Screen, session: Session, options: ExplainOptions) -> ExitCode:
    err = error_screen()
    err.print(Text(f"running {clean(session.flow.name)} first; --events explains a past run", "dim"))

    def conclude(finished: Run) -> ExitCode:
        err.print(Text(f"the run {'' if finished.succeeded else 'was '}{finished.status.value}", "dim"))
        _show(out, finished.graph, options, finished.events)
        return ExitCode.FAILED if finished.status is RunStatus.CANCELLED else ExitCode.OK

    return see_through(session, LiveView(err, session.flow.name) if err.is_live else NoView(), conclude)


def _check_step(session: Session, step: str) -> None:
    _check_known(step, list(session.step_ids()), session.flow.id)


def _check_known(step: str, names: Sequence[str], flow_id: str) -> None:
    if step not in names:
        message = f"flow {flow_id!r} has no step {step!r}"
        raise Refusal(message, code=ExitCode.NOT_FOUND, hint=did_you_mean(step, names))


def _show(out: Screen, graph: Graph, options: ExplainOptions, facts: Sequence[Fact]) -> None:
    try:
        found = explained(graph, facts, options.step)
    except UnexpectedFact as error:
        raise Refusal(f"these events are not those of one run: {error}") from None
    if options.as_json:
        out.file.write(_as_json(facts, options.step, found) + "\n")
        out.file.flush()
        return
    if not found:
        out.print(Text(f"{clean(options.step)} is in the body of a foreach that began no item in this run"))
    if len(found) > _SCOPES:
        out.print(Text(f"{count(len(found), 'scope')}, the last {_SCOPES} of them; --json prints all", "dim"))
    for each in found[-_SCOPES:]:
        _show_scope(out, each)


def _show_scope(out: Screen, each: Explanation) -> None:
    sign, style = _VERDICTS.get(each.verdict, ("…", "cyan"))
    place = "" if each.scope == "/" else f" in {clean(each.scope)}"
    head = ((f"{sign} ", style), (clean(each.step_id), "bold"), f"{place}: ", (each.verdict, f"bold {style}"))
    out.print(Text.assemble(*head))
    out.print(Text(f"  because {clean(each.rule, 1_000)}"))
    out.print(_edges(each.edges))


def _edges(edges: Sequence[InboundEdge]) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in edges:
        style = "green" if each.settled == "fired" else "cyan" if each.settled is None else "yellow"
        table.add_row(
            "  ",
            Text(f"{clean(each.source)}.{clean(each.port, 60)}"),
            Text(each.settled or "open", style),
            Text(clean(each.because, 400), "dim"),
        )
    return table


def _as_json(facts: Sequence[Fact], step: str, found: Sequence[Explanation]) -> str:
    scopes = [
        {
            "scope": each.scope,
            "verdict": each.verdict,
            "rule": each.rule,
            "edges": [
                {"source": edge.source, "port": edge.port, "settled": edge.settled, "because": edge.because}
                for edge in each.edges
            ],
        }
        for each in found
    ]
    document = {"run_id": facts[0].run_id if facts else None, "step_id": step, "scopes": scopes}
    return safe_json(json.dumps(document, ensure_ascii=False, indent=2))
