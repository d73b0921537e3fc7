"""`openrun schema`: JSON Schema of flow documents and of events, for editors and other programs."""

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from openrun.cli.modules import catalog_with
from openrun.cli.options import ModuleNames
from openrun.cli.text import safe_json
from openrun.schemas import event_schema, flow_schema


class Subject(StrEnum):
    FLOW = "flow"
    EVENTS = "events"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaOptions:
    """Which schema is to be printed."""

    subject: Annotated[Subject, typer.Argument(metavar="[flow|events]", help="What the schema is of.")] = (
        Subject.FLOW
    )
    modules: ModuleNames = None


def schema(options: SchemaOptions) -> None:
    """Print the JSON Schema (2020-12) of flow documents, or of the events of `run --json`."""
    if options.subject is Subject.EVENTS:
        document = event_schema()
    else:
        document = flow_schema(catalog_with(options.modules or ()))
    sys.stdout.write(safe_json(json.dumps(document, ensure_ascii=False, indent=2)) + "\n")
