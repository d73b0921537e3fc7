"""What a fork of a run begins with: which outputs of the old run hold in it, and why the others do not.

Nothing reopens a run that has ended: a fork is a new run, under a new id and perhaps of a newer version, whose
journal begins with the facts of the old one that hold, and ends with `FlowForked`. The planner has facts and two
graphs, and nothing with which it could call out.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from openrun.core.effects import EffectStatus
from openrun.core.errors import OpenRunError
from openrun.core.events import EffectRecorded, Fact, FlowForked, FlowStarted
from openrun.core.former import Former, Past, Path
from openrun.core.frame import Activation
from openrun.core.graph import Graph
from openrun.core.machine import Machine
from openrun.core.near import did_you_mean
from openrun.core.patch import PatchError, difference, patched
from openrun.core.replay import replay
from openrun.core.retake import (
    BEGINS,
    EVERYTHING,
    GONE,
    INTERRUPTED,
    Outputs,
    Retake,
    Rules,
    comes_after,
    root_scope,
)
from openrun.core.state import check_key
from openrun.core.types import ERROR_PORT, EffectClass, Json

KEPT = "kept"
_OPEN = frozenset({EffectStatus.STARTED, EffectStatus.UNKNOWN})
_HARMFUL = frozenset({EffectClass.EXTERNAL, EffectClass.AT_MOST_ONCE})
_MOST_NAMES = 20


class NoSuchActivation(OpenRunError, LookupError):
    """The run has not started this step in this scope, or the version has no such step."""


class StepFate(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one activation of the old run: its output stays valid (`kept`), or it runs again."""

    step_id: str
    scope: str
    kept: bool
    reason: str


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """Something done outside that may be done once more; without `effect` it is what the step itself does.

    `status` is what is known of it: "committed", or "started" or "unknown".
    """

    step_id: str
    scope: str
    effect: str | None
    key: str | None
    status: str


class ChildRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that a step of another had started."""

    step_id: str
    scope: str
    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The run that is forked."""

    graph: Graph
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The run that is to be. `changed` are steps that do something else in its version, `within` those whose bodies do."""

    graph: Graph
    version: str
    run_id: str
    now: datetime
    reads: Mapping[Path, frozenset[str]] = field(default_factory=dict)
    """Per step, the steps whose outputs its templates read; "*" is all."""
    changed: Collection[Path] = frozenset()
    within: Collection[Path] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Where to fork, and what to change; without a `step`, what did not succeed is tried again."""

    step: str | None = None
    scope: str = "/"
    patch: Sequence[Mapping[str, Any]] = ()
    by: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkPlan:
    """The beginning of the new run, and what it means. `steps` are in the order in which they ran."""

    origin: str
    run_id: str
    version: str
    at: int
    facts: tuple[Fact, ...] = field(repr=False)
    steps: tuple[StepFate, ...]
    repeats: tuple[Repeat, ...]
    children: tuple[ChildRun, ...]
    """Runs that steps which run again had started: what those did is done again, too."""
    machine: Machine = field(repr=False, compare=False)
    """After these facts."""


def plan_fork(origin: Origin, target: Target, wish: Wish) -> ForkPlan:
    """How the new run begins.

    Raises `NoSuchActivation`, `PatchError` and its kind, and `PermanentError` for a state key that cannot be set.
    """
    past = Past(origin.graph, origin.facts)
    point = None if wish.step is None else _point(past, target, wish)
    at = past.last if point is None else point.seq - 1
    retake = _settled(past, target, _rules(past, target, point, at=at, patches=bool(wish.patch)))
    # Where nothing else says so, the state to be changed is that which the failed steps will read.
    before = retake.machine.state() if point is None else replay(past.graph, past.facts[:at]).state()
    retake.carry_effects()
    values, outputs, removed = _changes(target.graph, before, patched(before, wish.patch))
    retake.fork(
        FlowForked(
            run_id=target.run_id,
            flow_id=past.started.flow_id,
            seq=0,
            timestamp=target.now,
            origin=past.started.run_id,
            at=at,
            values=values,
            outputs=outputs,
            removed=removed,
            by=wish.by,
            comment=wish.comment,
        )
    )
    report = _Report(past, retake, known_steps(target.graph))
    return ForkPlan(
        origin=past.started.run_id,
        run_id=target.run_id,
        version=target.version,
        at=at,
        facts=tuple(retake.facts),
        steps=tuple(report.fates()),
        repeats=tuple(report.repeats()),
        children=tuple(report.children()),
        machine=retake.machine,
    )


def done_outside(origin: Origin) -> tuple[list[Repeat], list[ChildRun]]:
    """What a run has done outside, and the runs it has started."""
    activations = Past(origin.graph, origin.facts).activations.values()
    done = [each for former in activations if not former.undone for each in _repeats(former, carried=False)]
    return done, [child for former in activations for child in _children(former)]


def known_steps(graph: Graph, above: Path = ()) -> frozenset[Path]:
    """Every step of a graph, those of bodies included."""
    found = {(*above, step.id) for step in graph.steps}
    for at, body in graph.bodies.items():
        found |= known_steps(body, (*above, graph.steps[at].id))
    return frozenset(found)


def _rules(past: Past, target: Target, point: Former | None, *, at: int, patches: bool) -> Rules:
    later = any(fact.seq > at for fact in past.forks)
    return Rules(
        known=known_steps(target.graph),
        changed=target.changed,
        within=target.within,
        reads=target.reads,
        point=point,
        # What an earlier fork changed after this point is not changed here.
        changed_at=at if point is not None and (patches or later) else None,
    )


def _settled(past: Past, target: Target, rules: Rules) -> Retake:
    """Take over what holds, until nothing that is taken over reads what is not."""
    begun = _begun(past.started, target)
    read = frozenset[str]().union(*rules.reads.values())
    stale: dict[str, dict[str, int]] = {}
    while True:
        retake = Retake(past, target.graph, rules, stale)
        retake.run(begun)
        found = {
            step: seqs for step, seqs in _stale(past, retake, stale).items() if read & {step, EVERYTHING}
        }
        if found == stale:
            return retake
        stale = found


def _begun(started: FlowStarted, target: Target) -> FlowStarted:
    trigger = started.trigger
    if trigger is not None and trigger not in target.graph.index:
        raise NoSuchActivation(
            f"run {started.run_id} was started by {trigger!r}, which is not in version {target.version[:12]}"
        )
    return FlowStarted(
        run_id=target.run_id,
        flow_id=started.flow_id,
        seq=1,
        timestamp=target.now,
        version=target.version,
        trigger=trigger,
        input=started.input,
        state=started.state,
        hops=started.hops,
    )


def _stale(past: Past, retake: Retake, known: Outputs) -> dict[str, dict[str, int]]:
    """Outputs of what runs again, by step and walk, each from when on it could be read; those `known` among them."""
    found = {step: dict(seqs) for step, seqs in known.items()}
    for place, former in past.activations.items():
        if former.ended is not None and place not in retake.kept:
            seqs = found.setdefault(place[0], {})
            scope = root_scope(former.act)
            seqs[scope] = min(former.ended, seqs.get(scope, former.ended))
    return found


def _point(past: Past, target: Target, wish: Wish) -> Former:
    step = wish.step or ""
    point = past.activations.get((step, wish.scope))
    if point is not None and point.start is not None:
        if point.path in known_steps(target.graph):
            return point
        raise NoSuchActivation(
            f"step {step!r} is not in version {target.version[:12]}; fork at a step that is"
        )
    run_id = past.started.run_id
    started = [each.place for each in past.activations.values() if each.start is not None]
    scopes = [scope for name, scope in started if name == step]
    if scopes:
        known = ", ".join(scopes[:_MOST_NAMES])
        raise NoSuchActivation(
            f"run {run_id} has not started {step!r} in scope {wish.scope!r}, but in {known}"
        )
    hint = did_you_mean(step, dict.fromkeys(name for name, _ in started)) or "look at its timeline"
    raise NoSuchActivation(f"run {run_id} has not started a step {step!r}; {hint}")


def _changes(
    graph: Graph, before: Json, after: Json
) -> tuple[dict[str, Json], dict[str, Json], tuple[str, ...]]:
    """What a patch changed: keys of the state, outputs, and keys that are gone."""
    if not isinstance(after, dict) or not isinstance(after.get("steps"), dict):
        raise PatchError(
            "the state is an object with `steps`, an object of outputs; the patch makes it another thing"
        )
    was, steps = before["steps"], after["steps"]
    lost = sorted(was.keys() - steps.keys())
    if lost:
        raise PatchError(
            f"the output of {lost[0]!r} can be replaced, not removed: fork at the step to have it run again"
        )
    outputs = _different(was, steps)
    unknown = sorted(outputs.keys() - was.keys() - graph.index.keys())
    if unknown:
        raise PatchError(f"there is no step {unknown[0]!r} whose output could be set")
    values = {key: value for key, value in _different(before, after).items() if key != "steps"}
    removed = tuple(sorted(before.keys() - after.keys()))
    for key in (*values, *removed):
        check_key(key)
    return values, outputs, removed


def _different(before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in after.items() if key not in before or difference(before[key], value)}


class _Report:
    """What becomes of the old run's activations in the new one."""

    def __init__(self, past: Past, retake: Retake, known: Collection[Path]) -> None:
        self._past = past
        self._retake = retake
        self._known = known
        self._behind: dict[str, dict[str, str]] = {}
        self._surely: dict[str, frozenset[str]] = {}
        """By walk: what runs again even if nothing fails."""
        sources: dict[str, list[Activation]] = {}
        for act in retake.machine.unfinished:
            sources.setdefault(root_scope(act), []).append(act)
        for scope, acts in sources.items():
            graph = acts[0].frame.walk.graph
            steps = [act.step for act in acts]
            every = _led(graph, steps, errors=True)
            self._behind[scope] = {graph.steps[at].id: graph.steps[source].id for at, source in every.items()}
            self._surely[scope] = frozenset(graph.steps[at].id for at in _led(graph, steps, errors=False))

    def fates(self) -> Iterator[StepFate]:
        for former in sorted(self._past.activations.values(), key=lambda each: each.seq):
            kept = former.place in self._retake.kept
            yield StepFate(
                step_id=former.place[0],
                scope=former.place[1],
                kept=kept,
                reason=KEPT if kept else self._reason(former),
            )

    def repeats(self) -> Iterator[Repeat]:
        for former in self._again():
            yield from _repeats(former, carried=self._retake.reasons.get(former.place) in INTERRUPTED)

    def children(self) -> Iterator[ChildRun]:
        for former in self._again():
            yield from _children(former)

    def _again(self) -> Iterator[Former]:
        """What may be done a second time; what was undone is done anew."""
        for former in self._past.activations.values():
            kept = former.place in self._retake.kept
            if not kept and not former.undone and former.path in self._known and self._may_run(former):
                yield former

    def _reason(self, former: Former) -> str:
        if former.path not in self._known:
            return GONE
        direct = self._retake.reasons.get(former.place) or self._retake.opened.get(former.place)
        if direct is not None:
            return direct
        if former is self._retake.rules.point:
            return BEGINS
        source = self._behind.get(root_scope(former.act), {}).get(former.place[0])
        if source is not None:
            return comes_after(source)
        owner = former.owner
        if owner is not None and owner.place not in self._retake.kept:
            return comes_after(owner.place[0])
        return "nothing in the new run has led to it"

    def _may_run(self, former: Former) -> bool:
        """Not so what only the failure of something that runs again would lead to."""
        steps = self._surely.get(root_scope(former.act))
        if steps is not None:
            return former.place[0] in steps
        return former.owner is None or self._may_run(former.owner)


def _repeats(former: Former, *, carried: bool) -> Iterator[Repeat]:
    """What an activation did outside, or may have done; unless `carried`, also what it had done when it failed."""
    harmful = [each for each in former.act.effects.values() if each.effect in _HARMFUL]
    listed = [
        each
        for each in harmful
        if each.status in _OPEN or (each.status is EffectStatus.COMMITTED and not carried)
    ]
    for each in listed:
        yield _repeat(former, each.status, each)
    own = former.act.spec.effect
    if former.succeeded and not listed and own in _HARMFUL:
        yield _repeat(former, EffectStatus.COMMITTED)
    elif not harmful and former.doubtful and own is EffectClass.AT_MOST_ONCE:
        yield _repeat(former, EffectStatus.UNKNOWN)


def _children(former: Former) -> Iterator[ChildRun]:
    for child in former.children:
        yield ChildRun(step_id=former.place[0], scope=former.place[1], run_id=child)


def _repeat(former: Former, status: EffectStatus, effect: EffectRecorded | None = None) -> Repeat:
    return Repeat(
        step_id=former.place[0],
        scope=former.place[1],
        effect=None if effect is None else effect.name,
        key=None if effect is None else effect.key,
        status=status.value,
    )


def _led(graph: Graph, sources: Sequence[int], *, errors: bool) -> dict[int, int]:
    """Steps that edges lead to from the sources, and from which; without `errors` not by error ports."""
    found = {source: source for source in sources}
    pending = list(sources)
    for at in pending:
        for link in graph.out[at]:
            if link.target not in found and (errors or link.port != ERROR_PORT):
                found[link.target] = found[at]
                pending.append(link.target)
    return found
