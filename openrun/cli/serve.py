"""`openrun serve`: webhooks, the API and a worker in one process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence

from openrun.cli.durable import share_the_interpreter
from openrun.cli.interrupts import IN_STORE, Interrupts
from openrun.cli.plan import Plan
from openrun.cli.reload import watched
from openrun.cli.screen import screen
from openrun.cli.serve_options import ServeCommand
from openrun.cli.serving import Serving
from openrun.telemetry.logs import configure


def serve(options: ServeCommand) -> None:
    """Listen for webhooks and calls of the API, and work on runs, until SIGTERM or Ctrl-C.

    FLOWS are kept in the store first; those that it has are served as well. On SIGTERM or Ctrl-C nothing more is
    taken, requests and steps under way get the grace, what is left is handed back, and the exit code is 0. A second
    signal stops at once.
    """
    out = screen()
    with contextlib.redirect_stdout(sys.stderr), Interrupts(IN_STORE) as interrupts:
        plan = Plan.of(options)
        places = watched(options.places, options.modules or ()) if options.reload else []
        share_the_interpreter()
        undo = configure(
            format=options.log_format.value, level=options.log_level.value, redact=plan.redactor().masked
        )
        try:
            port = asyncio.run(Serving(plan, out, places).until_asked(interrupts))
        finally:
            undo()
    if port is not None:
        os.execv(sys.executable, [sys.executable, *same_command(sys.orig_argv[1:], port)])  # noqa: S606


def same_command(arguments: Sequence[str], port: int) -> list[str]:
    """The arguments again; whoever asked for a free port keeps the one it has got."""
    options = list(arguments).index("--") if "--" in arguments else len(arguments)
    return [*arguments[:options], "--port", str(port), *arguments[options:]]
