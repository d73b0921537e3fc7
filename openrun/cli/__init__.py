"""The `openrun` command: each command in a file of its own, put together here."""

import io
import sys

import typer

from openrun.cli.explain import ExplainOptions, explain
from openrun.cli.graph import GraphOptions, graph
from openrun.cli.options import RunOptions, taking
from openrun.cli.refusal import guarded
from openrun.cli.run import run
from openrun.cli.schema import SchemaOptions, schema
from openrun.cli.steps import StepsOptions, steps
from openrun.cli.validate import ValidateOptions, validate
from openrun.cli.version import version


def application() -> typer.Typer:
    """The command with its subcommands."""
    app = typer.Typer(
        name="openrun",
        help="Run, check, draw and explain flows.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.command()(guarded(taking(RunOptions, run)))
    app.command()(guarded(taking(ValidateOptions, validate)))
    app.command()(guarded(taking(GraphOptions, graph)))
    app.command()(guarded(taking(ExplainOptions, explain)))
    app.command()(guarded(taking(StepsOptions, steps)))
    app.command()(guarded(taking(SchemaOptions, schema)))
    app.command()(guarded(version))
    return app


def main() -> None:
    """What the shell calls."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its number, never a traceback.
            stream.reconfigure(errors="backslashreplace")
    application()()
