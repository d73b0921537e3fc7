"""Intake: where a run begins. When it answers, the run is on disk, whatever happens next."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from msgspec import structs

from openrun.core.errors import OpenRunError
from openrun.core.events import Shown
from openrun.definition.program import Program
from openrun.runtime.births import birth_of, unheld
from openrun.runtime.clock import Clock
from openrun.runtime.engine import Start, started
from openrun.runtime.errors import KeyConflict
from openrun.runtime.journal import Journal
from openrun.runtime.start_queue import StartQueue
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.worker import Worker
from openrun.store.rows import Committed, Dedupe, DeliveryRow, Duplicate, Slice


class Place(Protocol):
    """Where runs begin: a process with a store, and perhaps a worker."""

    @property
    def clock(self) -> Clock: ...

    @property
    def around(self) -> Surroundings: ...

    @property
    def journal(self) -> Journal: ...

    @property
    def worker(self) -> Worker | None:
        """None where runs are left to workers elsewhere."""

    @property
    def start_queue(self) -> StartQueue:
        """Bounds what is being started here, of all namespaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """How a run begins, and what is kept along with it."""

    program: Program
    start: Start
    namespace: str
    dedupe: Dedupe | None = None
    replay_of: str | None = None
    delivery: DeliveryRow | None = None
    """Without the run's id, which is not known yet."""


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is on disk; `replayed` when it was begun before under the same key, `is_here` when it goes on here."""

    run_id: str
    replayed: bool = False
    is_here: bool = False


class Intake:
    """Begins runs, here or for whoever claims them."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def begin(self, beginning: Beginning, show: Callable[[Shown], None]) -> Begun:
        """Begin a run here if there is room, and show its events; else leave it to others.

        A run with flow control is always left: who may go on is decided where runs are claimed. Raises `KeyConflict`,
        and `Overloaded` before anything is made.
        """
        with self._place.start_queue.place():
            return await self._begin(self._masked(beginning), show)

    async def _begin(self, beginning: Beginning, show: Callable[[Shown], None]) -> Begun:
        worker = self._place.worker
        waits_its_turn = beginning.replay_of is not None or beginning.program.flow_control is not None
        if worker is None or not worker.has_room or waits_its_turn:
            return await self._leave(beginning)
        run = worker.bear(
            beginning.program,
            beginning.start,
            show,
            namespace=beginning.namespace,
            dedupe=beginning.dedupe,
            delivery=beginning.delivery,
        )
        on_disk: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        run.log.committed(lambda: _settle(on_disk, True))
        run.task.add_done_callback(lambda _task: _settle(on_disk, False))
        if await on_disk:
            return Begun(run.run_id, is_here=True)
        left = run.task.result()
        if left.duplicate is not None:
            return _known(left.duplicate)
        if left.lost is not None:
            # This worker may not hold anything just now; nothing was written, and whoever may will run it.
            return await self._leave(beginning)
        raise OpenRunError(f"the run could not be started: {left.fault}")

    def _masked(self, beginning: Beginning) -> Beginning:
        """Without the values of secrets: what somebody sends to prove who they are is not to be kept."""
        masked = self._place.around.masked
        if masked is None:
            return beginning
        start = beginning.start
        clean = replace(start, payload=masked(start.payload), state=masked(start.state))
        return replace(beginning, start=clean)

    def birth(self, beginning: Beginning) -> Slice:
        """What makes a run that nobody holds, for whoever writes it.

        Raises PermanentError where its payload has no key or priority for the flow control of its flow.
        """
        place, its = self._place, self._masked(beginning)
        control = its.program.flow_control
        event = started(its.program, its.start, place.around.new_run_id(), place.clock.now())
        birth = birth_of(
            event,
            its.namespace,
            dedupe=its.dedupe,
            replay_of=its.replay_of,
            delivery=its.delivery and structs.replace(its.delivery, run_id=event.run_id),
            ticket=None if control is None else control.ticket(its.namespace, its.start.payload),
        )
        return unheld(event, birth)

    async def leave(self, beginning: Beginning) -> Begun:
        """Begin a run that nobody holds: it is due at once, or once it is admitted. Raises as `begin` does."""
        with self._place.start_queue.place():
            return await self._leave(beginning)

    async def _leave(self, beginning: Beginning) -> Begun:
        place, part = self._place, self.birth(beginning)
        match await place.journal.write(part):
            case Committed():
                if place.worker is not None:
                    place.worker.hint()
                return Begun(part.run_id)
            case Duplicate() as known:
                return _known(known)
            case stale:
                raise OpenRunError(f"the run could not be started: {stale}")


def _settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)


def _known(known: Duplicate) -> Begun:
    if not known.same_payload:
        raise KeyConflict(
            f"run {known.run_id} was started under this key, for another flow, trigger or input"
        )
    return Begun(known.run_id, replayed=True)
