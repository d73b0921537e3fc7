"""`openrun run`: run a flow here and watch it."""

import contextlib
import shlex
import sys

import typer

from openrun.cli.options import RunOptions
from openrun.cli.refusal import ExitCode
from openrun.cli.screen import screen
from openrun.cli.session import Session, see_through
from openrun.cli.source import STDIN
from openrun.cli.summary import show_summary
from openrun.cli.view import view_for
from openrun.runtime.engine import Run

_LONGEST_HINT = 200


def run(options: RunOptions) -> None:
    """Run a flow here, in memory, and watch it.

    Exits with 0 if the run succeeded, 1 if it failed or was cancelled, 2 for wrong options or a flow that is not
    valid, 3 for a file, module or step that is not there. Ctrl-C cancels the run, its steps marked always still
    run; a second Ctrl-C stops at once.
    """
    out = screen()

    def conclude(finished: Run) -> ExitCode:
        if not options.as_json:
            show_summary(out, finished, why(options))
        return ExitCode.OK if finished.succeeded else ExitCode.FAILED

    with contextlib.redirect_stdout(sys.stderr) if options.as_json else contextlib.nullcontext():
        session = Session.of(options)
        view = view_for(out, session.flow.name, session.step_ids(), as_json=options.as_json)
        code = see_through(session, view, conclude)
    if code:
        raise typer.Exit(code)


def why(options: RunOptions) -> str | None:
    """The command that runs the flow again and explains a step, but for the step."""
    if STDIN in (options.flow, options.payload):
        return None
    command = shlex.join(["openrun", "explain", *options.arguments(), options.flow])
    return command if len(command) <= _LONGEST_HINT else shlex.join(["openrun", "explain", options.flow])
