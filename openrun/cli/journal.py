"""The events of one past run, read from NDJSON, and whether they are those of a flow at hand."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from openrun.cli.refusal import ExitCode, Refusal
from openrun.core.events import Fact, FlowStarted, StepProgress, StepSkipped, decode_event
from openrun.definition.program import Program


def read_journal(name: str) -> list[Fact]:
    """The facts in a file, or on stdin (-); what is only shown is left out. Raises `Refusal`."""
    if name == "-":
        return list(_facts(sys.stdin.buffer, "stdin"))
    try:
        with Path(name).open("rb") as lines:
            return list(_facts(lines, name))
    except FileNotFoundError:
        hint = "write one with: openrun run FLOW --json > events.ndjson"
        raise Refusal(f"there is no file {name!r}", code=ExitCode.NOT_FOUND, hint=hint) from None


def check_belongs(facts: list[Fact], program: Program, source: str) -> None:
    """Raises `Refusal` unless the facts are those of one run of this very version of the flow."""
    first = facts[0] if facts else None
    if not isinstance(first, FlowStarted):
        raise Refusal(f"{source} does not begin with FlowStarted; the events of a whole run are needed")
    if first.flow_id != program.flow_id:
        raise Refusal(f"{source} is a run of flow {first.flow_id!r}, not of {program.flow_id!r}")
    if first.version != program.version:
        message = (
            f"{source} is a run of version {first.version[:12]} of flow {first.flow_id!r}; this is version "
            f"{program.version[:12]}, and its steps may differ"
        )
        raise Refusal(message, hint="give the flow as it was when it ran")
    runs = {fact.run_id for fact in facts}
    if len(runs) > 1:
        raise Refusal(f"{source} holds the events of {len(runs)} runs; give those of one")


def _facts(lines: Iterable[bytes], source: str) -> Iterator[Fact]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            event = decode_event(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refusal(f"{source}, line {number}: not an event: {error}") from None
        if not isinstance(event, StepSkipped | StepProgress):
            yield event
