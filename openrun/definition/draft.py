"""A flow as it was written: settings, steps and edges, checked by nobody yet."""

import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any

from openrun.core.types import DEFAULT_PORT, OnFailure
from openrun.steps.base import Step

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
    """What a document or a Python program says of a flow; `timeout` in seconds."""

    name: str
    id: str = ""
    description: str | None = None
    on_failure: OnFailure = OnFailure.DRAIN
    timeout: float | None = None
    max_activations: int | None = None
    steps: list[Step] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    extensions: dict[str, Any] = field(default_factory=dict)


def slug(name: str) -> str:
    """The name as an id: lower case, ASCII, words joined by hyphens, at most 64 characters."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_name.lower()).strip("-")[:64].strip("-") or "flow"
