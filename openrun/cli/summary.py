"""What is said once a run has ended: status, output, failures, and how to ask why."""

from datetime import timedelta

from rich.text import Text

from openrun.cli.screen import Screen
from openrun.cli.text import capped, clean, count, pretty, took
from openrun.cli.wording import error_in_words
from openrun.core.events import Failure, FlowCompleted, StepStarted
from openrun.core.types import RunStatus
from openrun.core.undoing import CompensationOutcome
from openrun.runtime.engine import Run

_STYLES = {RunStatus.SUCCEEDED: ("✓", "green"), RunStatus.CANCELLED: ("■", "yellow")}
_OUTPUT_LINES = 40
_OUTPUT_WIDTH = 400
_FAILURES = 10


def show_summary(screen: Screen, run: Run, why: str | None) -> None:
    """`why` is the command that explains a step, without the step."""
    sign, style = _STYLES.get(run.status, ("✗", "red"))
    spent = run.events[-1].timestamp - run.events[0].timestamp if run.events else timedelta(0)
    runs = sum(isinstance(event, StepStarted) and event.attempt == 1 for event in run.events)
    screen.print()
    screen.print(
        Text.assemble(
            (f"{sign} {run.status.value}", f"bold {style}"),
            f" in {took(spent)}",
            (f" · {count(runs, 'step run')} · {run.run_id}", "dim"),
        )
    )
    _show_failures(screen, run.failures, why)
    _show_undoing(screen, run)
    _show_output(screen, run)


def _show_failures(screen: Screen, failures: tuple[Failure, ...], why: str | None) -> None:
    ordered = sorted(failures, key=lambda failure: failure.handled)
    for failure in ordered[:_FAILURES]:
        screen.print(_failure(failure))
        if why and failure.step_id and not failure.handled:
            screen.print(Text(f"      why: {why} {clean(failure.step_id)}", "dim"))
    if len(ordered) > _FAILURES:
        screen.print(Text(f"    … and {count(len(ordered) - _FAILURES, 'more failure')}", "dim"))


def _show_undoing(screen: Screen, run: Run) -> None:
    end = run.events[-1] if run.events else None
    outcome = end.compensation if isinstance(end, FlowCompleted) else None
    if outcome is CompensationOutcome.COMPLETED:
        screen.print(Text("  what it did is undone", "yellow"))
    elif outcome is not None:
        screen.print(Text(f"  not all that it did is undone: {outcome.value}", "bold red"))


def _failure(failure: Failure) -> Text:
    place = clean(failure.step_id or "run") + ("" if failure.scope == "/" else f" {clean(failure.scope)}")
    state, style = ("handled", "yellow") if failure.handled else ("unhandled", "red")
    return Text.assemble("  ", (place, "bold"), (f"  {state}  ", style), error_in_words(failure.error))


def _show_output(screen: Screen, run: Run) -> None:
    if run.output is None:
        return
    text, more = capped(pretty(run.output), _OUTPUT_LINES, _OUTPUT_WIDTH)
    screen.print(Text("output", "bold"))
    screen.print(Text(text))
    if more:
        screen.print(Text(f"… {count(more, 'more line')}; --json prints all of it", "dim"))
