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

from openrun.core.errors import OpenRunError
from openrun.core.events import Fact, FlowCompleted, FlowStarted, StepCompleted, with_snapshot
from openrun.core.facts import Facts, Known
from openrun.core.frame import Activation, Phase
from openrun.core.machine import Machine
from openrun.core.orders import (
    Again,
    Await,
    Cancel,
    CancelChild,
    Compensate,
    Compensated,
    Fail,
    Order,
    Rerun,
    Resume,
    StartChild,
)
from openrun.core.outstanding import outstanding, timers
from openrun.core.results import StepRunResult, WaitForChildren
from openrun.core.state import StateView
from openrun.core.types import EffectClass
from openrun.definition.program import Program, StepPlan
from openrun.runtime.attempt import Attempted, resume_step, run_step
from openrun.runtime.attempts import Attempts, Gone, Work
from openrun.runtime.children import ChildEnd, ChildRuns, Post
from openrun.runtime.compensation import Compensation
from openrun.runtime.conclusion import Conclusion
from openrun.runtime.deadline import Deadline
from openrun.runtime.effects import Effects, is_once, lost_outcome
from openrun.runtime.log import Log
from openrun.runtime.progress import Progress
from openrun.runtime.steering import Steering
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.watch import Deadlines
from openrun.steps.context import StepContext

_STEPS_BEFORE_YIELD = 64


Later = Resume | StartChild | Rerun | Again | Await | Compensate
"""Orders that wait for the end of a pause."""


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
        self.facts = Facts(self.machine)
        self._around = surroundings
        self._program = program
        self._started = started
        self._append, self._show, self._durable = log.append, log.show, log.durable
        self._gated: dict[Activation, None] = {}
        """Started, and waiting for the journal before their tasks begin."""
        self.review_first: str | None = None
        """Why a run that goes on needs a person's look before anything starts."""
        self._held: list[Later] = []
        self._clock = surroundings.clock
        self._inbox: deque[Callable[[], None]] = deque()
        self._ended: deque[tuple[Activation, Attempted | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[FlowCompleted | None] = self._loop.create_future()
        self.now = started.timestamp
        """The time of the facts recorded in this turn."""
        self.steering = Steering(self)
        self._effects = Effects(self, surroundings.guards)
        self._turning = self._soon = False
        self._here = 0
        """Inline steps run in this turn."""
        self._attempts = Attempts(
            self._clock, self.post, self._heard_end, self._view, self._context, settled=self._effects.settled
        )
        grace = surroundings.limits.always_grace
        self._deadline = Deadline(self._clock, grace, lambda: self.post(self._run_limit_reached))
        self._timers: Deadlines[Activation] = Deadlines(
            self._clock, lambda act: self.post(lambda: self._wake(act))
        )
        self.children = children(self.post)
        self._progress = Progress(surroundings.limits)
        self._compensation = Compensation(self, self._deadline, surroundings.limits.compensation_time)
        self._conclusion = Conclusion(self, surroundings, self.children.prepare, durable=log.durable)
        self.conclude = self._conclusion.record
        self.committed = log.committed
        self.is_stopped = self._attempts.is_stopped
        self.is_running = self._attempts.__contains__
        self.clock = surroundings.clock.now

    # -- from outside -----------------------------------------------------------------------------

    def post(self, act: Callable[[], None]) -> None:
        """Let the driver do this at its next turn."""
        self._inbox.append(act)
        self._turn_soon()

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
                self.record(self._started)
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
        self.now = self._clock.now()
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
        plan = self.plan(act)
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
        event = self.facts.flow_completed(self.now)
        self.record(event)
        return event

    async def _leave(self) -> None:
        """Nothing of this run goes on once its driver has left."""
        await self._attempts.close()
        await self.children.close()

    # -- recording --------------------------------------------------------------------------------

    def record(self, event: Fact) -> None:
        machine = self.machine
        machine.apply(event)
        self._append(event)
        if self._snap is not None and (type(event) is StepCompleted or type(event) is FlowCompleted):
            with_snapshot(event, self._snap)
        self._show(event)
        if machine.skipped:
            for frame, step, state in machine.take_skipped():
                self._show(self.facts.skipped(frame, step, state, event.timestamp))
        if machine.stopping and not self._deadline.stopping:
            self._deadline.stop(event.timestamp)

    def set_timer(self, act: Activation, due: datetime | None) -> None:
        if due is None:
            self._timers.clear(act)
            return
        self._timers.set(act, self._clock.monotonic() + (due - self.now) / timedelta(seconds=1))

    def _recover(self) -> None:
        """Fold the journal, and find out what is to be done."""
        machine = self.machine
        for fact in self._history:
            machine.apply(fact)
            if machine.stopping and not self._deadline.stopping:
                self._deadline.stop(fact.timestamp)
        machine.take_skipped()
        machine.listening.changes.clear()
        self.now = self._clock.now()
        machine.orders[:] = outstanding(machine)
        self._history = ()
        if machine.cut:
            self._deadline.clear()
        self._compensation.recover()
        if self.review_first is not None:
            self.steering.hold_for_review(self.review_first)

    # -- starting ---------------------------------------------------------------------------------

    def _run_here(self, act: Activation, plan: StepPlan) -> None:
        step = run_step(plan, act, self._view(act), self._context)
        try:
            step.send(None)
        except StopIteration as end:
            self.now = self._clock.now()
            if plan.takes_context:
                self._attempts.contexts.pop(act, None)
                self._effects.flush(act, completes=True)
            self.conclude(act, end.value)
        else:
            step.close()
            raise OpenRunError(f"step {act.spec.id!r} is inline, yet it waits for something")

    def _began(self, act: Activation) -> None:
        event = self.facts.started(act, self.now)
        self.machine.apply(event)
        self._append(event)
        self._show(event)

    def _launch(self, act: Activation, plan: StepPlan, work: Work) -> None:
        """Start a step's task; in a durable run not before what leads to it is on disk, unless it is pure."""
        if not self._durable:
            self._attempts.begin(act, plan, work)
            return
        self._gated[act] = None
        # What acts through its effects only waits for the disk there.
        commit = not (plan.pure or plan.guarded)
        self._log.gate(lambda: self.post(lambda: self._opened(act, plan, work)), commit=commit)

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
        acts = self._effects.acting or act.effects or act.spec.effect is EffectClass.AT_MOST_ONCE
        told = self._effects.ended(act, None if isinstance(judged, Gone) else judged[0]) if acts else None
        if told is not None:
            self.conclude(act, (told, {}))
        elif isinstance(judged, Gone):
            self.record(self.facts.cancelled(act, self.now))
        else:
            self.conclude(act, judged)

    def plan(self, act: Activation) -> StepPlan:
        return self._program.plans[act.frame.walk.graph][act.step]

    def _view(self, act: Activation) -> StateView:
        return self.machine.view(act, self._around.secret_roots)

    def _context(self, act: Activation) -> StepContext:
        context = self._attempts.contexts[act] = StepContext(
            run_id=self.machine.run_id,
            flow_id=self.machine.flow_id,
            step_id=act.spec.id,
            scope=act.frame.scope,
            attempt=act.attempt,
            input=self._started.input,
            clock=self._clock.now,
            emit=lambda data: self._emit(act, data),
            http=self._around.http,
            recording=lambda own: self._effects.of(act, self.plan(act), own),
            output=None if self.machine.undo.walk is None else self.machine.undo.output_of(act),
            trace=self._around.trace,
            hops=self._started.hops,
            publish=self._around.publish,
        )
        return context

    def _emit(self, act: Activation, data: Any) -> None:
        clean = self._conclusion.masked(self._progress.accept(act, data))
        self._show(self.facts.progress(act, clean, self._clock.now()))

    # -- effects ----------------------------------------------------------------------------------

    def record_effect(self, act: Activation, known: Known) -> None:
        """Record what is known of an effect, unless the step has ended without it."""
        if act.phase not in (Phase.DONE, Phase.CANCELLED):
            self.record(self.facts.effect_recorded(act, self._conclusion.masked(known), self.now))

    # -- orders -----------------------------------------------------------------------------------

    def _carry_out(self, order: Order) -> None:
        match order:
            case Fail(act, error):
                result = StepRunResult.failure(act.spec.id, error)
                self.record(self.facts.completed(act, result, {}, self.now))
            case Cancel(act):
                self._cancel_activation(act)
            case CancelChild(act, index):
                self._cancel_child(act, index)
            case Compensated(act, status, error):
                self._compensation.end(act, status, error)
            case _ if self.machine.halted or self._log.draining:
                self._hold_back(order)
            case _:
                self._go_on(order)

    def _hold_back(self, order: Later) -> None:
        self._held.append(order)
        if isinstance(order, StartChild) and isinstance(order.act.wait, WaitForChildren):
            # It may run since before a crash, and end while this run is paused.
            self.children.expect(order.act, order.index, order.act.wait, self._child_ended)

    def _go_on(self, order: Later) -> None:
        match order:
            case StartChild(act, index):
                # Also one that is to be cancelled: only a child that is there can be told, and tell its end.
                self._start_child(act, index)
            case Compensate(act, completed_at):
                if order is self.machine.undo.pending:
                    self._compensation.begin(act, completed_at)
            case _ if order.act.cancelling or order.act.phase in (Phase.DONE, Phase.CANCELLED):
                """It was held back by a pause, and is not wanted any more."""
            case Resume(act):
                self._launch(act, self.plan(act), run_step if act.interrupted else resume_step)
            case Rerun(act):
                self._rerun(act)
            case Again(act):
                self._again(act)
            case Await(act, due):
                self.set_timer(act, due)
            case _:
                assert_never(order)

    def _rerun(self, act: Activation) -> None:
        lost = lost_outcome(act, self.plan(act), is_new=False)
        # An effect that is open alone is looked into by the step itself, when it comes to it.
        if lost is not None and is_once(self.plan(act)):
            self.conclude(act, (lost, {}))
        else:
            self._again(act)

    def _again(self, act: Activation) -> None:
        """Run a step from its top, as the same attempt."""
        plan = self.plan(act)
        if plan.inline:
            self._run_here(act, plan)
        else:
            self._launch(act, plan, run_step)

    def is_effect(self, act: Activation) -> bool:
        return self.plan(act).guarded

    def _cancel_activation(self, act: Activation) -> None:
        self._timers.clear(act)
        is_new = self._gated.pop(act, False) is None
        if act in self._attempts:
            self._attempts.stop(act)
        elif act.phase is Phase.REVIEW and not self.machine.undo.refused:
            """What a person has to look into is waited for, also by a run that is to stop."""
        elif act.phase not in (Phase.DONE, Phase.CANCELLED):
            lost = lost_outcome(act, self.plan(act), is_new=is_new)
            if lost is not None:
                self.conclude(act, (lost, {}))
            else:
                self.record(self.facts.cancelled(act, self.now))

    # -- time -------------------------------------------------------------------------------------

    def _run_limit_reached(self) -> None:
        if self.machine.undoing:
            self._compensation.expire()
        else:
            self.record(self.facts.timer_fired(None, self.now))
            if self.machine.cut:
                self._deadline.clear()

    def _wake(self, act: Activation) -> None:
        if act.cancelling or self.machine.halted or self._log.draining:
            return
        if act.phase is Phase.SCHEDULED:
            self._began(act)
            self._launch(act, self.plan(act), run_step)
        elif act.phase is Phase.WAITING:
            self.record(self.facts.timer_fired(act, self.now))

    def end_of_pause(self) -> None:
        """Carry out what was held back."""
        held, self._held = self._held, []
        self.machine.orders[:0] = held
        if self.machine.undoing or not self.machine.stopping:
            self.machine.orders.extend(timers(self.machine))

    # -- children ---------------------------------------------------------------------------------

    def _start_child(self, act: Activation, index: int) -> None:
        wait, fanout = act.wait, act.fanout
        if not isinstance(wait, WaitForChildren) or fanout is None or index not in fanout.running:
            # It ended while the order was held back.
            return
        self.children.start(act, index, wait, self._child_ended)
        if fanout.stopped:
            self._cancel_child(act, index)

    def _cancel_child(self, act: Activation, index: int) -> None:
        """A child that is stopped because its parent will be undone undoes what it did, too."""
        machine = self.machine
        compensate = machine.undo.wanted if machine.cancelled else machine.stopping
        self.children.cancel(act, index, machine.cancel_reason, compensate=compensate)

    def _child_ended(self, act: Activation, child: tuple[int, str], end: ChildEnd) -> None:
        self.record(self.facts.child_completed(act, child, end, self.now))
