"""`openrun graph`: a flow as a drawing."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from openrun.cli.mermaid import mermaid
from openrun.cli.modules import catalog_with
from openrun.cli.options import FlowName, ModuleNames
from openrun.cli.rails import draw
from openrun.cli.refusal import Faulty
from openrun.cli.sketch import sketch_of
from openrun.cli.source import load_flow
from openrun.cli.text import clean


class Format(StrEnum):
    TEXT = "text"
    MERMAID = "mermaid"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOptions:
    """Which flow is to be drawn, and how."""

    flow: FlowName
    format: Annotated[Format, typer.Option(help="text for a terminal, mermaid for a page.")] = Format.TEXT
    modules: ModuleNames = None


def graph(options: GraphOptions) -> None:
    """Draw a flow: as text, or as a Mermaid flowchart."""
    catalog = catalog_with(options.modules or ())
    flow = load_flow(options.flow, catalog)
    faults = flow.errors()
    if faults:
        raise Faulty(options.flow, faults)
    sketch = sketch_of(flow.program(), flow.catalog)
    if options.format is Format.MERMAID:
        sys.stdout.write(mermaid(sketch))
        return
    title = clean(flow.name, 200)
    sys.stdout.write("\n".join([f"{title}  ({flow.id})", "", *draw(sketch)]) + "\n")
