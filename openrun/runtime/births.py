"""Slices at the two ends of holding a run: those that make one, and the one that gives it back."""

from collections.abc import Sequence
from typing import Protocol

from openrun.core.events import Fact, FlowStarted, StepInterrupted, StepWaiting, encode_event
from openrun.core.machine import Machine
from openrun.core.types import RunStatus
from openrun.runtime.notices import notices_of
from openrun.runtime.runlog import standing_of
from openrun.store.chain import GENESIS, link
from openrun.store.projection import activation_rows, effect_rows, in_ms, wait_rows
from openrun.store.rows import Birth, Dedupe, DeliveryRow, EventRow, Release, Slice, Standing
from openrun.store.tickets import Ticket


def birth_of(
    event: FlowStarted,
    namespace: str,
    *,
    depth: int = 0,
    dedupe: Dedupe | None = None,
    replay_of: str | None = None,
    delivery: DeliveryRow | None = None,
    ticket: Ticket | None = None,
) -> Birth:
    """What the store is told of a new run."""
    return Birth(
        flow_id=event.flow_id,
        version=event.version,
        namespace=namespace,
        created_at=in_ms(event.timestamp),
        trigger=event.trigger,
        parent_run_id=event.parent_run_id,
        depth=depth,
        replay_of=replay_of,
        dedupe=dedupe,
        delivery=delivery,
        ticket=ticket,
    )


class Under(Protocol):
    """A run and the fence it is held under."""

    @property
    def run_id(self) -> str: ...

    @property
    def fence(self) -> int: ...


def handed_back(held: Under, worker: str, first: int, release: Release) -> Slice:
    """A run given back as it stands in the store, where `first` is the seq that would follow."""
    return Slice(
        run_id=held.run_id,
        worker=worker,
        fence=held.fence,
        first=first,
        events=(),
        standing=None,
        release=release,
    )


def unheld(event: FlowStarted, birth: Birth) -> Slice:
    """A run that is born without anybody holding it."""
    body = encode_event(event).decode()
    return Slice(
        run_id=event.run_id,
        worker=None,
        fence=0,
        first=1,
        events=(EventRow(event.run_id, 1, 0, link(GENESIS, event.run_id, 1, 0, body), body),),
        standing=Standing(status=RunStatus.PENDING, updated_at=in_ms(event.timestamp)),
        birth=birth,
        notices=notices_of((event,), event, birth.namespace),
    )


def forked(facts: Sequence[Fact], machine: Machine, birth: Birth) -> Slice:
    """A run that is born with a past, without anybody holding it; the machine has folded these facts."""
    begun = facts[0]
    assert isinstance(begun, FlowStarted)
    # What the other run told is told; this one starts by its last fact, and asks again what is still open.
    telling = [*(each for each in facts if isinstance(each, StepWaiting | StepInterrupted)), facts[-1]]
    changes = machine.listening.changes
    rows: list[EventRow] = []
    head = GENESIS
    for fact in facts:
        body = encode_event(fact).decode()
        head = link(head, fact.run_id, fact.seq, 0, body)
        rows.append(EventRow(fact.run_id, fact.seq, 0, head, body))
    return Slice(
        run_id=machine.run_id,
        worker=None,
        fence=0,
        first=1,
        events=tuple(rows),
        standing=standing_of(machine, facts[-1]),
        birth=birth,
        activations=activation_rows(facts),
        waits=wait_rows(machine.run_id, changes),
        effects=effect_rows(facts),
        notices=notices_of(telling, begun, birth.namespace, changes),
    )
