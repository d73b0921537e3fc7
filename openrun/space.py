"""One namespace's flows and runs: keeping flows, starting runs, telling them things, looking at them."""

import contextlib
import hashlib
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from openrun.core.events import Fact, FlowCompleted, FlowStarted, Shown, decode_fact
from openrun.core.fork import ForkPlan, Wish
from openrun.core.near import did_you_mean
from openrun.core.past import Replayer
from openrun.core.strict_json import canonical
from openrun.core.types import FINAL, Json, RunStatus
from openrun.definition.program import Program
from openrun.runtime.bus_events import Events
from openrun.runtime.engine import Compilable, Start, prepare
from openrun.runtime.errors import KeyConflict, RunEnded, UnknownFlow, UnknownRun
from openrun.runtime.forking import Forked, Forking
from openrun.runtime.intake import Beginning, Intake
from openrun.runtime.ledger import Ledger
from openrun.runtime.messages import MessageKind
from openrun.runtime.notifications import Notifications
from openrun.runtime.runlog import unseen
from openrun.runtime.tails import Page, Reached
from openrun.runtime.waits import Waits
from openrun.store.base import Records
from openrun.store.projection import in_ms
from openrun.store.rows import (
    Dedupe,
    DeliveryRow,
    Message,
    Posted,
    RunFilter,
    RunRow,
    Slice,
    Verdict,
)
from openrun.triggers.base import RunRequest
from openrun.triggers.schedules import Schedules
from openrun.works import Works

_DEDUPE_HOURS = 24
_HOUR_MS = 3_600_000
_BEGINNING = Reached()


class DurableRun:
    """A run that the store has; `replayed` when it was started before under the same key.

    `is_here` says that this process goes on with it, so that its events are heard at once.
    """

    def __init__(self, space: "Space", run_id: str, *, replayed: bool = False, is_here: bool = False) -> None:
        self._space = space
        self.run_id = run_id
        self.replayed = replayed
        self.is_here = is_here

    async def status(self) -> RunStatus:
        return (await self._space.row(self.run_id)).status

    async def output(self) -> Json:
        """Wait until the run has ended; what it put out."""
        await self.finished()
        end = (await self._space.facts(self.run_id))[-1]
        return end.output if isinstance(end, FlowCompleted) else None

    async def finished(self) -> RunRow:
        """Wait until the run has ended, here or elsewhere."""
        return await self._space.ended(self.run_id)


class Space:
    """The flows and runs of one namespace; what it cannot reach is as if it were not there."""

    def __init__(self, works: Works, namespace: str, records: Records) -> None:
        """`records` show the namespace alone; over those of a whole store, it starts runs in its own and reaches all."""
        self.namespace = namespace
        self.records = records
        self._works = works
        self._intake = Intake(works)
        self._forking = Forking(records, works.library, works.clock, works.around.new_run_id, self._write)
        self.waits = Waits(
            records, works.around.new_run_id, works.clock.now, hint=self.hint, masked=works.around.masked
        )
        """What runs wait to be told: listing it, signals, answers, approvals."""
        self.ledger = Ledger(records, self._tell)
        """Calls to the outside, and the undoing of steps."""
        self.events = Events(records, namespace, works.listening.bus, works.clock.now)
        """What is published for flows and runs that listen."""
        self.notifications = Notifications(records, namespace, works.listening.outlet)
        """Who is told of what runs do."""
        self.schedules = Schedules(
            records,
            namespace,
            works.listening.scheduler.bear,
            works.store.move,
            works.listening.scheduler.hint,
        )
        """What starts runs at its time."""

    # -- flows and runs ---------------------------------------------------------------------------

    async def add_flow(self, flow: Compilable) -> Program:
        """Keep a flow in the store; new runs of it get this version. Raises `InvalidFlow`."""
        program = flow.program(self._works.catalog, self._works.limits)
        await self._works.library.add(program, self.namespace)
        self._works.listening.triggers.forget()
        self._works.listening.scheduler.hint()
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
        trace: tuple[str, str | None] | None = None,
    ) -> DurableRun:
        """Start a run; when this returns, the run exists, whatever happens next.

        With a `key`, the same key and input give the same run for 24 hours. Events are shown to `show` once they
        are on disk, as long as the run stays here. `trace` is who asks: `traceparent` and `tracestate`. Raises
        `UnknownFlow`, `InvalidFlow`, `KeyConflict`, `PermanentError` for an input that cannot be, and `Overloaded`.
        """
        program = await self._program(flow)
        prepared = prepare(program, trigger, input or {}, state or {})
        parent, more = trace or (None, None)
        begin = replace(prepared, traceparent=parent, tracestate=more)
        dedupe = None if key is None else self._dedupe(program, begin, key)
        return await self._begin(program, begin, show, dedupe=dedupe)

    async def deliver(
        self, request: RunRequest, show: Callable[[Shown], None] = unseen, *, replay_of: str | None = None
    ) -> DurableRun:
        """Start the run that a trigger asks for; one with a key is the same run for as long as the request says.

        Raises as `start` does.
        """
        begun = await self._intake.begin(await self._asked(request, replay_of), show)
        return DurableRun(self, begun.run_id, replayed=begun.replayed, is_here=begun.is_here)

    async def _asked(self, request: RunRequest, replay_of: str | None = None) -> Beginning:
        program = await self._known_program(request.flow)
        prepared = prepare(program, request.trigger, request.payload, {}, is_plain=True)
        now = in_ms(self._works.clock.now())
        dedupe = request.key and Dedupe(
            key=request.key,
            payload_hash=request.fingerprint,
            expires_at=now + int(request.keep_seconds * 1_000),
        )
        return Beginning(
            program=program,
            start=replace(
                prepared,
                traceparent=request.traceparent,
                tracestate=request.tracestate,
                hops=request.hops,
            ),
            namespace=self.namespace,
            dedupe=dedupe or None,
            delivery=self._delivery_row(request, now, replay_of),
        )

    def _delivery_row(self, request: RunRequest, now: int, replay_of: str | None) -> DeliveryRow | None:
        its = request.delivery
        if its is None:
            return None
        return DeliveryRow(
            run_id="",
            namespace=self.namespace,
            flow_id=request.flow,
            trigger=request.trigger,
            received_at=now,
            method=its.method,
            path=its.path,
            delivery_id=its.delivery_id,
            digest=its.digest,
            size=its.size,
            remote=its.remote,
            replay_of=replay_of,
        )

    async def replay_dead(self, run_id: str, *, key: str | None = None) -> DurableRun:
        """Run a dead letter again from its beginning, with the flow version and the input it had.

        With a `key`, the same key gives the same run for 24 hours.
        """
        return await self._replay(run_id, latest=False, replay_of=run_id, key=key)

    async def replay_delivery(
        self, run_id: str, *, latest: bool = True, key: str | None = None
    ) -> DurableRun:
        """Start a run with what a delivery brought, named by the run that it started; of the flow's current version.

        With a `key`, the same key gives the same run for 24 hours. Raises `UnknownRun` for a run that no delivery
        started, and as `start` does.
        """
        delivery = await self.records.delivery(run_id)
        if delivery is None:
            raise UnknownRun(f"no delivery started run {run_id!r}, or the store has no such run")
        row = structs.replace(
            delivery,
            replay_of=run_id,
            delivery_id=None,
            received_at=in_ms(self._works.clock.now()),
        )
        return await self._replay(run_id, latest=latest, delivery=row, key=key)

    async def _replay(
        self,
        run_id: str,
        *,
        latest: bool,
        replay_of: str | None = None,
        delivery: DeliveryRow | None = None,
        key: str | None = None,
    ) -> DurableRun:
        begun = (await self.facts(run_id))[0]
        assert isinstance(begun, FlowStarted)
        assert begun.trigger is not None
        row = await self.row(run_id)
        if latest:
            program = await self._known_program(begun.flow_id, row.namespace)
            prepared = prepare(program, begun.trigger, begun.input, begun.state)
            start = replace(prepared, hops=begun.hops)
        else:
            program = await self._works.library.program(begun.flow_id, begun.version, row.namespace)
            start = Start(trigger=begun.trigger, payload=begun.input, state=begun.state, hops=begun.hops)
        beginning = Beginning(
            program=program,
            start=start,
            namespace=row.namespace,
            dedupe=None if key is None else self._dedupe(program, start, f"replay:{run_id}:{key}"),
            replay_of=replay_of,
            delivery=delivery,
        )
        replayed = await self._intake.leave(beginning)
        return DurableRun(self, replayed.run_id, replayed=replayed.replayed)

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
        self.hint()
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
        self.hint()
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
        program = flow.program(self._works.catalog, self._works.limits)
        if not await self._works.library.is_current(program, self.namespace):
            await self._works.library.add(program, self.namespace)
            self._works.listening.triggers.forget()
        return program

    async def _known_program(self, flow_id: str, namespace: str | None = None) -> Program:
        where = namespace or self.namespace
        program = await self._works.library.current(flow_id, where)
        if program is None:
            known = [row.flow_id for row in await self.records.flows(where)]
            hint = did_you_mean(flow_id, known) or "add it with app.add_flow(flow)"
            raise UnknownFlow(f"the store has no flow {flow_id!r}; {hint}")
        return program

    def _dedupe(self, program: Program, start: Start, key: str) -> Dedupe:
        asked = canonical([program.flow_id, start.trigger, start.payload, start.state])
        expires = in_ms(self._works.clock.now()) + _DEDUPE_HOURS * _HOUR_MS
        payload_hash = hashlib.sha256(asked.encode()).hexdigest()
        place = f"start:{self.namespace}:{program.flow_id}:{key}"
        return Dedupe(key=place, payload_hash=payload_hash, expires_at=expires)

    async def _begin(
        self,
        program: Program,
        start: Start,
        show: Callable[[Shown], None],
        *,
        dedupe: Dedupe | None = None,
        delivery: DeliveryRow | None = None,
    ) -> DurableRun:
        begun = await self._intake.begin(
            Beginning(
                program=program, start=start, namespace=self.namespace, dedupe=dedupe, delivery=delivery
            ),
            show,
        )
        return DurableRun(self, begun.run_id, replayed=begun.replayed, is_here=begun.is_here)

    async def _write(self, part: Slice) -> Verdict:
        with self._works.start_queue.place():
            return await self._works.journal.write(part)

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
        by: str | None = None,
    ) -> None:
        """Say whether the work of a step whose outcome is unknown took place.

        Raises `UnknownRun`, `RunEnded`, and `KeyConflict` when somebody has said otherwise.
        """
        body = {
            "step_id": step_id,
            "scope": scope,
            "committed": committed,
            "output": output,
            "port": port,
            "by": by,
        }
        seq = (await self.row(run_id)).seq
        # One answer to one doubt: the next one stands at another event.
        await self._tell(run_id, MessageKind.REVIEW, body, f"review:{step_id}:{scope}:{seq}")

    async def _tell(
        self, run_id: str, kind: MessageKind, body: dict[str, Any], key: str | None = None
    ) -> None:
        place = f"{kind}:{self._works.around.new_run_id()}" if key is None else key
        (posted,) = await self.records.post([Message(run_id=run_id, kind=kind, key=place, body=body)])
        self._check(run_id, posted)
        self.hint()

    def hint(self) -> None:
        """There is something new in the store."""
        if self._works.worker is not None:
            self._works.worker.hint()

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
        row = await self.records.run(run_id)
        if row is None:
            raise UnknownRun(f"the store has no run {run_id!r}")
        return row

    async def facts(self, run_id: str) -> Sequence[Fact]:
        """The journal of a run. Raises `UnknownRun`."""
        rows = await self.records.events(run_id)
        if not rows:
            raise UnknownRun(f"the store has no run {run_id!r}")
        return [decode_fact(row.body) for row in rows]

    async def children(self, run_id: str, limit: int = 1_000) -> Sequence[RunRow]:
        """The runs that a run has started, newest first."""
        return await self.records.runs(RunFilter(parent_run_id=run_id, limit=limit))

    async def past(self, run_id: str) -> Replayer:
        """The past of a run: states, differences, timeline. Raises `UnknownRun`, `MissingCode`."""
        row = await self.row(run_id)
        program = await self._works.library.program(row.flow_id, row.version, row.namespace)
        return Replayer(program.graph, await self.facts(run_id))

    async def follow(self, run_id: str, after: Reached = _BEGINNING) -> AsyncGenerator[Page, None]:
        """Page by page what a run has done and does; ends with the run. Raises `UnknownRun`."""
        await self.row(run_id)
        async with contextlib.aclosing(self._works.tails.follow(run_id, after)) as pages:
            async for page in pages:
                yield page

    async def ended(self, run_id: str) -> RunRow:
        """Wait until a run has ended. Raises `UnknownRun`."""
        row = await self.row(run_id)
        if row.status not in FINAL:
            await self._works.tails.until_ended(run_id)
            row = await self.row(run_id)
        return row
