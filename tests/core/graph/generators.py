"""Random flows with scripts, from any source of chance: hypothesis' own, or a seeded one."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, replace

from openrun.core.frame import Activation
from openrun.core.graph import EdgeSpec, GraphSpec, StepSpec
from openrun.core.regions import find_regions
from openrun.core.results import Outcome
from openrun.core.retry import RetryPolicy
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, JoinMode, Losers, OnFailure, OnItemError

from .harness import Behaviour, Came, each, fail, nothing, ok, settle, wait

ALT = "alt"
PORTS = (DEFAULT_PORT, ALT)
_PORT_CHANCES = (DEFAULT_PORT,) * 6 + (ALT,) * 2 + (ERROR_PORT,) * 2
_ALL = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)
_STEADY: tuple[Behaviour, ...] = (
    *(ok(),) * 7,
    ok(ALT),
    ok(*PORTS),
    nothing(),
    *(fail(),) * 4,
    wait(),
    wait(fail()),
)


@dataclass(frozen=True)
class Drawn:
    """A flow, and what its steps come to."""

    spec: GraphSpec
    script: dict[str, Behaviour]

    def __repr__(self) -> str:
        """The flow as text, for whoever reads a failing example."""
        lines = []
        for spec in (self.spec, *(step.body for step in self.spec.steps if step.body)):
            lines.append(f"{spec.on_failure.value}, {spec.max_activations=}, {spec.loop_limit=}")
            lines += [f"  {e.source}.{e.port} -> {e.target}" for e in spec.edges]
            lines += [f"  {_words(step)}" for step in spec.steps]
        lines += [f"  {step}: {_name(behaviour)}" for step, behaviour in self.script.items()]
        return "\n".join(lines)


def _words(step: StepSpec) -> str:
    flags = [name for name in ("always", "allow_failure", "max_iterations") if getattr(step, name)]
    return " ".join([step.id, step.join_mode.value, step.losers.value, *flags])


def _name(behaviour: Behaviour) -> str:
    return behaviour.__qualname__ if callable(behaviour) else f"{behaviour.status.value} {behaviour.ports}"  # type: ignore[union-attr]


def forward_edges(rng: random.Random, ids: list[str], *, loose: bool) -> list[EdgeSpec]:
    """Edges from earlier steps to later ones; with `loose`, some steps have none."""
    edges: dict[EdgeSpec, None] = {}
    for at, step in enumerate(ids[1:], start=1):
        count = rng.choice((0, 1, 1, 2, 2, 3)) if loose else rng.choice((1, 1, 2, 2, 3))
        for _ in range(count):
            source = ids[rng.randrange(at)]
            edges[EdgeSpec(source=source, target=step, port=rng.choice(_PORT_CHANCES))] = None
    return list(edges)


def random_dag(
    rng: random.Random, *, prefix: str = "s", many: tuple[JoinMode, ...] = tuple(JoinMode), depth: int = 0
) -> Drawn:
    """A flow without cycles; `many` are the modes of steps with several inbound edges.

    What a step comes to depends on nothing but the step. With `depth`, some have bodies of the same kind.
    """
    ids = [f"{prefix}{at}" for at in range(rng.randint(3, 9))]
    edges = forward_edges(rng, ids, loose=depth == 0)
    script: dict[str, Behaviour] = {}
    steps: list[StepSpec] = []
    for step in ids:
        inbound = sum(edge.target == step for edge in edges)
        mode = rng.choice(many if inbound > 1 else (*_ALL, JoinMode.NO_WAIT))
        always = mode is not JoinMode.FIRST_SUCCESS and rng.random() < 0.1
        body = None
        if depth and step != ids[0] and rng.random() < 0.25:
            inner = random_dag(rng, prefix=f"{step}_", many=many, depth=depth - 1)
            body = inner.spec
            policy = rng.choice((OnItemError.COLLECT, OnItemError.TOLERATE))
            script |= inner.script
            script[step] = each(
                list(range(rng.randint(0, 3))), concurrency=rng.randint(1, 3), on_item_error=policy
            )
        else:
            script[step] = rng.choice(_STEADY)
        allow = rng.random() < 0.15
        steps.append(
            StepSpec(id=step, ports=PORTS, join_mode=mode, always=always, allow_failure=allow, body=body)
        )
    return Drawn(GraphSpec(steps=tuple(steps), edges=tuple(edges)), script)


def random_loop(rng: random.Random) -> Drawn:
    """Two random parts around a loop whose last step says whether it goes round again.

    Steps of the loop may lead out of it, to joins; iterations overlap as the order of ends has it.
    """
    before = random_dag(rng, prefix="a", many=_ALL)
    body = random_dag(rng, prefix="b", many=_ALL)
    after = random_dag(rng, prefix="c", many=_ALL)
    rounds = rng.randint(1, 3)
    tail = StepSpec(id="tail", ports=("again", "done"), join_mode=JoinMode.ALL_DONE)

    def turn(act: Activation) -> Outcome:
        return ok("again" if int(act.scope.rpartition(":")[2]) < rounds else "done")

    header = replace(body.spec.steps[0], join_mode=JoinMode.NO_WAIT, always=False)
    head = after.spec.steps[0]
    inside = [step.id for step in body.spec.steps]
    first = before.spec.steps[rng.randrange(len(before.spec.steps))].id
    entered = {edge.target for edge in body.spec.edges}
    edges = [
        *before.spec.edges,
        *body.spec.edges,
        *after.spec.edges,
        EdgeSpec(source=first, target=header.id),
        *(EdgeSpec(source=header.id, target=step) for step in inside[1:] if step not in entered),
        EdgeSpec(source=inside[-1], target="tail"),
        EdgeSpec(source="tail", target=header.id, port="again"),
        EdgeSpec(source="tail", target=head.id, port="done"),
    ]
    if rng.random() < 0.5:
        edges.append(EdgeSpec(source=rng.choice(inside), target=head.id, port=rng.choice(_PORT_CHANCES)))
    if rng.random() < 0.3:
        edges.append(EdgeSpec(source=first, target=head.id))
    steps = (
        *before.spec.steps,
        header,
        *body.spec.steps[1:],
        tail,
        replace(head, join_mode=rng.choice(_ALL)),
        *after.spec.steps[1:],
    )
    script = {**before.script, **body.script, **after.script, "tail": turn}
    return Drawn(GraphSpec(steps=steps, edges=tuple(dict.fromkeys(edges))), script)


def random_flow(rng: random.Random, *, prefix: str = "s", depth: int = 1) -> Drawn:
    """Anything that validation lets through: cycles of all kinds, tokens, races, bodies, retries."""
    ids = [f"{prefix}{at}" for at in range(rng.randint(3, 8))]
    edges = dict.fromkeys(forward_edges(rng, ids, loose=True))
    for _ in range(rng.choice((0, 1, 1, 2, 3, 4))):
        source, target = rng.choice(ids[1:]), rng.choice(ids[1:])
        edges[EdgeSpec(source=source, target=target, port=rng.choice(_PORT_CHANCES))] = None
    headers = _headers(ids, edges)
    script: dict[str, Behaviour] = {}
    steps: list[StepSpec] = []
    for step in ids:
        body = None
        if depth and step != ids[0] and rng.random() < 0.15:
            inner = random_flow(rng, prefix=f"{step}_", depth=depth - 1)
            if any(all(e.target != each.id for e in inner.spec.edges) for each in inner.spec.steps):
                body = inner.spec
                script |= inner.script
        script[step] = _fan(rng) if body else _by_scope(rng)
        modes = (JoinMode.NO_WAIT, JoinMode.FIRST_SUCCESS) if step in headers else tuple(JoinMode)
        steps.append(
            StepSpec(
                id=step,
                ports=PORTS,
                join_mode=rng.choice(modes),
                losers=rng.choice(tuple(Losers)),
                always=rng.random() < 0.15,
                allow_failure=rng.random() < 0.15,
                max_iterations=rng.choice((None, 1, 2, 3)) if step in headers else None,
                retry=RetryPolicy(max_attempts=2, retry_on=("*",)) if rng.random() < 0.2 else None,
                body=body,
            )
        )
    spec = GraphSpec(
        steps=tuple(steps),
        edges=tuple(edges),
        on_failure=rng.choice(tuple(OnFailure)),
        max_activations=rng.choice((5, 20, 80)),
        loop_limit=4,
    )
    return Drawn(spec, script)


def _headers(ids: list[str], edges: Iterable[EdgeSpec]) -> set[str]:
    pairs = [(ids.index(edge.source), ids.index(edge.target)) for edge in edges]
    return {ids[header] for region in find_regions(len(ids), pairs) for header in region.headers}


def _fan(rng: random.Random) -> Behaviour:
    policy = rng.choice(tuple(OnItemError))
    return each(list(range(rng.randint(0, 3))), concurrency=rng.randint(1, 3), on_item_error=policy)


def _by_scope(rng: random.Random) -> Behaviour:
    """Another outcome in another scope, the same in the same one."""
    choices = [rng.choice(_STEADY) for _ in range(rng.randint(1, 3))]

    def behave(act: Activation) -> Came:
        return settle(choices[sum(map(ord, act.scope)) % len(choices)], act)

    return behave
