"""The `openrun` command: each command in a file of its own, put together here."""

import io
import sys
from collections.abc import Callable
from typing import Any

import typer

from openrun.cli.answers import (
    AnswerOptions,
    ApproveOptions,
    RejectOptions,
    answer,
    approve,
    reject,
)
from openrun.cli.approvals import approvals
from openrun.cli.audit import audit
from openrun.cli.bus import bus
from openrun.cli.compensations import compensations
from openrun.cli.control import CancelOptions, PauseOptions, ResolveOptions, cancel, pause, resolve, resume
from openrun.cli.dlq import dlq
from openrun.cli.effects import effects
from openrun.cli.emit import EmitOptions, emit
from openrun.cli.events import EventsOptions, events
from openrun.cli.explain import ExplainOptions, explain
from openrun.cli.forks import ForkOptions, RetryOptions, fork, retry
from openrun.cli.graph import GraphOptions, graph
from openrun.cli.house import (
    BackupOptions,
    DoctorOptions,
    GcOptions,
    VerifyOptions,
    backup,
    doctor,
    gc,
    verify,
)
from openrun.cli.inspect import inspect
from openrun.cli.keys import keys
from openrun.cli.lanes import LanesOptions, lanes
from openrun.cli.notifications import notifications
from openrun.cli.options import taking
from openrun.cli.past import DiffOptions, ReplayOptions, StateOptions, diff, replay, state, timeline
from openrun.cli.ps import PsOptions, ps
from openrun.cli.refusal import guarded
from openrun.cli.run import RunHereOptions, run
from openrun.cli.schedules import schedules
from openrun.cli.schema import SchemaOptions, schema
from openrun.cli.serve import serve
from openrun.cli.serve_options import ServeCommand
from openrun.cli.signals import SignalOptions, signal
from openrun.cli.start import StartOptions, start
from openrun.cli.steps import StepsOptions, steps
from openrun.cli.store_options import OneRun, ShownRun
from openrun.cli.validate import ValidateOptions, validate
from openrun.cli.version import version
from openrun.cli.worker import WorkCommand, worker

_COMMANDS: tuple[tuple[type[Any], Callable[[Any], None]], ...] = (
    (RunHereOptions, run),
    (ValidateOptions, validate),
    (GraphOptions, graph),
    (ExplainOptions, explain),
    (StepsOptions, steps),
    (SchemaOptions, schema),
    (ServeCommand, serve),
    (StartOptions, start),
    (WorkCommand, worker),
    (PsOptions, ps),
    (LanesOptions, lanes),
    (ShownRun, inspect),
    (EventsOptions, events),
    (CancelOptions, cancel),
    (PauseOptions, pause),
    (OneRun, resume),
    (ResolveOptions, resolve),
    (SignalOptions, signal),
    (EmitOptions, emit),
    (ApproveOptions, approve),
    (RejectOptions, reject),
    (AnswerOptions, answer),
    (StateOptions, state),
    (DiffOptions, diff),
    (ShownRun, timeline),
    (ReplayOptions, replay),
    (ForkOptions, fork),
    (RetryOptions, retry),
    (DoctorOptions, doctor),
    (VerifyOptions, verify),
    (BackupOptions, backup),
    (GcOptions, gc),
)


def application() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="openrun",
        help="Run, check, draw and explain flows; work on durable runs, and look into their store.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for options, command in _COMMANDS:
        app.command()(guarded(taking(options, command)))
    app.command()(guarded(version))
    for group in (approvals, effects, compensations, schedules, bus, dlq, keys, audit, notifications):
        app.add_typer(group())
    return app


def main() -> None:
    """What the shell calls."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its number, never a traceback.
            stream.reconfigure(errors="backslashreplace")
    application()()
