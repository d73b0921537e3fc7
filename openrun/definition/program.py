"""A flow compiled for running: the graph, and per step what running it takes."""

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError as PydanticError

from openrun.core.errors import PermanentError
from openrun.core.graph import EdgeSpec, Graph, GraphSpec, StepSpec
from openrun.core.interpolation import Compiled, Reader, compile_value, has_template
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.types import DEFAULT_PORT, SUCCESS_PORT, Json, Losers
from openrun.definition.draft import Draft, slug
from openrun.definition.reader import read_document
from openrun.definition.writer import version_of, write_document
from openrun.steps.base import RENDERED, Step, StepConfig
from openrun.steps.catalog import StepCatalog


class ConfigTemplate:
    """A step's config with its templates parsed once; `render` gives the config of one attempt."""

    __slots__ = ("_config", "_fields", "_is_plain", "_model", "constant")

    def __init__(self, config: StepConfig, limits: Limits) -> None:
        self._config = config
        self._model = type(config)
        self._fields: dict[str, Compiled] = {}
        for name in type(config).model_fields:
            value = getattr(config, name)
            if name not in config.static_fields and has_template(value):
                self._fields[name] = compile_value(value, limits=limits)
        self.constant = not self._fields
        self._is_plain = all(_takes_anything(self._model, name) for name in self._fields)

    def render(self, reader: Reader) -> StepConfig:
        """The config with every template filled in.

        Raises `TemplateError`, or `PermanentError` for a value that is not of the field's type.
        """
        if self.constant:
            return self._config
        rendered = {name: compiled.render(reader) for name, compiled in self._fields.items()}
        if self._is_plain:
            filled = self._model.model_construct(self._config.model_fields_set)
            filled.__dict__.update(self._config.__dict__)
            filled.__dict__.update(rendered)
            return filled
        try:
            return self._model.model_validate({**self._config.__dict__, **rendered}, context=RENDERED)
        except PydanticError as error:
            raise _invalid(error) from None


def _takes_anything(model: type[StepConfig], name: str) -> bool:
    info = model.model_fields[name]
    checked = any(
        name in each.info.fields for each in model.__pydantic_decorators__.field_validators.values()
    )
    whole = model.__pydantic_decorators__.model_validators
    return info.annotation is Any and not info.metadata and not checked and not whole


def _invalid(error: PydanticError) -> PermanentError:
    # Never the input itself: a rendered value may be a secret.
    parts = [
        f"{'.'.join(map(str, each['loc'])) or 'config'}: {each['msg'].removeprefix('Value error, ')}"
        for each in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return PermanentError("the rendered config does not fit: " + "; ".join(parts), code="CONFIG_INVALID")


class StepPlan:
    """What running one step takes."""

    __slots__ = ("config", "inline", "run", "step", "takes_context", "timeout")

    def __init__(self, step: Step, limits: Limits) -> None:
        self.step = step
        self.config = ConfigTemplate(step.config, limits)
        self.inline = step.inline
        self.run: Callable[..., Any] = step.run
        self.takes_context = _takes(step.run, 3)
        self.timeout = min(step.timeout or limits.step_timeout, limits.step_timeout_max)

    def replaced(self, run: Callable[..., Any]) -> "StepPlan":
        """The same plan with another `run(state, config, context)`, in a task of its own."""
        twin = copy(self)
        twin.run = run
        twin.inline = False
        twin.takes_context = True
        return twin


def _takes(function: Callable[..., Any], count: int) -> bool:
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return sum(each.kind in kinds for each in parameters) >= count


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Program:
    """One flow version, ready to run; shared by all its runs."""

    flow_id: str
    name: str
    version: str
    document: Mapping[str, Json]
    graph: Graph
    plans: Mapping[Graph, tuple[StepPlan, ...]]
    triggers: tuple[Step, ...]
    timeout: float | None


def compile_program(draft: Draft, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS) -> Program:
    """Compile a draft that validation has passed."""
    document = write_document(draft, catalog)
    plans: dict[Graph, tuple[StepPlan, ...]] = {}
    spec, bodies = _spec(draft, catalog, limits)
    graph = Graph.compile(spec)
    _plan(graph, draft, bodies, plans, limits)
    return Program(
        flow_id=draft.id or slug(draft.name),
        name=draft.name,
        version=version_of(document),
        document=document,
        graph=graph,
        plans=plans,
        triggers=tuple(step for step in draft.steps if step.is_trigger),
        timeout=draft.timeout,
    )


_Bodies = dict[int, tuple[Draft, Any]]


def graph_spec(draft: Draft, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS) -> GraphSpec:
    """The draft as the machine sees it."""
    return _spec(draft, catalog, limits)[0]


def _spec(draft: Draft, catalog: StepCatalog, limits: Limits) -> tuple[GraphSpec, _Bodies]:
    bodies: _Bodies = {}
    steps: list[StepSpec] = []
    for at, step in enumerate(draft.steps):
        body = step.body()
        inner = None
        if body is not None:
            inner_draft = read_document(body_document(body), catalog, limits)
            inner, inner_bodies = _spec(inner_draft, catalog, limits)
            bodies[at] = (inner_draft, inner_bodies)
        steps.append(step_spec(step, inner))
    ports = {step.id: step.ports for step in draft.steps}
    edges = tuple(
        EdgeSpec(source=e.source, target=e.target, port=edge_port(e.source_port, ports[e.source]))
        for e in draft.edges
    )
    spec = GraphSpec(
        steps=tuple(steps),
        edges=edges,
        on_failure=draft.on_failure,
        max_activations=draft.max_activations or limits.activations,
        loop_limit=limits.loop_iterations,
    )
    return spec, bodies


def _plan(
    graph: Graph, draft: Draft, bodies: _Bodies, plans: dict[Graph, tuple[StepPlan, ...]], limits: Limits
) -> None:
    plans[graph] = tuple(StepPlan(step, limits) for step in draft.steps)
    for at, (inner_draft, inner_bodies) in bodies.items():
        _plan(graph.bodies[at], inner_draft, inner_bodies, plans, limits)


def step_spec(step: Step, body: GraphSpec | None = None) -> StepSpec:
    return StepSpec(
        id=step.id,
        ports=tuple(step.ports),
        join_mode=step.join_mode,
        losers=Losers(step.losers),
        retry=step.retry,
        timeout=step.timeout,
        allow_failure=step.allow_failure,
        always=step.always,
        effect=step.effect_class(),
        max_iterations=step.max_iterations,
        is_trigger=step.is_trigger,
        replies=step.replies,
        body=body,
    )


def edge_port(port: str, ports: tuple[str, ...] | list[str]) -> str:
    """`success` means `default` on a step that declares no `success`."""
    return DEFAULT_PORT if port == SUCCESS_PORT and SUCCESS_PORT not in ports else port


def body_document(body: Mapping[str, Json]) -> dict[str, Json]:
    """A body needs no name of its own."""
    return {"name": "body", **body}
