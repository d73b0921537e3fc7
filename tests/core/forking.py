"""Forks of scripted runs: planned, and run to their end by the same script."""

import random
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from openrun.core.events import Fact, StepStarted
from openrun.core.facts import Facts
from openrun.core.fork import ForkPlan, Origin, Target, Wish, plan_fork
from openrun.core.former import Past, Path
from openrun.core.graph import Graph, GraphSpec
from openrun.core.machine import Machine
from openrun.core.outstanding import outstanding
from openrun.core.replay import replay

from .graph.harness import BEGIN, Policy, Script, Sim, Trace, fifo

LATER = BEGIN + timedelta(days=1)


def plan_of(
    spec: GraphSpec,
    facts: Sequence[Fact],
    *,
    to: GraphSpec | None = None,
    reads: Mapping[Path, frozenset[str]] | None = None,
    changed: Collection[Path] = (),
    within: Collection[Path] = (),
    **wish: Any,
) -> ForkPlan:
    """How a fork of this run begins; `to` is another version of its flow."""
    graph = Graph.compile(spec)
    target = Target(
        graph=graph if to is None else Graph.compile(to),
        version="v" if to is None else "v2",
        run_id="fork",
        now=LATER,
        reads=reads or {},
        changed=changed,
        within=within,
    )
    return plan_fork(Origin(graph=graph, facts=facts), target, Wish(**wish))


def go_on(plan: ForkPlan, spec: GraphSpec, script: Script, policy: Policy = fifo) -> Trace:
    """Run a fork to its end, as a worker does who has read its beginning."""
    graph = Graph.compile(spec)
    sim = Sim(graph=graph, script=script)
    sim.machine = Machine(graph, plan.run_id)
    sim.make = Facts(sim.machine)
    for fact in plan.facts:
        sim.record(fact)
    sim.machine.orders[:] = outstanding(sim.machine)
    sim.obey()
    return sim.finish(policy)


def check_plan(plan: ForkPlan, spec: GraphSpec) -> None:
    """Its facts follow from one another, and no activation is both kept and under way."""
    machine = replay(Graph.compile(spec), plan.facts)
    assert [fact.seq for fact in plan.facts] == list(range(1, len(plan.facts) + 1))
    assert {fact.run_id for fact in plan.facts} == {plan.run_id}
    under_way = {(act.step_id, act.scope) for act in machine.unfinished}
    kept = {(each.step_id, each.scope) for each in plan.steps if each.kept}
    assert not under_way & kept
    assert all(each.reason == "kept" for each in plan.steps if each.kept)


def some_start(rng: random.Random, graph: Graph, facts: Sequence[Fact]) -> StepStarted:
    starts = [each.start for each in Past(graph, facts).activations.values() if each.start is not None]
    return rng.choice(starts)


def again(plan: ForkPlan) -> dict[str, str]:
    """Why steps run again, those of the outermost scope."""
    return {each.step_id: each.reason for each in plan.steps if not each.kept and each.scope == "/"}


def kept(plan: ForkPlan) -> list[str]:
    return [each.step_id + (each.scope if each.scope != "/" else "") for each in plan.steps if each.kept]
