"""A worker: claims whole runs, drives them, lets them go when they rest, and takes over those of the dead.

Everything it needs to know is in the store; hints (a commit that woke a run, a message just posted) only spare
waiting for the next look.
"""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from openrun.core.events import Shown, decode_fact
from openrun.definition.program import Program
from openrun.runtime.births import birth_of, handed_back
from openrun.runtime.engine import Start, started
from openrun.runtime.held import MISSING_CODE, POISON, HeldRun, Left, Place
from openrun.runtime.journal import Journal
from openrun.runtime.lease import Lease
from openrun.runtime.library import Library, MissingCode
from openrun.runtime.observer import Observer
from openrun.runtime.runlog import NewHead, unseen
from openrun.runtime.slots import Slots
from openrun.runtime.surroundings import Surroundings
from openrun.store.base import Hinting, Store, StoreError, StoreUnavailable
from openrun.store.chain import broken
from openrun.store.projection import in_ms
from openrun.store.rows import (
    DEFAULT_NAMESPACE,
    Claim,
    Dedupe,
    DeliveryRow,
    EventRow,
    InboxRow,
    Release,
    RunRow,
)

_log = logging.getLogger("openrun.worker")

_BATCH = 100
_SUSPECT = 2
_POISONED = 5
_FOLD = 0.00002
"""Seconds that folding one event takes, about."""
_WORTH = 50
"""A run leaves memory when it will rest this many times longer than reading it again takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """Times in seconds."""

    lease: float = 30.0
    poll: float = 0.5
    listen: float = 0.2
    """How often inboxes are looked into."""
    runs: int = 1_000
    """Most runs in memory at once."""
    steps: int = 200
    """Most steps at once, of all runs."""
    start_queue: int = 1_000
    """Most runs that are being started and not yet on disk; more are turned away (`Overloaded`)."""
    grace: float = 10.0
    """What running steps are given when the worker stops."""
    patience: float = 1.0
    """How long a run rests in memory before it leaves."""
    missing_code: float = 5.0
    """After how long a run whose code was missing is looked at again."""


class Worker:
    """Runs what the store has to run, in this process."""

    def __init__(
        self,
        store: Store,
        around: Surroundings,
        library: Library,
        options: WorkerOptions,
        *,
        secrets: Mapping[str, str] | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        """`secrets` of all namespaces, as `Surroundings.of` takes them; `observers` are told what runs do."""
        self.name = f"{socket.gethostname()[:40]}-{os.getpid()}-{around.new_run_id()[-12:]}"
        self._store = store
        self._around = around
        self._library = library
        self._options = options
        self.lease = Lease(store, self.name, options.lease)
        self.journal = Journal(store, around.clock, self.lease)
        self._place = Place(
            around=around,
            library=library,
            journal=self.journal,
            slots=Slots(options.steps),
            lease=self.lease,
            worker=self.name,
            lacking=self._lacking,
            secrets=secrets or {},
            observers=tuple(observers),
            trace=self._trace,
        )
        self.held: dict[str, HeldRun] = {}
        self._claiming: set[str] = set()
        self._work = asyncio.Event()
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._without: dict[str, float] = {}
        self._suspects: set[str] = set()
        """Runs it holds that have crashed their worker before."""
        self._alone = False
        self._stopping = False
        self._doubtful = False
        """The store may have given this worker runs that it does not know of."""
        self._loops: list[asyncio.Task[None]] = []
        self.on_left: Callable[[HeldRun, Left], None] = lambda _run, _left: None

    # -- life -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Enlist and begin to work."""
        await self.lease.start(host=socket.gethostname(), pid=os.getpid())
        loop = asyncio.get_running_loop()
        bodies = (self._claim_for_ever, self._listen_for_ever, self._tidy_for_ever, self._heed_for_ever)
        for body in bodies:
            self._loops.append(loop.create_task(body()))

    async def stop(self, grace: float | None = None) -> None:
        """Take nothing more, let running steps end within the grace, hand back what is left, and leave."""
        self._stopping = True
        for task in self._loops[:1]:
            task.cancel()
        deadline = asyncio.get_running_loop().time() + (self._options.grace if grace is None else grace)
        await self._until_at_rest(deadline)
        for run in list(self.held.values()):
            run.give_back()
        await self._all_left()
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self.journal.close()
        self.lease.stop()
        await self.lease.join()
        with contextlib.suppress(StoreError):
            await self._store.retire(self.name)

    def hint(self) -> None:
        """There may be something new in the store."""
        self._work.set()
        self._news.set()

    @property
    def idle(self) -> bool:
        """It holds nothing, and nothing it held is being claimed."""
        return not self.held and not self._claiming

    @property
    def has_room(self) -> bool:
        """It may take a new run at once."""
        return not (self._stopping or self._alone or len(self.held) >= self._options.runs)

    # -- new runs ---------------------------------------------------------------------------------

    def bear(
        self,
        program: Program,
        start: Start,
        show: Callable[[Shown], None],
        *,
        namespace: str = DEFAULT_NAMESPACE,
        dedupe: Dedupe | None = None,
        delivery: DeliveryRow | None = None,
    ) -> HeldRun:
        """Start a new run here. It is on disk once its log's `committed` calls back; its delivery gets its id."""
        run_id = start.run_id or self._around.new_run_id()
        event = started(program, start, run_id, self._around.clock.now())
        row = None if delivery is None else replace(delivery, run_id=run_id)
        birth = birth_of(event, namespace, depth=start.depth, dedupe=dedupe, delivery=row)
        head = NewHead(run_id=run_id, parent_run_id=start.parent_run_id, namespace=namespace)
        run = HeldRun(self._place, head, program, [event], show, birth=birth, depth=start.depth)
        self._hold(run)
        return run

    # -- claiming ---------------------------------------------------------------------------------

    async def _claim_for_ever(self) -> None:
        while True:
            await self.lease.secured()
            with self._surviving():
                while await self._claim():
                    pass
            await self._wait(self._work, self._options.poll)

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        """A worker's loops go on whatever happens in one round; the store may be away for a while."""
        try:
            yield
        except StoreUnavailable:
            self._doubtful = True
        except StoreError as refused:
            _log.warning("the store refused: %s", refused)
            self.lease.doubt()
        except Exception:  # noqa: BLE001
            self._doubtful = True
            _log.exception("worker %s goes on after a fault", self.name)

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        event.clear()

    async def _claim(self) -> bool:
        """Claim what is due and fits; say whether there may be more."""
        if self._doubtful:
            await self._recall()
        left_out = self._left_out()
        self._alone = bool(self._suspects) or await self._store.waiting_alone(without=left_out) > 0
        if self._alone:
            if self.held:
                return False
            claims = await self._store.claim(self.name, 1, without=left_out, alone=True)
            await self._take(claims)
            return bool(claims)
        room = min(self._options.runs - len(self.held), _BATCH)
        if room <= 0:
            return False
        claims = await self._store.claim(self.name, room, without=left_out, alone=False)
        await self._take(claims)
        return len(claims) == room

    def _left_out(self) -> Sequence[str]:
        now = asyncio.get_running_loop().time()
        self._without = {version: until for version, until in self._without.items() if until > now}
        return tuple(self._without)

    def _lacking(self, version: str) -> None:
        """Leave the runs of this version to others for a while."""
        self._without[version] = asyncio.get_running_loop().time() + self._options.missing_code

    async def _recall(self) -> None:
        """Take what the store says is held here and nobody here knows of: the answer to a claim was lost."""
        known = set(self.held)
        rows = await self._store.held_by(self.name)
        await self._take([_claim_of(row) for row in rows if row.run_id not in known | self.held.keys()])
        self._doubtful = False

    async def _take(self, claims: Sequence[Claim]) -> None:
        if not claims:
            return
        run_ids = [claim.run_id for claim in claims]
        self._claiming.update(run_ids)
        try:
            journals = await self._store.journals(run_ids)
            messages = await self._store.waiting_messages(run_ids)
            letters = _by_run(messages)
            for claim in claims:
                run = await self._take_one(claim, journals.get(claim.run_id, []))
                if run is not None:
                    # Heard before anything starts: a cancel must not come second to the step it is about.
                    for row in letters.get(run.run_id, ()):
                        run.hear(row)
        finally:
            self._claiming.clear()

    async def _take_one(self, claim: Claim, rows: list[EventRow]) -> HeldRun | None:
        damage = broken(rows, last=claim.seq, head=claim.hash)
        if damage is not None:
            await self._refuse(claim, f"damaged: {damage.reason}")
            return None
        try:
            program = await self._library.program(claim.flow_id, claim.version, claim.namespace)
        except MissingCode as missing:
            self._lacking(claim.version)
            await self._refuse(claim, f"{MISSING_CODE}: {missing}", again=True)
            return None
        try:
            history = [decode_fact(row.body) for row in rows]
            run = HeldRun(self._place, claim, program, history, unseen, depth=claim.depth)
        except Exception as fault:  # noqa: BLE001
            # Whatever is wrong with one run's data hurts that run alone.
            await self._refuse(claim, f"damaged: {fault}")
            return None
        self._hold(run)
        if claim.crashes >= _SUSPECT:
            self._suspects.add(claim.run_id)
        if claim.crashes >= _POISONED:
            run.driver.review_first = POISON
        return run

    async def _refuse(self, claim: Claim, reason: str, *, again: bool = False) -> None:
        """Give a claim back untouched, and say why."""
        _log.warning("run %s is left alone: %s", claim.run_id, reason)
        release = Release(
            due_at=in_ms(self._around.clock.now()) if again else None, hold=reason, crashed=True
        )
        await self.journal.write(handed_back(claim, self.name, claim.seq + 1, release))

    def _trace(self, run_id: str, step_id: str, scope: str) -> tuple[str, str | None] | None:
        run = self.held.get(run_id)
        return None if run is None else run.trace(step_id, scope)

    # -- holding ----------------------------------------------------------------------------------

    def _hold(self, run: HeldRun) -> None:
        ghost = self.held.get(run.run_id)
        if ghost is not None:
            ghost.superseded()
        self.held[run.run_id] = run
        run.task.add_done_callback(lambda task: self._left(run, task))
        run.taken()

    def _left(self, run: HeldRun, task: "asyncio.Task[Left]") -> None:
        if self.held.get(run.run_id) is run:
            del self.held[run.run_id]
            self._suspects.discard(run.run_id)
        left = Left(lost="cancelled") if task.cancelled() else task.result()
        if left.fault is not None:
            _log.error("run %s cannot go on: %s", run.run_id, left.fault, exc_info=left.fault)
        elif left.lost is not None:
            _log.warning("run %s was lost: %s", run.run_id, left.lost)
        run.gone(left)
        self.on_left(run, left)
        self.hint()
        self._changed.set()

    async def _listen_for_ever(self) -> None:
        while True:
            await self._wait(self._news, self._options.listen)
            if self.held:
                with self._surviving():
                    for row in await self._store.inbox(self.name):
                        run = self.held.get(row.run_id)
                        if run is not None:
                            run.hear(row)

    async def _heed_for_ever(self) -> None:
        """Look at once when the store says that there is something."""
        store = self._store
        while isinstance(store, Hinting):
            with self._surviving():
                async for _ in store.hints():
                    self.hint()
            await asyncio.sleep(self._options.poll)

    async def _tidy_for_ever(self) -> None:
        """Let runs go that rest for long enough."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._options.patience / 2)
            now = loop.time()
            for run in list(self.held.values()):
                if not run.driver.resting or run.leaving is not None:
                    run.rested_since = None
                elif run.rested_since is None:
                    run.rested_since = now
                elif self._may_leave(run, now - run.rested_since):
                    run.give_back()

    def _may_leave(self, run: HeldRun, rested: float) -> bool:
        worth = max(self._options.patience, run.driver.machine.seq * _FOLD * _WORTH)
        due = run.driver.due()
        soon = due is not None and (due - self._around.clock.now()).total_seconds() < worth
        return rested >= worth and not soon

    async def _until_at_rest(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        for run in self.held.values():
            run.log.draining = True
        while any(run.driver.working for run in self.held.values()) and loop.time() < deadline:
            await self._wait(self._changed, min(0.05, max(0.0, deadline - loop.time())))

    async def _all_left(self) -> None:
        tasks = [run.task for run in self.held.values()]
        if tasks:
            # A store that takes nothing takes no run back either: whoever claims it finds it when the lease ends.
            stuck = self.journal.trouble is not None
            await asyncio.wait(tasks, timeout=1.0 if stuck else self._options.grace + self._options.lease)


def _by_run(messages: Sequence[InboxRow]) -> Mapping[str, Sequence[InboxRow]]:
    found: dict[str, list[InboxRow]] = {}
    for row in messages:
        found.setdefault(row.run_id, []).append(row)
    return found


def _claim_of(row: RunRow) -> Claim:
    return Claim(
        run_id=row.run_id,
        flow_id=row.flow_id,
        version=row.version,
        namespace=row.namespace,
        fence=row.fence,
        seq=row.seq,
        hash=row.hash,
        crashes=row.crashes,
        parent_run_id=row.parent_run_id,
        depth=row.depth,
        bytes=row.bytes,
    )
