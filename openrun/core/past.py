"""The past of a run, read from its journal: state at any seq, what changed between two, where steps stood.

A replayer has a graph and facts, and nothing with which it could call out: no step of the flow runs, no clock
is read. What it says is a function of the facts alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from openrun.core.errors import OpenRunError
from openrun.core.events import Fact, FlowCompleted, FlowForked, FlowStarted, StepCompleted
from openrun.core.graph import Graph
from openrun.core.joins import REASONS
from openrun.core.machine import UnexpectedFact
from openrun.core.patch import difference
from openrun.core.replay import replay
from openrun.core.timeline import timeline, tracks
from openrun.core.types import Json, RunStatus, SkipReason, StepRunStatus


class NoSuchSeq(OpenRunError, LookupError):
    """A seq at which the run has no fact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepStanding:
    """Where a step stood in one scope.

    `status` is "open" (not decided), "ready" (about to start), "running", "waiting", "scheduled" (for another
    attempt), "review", "succeeded", "failed", "cancelled" or "skipped"; `reason` says why it was skipped.
    """

    step_id: str
    scope: str
    status: str
    attempts: int = 0
    reason: SkipReason | None = None


class Replayer:
    """Reads the past of one run; the facts may end before the run does.

    States share their values with the facts: they are for reading, and a copy is for changing. Raises
    `UnexpectedFact` unless the facts are numbered from 1 without a gap; `replay` checks them further.
    """

    __slots__ = ("_facts", "_graph")

    def __init__(self, graph: Graph, facts: Sequence[Fact]) -> None:
        for number, fact in enumerate(facts, start=1):
            if fact.seq != number:
                raise UnexpectedFact(f"run {fact.run_id}: fact {fact.seq} came after {number - 1}")
        self._graph = graph
        self._facts = tuple(facts)

    def states(self) -> Iterator[tuple[Fact, dict[str, Json]]]:
        """Every fact with the run's state right after it; facts that change nothing show the same object."""
        fold = _Fold()
        state = fold.state()
        for fact in self._facts:
            if fold.apply(fact):
                state = fold.state()
            yield fact, state

    def state(self, seq: int) -> dict[str, Json]:
        """The run's state right after the fact `seq`; what items of a foreach set is theirs alone.

        Raises `NoSuchSeq`.
        """
        fold = _Fold()
        for fact in self._until(seq):
            fold.apply(fact)
        return fold.state()

    def diff(self, a: int, b: int) -> list[Json]:
        """What makes the state at seq `b` out of that at `a`, either way in time: RFC 6902 operations.

        Raises `NoSuchSeq`.
        """
        return difference(self.state(a), self.state(b))

    def final(self) -> RunStatus | None:
        """How the run ended, or None if these facts end before."""
        last = self._facts[-1] if self._facts else None
        return last.status if isinstance(last, FlowCompleted) else None

    def standing(self, seq: int) -> list[StepStanding]:
        """Where every step stood right after the fact `seq`, in each scope it came to; once if it came to none.

        Those that ran come first, in the order of their starts, those that are open last. Steps of a foreach
        appear with their items. Raises `NoSuchSeq`, and `UnexpectedFact` for facts that do not follow from
        one another.
        """
        facts = self._until(seq)
        machine = replay(self._graph, facts)
        found = {
            (track.step_id, track.scope): StepStanding(
                step_id=track.step_id, scope=track.scope, status=track.status, attempts=len(track.attempts)
            )
            for track in tracks(facts)
        }
        for act in machine.unfinished:
            found.setdefault(
                (act.step_id, act.scope), StepStanding(step_id=act.step_id, scope=act.scope, status="ready")
            )
        for frame, step, state in machine.take_skipped():
            step_id = frame.walk.graph.steps[step].id
            found[step_id, frame.scope] = StepStanding(
                step_id=step_id, scope=frame.scope, status="skipped", reason=REASONS[state]
            )
        # Steps of an item's body may have the ids of steps outside.
        decided = {step_id for step_id, scope in found if not _of_an_item(scope)}
        undecided = (spec.id for spec in self._graph.steps if spec.id not in decided)
        return [
            *found.values(),
            *(StepStanding(step_id=step_id, scope="/", status="open") for step_id in undecided),
        ]

    def timeline(self) -> dict[str, Json]:
        """The course of the run as plain JSON data; `openrun.core.timeline` describes it."""
        return timeline(self._facts)

    def _until(self, seq: int) -> tuple[Fact, ...]:
        count = len(self._facts)
        if not 1 <= seq <= count:
            known = f"facts 1 to {count}" if count else "no facts"
            run = f"run {self._facts[0].run_id}" if count else "the run"
            raise NoSuchSeq(f"{run} has {known}; there is no fact {seq}")
        return self._facts[:seq]


class _Fold:
    """The state as it grows, fact by fact."""

    __slots__ = ("_outputs", "_values")

    def __init__(self) -> None:
        self._values: dict[str, Json] = {}
        self._outputs: dict[str, Json] = {}

    def apply(self, fact: Fact) -> bool:
        """Fold the next fact; say whether it changed the state."""
        match fact:
            case FlowStarted():
                self._values.update(fact.state)
            case StepCompleted() if not _of_an_item(fact.scope):
                result = fact.result
                if result.status is StepRunStatus.ERROR:
                    self._outputs[fact.step_id] = result.failed_with().to_json()
                else:
                    self._outputs[fact.step_id] = result.output
                    self._values.update(fact.patch)
            case FlowForked():
                self._outputs.update(fact.outputs)
                self._values.update(fact.values)
                for key in fact.removed:
                    self._values.pop(key, None)
            case _:
                return False
        return True

    def state(self) -> dict[str, Json]:
        return {**self._values, "steps": dict(self._outputs)}


def _of_an_item(scope: str) -> bool:
    return "[" in scope
