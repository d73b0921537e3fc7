"""A store, a journal, a worker and intake put together: the durable engine in one process."""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from openrun.core.errors import OpenRunError
from openrun.core.events import Fact, FlowCompleted, FlowStarted, Shown, decode_fact
from openrun.core.fork import ForkPlan, NoSuchActivation, Wish
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.near import did_you_mean
from openrun.core.past import Replayer
from openrun.core.patch import PatchError
from openrun.core.strict_json import canonical
from openrun.core.types import FINAL, Json, RunStatus
from openrun.definition.program import Program
from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.runtime.births import birth_of, unheld
from openrun.runtime.clock import Clock, SystemClock
from openrun.runtime.engine import Compilable, Start, prepare, started
from openrun.runtime.errors import (
    CompensationOpen,
    EffectSettled,
    InvalidAnswer,
    KeyConflict,
    NotAllowed,
    RunEnded,
    UnknownCompensation,
    UnknownEffect,
    UnknownFlow,
    UnknownRun,
    UnknownVersion,
    UnknownWait,
    WaitOver,
)
from openrun.runtime.forking import Forked, Forking, NotRetryable, WouldRepeat
from openrun.runtime.held import HeldRun, Left
from openrun.runtime.ids import NewRunId, uuid7
from openrun.runtime.journal import Journal
from openrun.runtime.ledger import Ledger
from openrun.runtime.library import Library
from openrun.runtime.messages import MessageKind
from openrun.runtime.runlog import unseen
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.waits import Waits
from openrun.runtime.worker import Worker, WorkerOptions
from openrun.steps.catalog import StepCatalog
from openrun.store.base import Store
from openrun.store.opening import open_store
from openrun.store.projection import in_ms
from openrun.store.rows import (
    Committed,
    Dedupe,
    Duplicate,
    Message,
    Posted,
    RunFilter,
    RunRow,
    Slice,
    Verdict,
)

__all__ = [
    "App",
    "CompensationOpen",
    "DurableRun",
    "EffectSettled",
    "ForkPlan",
    "Forked",
    "InvalidAnswer",
    "KeyConflict",
    "NoSuchActivation",
    "NotAllowed",
    "NotRetryable",
    "PatchError",
    "RunEnded",
    "UnknownCompensation",
    "UnknownEffect",
    "UnknownFlow",
    "UnknownRun",
    "UnknownVersion",
    "UnknownWait",
    "WaitOver",
    "WouldRepeat",
]

_DEDUPE_HOURS = 24


class DurableRun:
    """A run that the store has; `replayed` when it was started before under the same key."""

    def __init__(self, app: "App", run_id: str, *, replayed: bool = False) -> None:
        self._app = app
        self.run_id = run_id
        self.replayed = replayed

    async def status(self) -> RunStatus:
        return (await self._app.row(self.run_id)).status

    async def output(self) -> Json:
        """Wait until the run has ended; what it put out."""
        await self.finished()
        end = (await self._app.facts(self.run_id))[-1]
        return end.output if isinstance(end, FlowCompleted) else None

    async def finished(self) -> RunRow:
        """Wait until the run has ended, here or elsewhere."""
        return await self._app.ended(self.run_id)


class App:
    """Runs flows so that they survive: `async with App("openrun.db", flows=[flow]) as app`.

    `store` is a path of a SQLite file (`:memory:` keeps nothing), a `postgresql://` URL, or a store. With
    `work=False` it starts and steers runs but leaves running them to workers elsewhere.
    """

    def __init__(
        self,
        store: Store | str | Path = "openrun.db",
        *,
        flows: Iterable[Compilable] = (),
        catalog: StepCatalog | None = None,
        clock: Clock | None = None,
        limits: Limits = DEFAULT_LIMITS,
        allow: Iterable[str] = (),
        secrets: Mapping[str, str] | None = None,
        work: bool = True,
        options: WorkerOptions | None = None,
        new_run_id: NewRunId = uuid7,
    ) -> None:
        self.store: Store = open_store(str(store)) if isinstance(store, str | Path) else store
        self.catalog = catalog or StepCatalog.builtin()
        self.clock: Clock = clock or SystemClock()
        self.limits = limits
        self._flows = tuple(flows)
        self._http = HttpClient(allow=AllowList.parse(tuple(allow)))
        self._around = Surroundings.of(
            clock=self.clock, limits=limits, http=self._http, new_run_id=new_run_id, secrets=secrets or {}
        )
        self.library = Library(self.store, self.catalog, limits, self.clock)
        self._options = options or WorkerOptions()
        self._works = work
        self.worker: Worker | None = None
        self.journal: Journal
        self._forking = Forking(self.store, self.library, self.clock, new_run_id, self._write)
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self.waits = Waits(
            self.store, new_run_id, self.clock.now, hint=self._hint, masked=self._around.masked
        )
        """What runs wait to be told: listing it, signals, answers, approvals."""
        self.ledger = Ledger(self.store, self._tell)
        """Calls to the outside, and the undoing of steps."""

    # -- life -------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.store.open()
        for flow in self._flows:
            await self.add_flow(flow)
        if self._works:
            self.worker = Worker(self.store, self._around, self.library, self._options)
            self.worker.on_left = self._left
            self.journal = self.worker.journal
            await self.worker.start()
        else:
            self.journal = Journal(self.store, self.clock)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Hand back what runs here, within the grace in seconds, and close everything."""
        if self.worker is not None:
            await self.worker.stop(grace)
        else:
            await self.journal.close()
        await self._http.close()
        await self.store.close()

    # -- flows and runs ---------------------------------------------------------------------------

    async def add_flow(self, flow: Compilable) -> Program:
        """Keep a flow in the store; new runs of it get this version. Raises `InvalidFlow`."""
        program = flow.program(self.catalog, self.limits)
        await self.library.add(program)
        return program

    async def start(
        self,
        flow: Compilable | str,
        trigger: str | None = None,
        *,
        input: Mapping[str, Any] | None = None,  # noqa: A002
        state: Mapping[str, Any] | None = None,
        key: str | None = None,
        show: Callable[[Shown], None] = unseen,
    ) -> DurableRun:
        """Start a run; when this returns, the run exists, whatever happens next.

        With a `key`, the same key and input give the same run for 24 hours. Events are shown to `show` once they
        are on disk, as long as the run stays here. Raises `UnknownFlow`, `InvalidFlow`, `KeyConflict`,
        `PermanentError` for an input that cannot be.
        """
        program = await self._program(flow)
        start = prepare(program, trigger, input or {}, state or {})
        dedupe = None if key is None else self._dedupe(program, start, key)
        if self.worker is not None and self.worker.has_room:
            return await self._start_here(self.worker, program, start, dedupe, show)
        return await self._start_elsewhere(program, start, dedupe)

    async def replay_dead(self, run_id: str) -> DurableRun:
        """Run a dead letter again from its beginning, with the flow version and the input it had."""
        begun = (await self.facts(run_id))[0]
        assert isinstance(begun, FlowStarted)
        assert begun.trigger is not None
        program = await self.library.program(begun.flow_id, begun.version)
        start = Start(trigger=begun.trigger, payload=begun.input, state=begun.state)
        return await self._start_elsewhere(program, start, None, replay_of=run_id)

    # -- forks ------------------------------------------------------------------------------------

    async def fork(
        self,
        run_id: str,
        step: str,
        scope: str = "/",
        *,
        patch: Sequence[Mapping[str, Any]] = (),
        version: str | None = None,
        repeat_effects: bool = False,
        by: str | None = None,
        comment: str | None = None,
        key: str | None = None,
    ) -> Forked:
        """Make a new run that goes its own way from this step on; what came before and still holds is kept.

        `patch` (JSON Patch, RFC 6902) changes the state as it was right before the step; `version` is another of the
        flow's (a hash, or "latest"). The plan of what comes back says what is kept, and why the rest runs again.
        Raises `UnknownRun`, `UnknownVersion`, `WouldRepeat` when something done outside would be done again (unless told to
        `repeat_effects`), `NoSuchActivation`, `PatchError`, and `KeyConflict` for a `key` that was used otherwise.
        """
        wish = Wish(step=step, scope=scope, patch=patch, by=by, comment=comment)
        forked = await self._forking.fork(run_id, wish, version, repeat_effects=repeat_effects, key=key)
        self._hint()
        return forked

    async def retry(
        self,
        run_id: str,
        *,
        version: str | None = None,
        repeat_effects: bool = False,
        by: str | None = None,
        comment: str | None = None,
        key: str | None = None,
    ) -> Forked:
        """Make a new run that repeats what did not succeed in this one; what did is kept. Raises as `fork` does.

        Raises `NotRetryable` too, for a run that has not ended, or has ended well.
        """
        wish = Wish(by=by, comment=comment)
        forked = await self._forking.fork(run_id, wish, version, repeat_effects=repeat_effects, key=key)
        self._hint()
        return forked

    async def plan_fork(
        self,
        run_id: str,
        step: str | None = None,
        scope: str = "/",
        *,
        patch: Sequence[Mapping[str, Any]] = (),
        version: str | None = None,
    ) -> ForkPlan:
        """What a fork (without a step, a retry) would keep and repeat; makes nothing."""
        return await self._forking.plan(run_id, Wish(step=step, scope=scope, patch=patch), version)

    async def _program(self, flow: Compilable | str) -> Program:
        if isinstance(flow, str):
            return await self._known_program(flow)
        program = flow.program(self.catalog, self.limits)
        if not await self.library.is_current(program):
            await self.library.add(program)
        return program

    async def _known_program(self, flow_id: str) -> Program:
        program = await self.library.current(flow_id)
        if program is None:
            known = [row.flow_id for row in await self.store.versions()]
            hint = did_you_mean(flow_id, known) or "add it with app.add_flow(flow)"
            raise UnknownFlow(f"the store has no flow {flow_id!r}; {hint}")
        return program

    def _dedupe(self, program: Program, start: Start, key: str) -> Dedupe:
        asked = canonical([program.flow_id, start.trigger, start.payload, start.state])
        expires = in_ms(self.clock.now()) + _DEDUPE_HOURS * 3_600_000
        payload_hash = hashlib.sha256(asked.encode()).hexdigest()
        return Dedupe(key=f"start:{program.flow_id}:{key}", payload_hash=payload_hash, expires_at=expires)

    async def _start_here(
        self,
        worker: Worker,
        program: Program,
        start: Start,
        dedupe: Dedupe | None,
        show: Callable[[Shown], None],
    ) -> DurableRun:
        run = worker.bear(program, start, show, dedupe=dedupe)
        on_disk = asyncio.Event()
        run.log.committed(on_disk.set)
        born = asyncio.ensure_future(on_disk.wait())
        await asyncio.wait([born, run.task], return_when=asyncio.FIRST_COMPLETED)
        born.cancel()
        if on_disk.is_set():
            return DurableRun(self, run.run_id)
        left = run.task.result()
        if left.duplicate is not None:
            return self._known(left.duplicate)
        if left.lost is not None:
            # This worker may not hold anything just now; nothing was written, and whoever may will run it.
            return await self._start_elsewhere(program, start, dedupe)
        raise OpenRunError(f"the run could not be started: {left.fault}")

    async def _start_elsewhere(
        self, program: Program, start: Start, dedupe: Dedupe | None, *, replay_of: str | None = None
    ) -> DurableRun:
        event = started(program, start, self._around.new_run_id(), self.clock.now())
        match await self.journal.write(unheld(event, birth_of(event, dedupe=dedupe, replay_of=replay_of))):
            case Committed():
                self._hint()
                return DurableRun(self, event.run_id)
            case Duplicate() as known:
                return self._known(known)
            case stale:
                raise OpenRunError(f"the run could not be started: {stale}")

    def _known(self, known: Duplicate) -> DurableRun:
        if not known.same_payload:
            raise KeyConflict(
                f"run {known.run_id} was started under this key, for another flow, trigger or input"
            )
        return DurableRun(self, known.run_id, replayed=True)

    async def _write(self, part: Slice) -> Verdict:
        return await self.journal.write(part)

    # -- control ----------------------------------------------------------------------------------

    async def cancel(
        self, run_id: str, reason: str = "cancelled", *, hard: bool = False, compensate: bool = False
    ) -> None:
        """Ask a run to stop, and with `compensate` to undo what it did. Raises `UnknownRun`, `RunEnded`.

        With `hard` nothing is waited for: neither steps marked always, nor reviews, nor compensations.
        """
        body = {"reason": reason, "hard": hard, "compensate": compensate}
        await self._tell(run_id, MessageKind.CANCEL, body)

    async def pause(self, run_id: str, reason: str = "paused") -> None:
        """Let nothing more start in a run until it is resumed. Raises `UnknownRun`, `RunEnded`."""
        await self._tell(run_id, MessageKind.PAUSE, {"reason": reason})

    async def resume(self, run_id: str) -> None:
        """Let a paused or held run go on. Raises `UnknownRun`, `RunEnded`."""
        await self._tell(run_id, MessageKind.RESUME, {})

    async def resolve(
        self,
        run_id: str,
        step_id: str,
        scope: str = "/",
        *,
        committed: bool,
        output: Json = None,
        port: str | None = None,
    ) -> None:
        """Say whether the work of a step whose outcome is unknown took place.

        Raises `UnknownRun`, `RunEnded`, and `KeyConflict` when somebody has said otherwise.
        """
        body = {"step_id": step_id, "scope": scope, "committed": committed, "output": output, "port": port}
        seq = (await self.row(run_id)).seq
        # One answer to one doubt: the next one stands at another event.
        await self._tell(run_id, MessageKind.REVIEW, body, f"review:{step_id}:{scope}:{seq}")

    async def _tell(
        self, run_id: str, kind: MessageKind, body: dict[str, Any], key: str | None = None
    ) -> None:
        place = f"{kind}:{self._around.new_run_id()}" if key is None else key
        (posted,) = await self.store.post([Message(run_id=run_id, kind=kind, key=place, body=body)])
        self._check(run_id, posted)
        self._hint()

    def _hint(self) -> None:
        if self.worker is not None:
            self.worker.hint()

    def _check(self, run_id: str, posted: Posted) -> None:
        if posted.status is None:
            raise UnknownRun(f"the store has no run {run_id!r}")
        if posted.status in FINAL:
            raise RunEnded(
                f"run {run_id} has ended: {posted.status.value}; nothing can be asked of it any more"
            )
        if posted.conflict:
            raise KeyConflict(f"run {run_id} was told otherwise before")

    # -- looking ----------------------------------------------------------------------------------

    async def row(self, run_id: str) -> RunRow:
        """Where a run stands. Raises `UnknownRun`."""
        row = await self.store.run(run_id)
        if row is None:
            raise UnknownRun(f"the store has no run {run_id!r}")
        return row

    async def facts(self, run_id: str) -> Sequence[Fact]:
        """The journal of a run. Raises `UnknownRun`."""
        rows = await self.store.events(run_id)
        if not rows:
            raise UnknownRun(f"the store has no run {run_id!r}")
        return [decode_fact(row.body) for row in rows]

    async def children(self, run_id: str, limit: int = 1_000) -> Sequence[RunRow]:
        """The runs that a run has started, newest first."""
        return await self.store.runs(RunFilter(parent_run_id=run_id, limit=limit))

    async def past(self, run_id: str) -> Replayer:
        """The past of a run: states, differences, timeline. Raises `UnknownRun`, `MissingCode`."""
        row = await self.row(run_id)
        program = await self.library.program(row.flow_id, row.version)
        return Replayer(program.graph, await self.facts(run_id))

    async def ended(self, run_id: str) -> RunRow:
        """Wait until a run has ended. Raises `UnknownRun`."""
        loop = asyncio.get_running_loop()
        while True:
            left = loop.create_future()
            waiting = self._waiting.setdefault(run_id, set())
            waiting.add(left)
            try:
                row = await self.row(run_id)
                if row.status in FINAL:
                    return row
                await asyncio.wait([left], timeout=self._options.poll)
            finally:
                waiting.discard(left)
                if not waiting and self._waiting.get(run_id) is waiting:
                    del self._waiting[run_id]

    def _left(self, run: HeldRun, _left: Left) -> None:
        for waiting in self._waiting.pop(run.run_id, ()):
            if not waiting.done():
                waiting.set_result(None)
