"""What holds of every run, whatever a test asks of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    Fact,
    FlowCancelRequested,
    FlowCompleted,
    StepCancelled,
    StepCompleted,
    StepStarted,
    decode_event,
    encode_event,
)
from openrun.core.frame import Walk
from openrun.core.graph import GraphSpec
from openrun.core.machine import Machine
from openrun.core.replay import replay, state_at
from openrun.core.types import RunStatus, StepRunStatus
from openrun.core.undoing import CompensationOutcome, CompensationStatus

Place = tuple[str, str]


def check_every_run(
    machine: Machine,
    facts: Sequence[Fact],
    walks: Iterable[Walk],
    ready_after: Mapping[int, list[Place]],
) -> None:
    """Nothing is left over, no join starved, nothing started or ended twice, and the facts fold to the same."""
    assert not machine.unfinished, f"left over: {machine.unfinished}"
    assert not machine.ready
    verdict = machine.verdict
    assert verdict is not None
    assert "JOIN_STARVED" not in [failure.error.code for failure in verdict.failures]
    for walk in walks:
        assert walk.busy == 0, f"scope {walk.root.scope} ended while something was under way in it"
        assert walk.open_tallies == 0, f"a step in {walk.root.scope} starved"
    check_starts(facts)
    check_undone(machine, facts)
    check_fold(machine, facts, ready_after)


def check_starts(facts: Iterable[Fact]) -> None:
    starts = Counter((f.step_id, f.scope, f.attempt) for f in facts if isinstance(f, StepStarted))
    assert not [key for key, count in starts.items() if count > 1]
    ends = Counter((f.step_id, f.scope) for f in facts if isinstance(f, StepCompleted | StepCancelled))
    assert not [key for key, count in ends.items() if count > 1]


def to_undo(spec: GraphSpec, facts: Iterable[Fact]) -> list[Place]:
    """What has completed and can be undone, last first."""
    steps = {step.id for step in _steps(spec) if step.compensation}
    done = [
        (fact.step_id, fact.scope)
        for fact in facts
        if isinstance(fact, StepCompleted) and fact.result.status is StepRunStatus.SUCCESS
    ]
    return [place for place in reversed(done) if place[0] in steps and "[undo]" not in place[1]]


def _steps(spec: GraphSpec) -> list[Any]:
    return [*spec.steps, *(inner for step in spec.steps if step.body for inner in _steps(step.body))]


def check_undone(machine: Machine, facts: Sequence[Fact]) -> None:
    """What a run did is undone in the reverse order of its completion, each once, if the run is to be undone."""
    verdict = machine.verdict
    assert verdict is not None
    ends = [fact for fact in facts if isinstance(fact, CompensationCompleted)]
    begun = [(fact.step_id, fact.scope) for fact in facts if isinstance(fact, CompensationStarted)]
    told = [(fact.step_id, fact.scope) for fact in ends]
    cancels = [fact for fact in facts if isinstance(fact, FlowCancelRequested)]
    wanted = verdict.status in (RunStatus.FAILED, RunStatus.ABORTED) or (
        verdict.status is RunStatus.CANCELLED and any(fact.compensate for fact in cancels)
    )
    left = to_undo(machine.graph.spec, facts)
    assert told == (left if machine.undoing else [])
    assert begun == [place for place in told if place in begun]
    if not any(fact.hard for fact in cancels):
        assert machine.undoing == bool(wanted and left)
    statuses = {fact.status for fact in ends}
    foreseen = (
        CompensationOutcome.PARTIAL
        if CompensationStatus.COMPLETED in statuses
        else CompensationOutcome.FAILED
    )
    if statuses <= {CompensationStatus.COMPLETED}:
        foreseen = CompensationOutcome.COMPLETED
    assert verdict.compensation is (foreseen if ends else None)
    assert not ends or not isinstance(facts[-1], FlowCompleted) or ends[-1].seq < facts[-1].seq


def check_fold(machine: Machine, facts: Sequence[Fact], ready_after: Mapping[int, list[Place]]) -> None:
    stored: list[Any] = [decode_event(encode_event(fact)) for fact in facts]
    again = replay(machine.graph, stored)
    assert again.verdict == machine.verdict
    assert picture(again) == picture(machine)
    assert state_at(facts, len(facts)) == again.state()
    middle = len(stored) * 2 // 3
    partial = replay(machine.graph, stored[:middle])
    assert sorted((act.step_id, act.scope) for act in partial.ready) == ready_after.get(middle, [])


def picture(machine: Machine) -> dict[str, Any]:
    """All that the machine knows, as plain data."""
    return {
        "status": machine.status,
        "seq": machine.seq,
        "state": machine.state(),
        "frames": {
            scope: (
                dict(frame.edges),
                dict(frame.passed),
                {step: (act.phase, act.attempt, act.fired, act.error) for step, act in frame.acts.items()},
                {
                    region: (r.iterations, sorted(r.fired), r.died, r.backs)
                    for region, r in frame.loops.items()
                },
            )
            for scope, frame in machine.frames().items()
        },
    }
