"""One run that this process holds: its driver, its log, and how it leaves."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from openrun.core.errors import ErrorObject
from openrun.core.events import Fact, FlowCompleted, FlowStarted, Shown
from openrun.core.facts import CancelRequest
from openrun.core.outstanding import standing
from openrun.core.types import RunStatus
from openrun.definition.program import Program
from openrun.runtime.births import handed_back
from openrun.runtime.driver import Driver
from openrun.runtime.hearing import hear
from openrun.runtime.journal import Journal
from openrun.runtime.lease import Lease
from openrun.runtime.library import Library
from openrun.runtime.observer import Observer
from openrun.runtime.offspring import Offspring
from openrun.runtime.runlog import Head, RunLog
from openrun.runtime.slots import Slots
from openrun.runtime.surroundings import Surroundings
from openrun.steps.context import Trace
from openrun.store.projection import in_ms
from openrun.store.rows import Birth, Duplicate, InboxRow, Release

_log = logging.getLogger("openrun.run")

POISON = "poison"
MISSING_CODE = "missing code"
FAULT = "fault"
"""How the hold of a run begins that the engine could not go on with."""


@dataclass(frozen=True, slots=True)
class Left:
    """How a run left this process: at its end, given back, taken away, or never begun (a duplicate)."""

    end: FlowCompleted | None = None
    duplicate: Duplicate | None = None
    lost: str | None = None
    fault: BaseException | None = None

    def why(self, status: RunStatus) -> str:
        """In a word or two, given where the run stood."""
        ways = {
            "duplicate": self.duplicate is not None,
            "fault": self.fault is not None,
            "lost": self.lost is not None,
            "ended": self.end is not None,
            "handed back": status in (RunStatus.PENDING, RunStatus.RUNNING),
        }
        return next((name for name, fits in ways.items() if fits), "rests")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the runs of one worker share."""

    around: Surroundings
    library: Library
    journal: Journal
    slots: Slots
    lease: Lease
    worker: str
    lacking: Callable[[str], None]
    """Told which version this process has not the code for."""
    secrets: Mapping[str, str]
    """Those of all namespaces."""
    observers: Sequence[Observer]
    trace: Trace
    """What names a step of a run to those whom it calls."""
    _within: dict[str, Surroundings] = field(default_factory=dict)

    def surroundings(self, namespace: str) -> Surroundings:
        """Those of the runs of a namespace."""
        known = self._within.get(namespace)
        if known is None:
            around = self.around.within(namespace, self.secrets)
            known = self._within[namespace] = replace(around, trace=self.trace if self.observers else None)
        return known

    @property
    def most(self) -> tuple[int, int]:
        """The events and the bytes that the journal of a run may have."""
        return self.around.limits.run_events, self.around.limits.run_bytes


class HeldRun:
    """A run in the memory of its holder."""

    def __init__(
        self,
        place: Place,
        head: Head,
        program: Program,
        history: Sequence[Fact],
        show: Callable[[Shown], None],
        *,
        birth: Birth | None = None,
        depth: int = 0,
    ) -> None:
        """`history` is the journal so far; for a run that is born here, with its `birth`, just its first event."""
        begun = history[0]
        assert isinstance(begun, FlowStarted)
        self.run_id = head.run_id
        self.flow_id = program.flow_id
        self.namespace = head.namespace
        self.fence = head.fence
        self.program = program
        self.history: Sequence[Fact] = () if birth is not None else history
        self._place = place
        around = place.surroundings(self.namespace)
        self.log = RunLog(place, head, self, show, birth)
        self.log.begun = begun
        self.driver = Driver(
            around,
            program,
            begun,
            self.log,
            lambda post: Offspring(
                around, place.library, self.log, post, depth=depth, hops=begun.hops, lacks=self._lacks
            ),
            history=self.history,
        )
        self.log.machine = self.driver.machine
        self._told = asyncio.Event()
        """The store has heard of the run's end, or refused it."""
        self._duplicate: Duplicate | None = None
        self._lost: str | None = None
        self._unwritten: tuple[int, Release] | None = None
        """The seq from which nothing was written, and how the run is given up."""
        self._taken: set[int] = set()
        self.rested_since: float | None = None
        """When it was first seen at rest, by the loop's clock."""
        self.leaving: Release | None = None
        """How it is given back, once its steps have stopped."""
        self.task: asyncio.Task[Left] = asyncio.get_running_loop().create_task(self._live())

    # -- what the worker asks ---------------------------------------------------------------------

    def hear(self, row: InboxRow) -> None:
        """A message from the inbox; each is heard once."""
        if row.number in self._taken or self.leaving is not None:
            return
        self._taken.add(row.number)
        self.rested_since = None

        def act() -> None:
            self.log.take(row.number)
            hear(self.driver, row)

        self.driver.post(act)

    def give_back(self) -> None:
        """Leave the run to whoever claims it next: when it is due if it rests, else at once."""
        if self.leaving is not None or self.driver.over:
            return
        due = self.driver.due() if self.driver.resting else self._place.around.clock.now()
        self.leaving = Release(due_at=None if due is None else in_ms(due))
        self.driver.leave()

    def _lacks(self, reason: str) -> None:
        """A child takes code that is missing here: leave the run to a worker that has it."""
        if self.leaving is None and not self.driver.over:
            now = in_ms(self._place.around.clock.now())
            self.leaving = Release(due_at=now, hold=f"{MISSING_CODE}: {reason}", crashed=True)
            self._place.lacking(self.program.version)
            self.driver.leave()

    def _let_go(self, release: Release) -> None:
        self.log.release(release)
        self.log.committed(self._told.set)

    # -- who watches ------------------------------------------------------------------------------

    @property
    def status(self) -> RunStatus:
        return standing(self.driver.machine)

    def step_type(self, step_id: str) -> str:
        return self.program.step_types[step_id]

    def taken(self) -> None:
        """The worker has it: say so."""
        self._tell(lambda observer: observer.took(self))

    def heard(self, shown: Sequence[Shown]) -> None:
        self._tell(lambda observer: observer.heard(self, shown))

    def gone(self, left: Left) -> None:
        """The worker has it no more: say so."""
        self.history = ()
        why = left.why(self.status)
        self._tell(lambda observer: observer.left(self, why))

    def _tell(self, say: Callable[[Observer], None]) -> None:
        """Whoever watches must not stop the run, nor those that share its commit."""
        for observer in self._place.observers:
            try:
                say(observer)
            except Exception:  # noqa: BLE001
                _log.exception("run %s: an observer failed", self.run_id)

    def trace(self, step_id: str, scope: str) -> tuple[str, str | None] | None:
        """What names a step of it to those whom it calls."""
        traces = (each.trace(self, step_id, scope) for each in self._place.observers)
        return next((each for each in traces if each is not None), None)

    # -- what the log tells -----------------------------------------------------------------------

    def lost(self, first: int, reason: str) -> None:
        # Most likely somebody else has it; if nobody does, whoever comes next must be able to.
        self._unwritten = first, Release(due_at=in_ms(self._place.around.clock.now()), crashed=True)
        self._lost = reason
        self._place.lease.doubt()
        self._told.set()
        self.driver.leave()

    def superseded(self) -> None:
        """The run has come back to this process under a new fence: this is but its ghost."""
        self._lost = "it was claimed again"
        self._told.set()
        self.log.close()
        self.driver.leave()

    def unwritable(self, first: int, reason: str) -> None:
        self.lost(first, reason)
        self._unwritten = first, Release(due_at=None, hold=f"{FAULT}: {reason}", crashed=True)

    def known(self, duplicate: Duplicate) -> None:
        self._duplicate = duplicate
        self._told.set()
        self.driver.leave()

    def relieved(self) -> None:
        self.driver.post(lambda: None)

    def too_long(self, message: str) -> None:
        error = ErrorObject(code="JOURNAL_LIMIT", message=message)
        request = CancelRequest(reason="JOURNAL_LIMIT", hard=True, error=error)
        self.driver.post(lambda: self.driver.steering.cancel(request))

    async def _live(self) -> Left:
        fault: Exception | None = None
        end = None
        try:
            end = await self.driver.drive()
        except Exception as broke:  # noqa: BLE001
            # The engine's own fault must not take the worker with it: the run is held, and says why.
            fault = broke
            self._let_go(Release(due_at=None, hold=f"{FAULT}: {broke}", crashed=True))
        if end is not None:
            self.log.committed(self._told.set)
        elif self.leaving is not None:
            self._let_go(self.leaving)
        if end is not None or self.leaving is not None or fault is not None:
            await self._told.wait()
        self.log.close()
        if self._unwritten is not None:
            await self._give_up(*self._unwritten)
        return Left(end=end, duplicate=self._duplicate, lost=self._lost, fault=fault)

    async def _give_up(self, first: int, release: Release) -> None:
        """Leave the run as it is in the store; refused there if somebody else holds it."""
        await self._place.journal.write(handed_back(self.log, self._place.worker, first, release))
