"""How a command ends when it cannot do what it was asked: a message on stderr and an exit code."""

import functools
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import IntEnum
from typing import ParamSpec

import typer
from rich.text import Text

from openrun.cli.screen import error_screen
from openrun.cli.text import clean
from openrun.core.errors import InvalidFlow, OpenRunError, Severity, ValidationError

P = ParamSpec("P")

_MESSAGE = 2_000
_OPTIONS = {
    "UNKNOWN_TYPE": "--module names a module with more steps",
    "UNKNOWN_FLOW": "--flows names a file or folder with more flows",
}


class ExitCode(IntEnum):
    """What the shell is told."""

    OK = 0
    FAILED = 1
    """A run failed or was cancelled, or whoever read the output went away."""
    USAGE = 2
    """Wrong options, or a flow that is not valid."""
    NOT_FOUND = 3
    CONFLICT = 4
    """What was asked for is not possible any more, or not for you: the run has ended, the key was used otherwise."""
    INTERRUPTED = 130
    """A signal came; the run has not ended, and a worker goes on with it."""


class Refusal(Exception):
    """The command ends here; the message says the thing, the place and the way out."""

    def __init__(
        self,
        message: str,
        *,
        code: ExitCode = ExitCode.USAGE,
        hint: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        """`details` are shown below the message, a line each."""
        super().__init__(message)
        self.code = code
        self.hint = hint
        self.details = tuple(details)


class Faulty(Refusal):
    """A flow that is not valid, named as it was on the command line."""

    def __init__(self, source: str, faults: Sequence[ValidationError]) -> None:
        super().__init__(f"{source} is not a valid flow")
        self.source = source
        self.faults = tuple(map(_advised, faults))


def _advised(fault: ValidationError) -> ValidationError:
    """A fault that an option of the command may mend says so."""
    option = _OPTIONS.get(fault.code)
    if option is None:
        return fault
    return replace(fault, hint="; ".join(filter(None, (fault.hint, option))))


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """The command, with every refusal turned into a message and an exit code, and a gone reader into silence."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except BrokenPipeError:
            _let_go()
            raise typer.Exit(ExitCode.FAILED) from None
        except KeyboardInterrupt:
            _say("stopped")
            raise typer.Exit(ExitCode.FAILED) from None
        except Refusal as refusal:
            show_refusal(refusal)
            raise typer.Exit(refusal.code) from None
        except InvalidFlow as invalid:
            show_faults("flow", invalid.errors)
            raise typer.Exit(ExitCode.USAGE) from None
        except OpenRunError as error:
            _say(str(error))
            raise typer.Exit(ExitCode.USAGE) from None
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            _say(f"{place}{error.strerror or error}")
            raise typer.Exit(ExitCode.USAGE) from None

    return run


def show_refusal(refusal: Refusal) -> None:
    if isinstance(refusal, Faulty):
        show_faults(refusal.source, refusal.faults)
    else:
        _say(str(refusal), refusal.hint, refusal.details)


def show_faults(source: str, faults: Sequence[ValidationError]) -> None:
    """Every fault of a flow, on stderr."""
    screen = error_screen()
    screen.print(Text.assemble(("error: ", "bold red"), clean(source), " cannot run"))
    for fault in faults:
        screen.print(fault_text(fault))


def fault_text(fault: ValidationError) -> Text:
    """One fault: severity, code, place and message; below them the hint."""
    style = "red" if fault.severity is Severity.ERROR else "yellow"
    place = fault.pointer or (f"step {fault.step_id}" if fault.step_id else "/")
    text = Text.assemble(
        "  ",
        (fault.severity.value, f"bold {style}"),
        " ",
        (clean(fault.code), style),
        "  ",
        (clean(place), "cyan"),
        "\n      ",
        clean(fault.message, _MESSAGE),
    )
    if fault.hint:
        text.append("\n      ")
        text.append(f"hint: {clean(fault.hint, _MESSAGE)}", "dim")
    return text


def _say(message: str, hint: str | None = None, details: Sequence[str] = ()) -> None:
    screen = error_screen()
    screen.print(Text.assemble(("error: ", "bold red"), clean(message, _MESSAGE)))
    for each in details:
        screen.print(Text(f"  {clean(each, _MESSAGE)}"))
    if hint:
        screen.print(Text(f"hint: {clean(hint, _MESSAGE)}", "dim"))


def _let_go() -> None:
    """Nobody reads stdout any more; what is still buffered goes nowhere, and Python's exit stays silent."""
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.__stdout__.fileno() if sys.__stdout__ else 1)
