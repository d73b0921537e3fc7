"""`openrun run`: run a flow here and watch it."""

import contextlib
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from openrun.cli.durable import Watched, run_durably, store_arguments
from openrun.cli.options import RunOptions
from openrun.cli.refusal import ExitCode, Refusal
from openrun.cli.screen import Screen, screen
from openrun.cli.session import Session, see_through
from openrun.cli.source import STDIN
from openrun.cli.store_options import DEFAULT_STORE, StorePlace
from openrun.cli.summary import show_summary
from openrun.cli.view import View, view_for
from openrun.runtime.engine import Run

_LONGEST_HINT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHereOptions(RunOptions):
    """Where the run is kept."""

    durable: Annotated[
        bool, typer.Option("--durable", help="Keep the run in the store, so that it survives this process.")
    ] = False
    store: StorePlace = DEFAULT_STORE
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="With --durable: the same key and input give the same run."),
    ] = None


def run(options: RunHereOptions) -> None:
    """Run a flow here, in memory or with --durable in a store, and watch it.

    Exits with 0 if the run succeeded, 1 if it failed or was cancelled, 2 for wrong options or a flow that is not
    valid, 3 for a file, module or step that is not there, 4 for a key used for something else. Ctrl-C cancels a
    run in memory, its steps marked always still run; it hands a durable run back to the store for `openrun worker`
    and exits with 130. A second Ctrl-C stops at once.
    """
    if options.key is not None and not options.durable:
        raise Refusal("--key needs --durable: only a store remembers which runs there were")
    out = screen()

    def conclude(finished: Run) -> ExitCode:
        if not options.as_json:
            show_summary(out, finished, why(options))
        return ExitCode.OK if finished.succeeded else ExitCode.FAILED

    with contextlib.redirect_stdout(sys.stderr) if options.as_json else contextlib.nullcontext():
        session = Session.of(options)
        view = view_for(out, session.flow.name, session.step_ids(), as_json=options.as_json)
        if options.durable:
            code = run_durably(_watched(options, session, view, out))
        else:
            code = see_through(session, view, conclude)
    if code:
        raise typer.Exit(code)


def _watched(options: RunHereOptions, session: Session, view: View, out: Screen) -> Watched:
    place = store_arguments(options.store)
    modules = [word for name in options.modules or () for word in ("--module", name)]
    reach = [word for name in options.allow or () for word in ("--allow", name)]
    secrets = [word for source in options.secrets or () for word in ("--secret", source)]
    # A document is in the store; what is written in Python has to be imported again.
    written = [] if options.flow == STDIN or Path(options.flow).exists() else [options.flow]
    return Watched(
        session=session,
        store=options.store,
        key=options.key,
        carry_on=shlex.join(["openrun", "worker", *place, *modules, *reach, *secrets, *written]),
        explain=shlex.join(["openrun", "explain", *place, *modules]),
        view=view,
        out=out,
        as_json=options.as_json,
    )


def why(options: RunOptions) -> str | None:
    """The command that runs the flow again and explains a step, but for the step."""
    if STDIN in (options.flow, options.payload):
        return None
    command = shlex.join(["openrun", "explain", *options.arguments(), options.flow])
    return command if len(command) <= _LONGEST_HINT else shlex.join(["openrun", "explain", options.flow])
