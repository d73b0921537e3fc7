"""Flows for the machine in a line or two of text.

`t -> a, b -> j; a.error -> h` is an edge from t to a and b, from a and b to j, and from a's error port to h. A
step's options are words: a join mode, `always`, `allow`, `cancel` (its losers), `replies`, `max=3`, `tries=3`, `undo`
(it can be undone) or `undo=3` (in so many tries).
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from openrun.core.graph import EdgeSpec, GraphSpec, StepSpec
from openrun.core.retry import RetryPolicy
from openrun.core.types import DEFAULT_PORT, ERROR_PORT, JoinMode, Losers, OnFailure

_FLAGS: Mapping[str, dict[str, Any]] = {
    "always": {"always": True},
    "allow": {"allow_failure": True},
    "cancel": {"losers": Losers.CANCEL},
    "replies": {"replies": True},
    **{mode.value: {"join_mode": mode} for mode in JoinMode},
}


def flow(
    text: str,
    options: Mapping[str, str] | None = None,
    *,
    bodies: Mapping[str, GraphSpec] | None = None,
    fail_fast: bool = False,
    max_activations: int = 10_000,
    loop_limit: int = 1_000,
) -> GraphSpec:
    """The flow that `text` draws; its first step is the trigger."""
    ids: dict[str, None] = {}
    ports: dict[str, dict[str, None]] = {}
    edges: dict[EdgeSpec, None] = {}
    for statement in text.replace("\n", ";").split(";"):
        groups = [[_end(end) for end in group.split(",")] for group in statement.split("->") if group.strip()]
        for group in groups:
            ids.update(dict.fromkeys(step for step, _ in group))
        for sources, targets in pairwise(groups):
            for source, port in sources:
                ports.setdefault(source, {})[port] = None
                edges.update(
                    {EdgeSpec(source=source, target=target, port=port): None for target, _ in targets}
                )
    return GraphSpec(
        steps=tuple(
            _step(step, ports.get(step, {}), (options or {}).get(step, ""), (bodies or {}).get(step))
            for step in ids
        ),
        edges=tuple(edges),
        on_failure=OnFailure.FAIL_FAST if fail_fast else OnFailure.DRAIN,
        max_activations=max_activations,
        loop_limit=loop_limit,
    )


def _end(text: str) -> tuple[str, str]:
    step, _, port = text.strip().partition(".")
    return step, port or DEFAULT_PORT


def _step(step: str, ports: dict[str, None], words: str, body: GraphSpec | None) -> StepSpec:
    given: dict[str, Any] = {}
    for word in words.split():
        key, _, number = word.partition("=")
        if key == "max":
            given["max_iterations"] = int(number)
        elif key == "tries":
            given["retry"] = tries(int(number))
        elif key == "undo":
            given["compensation"] = undoing(step, int(number or 1))
        else:
            given.update(_FLAGS[word])
    wired = (port for port in ports if port != ERROR_PORT)
    return StepSpec(id=step, ports=tuple(dict.fromkeys([DEFAULT_PORT, *wired])), body=body, **given)


def tries(most: int) -> RetryPolicy:
    return RetryPolicy(max_attempts=most, retry_on=("*",), jitter=0)


def undoing(step: str, most: int = 1, **given: Any) -> GraphSpec:
    """What undoes a step."""
    return GraphSpec(steps=(StepSpec(id=step, retry=tries(most) if most > 1 else None, **given),), edges=())


def undone_by(spec: GraphSpec, **graphs: GraphSpec) -> GraphSpec:
    """The flow with these for undoing its steps."""
    steps = (replace(step, compensation=graphs.get(step.id, step.compensation)) for step in spec.steps)
    return replace(spec, steps=tuple(steps))
