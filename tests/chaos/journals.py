"""What must hold of the journal of one run, whatever happened to its workers."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from openrun.core.effects import effect_key
from openrun.core.errors import OpenRunError
from openrun.core.events import (
    Fact,
    FlowCompleted,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepScheduled,
    StepStarted,
    decode_fact,
)
from openrun.core.graph import Graph
from openrun.core.replay import replay
from openrun.core.types import FINAL, StepRunStatus
from openrun.runtime.runlog import standing_of
from openrun.steps.execution.request import EFFECT
from openrun.store.chain import broken
from openrun.store.projection import activation_rows
from openrun.store.rows import ActivationRow, EventRow, RunRow, Standing
from tests.chaos.flows import CALL


@dataclass
class Effects:
    """What one activation that calls the receiver may have done to it."""

    attempts: int = 0
    takeovers: int = 0
    """How often its run changed hands while an attempt was under way."""
    answered: list[int] = field(default_factory=list)
    """Numbers of the calls whose answers were recorded."""


@dataclass
class Tally:
    """Figures over all runs."""

    steps: int = 0
    events: int = 0
    effects: dict[str, Effects] = field(default_factory=lambda: defaultdict(Effects))


class Journal:
    """One run: its row, its events and what was derived from them."""

    def __init__(self, row: RunRow, events: Sequence[EventRow], activations: Sequence[ActivationRow]) -> None:
        self._row = row
        self._events = events
        self._activations = activations
        self._facts: list[Fact] = [decode_fact(each.body) for each in events]

    def violations(self, graph: Graph) -> Iterator[str]:
        """Everything that is wrong, in words."""
        for words in (
            *self._chained(),
            *self._ended(),
            *self._fenced(),
            *self._ordered(),
            *self._folded(graph),
        ):
            yield f"run {self._row.run_id} ({self._row.flow_id}): {words}"

    def count(self, tally: Tally) -> None:
        """Add what this run did."""
        tally.events += len(self._facts)
        tally.steps += sum(isinstance(each, StepCompleted) for each in self._facts)
        opened: dict[str, int] = {}
        last = self._events[-1].fence if self._events else 0
        for event, fact in zip(self._events, self._facts, strict=True):
            if not isinstance(fact, StepEvent) or not fact.step_id.startswith(CALL):
                continue
            key = effect_key(fact.activation_id, EFFECT, 0)
            effects = tally.effects[key]
            if isinstance(fact, StepStarted):
                effects.attempts += 1
                opened[key] = event.fence
            elif isinstance(fact, StepScheduled | StepCompleted | StepCancelled) and key in opened:
                effects.takeovers += event.fence - opened.pop(key)
            if isinstance(fact, StepCompleted) and fact.result.status is StepRunStatus.SUCCESS:
                effects.answered.append(fact.result.output["data"]["number"])
        for key, fence in opened.items():
            tally.effects[key].takeovers += last - fence

    def _chained(self) -> Iterator[str]:
        damage = broken(self._events, last=self._row.seq, head=self._row.hash)
        if damage is not None:
            yield f"the chain is broken at {damage.seq}: {damage.reason}"
        for event, fact in zip(self._events, self._facts, strict=True):
            if (event.run_id, event.seq) != (fact.run_id, fact.seq):
                yield f"event {event.seq} says it is event {fact.seq} of run {fact.run_id}"

    def _ended(self) -> Iterator[str]:
        if self._row.status not in FINAL:
            yield f"it is stuck: {self._row.status}, held by {self._row.worker}, hold {self._row.hold!r}"
            return
        ends = [each.seq for each in self._facts if isinstance(each, FlowCompleted)]
        if ends != [len(self._facts)]:
            yield f"its terminal events are {ends}; it has {len(self._facts)} events"
        if self._row.worker is not None or self._row.due_at is not None:
            yield f"it has ended, yet {self._row.worker} holds it, or it is due at {self._row.due_at}"

    def _fenced(self) -> Iterator[str]:
        for before, after in pairwise(self._events):
            if after.fence < before.fence:
                yield f"event {after.seq} was written under fence {after.fence}, after fence {before.fence}"
        if self._events and self._events[-1].fence > self._row.fence:
            yield f"its fence is {self._row.fence}, its last event's {self._events[-1].fence}"

    def _ordered(self) -> Iterator[str]:
        attempts: Counter[tuple[str, str]] = Counter()
        over: dict[tuple[str, str], int] = {}
        for fact in self._facts:
            if not isinstance(fact, StepEvent):
                continue
            place = (fact.step_id, fact.scope)
            if place in over:
                yield f"step {place} has event {fact.seq} after it was over at {over[place]}"
            if isinstance(fact, StepStarted):
                attempts[place] += 1
                if fact.attempt != attempts[place]:
                    yield f"step {place} started attempt {fact.attempt}, its start number {attempts[place]}"
            if isinstance(fact, StepCompleted | StepCancelled):
                over[place] = fact.seq

    def _folded(self, graph: Graph) -> Iterator[str]:
        try:
            machine = replay(graph, self._facts)
        except OpenRunError as error:
            yield f"its events do not follow from one another: {error}"
            return
        row = self._row
        standing = Standing(
            status=row.status, updated_at=row.updated_at, ended_at=row.ended_at, error=row.error
        )
        if standing_of(machine, self._facts[-1]) != standing:
            yield f"its row says {standing}, its events {standing_of(machine, self._facts[-1])}"
        told, stored = _by_place(activation_rows(self._facts)), _by_place(self._activations)
        for place in told.keys() | stored.keys():
            if told.get(place) != stored.get(place):
                yield f"the row of step {place} is {stored.get(place)}, its events say {told.get(place)}"


def _by_place(rows: Sequence[ActivationRow]) -> Mapping[tuple[str, str], ActivationRow]:
    return {(each.step_id, each.scope): each for each in rows}
