"""A flow as it was written: settings, steps and edges, checked by nobody yet."""

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from openrun.core.types import DEFAULT_PORT, SUCCESS_PORT, Json, OnFailure
from openrun.definition.flow_control import FlowControl
from openrun.definition.template import Templates
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

SCHEMA_URL = "https://openrun.dev/schemas/flow/v1.json"


@dataclass(frozen=True, slots=True)
class Edge:
    """From a port of one step to another step, both by id."""

    source: str
    target: str
    source_port: str = DEFAULT_PORT
    extensions: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(slots=True, kw_only=True)
class Draft:
    """What a document or a Python program says of a flow; `timeout` in seconds.

    What was read out of a step once is kept with it, for steps do not change: its templates, and the draft
    of its body once that was read without a fault.
    """

    name: str
    id: str = ""
    description: str | None = None
    on_failure: OnFailure = OnFailure.DRAIN
    timeout: float | None = None
    max_activations: int | None = None
    flow_control: FlowControl | None = None
    steps: list[Step] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    extensions: dict[str, Any] = field(default_factory=dict)
    templates: Templates = field(default_factory=Templates, compare=False, repr=False)
    bodies: "dict[int, tuple[StepCatalog, Draft]]" = field(default_factory=dict, compare=False, repr=False)

    def nodes(self) -> Iterator[Step]:
        """Its steps, and those that undo them."""
        for step in self.steps:
            yield step
            if step.compensation is not None:
                yield step.compensation

    def body_at(self, at: int, catalog: StepCatalog) -> "Draft | None":
        """The draft of the body of a step, if it was read with this catalogue."""
        kept = self.bodies.get(at)
        return kept[1] if kept is not None and kept[0] is catalog else None


def slug(name: str) -> str:
    """The name as an id: lower case, ASCII, words joined by hyphens, at most 64 characters.

    A name without a Latin letter or digit gets an id from its hash, so that two such names stay apart.
    """
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.sub(r"[^a-z0-9_]+", "-", ascii_name.lower()).strip("-")[:64].strip("-")
    return words or f"flow-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def edge_port(port: str, ports: tuple[str, ...] | list[str]) -> str:
    """`success` means `default` on a step that declares no `success`."""
    return DEFAULT_PORT if port == SUCCESS_PORT and SUCCESS_PORT not in ports else port


def body_document(body: Mapping[str, Json]) -> dict[str, Json]:
    """A body needs no name of its own."""
    return {"name": "body", **body}
