"""Reading a flow document: every structural fault at once, each with its JSON Pointer.

A document never imports or runs anything: a step's `type` is looked up in the catalogue it is given.
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic import ValidationError as PydanticError

from openrun.core.durations import Seconds
from openrun.core.errors import InvalidFlow, JsonError, ValidationError
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.strict_json import decode
from openrun.core.types import DEFAULT_PORT, Json, OnFailure
from openrun.definition.draft import Draft, Edge
from openrun.definition.near import did_you_mean
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

ModelT = TypeVar("ModelT", bound=BaseModel)


class FlowSettings(BaseModel):
    """What a flow says beside its steps and edges."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        default="",
        pattern=r"^[a-z0-9_-]{0,64}$",
        description="Short name of the flow; the slug of `name` when left out.",
        examples=["fetch-user"],
    )
    name: str = Field(
        min_length=1, max_length=200, description="A title for people.", examples=["Fetch user"]
    )
    description: str | None = Field(
        default=None, description="What the flow is for.", examples=["Looks a user up and stores it."]
    )
    on_failure: OnFailure = Field(
        default=OnFailure.DRAIN,
        description="Whether other branches finish (drain) or stop (fail_fast) once a failure is lost.",
        examples=["fail_fast"],
    )
    timeout: Seconds | None = Field(
        default=None,
        gt=0,
        description="Longest time a run may take; no limit when left out.",
        examples=["1h"],
    )
    max_activations: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="Most step executions in a run; 100,000 when left out.",
        examples=[1000],
    )


class EdgeFields(BaseModel):
    """An edge of a document."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(description="Id of the step the edge leaves.", examples=["hook"])
    source_port: str = Field(
        default=DEFAULT_PORT, description="Output port of the source step.", examples=["true"]
    )
    target: str = Field(description="Id of the step the edge leads to.", examples=["fetch"])


def load_document(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Json:
    """Decode a document's text. Raises `InvalidFlow` when it is not strict JSON."""
    try:
        return decode(text, limits=limits, max_bytes=limits.document_bytes, max_nodes=limits.document_nodes)
    except JsonError as error:
        raise InvalidFlow(
            [ValidationError(code=error.code, message=str(error), pointer=error.pointer)]
        ) from None


def read_document(document: Json, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS) -> Draft:
    """The draft a document describes. Raises `InvalidFlow` with all its structural faults."""
    draft, faults = examine(document, catalog, limits)
    if draft is None or faults:
        name = document.get("name") if isinstance(document, dict) else None
        raise InvalidFlow(faults, flow=name if isinstance(name, str) else "")
    return draft


def examine(
    document: Json, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS
) -> tuple[Draft | None, list[ValidationError]]:
    """The draft as far as the document can be read, and all structural faults."""
    if not isinstance(document, dict):
        kind = type(document).__name__
        return None, [_fault("NOT_AN_OBJECT", f"a flow document is a JSON object, not {kind}", "")]
    reading = _Reading(catalog)
    rest, extensions = _split_extensions(document)
    steps = reading.list_of(rest.pop("steps", []), "/steps", limits.document_steps)
    edges = reading.list_of(rest.pop("edges", []), "/edges", limits.document_nodes)
    settings = reading.model(FlowSettings, rest, "", "flow", [*FlowSettings.model_fields, "steps", "edges"])
    extensions.pop("$schema", None)
    draft = Draft(
        name=settings.name if settings else "",
        steps=[step for at, each in enumerate(steps) if (step := reading.step(each, f"/steps/{at}"))],
        edges=[edge for at, each in enumerate(edges) if (edge := reading.edge(each, f"/edges/{at}"))],
        extensions=extensions,
    )
    if settings:
        draft.id, draft.description, draft.on_failure = settings.id, settings.description, settings.on_failure
        draft.timeout, draft.max_activations = settings.timeout, settings.max_activations
    return draft, reading.faults


class _Reading:
    """Collects the faults of one document."""

    def __init__(self, catalog: StepCatalog) -> None:
        self.catalog = catalog
        self.faults: list[ValidationError] = []

    def fault(
        self, code: str, message: str, pointer: str, hint: str | None = None, step: str | None = None
    ) -> None:
        self.faults.append(_fault(code, message, pointer, hint, step))

    def list_of(self, value: Json, pointer: str, most: int) -> list[Json]:
        if not isinstance(value, list):
            self.fault("NOT_A_LIST", f"{pointer[1:]} is a list, not {type(value).__name__}", pointer)
            return []
        if len(value) > most:
            self.fault("TOO_MANY", f"{len(value)} {pointer[1:]}; at most {most} are allowed", pointer)
            return []
        return value

    def step(self, value: Json, pointer: str) -> Step | None:
        if not isinstance(value, dict):
            self.fault("NOT_AN_OBJECT", f"a step is an object, not {type(value).__name__}", pointer)
            return None
        rest, extensions = _split_extensions(value)
        step_id = value.get("id") if isinstance(value.get("id"), str) else None
        key = rest.pop("type", None)
        if not isinstance(key, str):
            self.fault(
                "MISSING_TYPE", "a step needs a `type`", f"{pointer}/type", _types(self.catalog), step_id
            )
            return None
        if key not in self.catalog:
            hint = did_you_mean(key, self.catalog.keys())
            self.fault("UNKNOWN_TYPE", f"there is no step type {key!r}", f"{pointer}/type", hint, step_id)
            return None
        cls = self.catalog.get(key)
        if not isinstance(rest.get("config", {}), dict):
            self.fault("NOT_AN_OBJECT", "`config` is an object", f"{pointer}/config", None, step_id)
            return None
        known = [name for name, each in cls.model_fields.items() if not each.exclude]
        step = self.model(cls, rest, pointer, f"step {step_id or key!r}", [*known, "type"], step_id=step_id)
        return step.named(step.id, extensions) if step is not None else None

    def edge(self, value: Json, pointer: str) -> Edge | None:
        if not isinstance(value, dict):
            self.fault("NOT_AN_OBJECT", f"an edge is an object, not {type(value).__name__}", pointer)
            return None
        rest, extensions = _split_extensions(value)
        edge = self.model(EdgeFields, rest, pointer, "edge", list(EdgeFields.model_fields))
        return Edge(edge.source, edge.target, edge.source_port, extensions) if edge else None

    def model(
        self,
        cls: type[ModelT],
        fields: dict[str, Json],
        pointer: str,
        what: str,
        known: list[str],
        *,
        step_id: str | None = None,
    ) -> ModelT | None:
        hidden = [name for name in fields if name in cls.model_fields and cls.model_fields[name].exclude]
        for name in hidden:
            self.fault(
                "UNKNOWN_FIELD", f"{what} has no field {name!r}", f"{pointer}/{_escape(name)}", None, step_id
            )
        try:
            return cls.model_validate({name: value for name, value in fields.items() if name not in hidden})
        except PydanticError as error:
            for each in error.errors(include_url=False, include_context=False, include_input=False):
                self._pydantic(
                    each["loc"], each["type"], each["msg"], fields, (pointer, what, known, step_id)
                )
            return None

    def _pydantic(
        self,
        loc: tuple[int | str, ...],
        kind: str,
        message: str,
        fields: Json,
        place: tuple[str, str, list[str], str | None],
    ) -> None:
        pointer, what, known, step_id = place
        here = pointer + _pointer(loc, fields, missing=kind == "missing")
        name = str(loc[-1]) if loc else ""
        if kind == "extra_forbidden":
            near = known if len(loc) == 1 else ()
            self.fault(
                "UNKNOWN_FIELD", f"{what} has no field {name!r}", here, did_you_mean(name, near), step_id
            )
        elif kind == "missing":
            self.fault("MISSING_FIELD", f"{what} needs {'.'.join(map(str, loc))!r}", here, None, step_id)
        else:
            text = message.removeprefix("Value error, ")
            self.fault("INVALID_VALUE", f"{'.'.join(map(str, loc)) or what}: {text}", here, None, step_id)


def _fault(
    code: str, message: str, pointer: str, hint: str | None = None, step: str | None = None
) -> ValidationError:
    return ValidationError(code=code, message=message, pointer=pointer, hint=hint, step_id=step)


def _types(catalog: StepCatalog) -> str:
    return "known types: " + ", ".join(catalog.keys())


def _split_extensions(value: Mapping[str, Json]) -> tuple[dict[str, Json], dict[str, Json]]:
    """The document's own keys, and `$schema` and `x-` keys, which are kept and mean nothing."""
    own: dict[str, Json] = {}
    extensions: dict[str, Json] = {}
    for key, each in value.items():
        (extensions if key == "$schema" or key.startswith("x-") else own)[key] = each
    return own, extensions


def _pointer(loc: tuple[int | str, ...], fields: Json, *, missing: bool) -> str:
    """The JSON Pointer of a pydantic location, without the parts that name union members."""
    found = ""
    value = fields
    for at, part in enumerate(loc):
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int)
        )
        if inside:
            value = value[part]
        elif not (missing and at == len(loc) - 1):
            continue
        found += f"/{_escape(str(part))}"
    return found


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
