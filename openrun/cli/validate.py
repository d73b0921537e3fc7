"""`openrun validate`: every error and warning of a flow, without running or importing anything it names."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from openrun.cli.library import Library
from openrun.cli.modules import catalog_with
from openrun.cli.options import AsJson, FlowPaths, ModuleNames
from openrun.cli.refusal import ExitCode, Faulty, Refusal, fault_text
from openrun.cli.screen import screen
from openrun.cli.source import STDIN, load_flow
from openrun.cli.text import clean, count, safe_json
from openrun.core.errors import Severity, ValidationError
from openrun.core.types import Json
from openrun.flow import Flow
from openrun.steps.catalog import StepCatalog


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidateOptions:
    """Which flows are to be validated, and against what."""

    names: Annotated[
        list[str], typer.Argument(metavar="FLOW...", help="JSON files, - for stdin, or module:name.")
    ]
    flows: FlowPaths = None
    modules: ModuleNames = None
    as_json: AsJson = False


Report = list[tuple[str, ValidationError]]
"""Faults, each with the FLOW it is in."""


def validate(options: ValidateOptions) -> None:
    """Check flows: all errors and warnings at once, each with its place and the way out.

    Exits with 0 if there is no error, 2 if there is one, 3 for a file or module that is not there.
    """
    if options.names.count(STDIN) > 1:
        raise Refusal("only one FLOW can come from stdin")
    report = _report(options, catalog_with(options.modules or ()))
    errors = sum(fault.severity is Severity.ERROR for _name, fault in report)
    if options.as_json:
        sys.stdout.write(_as_json(report, errors) + "\n")
    else:
        _print(report, errors, options.names)
    if errors:
        raise typer.Exit(ExitCode.USAGE)


def _report(options: ValidateOptions, catalog: StepCatalog) -> Report:
    loaded: list[tuple[str, Flow | Faulty]] = []
    for name in options.names:
        try:
            loaded.append((name, load_flow(name, catalog)))
        except Faulty as faulty:
            loaded.append((name, faulty))
    known: set[str] | None = None
    if options.flows:
        known = {
            *Library.of(options.flows, catalog).ids,
            *(f.id for _name, f in loaded if isinstance(f, Flow)),
        }
    return [(name, fault) for name, each in loaded for fault in _faults(name, each, known)]


def _faults(name: str, each: Flow | Faulty, known: set[str] | None) -> Sequence[ValidationError]:
    if isinstance(each, Faulty):
        return each.faults
    return Faulty(name, each.errors(known)).faults or each.warnings()


def _print(report: Report, errors: int, names: Sequence[str]) -> None:
    out = screen()
    for name in names:
        faults = [fault for source, fault in report if source == name]
        if faults or len(names) > 1:
            out.print(clean(name, 400), style="bold", end="" if not faults else "\n")
            if not faults:
                out.print("  valid", style="green")
        for fault in faults:
            out.print(fault_text(fault))
    if report:
        warnings = len(report) - errors
        out.print(
            f"{count(errors, 'error')}, {count(warnings, 'warning')}", style="red" if errors else "yellow"
        )
    else:
        out.print("valid", style="green")


def _as_json(report: Report, errors: int) -> str:
    faults: list[Json] = [
        {
            "flow": name,
            "severity": fault.severity.value,
            "code": fault.code,
            "message": fault.message,
            "step_id": fault.step_id,
            "pointer": fault.pointer,
            "hint": fault.hint,
        }
        for name, fault in report
    ]
    document = {"valid": not errors, "errors": errors, "warnings": len(report) - errors, "faults": faults}
    return safe_json(json.dumps(document, ensure_ascii=False, indent=2))
