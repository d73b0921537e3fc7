"""Drives one run: asks the machine what is next, does it, and tells the machine what came of it.

The driver owns the machine and works in turns, plain function calls on the event loop that never overlap.
Whoever has news (a step's task at its end, a timer, a request from outside) puts it down and calls for a
turn, which handles all there is. Steps run in tasks of their own, quick built-in ones within the turn.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, assert_never

from openrun.core.errors import ErrorObject, OpenRunError
from openrun.core.events import (
    Fact,
    FlowCompleted,
    FlowStarted,
    StepCompleted,
    StepScheduled,
    StepWaiting,
    with_snapshot,
)
from openrun.core.facts import Facts
from openrun.core.frame import Activation, Phase
from openrun.core.machine import Machine
from openrun.core.orders import Await, Cancel, CancelChild, Fail, Order, Rerun, Resume, StartChild
from openrun.core.outstanding import outstanding, timers
from openrun.core.results import Outcome, StepRunResult, WaitForChildren, WaitUntil
from openrun.core.state import StateView
from openrun.core.types import EffectClass, Json
from openrun.definition.program import Program, StepPlan
from openrun.runtime.attempt import Attempted, resume_step, run_step
from openrun.runtime.attempts import Attempts, Gone, Work
from openrun.runtime.children import ChildEnd, ChildRuns, Post
from openrun.runtime.deadline import Deadline
from openrun.runtime.log import Log
from openrun.runtime.progress import Progress
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.watch import Deadlines
from openrun.steps.context import StepContext

_STEPS_BEFORE_YIELD = 64


UNKNOWN_OUTCOME = "unknown_outcome"


class Driver:
    """One run, from its first event to its last."""

    def __init__(
        self,
        surroundings: Surroundings,
        program: Program,
        started: FlowStarted,
        log: Log,
        children: Callable[[Post], ChildRuns],
        *,
        history: Sequence[Fact] = (),
    ) -> None:
        """With a `history`, its journal so far, the run goes on from there; else it starts now."""
        self._history = history
        self._log = log
        self._snap = log.snapshot()
        self.machine = Machine(program.graph, started.run_id)
        self._facts = Facts(self.machine)
        self._around = surroundings
        self._program = program
        self._started = started
        self._append = log.append
        self._show = log.show
        self._durable = log.durable
        self._gated: dict[Activation, None] = {}
        """Started, and waiting for the journal before their tasks begin."""
        self.review_first: str | None = None
        """Why a run that goes on needs a person's look before anything starts."""
        self._held: list[Order] = []
        """Orders that wait for the end of a pause."""
        self._clock = surroundings.clock
        self._inbox: deque[Callable[[], None]] = deque()
        self._ended: deque[tuple[Activation, Attempted | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[FlowCompleted | None] = self._loop.create_future()
        self._now = started.timestamp
        """The time of the facts recorded in this turn."""
        self._turning = False
        self._soon = False
        self._here = 0
        """Inline steps run in this turn."""
        self._attempts = Attempts(self._clock, self.post, self._heard_end, self._view, self._context)
        self._deadline = Deadline(
            self._clock, surroundings.limits.always_grace, lambda: self.post(self._run_limit_reached)
        )
        self._timers = Deadlines[Activation](self._clock, self._timer_due)
        self.children = children(self.post)
        self._progress = Progress(surroundings.limits)

    # -- from outside -----------------------------------------------------------------------------

    def post(self, act: Callable[[], None]) -> None:
        """Let the driver do this at its next turn."""
        self._inbox.append(act)
        self._turn_soon()

    def cancel(self, reason: str = "cancelled", *, hard: bool = False) -> None:
        """Ask the run to stop; steps marked always still run unless `hard`."""
        self.post(lambda: self.request_cancel(reason, hard=hard))

    def leave(self) -> None:
        """Stop driving, and record nothing of it: somebody else goes on from the journal."""
        if not self._end.done():
            self._end.set_result(None)

    async def drive(self) -> FlowCompleted | None:
        """Run to the end and return its last event, or None when told to leave before."""
        self._clock.hold()
        try:
            if self._history:
                self._recover()
            else:
                self._record(self._started)
            self._deadline.begin(self._started.timestamp, self._program.timeout)
            self._turn()
        finally:
            self._clock.release()
        try:
            return await self._end
        finally:
            self._deadline.close()
            self._timers.close()
            await self._leave()

    @property
    def over(self) -> bool:
        """The run has ended, or is left."""
        return self._end.done()

    @property
    def working(self) -> bool:
        """Steps run, or are about to."""
        return bool(self._attempts or self._gated or self._ended or self._soon)

    @property
    def resting(self) -> bool:
        """Nothing happens until a timer fires or news come from outside."""
        busy = self._attempts or self._gated or self._inbox or self._ended or self._soon or self.children.busy
        machine = self.machine
        return not (busy or self._end.done()) and (machine.halted or not (machine.ready or machine.orders))

    def due(self) -> datetime | None:
        """When a run at rest has to be looked at again, if no news come."""
        known = [] if self.machine.halted else [each.due for each in timers(self.machine)]
        if self._deadline.due is not None:
            known.append(self._deadline.due)
        return min(known, default=None)

    # -- turns ------------------------------------------------------------------------------------

    def _turn(self) -> None:
        """Do whatever can be done now. Whoever has news calls it; it never runs inside itself."""
        if self._turning or self._end.done():
            return
        self._turning = True
        self._now = self._clock.now()
        try:
            self._work()
            if self.machine.verdict is not None:
                self._end.set_result(self._finish())
        except BaseException as error:  # noqa: BLE001
            # A fault of the engine must end the run where it is awaited, not in the step that happened to call.
            self._end.set_exception(error)
        finally:
            self._turning = False

    def _work(self) -> None:
        machine, ended, inbox, orders = self.machine, self._ended, self._inbox, self.machine.orders
        self._here = 0
        while machine.verdict is None:
            if ended:
                self._attempt_ended(*ended.popleft())
            elif orders:
                self._carry_out(orders.pop(0))
            elif inbox:
                inbox.popleft()()
            elif not self._start_next():
                return

    def _start_next(self) -> bool:
        """Start what is ready, one at a time and only when nothing is left to hear of or to stop."""
        ready = self.machine.ready
        if not ready or self._log.full or self.machine.halted:
            return False
        if self._here == _STEPS_BEFORE_YIELD:
            self._turn_soon()
            return False
        act = next(iter(ready))
        plan = self._plan(act)
        self._began(act)
        if plan.inline:
            self._here += 1
            self._run_here(act, plan)
        else:
            self._launch(act, plan, run_step)
        return True

    def _turn_soon(self) -> None:
        if not self._soon:
            self._soon = True
            self._clock.hold()
            self._loop.call_soon(self._turn_now)

    def _turn_now(self) -> None:
        self._soon = False
        self._turn()
        self._clock.release()

    def _finish(self) -> FlowCompleted:
        event = self._facts.flow_completed(self._now)
        self._record(event)
        return event

    async def _leave(self) -> None:
        """Nothing of this run goes on once its driver has left."""
        await self._attempts.close()
        await self.children.close()

    # -- recording --------------------------------------------------------------------------------

    def _record(self, event: Fact) -> None:
        machine = self.machine
        machine.apply(event)
        self._append(event)
        if self._snap is not None and (type(event) is StepCompleted or type(event) is FlowCompleted):
            with_snapshot(event, self._snap)
        self._show(event)
        if machine.skipped:
            for frame, step, state in machine.take_skipped():
                self._show(self._facts.skipped(frame, step, state, event.timestamp))
        if machine.stopping and not self._deadline.stopping:
            self._deadline.stop(event.timestamp)

    def _set_timer(self, act: Activation, due: datetime) -> None:
        self._timers.set(act, self._clock.monotonic() + (due - self._now) / timedelta(seconds=1))

    def _recover(self) -> None:
        """Fold the journal, and find out what is to be done."""
        machine = self.machine
        for fact in self._history:
            machine.apply(fact)
            if machine.stopping and not self._deadline.stopping:
                self._deadline.stop(fact.timestamp)
        machine.take_skipped()
        self._now = self._clock.now()
        machine.orders[:] = outstanding(machine)
        self._history = ()
        if self.review_first is not None:
            self.hold_for_review(self.review_first)

    # -- starting ---------------------------------------------------------------------------------

    def _run_here(self, act: Activation, plan: StepPlan) -> None:
        step = run_step(plan, act, self._view(act), self._context)
        try:
            step.send(None)
        except StopIteration as end:
            self._now = self._clock.now()
            self._attempts.contexts.pop(act, None)
            self._concluded(act, end.value)
        else:
            step.close()
            raise OpenRunError(f"step {act.spec.id!r} is inline, yet it waits for something")

    def _began(self, act: Activation) -> None:
        event = self._facts.started(act, self._now)
        self.machine.apply(event)
        self._append(event)
        self._show(event)

    def _launch(self, act: Activation, plan: StepPlan, work: Work) -> None:
        """Start a step's task; in a durable run not before what leads to it is on disk, unless it is pure."""
        if not self._durable:
            self._attempts.begin(act, plan, work)
            return
        self._gated[act] = None
        self._log.gate(lambda: self.post(lambda: self._opened(act, plan, work)), commit=not plan.pure)

    def _opened(self, act: Activation, plan: StepPlan, work: Work) -> None:
        if act in self._gated:
            del self._gated[act]
            self._attempts.begin(act, plan, work)
        else:
            self._log.ended()

    def _heard_end(self, act: Activation, attempted: Attempted | None) -> None:
        self._ended.append((act, attempted))
        self._turn()

    def _attempt_ended(self, act: Activation, attempted: Attempted | None) -> None:
        judged = self._attempts.judged(act, attempted)
        if judged is Gone.UNKNOWN:
            return
        if self._durable:
            self._log.ended()
        if judged is Gone.STOPPED:
            self._record(self._facts.cancelled(act, self._now))
        else:
            self._concluded(act, judged)

    def _plan(self, act: Activation) -> StepPlan:
        return self._program.plans[act.frame.walk.graph][act.step]

    def _view(self, act: Activation) -> StateView:
        return self.machine.view(act, self._around.secret_roots)

    def _context(self, act: Activation) -> StepContext:
        context = StepContext(
            run_id=self.machine.run_id,
            flow_id=self.machine.flow_id,
            step_id=act.spec.id,
            scope=act.frame.scope,
            attempt=act.attempt,
            input=self._started.input,
            clock=self._clock.now,
            emit=lambda data: self._emit(act, data),
            http=self._around.http,
        )
        self._attempts.contexts[act] = context
        return context

    def _emit(self, act: Activation, data: Any) -> None:
        clean = self._progress.accept(act, data)
        self._show(self._facts.progress(act, clean, self._clock.now()))

    # -- concluding -------------------------------------------------------------------------------

    def _concluded(self, act: Activation, attempted: Attempted) -> None:
        outcome, patch = attempted
        if self._around.masked is not None:
            outcome, patch = self._around.masked(outcome), self._around.masked(patch)
        if type(outcome) is not StepRunResult or outcome.error is not None:
            outcome = self._redacted(self._prepared(outcome))
        event = self._facts.concluded(act, outcome, patch, self._now)
        self._record(event)
        if type(event) is StepCompleted:
            return
        if isinstance(event, StepScheduled):
            self._set_timer(act, event.not_before)
        elif isinstance(event, StepWaiting) and isinstance(event.wait, WaitUntil):
            self._set_timer(act, event.wait.until)

    def _prepared(self, outcome: Outcome) -> Outcome:
        """Children get their run ids before the wait for them is recorded; a wait for nobody is a failure."""
        return self.children.prepare(outcome) if isinstance(outcome, WaitForChildren) else outcome

    def _redacted(self, outcome: Outcome) -> Outcome:
        if isinstance(outcome, StepRunResult) and outcome.error is not None:
            return StepRunResult.failure(outcome.step_id, self._around.redact(outcome.error))
        return outcome

    # -- orders -----------------------------------------------------------------------------------

    def _carry_out(self, order: Order) -> None:
        match order:
            case Fail(act, error):
                result = StepRunResult.failure(act.spec.id, error)
                self._record(self._facts.completed(act, result, {}, self._now))
            case Cancel(act):
                self._cancel_activation(act)
            case CancelChild(act, index):
                self.children.cancel(act, index, self.machine.cancel_reason)
            case _ if self.machine.halted or self._log.draining:
                self._hold_back(order)
            case _:
                self._go_on(order)

    def _hold_back(self, order: Resume | StartChild | Rerun | Await) -> None:
        self._held.append(order)
        if isinstance(order, StartChild) and isinstance(order.act.wait, WaitForChildren):
            # It may run since before a crash, and end while this run is paused.
            self.children.expect(order.act, order.index, order.act.wait, self._child_ended)

    def _go_on(self, order: Resume | StartChild | Rerun | Await) -> None:
        match order:
            case StartChild(act, index):
                # Also one that is to be cancelled: only a child that is there can be told, and tell its end.
                self._start_child(act, index)
            case _ if order.act.cancelling or order.act.phase in (Phase.DONE, Phase.CANCELLED):
                """It was held back by a pause, and is not wanted any more."""
            case Resume(act):
                self._launch(act, self._plan(act), resume_step)
            case Rerun(act):
                self._rerun(act)
            case Await(act, due):
                self._set_timer(act, due)
            case _:
                assert_never(order)

    def _rerun(self, act: Activation) -> None:
        plan = self._plan(act)
        if plan.effect is EffectClass.AT_MOST_ONCE:
            self._record(self._facts.review_requested(act, UNKNOWN_OUTCOME, self._now))
        elif plan.inline:
            self._run_here(act, plan)
        else:
            self._launch(act, plan, run_step)

    def _cancel_activation(self, act: Activation) -> None:
        self._timers.clear(act)
        self._gated.pop(act, None)
        if act in self._attempts:
            self._attempts.stop(act)
        elif act.phase not in (Phase.DONE, Phase.CANCELLED):
            self._record(self._facts.cancelled(act, self._now))

    # -- time -------------------------------------------------------------------------------------

    def _run_limit_reached(self) -> None:
        if self._deadline.stopping:
            self.request_cancel(self.machine.cancel_reason, hard=True)
        else:
            self._record(self._facts.timer_fired(None, self._now))

    def _timer_due(self, act: Activation) -> None:
        self.post(lambda: self._wake(act))

    def _wake(self, act: Activation) -> None:
        if act.cancelling or self.machine.halted or self._log.draining:
            return
        if act.phase is Phase.SCHEDULED:
            self._began(act)
            self._launch(act, self._plan(act), run_step)
        elif act.phase is Phase.WAITING:
            self._record(self._facts.timer_fired(act, self._now))

    # -- requests ---------------------------------------------------------------------------------

    def request_cancel(self, reason: str, *, hard: bool, error: ErrorObject | None = None) -> None:
        """Stop the run; with an `error` it fails by it. To be called within a turn, as all that follow."""
        if self.machine.verdict is None and (hard or not self.machine.cancelled):
            self._record(self._facts.cancel_requested(reason, self._now, hard=hard, error=error))
            self._end_of_pause()

    def pause(self, reason: str) -> None:
        if not (self.machine.paused or self.machine.stopping):
            self._record(self._facts.paused(reason, self._now))

    def resume(self) -> None:
        if self.machine.halted:
            self._record(self._facts.resumed(self._now))
            self._end_of_pause()

    def hold_for_review(self, reason: str) -> None:
        """Let nothing start until a person has looked at the run."""
        if not self.machine.halted:
            self._record(self._facts.review_requested(None, reason, self._now))

    def settle_review(
        self, place: tuple[str, str], *, committed: bool, output: Json, port: str | None
    ) -> None:
        """A person says whether the work of a step took place, and with what result."""
        act = self.machine.activation(*place)
        if act.phase is not Phase.REVIEW or act.cancelling:
            return
        self._record(self._facts.review_resolved(act, self._now, committed=committed))
        if committed:
            result = StepRunResult.success(act.spec.id, output, port=port)
            self._record(self._facts.concluded(act, result, {}, self._now))
        else:
            self._launch(act, self._plan(act), run_step)

    def _end_of_pause(self) -> None:
        held, self._held = self._held, []
        self.machine.orders[:0] = held
        if not self.machine.stopping:
            self.machine.orders.extend(timers(self.machine))

    # -- children ---------------------------------------------------------------------------------

    def _start_child(self, act: Activation, index: int) -> None:
        wait, fanout = act.wait, act.fanout
        if not isinstance(wait, WaitForChildren) or fanout is None or index not in fanout.running:
            # It ended while the order was held back.
            return
        self.children.start(act, index, wait, self._child_ended)
        if fanout.stopped:
            self.children.cancel(act, index, self.machine.cancel_reason)

    def _child_ended(self, act: Activation, child: tuple[int, str], end: ChildEnd) -> None:
        self._record(self._facts.child_completed(act, child, end, self._now))
