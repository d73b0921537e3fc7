"""`openrun explain`: why a step ran, or did not."""

import contextlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from openrun.cli.journal import check_belongs, read_journal
from openrun.cli.options import RunOptions
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import Screen, error_screen, screen
from openrun.cli.session import Session, see_through
from openrun.cli.source import STDIN
from openrun.cli.text import clean, count, safe_json
from openrun.cli.view import LiveView, NoView
from openrun.core.events import Fact, FlowCompleted
from openrun.core.explain import Explanation, InboundEdge
from openrun.core.explain import explain as explained
from openrun.core.machine import UnexpectedFact
from openrun.core.types import RunStatus
from openrun.definition.near import did_you_mean

_SCOPES = 20
_VERDICTS = {
    "ran": ("✓", "green"),
    "failed": ("✗", "red"),
    "cancelled": ("■", "yellow"),
    "skipped": ("·", "dim"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions(RunOptions):
    """Which step is to be explained, in which run."""

    step: Annotated[str, typer.Argument(metavar="STEP", help="Id of the step.")]
    events: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-", help="Events of a past run, from `openrun run --json`; else it is run now."
        ),
    ] = None


def explain(options: ExplainOptions) -> None:
    """Say why a step ran or did not: how each edge to it settled, and the rule that decided.

    With --events it explains that run; without, it runs the flow first. Exits with 0 once it has explained.
    """
    if options.events == STDIN and STDIN in (options.flow, options.payload):
        raise Refusal("only one of FLOW, --input and --events can come from stdin")
    out = screen()
    with contextlib.redirect_stdout(sys.stderr):
        session = Session.of(options)
        _check_step(session, options.step)
        facts = _facts(session, options)
    program = session.flow.program(session.catalog)
    try:
        found = explained(program.graph, facts, options.step)
    except UnexpectedFact as error:
        raise Refusal(f"these events are not those of one run: {error}") from None
    if options.as_json:
        sys.stdout.write(_as_json(facts, options.step, found) + "\n")
    else:
        _show(out, options.step, found)
    if (
        isinstance(facts[-1], FlowCompleted)
        and facts[-1].status is RunStatus.CANCELLED
        and not options.events
    ):
        raise typer.Exit(ExitCode.FAILED)


def _check_step(session: Session, step: str) -> None:
    names = list(session.step_ids())
    if step not in names:
        message = f"flow {session.flow.id!r} has no step {step!r}"
        raise Refusal(message, code=ExitCode.NOT_FOUND, hint=did_you_mean(step, names))


def _facts(session: Session, options: ExplainOptions) -> list[Fact]:
    if options.events is not None:
        facts = read_journal(options.events)
        check_belongs(facts, session.flow.program(session.catalog), options.events)
        return facts
    err = error_screen()
    err.print(Text(f"running {clean(session.flow.name)} first; --events explains a past run", "dim"))
    finished = see_through(session, LiveView(err, session.flow.name) if err.is_live else NoView())
    err.print(
        Text(
            f"the run {finished.status.value}" if finished.succeeded else f"the run: {finished.status.value}",
            "dim",
        )
    )
    return list(finished.events)


def _show(out: Screen, step: str, found: Sequence[Explanation]) -> None:
    if not found:
        out.print(Text(f"{clean(step)} is in the body of a foreach that began no item in this run"))
    hidden = len(found) - _SCOPES
    if hidden > 0:
        out.print(Text(f"{count(len(found), 'scope')}, the last {_SCOPES} of them; --json prints all", "dim"))
    for each in found[-_SCOPES:]:
        sign, style = _VERDICTS.get(each.verdict, ("…", "cyan"))
        place = "" if each.scope == "/" else f" in {clean(each.scope)}"
        out.print(
            Text.assemble(
                (f"{sign} ", style),
                (clean(each.step_id), "bold"),
                f"{place}: ",
                (each.verdict, f"bold {style}"),
            )
        )
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
