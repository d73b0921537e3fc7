"""A flow compiled for running: the graph, and per step what running it takes."""

import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any

from openrun.core.graph import Graph
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.results import StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json
from openrun.definition.draft import Draft, body_document, edge_port, slug
from openrun.definition.flow_control_plan import FlowControlPlan, plan_flow_control
from openrun.definition.spec import body_draft, graph_spec, step_spec
from openrun.definition.template import ConfigTemplate
from openrun.definition.undisturbed import undisturbed
from openrun.definition.writer import version_of, write_document
from openrun.steps.base import Step, StepConfig
from openrun.steps.catalog import StepCatalog
from openrun.steps.context import StepContext
from openrun.steps.spelling import seconds_in

__all__ = [
    "ConfigTemplate",
    "Program",
    "StepPlan",
    "body_document",
    "compile_program",
    "edge_port",
    "graph_spec",
    "step_spec",
]


class StepPlan:
    """What running one step takes."""

    __slots__ = (
        "config",
        "effect",
        "guarded",
        "inline",
        "pure",
        "run",
        "step",
        "takes_context",
        "timeout",
        "verify",
    )

    def __init__(
        self, step: Step, config: ConfigTemplate, limits: Limits, *, takes_context: bool | None = None
    ) -> None:
        self.step = step
        self.config = config
        self.inline = step.inline
        self.effect = step.effect_class()
        self.pure = self.effect is EffectClass.PURE
        self.guarded = step.guarded
        self.verify = type(step).verify_effect is not Step.verify_effect
        """The step can look up what became of an effect."""
        self.run: Callable[..., Any] = step.run
        self.takes_context = _takes(step.run, 3) if takes_context is None else takes_context
        self.timeout = min(seconds_in(step.timeout or limits.step_timeout), limits.step_timeout_max)

    def replaced(self, run: Callable[..., Any]) -> "StepPlan":
        """The same plan with another `run(state, config, context)`, in a task of its own."""
        twin = copy(self)
        twin.run = run
        twin.inline = False
        twin.takes_context = True
        return twin

    def undoing(self, limits: Limits) -> "StepPlan":
        """The plan of the step's own `compensate`."""
        twin = self.replaced(_compensating(self.step))
        twin.effect, twin.pure = EffectClass.EXTERNAL, False
        twin.timeout = min(limits.step_timeout, limits.step_timeout_max)
        return twin


def _compensating(step: Step) -> Callable[..., Any]:
    compensate: Callable[..., Any] = step.compensate
    takes_context = _takes(compensate, 3)

    async def run(state: StateContainer, config: StepConfig, context: StepContext) -> StepRunResult:
        given = (state, config, context) if takes_context else (state, config)
        result = await compensate(*given)
        return result if isinstance(result, StepRunResult) else StepRunResult.success(step.id)

    return run


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
    step_types: Mapping[str, str]
    """Keys of the catalogue by step id, steps of bodies included."""
    timeout: float | None
    flow_control: FlowControlPlan | None = None
    """Runs that a trigger starts have tickets; child runs have none."""


@undisturbed
def compile_program(draft: Draft, catalog: StepCatalog, limits: Limits = DEFAULT_LIMITS) -> Program:
    """Compile a draft that validation has passed."""
    document = write_document(draft, catalog)
    graph = Graph.compile(graph_spec(draft, catalog, limits))
    plans: dict[Graph, tuple[StepPlan, ...]] = {}
    _Planning(catalog, limits, plans).plan(graph, draft)
    control, flow_id = draft.flow_control, draft.id or slug(draft.name)
    return Program(
        flow_id=flow_id,
        name=draft.name,
        version=version_of(document),
        document=document,
        graph=graph,
        plans=plans,
        triggers=tuple(step for step in draft.steps if step.is_trigger),
        step_types=_step_types(plans, catalog),
        timeout=draft.timeout,
        flow_control=None if control is None else plan_flow_control(control, flow_id, limits),
    )


def _step_types(plans: Mapping[Graph, tuple[StepPlan, ...]], catalog: StepCatalog) -> Mapping[str, str]:
    keys: dict[type[Step], str] = {}
    found: dict[str, str] = {}
    for each in plans.values():
        for plan in each:
            kind = type(plan.step)
            key = keys.get(kind)
            if key is None:
                key = keys[kind] = catalog.key_of(kind)
            found[plan.step.id] = key
    return found


class _Planning:
    """Plans the steps of a flow and of its bodies."""

    def __init__(
        self, catalog: StepCatalog, limits: Limits, plans: dict[Graph, tuple[StepPlan, ...]]
    ) -> None:
        self.catalog = catalog
        self.limits = limits
        self.plans = plans
        self.takes: dict[type[Step], bool] = {}

    def plan(self, graph: Graph, draft: Draft) -> None:
        self.plans[graph] = tuple(self.step(draft, step) for step in draft.steps)
        for at, inner in graph.bodies.items():
            below = body_draft(draft, at, self.catalog, self.limits)
            assert below is not None
            self.plan(inner, below)
        for at, undoing in graph.compensations.items():
            self.plans[undoing] = (self.undoing(draft, draft.steps[at]),)

    def undoing(self, draft: Draft, step: Step) -> StepPlan:
        if step.compensation is None:
            return self.step(draft, step).undoing(self.limits)
        plan = self.step(draft, step.compensation)
        # A copy, for one step may undo several.
        plan.step = plan.step.model_copy().named(step.id)
        plan.run = plan.step.run
        return plan

    def step(self, draft: Draft, step: Step) -> StepPlan:
        template = draft.templates.of(step, self.limits).template
        assert template is not None
        takes = self.takes.get(type(step))
        if takes is None:
            takes = self.takes[type(step)] = _takes(step.run, 3)
        return StepPlan(step, template, self.limits, takes_context=takes)
