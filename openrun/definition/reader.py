"""Reading a flow document: every structural fault at once, each with its JSON Pointer.

A document never imports or runs anything: a step's `type` is looked up in the catalogue it is given.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic import ValidationError as PydanticError

from openrun.core.durations import Seconds
from openrun.core.errors import InvalidFlow, JsonError, ValidationError
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.near import LONGEST, quoted
from openrun.core.strict_json import TOO_LARGE, decode
from openrun.core.types import DEFAULT_PORT, Json, OnFailure
from openrun.definition.crowd import crowded
from openrun.definition.draft import Draft, Edge
from openrun.definition.faults import Faults
from openrun.definition.flow_control import FlowControl
from openrun.definition.undisturbed import undisturbed
from openrun.definition.undoing import TRIGGER_MESSAGE, UNDOING_KEYS
from openrun.steps.base import Step
from openrun.steps.catalog import StepCatalog

ModelT = TypeVar("ModelT", bound=BaseModel)
StepT = TypeVar("StepT", bound=Step)


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
    flow_control: FlowControl | None = Field(
        default=None,
        description="How many runs go on at once, how many start in a time, and who goes first.",
        examples=[{"key": "<<body.tenant>>", "concurrency": 3}],
    )


class EdgeFields(BaseModel):
    """An edge of a document."""

    model_config = ConfigDict(extra="forbid")

    source: str = Field(description="Id of the step the edge leaves.", examples=["hook"])
    source_port: str = Field(
        default=DEFAULT_PORT, description="Output port of the source step.", examples=["true"]
    )
    target: str = Field(description="Id of the step the edge leads to.", examples=["fetch"])


_EDGE_KEYS = frozenset(EdgeFields.model_fields)
_COMPENSATE = "compensate"
_INNER = (("config",), ("flow_control",))
_MOST_KEYS = 1_000
"""Most keys of an object that has fields, not keys of the author's choice."""


@undisturbed
def load_document(text: str | bytes, limits: Limits = DEFAULT_LIMITS) -> Json:
    """Decode a document's text. Raises `InvalidFlow` when it is not strict JSON, or too large."""
    if _strings(text) > 2 * limits.document_nodes:
        message = f"more than {limits.document_nodes:,} values"
        raise InvalidFlow([ValidationError(code=TOO_LARGE, message=message)])
    try:
        document = decode(
            text, limits=limits, max_bytes=limits.document_bytes, max_nodes=limits.document_nodes
        )
    except JsonError as error:
        fault = ValidationError(code=error.code, message=str(error), pointer=error.pointer)
        raise InvalidFlow([fault]) from None
    key = _long_key(document, limits.document_key_chars)
    if key is not None:
        message = f"the key {quoted(key)} has more than {limits.document_key_chars} characters"
        raise InvalidFlow([ValidationError(code="KEY_TOO_LONG", message=message)])
    return document


def read_document(document: Json, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS) -> Draft:
    """The draft a document describes. Raises `InvalidFlow` with all its structural faults."""
    draft, faults = examine(document, catalog, limits)
    if draft is None or faults:
        name = document.get("name") if isinstance(document, dict) else None
        raise InvalidFlow(faults, flow=name[:200] if isinstance(name, str) else "")
    return draft


@undisturbed
def examine(
    document: Json, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS
) -> tuple[Draft | None, list[ValidationError]]:
    """The draft as far as the document can be read, and all structural faults."""
    faults = Faults(limits)
    return draft_of(document, catalog, faults), faults.found


def draft_of(document: Json, catalog: StepCatalog, faults: Faults) -> Draft | None:
    """The draft as far as the document, or the body of a step, can be read."""
    if not isinstance(document, dict):
        faults.add("NOT_AN_OBJECT", f"a flow document is a JSON object, not {type(document).__name__}")
        return None
    reading = _Reading(catalog, faults)
    rest, extensions = _split_extensions(document)
    steps = reading.list_of(rest.pop("steps", []), "steps")
    edges = reading.list_of(rest.pop("edges", []), "edges")
    known = [*FlowSettings.model_fields, "steps", "edges"]
    control = tuple(FlowControl.model_fields)
    settings = reading.model(FlowSettings, rest, _Place("", "flow", known, config=control))
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
        draft.flow_control = settings.flow_control
    return draft


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a part of the document is, what it is called, and the keys it may have, and its config or flow control."""

    pointer: str
    what: str
    known: Collection[str]
    step_id: str | None = None
    config: Collection[str] = ()


class _Reading:
    """Reads one document, or one body."""

    def __init__(self, catalog: StepCatalog, faults: Faults) -> None:
        self.catalog = catalog
        self.faults = faults
        self.hidden: dict[type[Step], frozenset[str]] = {}

    def list_of(self, value: Json, what: Literal["steps", "edges"]) -> list[Json]:
        if not isinstance(value, list):
            self.faults.add("NOT_A_LIST", f"{what} is a list, not {type(value).__name__}", f"/{what}")
            return []
        return value if self.faults.take(what, len(value), f"/{what}") else []

    def step(self, value: Json, pointer: str) -> Step | None:
        if self.faults.full:
            return None
        if not isinstance(value, dict):
            self.faults.add("NOT_AN_OBJECT", f"a step is an object, not {type(value).__name__}", pointer)
            return None
        rest, extensions = _split_extensions(value)
        given = value.get("id")
        step_id = given if isinstance(given, str) and len(given) <= LONGEST else None
        undoing = self.undoing(rest.pop(_COMPENSATE, None), f"{pointer}/{_COMPENSATE}", step_id)
        key = rest.pop("type", None)
        cls = self.type_of(key, pointer, step_id)
        if cls is None or (cls.is_trigger and not self.faults.take("triggers", 1, pointer)):
            return None
        if undoing is not None:
            rest[_COMPENSATE] = undoing
        place = _Place(pointer, f"step {step_id or key!r}", (), step_id)
        step = self.fields(cls, rest, place)
        return step.named(step.id, extensions) if step is not None else None

    def undoing(self, value: Json, pointer: str, step_id: str | None) -> Step | None:
        """The step that undoes another, without what only a step among others has."""
        if value is None or self.faults.full:
            return None
        if not isinstance(value, dict):
            message = f"`{_COMPENSATE}` is a step, an object, not {type(value).__name__}"
            self.faults.add("NOT_AN_OBJECT", message, pointer, step=step_id)
            return None
        what = "a compensation" if step_id is None else f"the compensation of step {step_id!r}"
        rest, extensions = _split_extensions(value)
        for name in [name for name in rest if name not in UNDOING_KEYS]:
            del rest[name]
            if not self.faults.full:
                hint = self.faults.near(name, UNDOING_KEYS)
                message = f"{what} has no field {quoted(name)}"
                here = f"{pointer}/{_escape(name)}"
                self.faults.add("UNKNOWN_FIELD", message, here, step=step_id, hint=hint)
        cls = self.type_of(rest.pop("type", None), pointer, step_id)
        if cls is None or not self.faults.take("steps", 1, pointer):
            return None
        if cls.is_trigger:
            self.faults.add("TRIGGER_IN_COMPENSATION", TRIGGER_MESSAGE, f"{pointer}/type", step=step_id)
            return None
        step = self.fields(cls, rest, _Place(pointer, what, (), step_id))
        return step.named("", extensions) if step is not None else None

    def fields(self, cls: type[StepT], rest: dict[str, Json], place: _Place) -> StepT | None:
        """A step of this class, made of its fields."""
        pointer, step_id = place.pointer, place.step_id
        config = rest.get("config", {})
        if not isinstance(config, dict):
            self.faults.add("NOT_AN_OBJECT", "`config` is an object", f"{pointer}/config", step=step_id)
            return None
        if self.too_large(config, cls.config_model(), f"{pointer}/config", step_id):
            return None
        hidden = self.hidden.get(cls)
        if hidden is None:
            hidden = frozenset(name for name, each in cls.model_fields.items() if each.exclude)
            self.hidden[cls] = hidden
        for name in [name for name in rest if name in hidden]:
            del rest[name]
            here = f"{pointer}/{_escape(name)}"
            self.faults.add("UNKNOWN_FIELD", f"{place.what} has no field {name!r}", here, step=step_id)
        known = [*(name for name in cls.model_fields if name not in hidden), "type", _COMPENSATE]
        config_names = tuple(cls.config_model().model_fields)
        return self.model(cls, rest, _Place(pointer, place.what, known, step_id, config_names))

    def type_of(self, key: Json, pointer: str, step_id: str | None) -> type[Step] | None:
        if not isinstance(key, str):
            known = "known types: " + ", ".join(self.catalog.keys())
            here = f"{pointer}/type"
            self.faults.add("MISSING_TYPE", "a step needs a `type`", here, step=step_id, hint=known)
            return None
        if key not in self.catalog:
            hint = self.faults.near(key, self.catalog.keys())
            message = f"there is no step type {quoted(key)}"
            self.faults.add("UNKNOWN_TYPE", message, f"{pointer}/type", step=step_id, hint=hint)
            return None
        return self.catalog.get(key)

    def edge(self, value: Json, pointer: str) -> Edge | None:
        if self.faults.full:
            return None
        if not isinstance(value, dict):
            self.faults.add("NOT_AN_OBJECT", f"an edge is an object, not {type(value).__name__}", pointer)
            return None
        rest, extensions = _split_extensions(value)
        if rest.keys() <= _EDGE_KEYS and all(type(each) is str for each in rest.values()):
            source, target = rest.get("source"), rest.get("target")
            if source is not None and target is not None:
                return Edge(source, target, rest.get("source_port", DEFAULT_PORT), extensions)
        edge = self.model(EdgeFields, rest, _Place(pointer, "edge", tuple(EdgeFields.model_fields)))
        return Edge(edge.source, edge.target, edge.source_port, extensions) if edge else None

    def too_large(
        self, fields: dict[str, Json], cls: type[BaseModel], pointer: str, step_id: str | None
    ) -> bool:
        """Whether there are more values than pydantic should look at, one by one; it tells of every one."""
        if len(fields) > _MOST_KEYS:
            message = f"an object of {len(fields):,} fields; at most {_MOST_KEYS:,} are allowed"
            self.faults.add("TOO_MANY", message, pointer, step=step_id)
            return True
        name = crowded(fields, cls)
        if name is not None:
            message = f"{name!r} has more values than it may"
            self.faults.add("TOO_MANY", message, f"{pointer}/{_escape(name)}", step=step_id)
        return name is not None

    def model(self, cls: type[ModelT], fields: dict[str, Json], place: _Place) -> ModelT | None:
        if self.too_large(fields, cls, place.pointer, place.step_id):
            return None
        try:
            return cls.model_validate(fields)
        except PydanticError as error:
            for each in error.errors(include_url=False, include_context=False, include_input=False):
                self.refused(each["loc"], (each["type"], each["msg"]), fields, place)
            return None

    def refused(
        self, loc: tuple[int | str, ...], fault: tuple[str, str], fields: Json, place: _Place
    ) -> None:
        kind, message = fault
        here = place.pointer + _pointer(loc, fields, missing=kind == "missing")
        path = ".".join(map(str, loc))
        if kind == "extra_forbidden":
            name = str(loc[-1])
            near = place.known if len(loc) == 1 else place.config if loc[:-1] in _INNER else ()
            hint = self.faults.near(name, near)
            text = f"{place.what} has no field {quoted(path.removeprefix('config.'))}"
            self.faults.add("UNKNOWN_FIELD", text, here, step=place.step_id, hint=hint)
        elif kind == "missing":
            text = f"{place.what} needs {quoted(path)}"
            self.faults.add("MISSING_FIELD", text, here, step=place.step_id)
        else:
            text = f"{path[:LONGEST] or place.what}: {message.removeprefix('Value error, ')}"
            self.faults.add("INVALID_VALUE", text, here, step=place.step_id)


def _strings(text: str | bytes) -> int:
    """Strings in a text, or as many again; a value has at most a key and itself.

    Counted first, for the decoder takes the strings out of the text before it counts the values.
    """
    if isinstance(text, bytes):
        return (text.count(b'"') - text.count(b'\\"')) // 2
    return (text.count('"') - text.count('\\"')) // 2


def _long_key(document: Json, most: int) -> str | None:
    pending: list[Json] = [[document]]
    while pending:
        part = pending.pop()
        if type(part) is dict:
            longest: str = max(part, key=len, default="")
            if len(longest) > most:
                return longest
            part = part.values()
        pending += [each for each in part if type(each) is dict or type(each) is list]
    return None


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
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside:
            value = value[part]
        elif not (missing and at == len(loc) - 1):
            continue
        found += f"/{_escape(str(part))}"
    return found


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")
