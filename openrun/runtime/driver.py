"""Drives one run: asks the machine what is next, does it, and tells the machine what came of it.

The driver owns the machine and works in turns, plain function calls on the event loop that never overlap.
Whoever has news (a step's task at its end, a timer, a request from outside) puts it down and calls for a
turn, which handles all there is. Steps run in tasks of their own, quick built-in ones within the turn.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, assert_never

from openrun.core.errors import OpenRunError
from openrun.core.events import (
    Fact,
    FlowCompleted,
    FlowStarted,
    Shown,
    StepCompleted,
    StepScheduled,
    StepWaiting,
    with_snapshot,
)
from openrun.core.facts import Facts
from openrun.core.frame import Activation, Phase
from openrun.core.machine import Machine
from openrun.core.orders import Cancel, CancelChild, Fail, Order, Resume, StartChild
from openrun.core.replay import state_at
from openrun.core.results import Outcome, StepRunResult, WaitForChildren, WaitUntil
from openrun.core.state import StateView
from openrun.core.types import Json
from openrun.definition.program import Program, StepPlan
from openrun.runtime.attempt import (
    Attempted,
    NewContext,
    broke_off,
    failure_from,
    own_cancellation,
    resume_step,
    run_step,
    timed_out,
)
from openrun.runtime.children import ChildEnd, Children
from openrun.runtime.progress import Progress
from openrun.runtime.surroundings import Surroundings
from openrun.runtime.watch import Deadlines
from openrun.steps.context import StepContext

_STEPS_BEFORE_YIELD = 64
_CANCEL_GRACE = 5.0
Work = Callable[[StepPlan, Activation, StateView, NewContext], Coroutine[Any, Any, Attempted]]

_RUN = None
"""Key of the run's own deadline among those of its activations."""


class Driver:
    """One run, from its first event to its last."""

    def __init__(
        self,
        surroundings: Surroundings,
        program: Program,
        started: FlowStarted,
        show: Callable[[Shown], None],
        *,
        depth: int = 0,
    ) -> None:
        self.events: list[Fact] = []
        self._snap = self._snapshot
        self.machine = Machine(program.graph, started.run_id)
        self._facts = Facts(self.machine)
        self._around = surroundings
        self._program = program
        self._started = started
        self._show = show
        self._clock = surroundings.clock
        self._inbox: deque[Callable[[], None]] = deque()
        self._ended: deque[tuple[Activation, Attempted | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[FlowCompleted] = self._loop.create_future()
        self._home = contextvars.copy_context()
        self._now = started.timestamp
        """The time of the facts recorded in this turn."""
        self._turning = False
        self._soon = False
        self._here = 0
        """Inline steps run in this turn."""
        self._tasks: dict[Activation, asyncio.Task[None]] = {}
        self._stopped: dict[Activation, str] = {}
        self._contexts: dict[Activation, StepContext] = {}
        self._limits = Deadlines[Activation | None](self._clock, self._over_time)
        self._timers = Deadlines[Activation](self._clock, self._timer_due)
        self._children = Children(surroundings, started.run_id, depth, self.post)
        self._progress = Progress(surroundings.limits)
        self._grace_set = False

    # -- from outside -----------------------------------------------------------------------------

    def post(self, act: Callable[[], None]) -> None:
        """Let the driver do this at its next turn."""
        self._inbox.append(act)
        self._turn_soon()

    def cancel(self, reason: str = "cancelled", *, hard: bool = False) -> None:
        """Ask the run to stop; steps marked always still run unless `hard`."""
        self.post(lambda: self._request_cancel(reason, hard=hard))

    async def drive(self) -> FlowCompleted:
        """Run to the end and return its last event."""
        self._clock.hold()
        try:
            self._record(self._started)
            if self._program.timeout is not None:
                self._limits.set(_RUN, self._clock.monotonic() + self._program.timeout)
            self._turn()
        finally:
            self._clock.release()
        try:
            return await self._end
        finally:
            self._limits.close()
            self._timers.close()
            await self._leave()

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
        if not ready:
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
            self._spawn(act, plan, run_step)
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
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_GRACE)
        await self._children.close()

    # -- recording --------------------------------------------------------------------------------

    def _record(self, event: Fact) -> None:
        machine = self.machine
        machine.apply(event)
        self.events.append(event)
        if type(event) is StepCompleted or type(event) is FlowCompleted:
            with_snapshot(event, self._snap)
        self._show(event)
        if machine.skipped:
            for frame, step, state in machine.take_skipped():
                self._show(self._facts.skipped(frame, step, state, event.timestamp))
        if machine.stopping and not self._grace_set:
            self._set_grace()

    def _snapshot(self, seq: int) -> dict[str, Json]:
        return state_at(self.events, seq)

    def _set_grace(self) -> None:
        self._grace_set = True
        self._limits.set(_RUN, self._clock.monotonic() + self._around.limits.always_grace)

    # -- starting ---------------------------------------------------------------------------------

    def _run_here(self, act: Activation, plan: StepPlan) -> None:
        step = run_step(plan, act, self._view(act), self._context)
        try:
            step.send(None)
        except StopIteration as end:
            self._now = self._clock.now()
            self._contexts.pop(act, None)
            self._concluded(act, end.value)
        else:
            step.close()
            raise OpenRunError(f"step {act.spec.id!r} is inline, yet it waits for something")

    def _began(self, act: Activation) -> None:
        event = self._facts.started(act, self._now)
        self.machine.apply(event)
        self.events.append(event)
        self._show(event)

    def _spawn(self, act: Activation, plan: StepPlan, work: Work) -> None:
        self._limits.set(act, self._clock.monotonic() + plan.timeout)
        self._clock.hold()
        # The turn may stand in another step's task: each step gets a copy of the run's own context.
        self._tasks[act] = self._loop.create_task(self._attempt(act, plan, work), context=self._home.copy())

    async def _attempt(self, act: Activation, plan: StepPlan, work: Work) -> None:
        """The body of a step's own task; whatever happens in it, the driver hears of its end."""
        attempted: Attempted | None = None
        try:
            attempted = await work(plan, act, self._view(act), self._context)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling() == 0:
                attempted = own_cancellation(act), {}
            elif act not in self._stopped:
                raise
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001
            attempted = failure_from(act, error), {}
        finally:
            self._ended.append((act, attempted))
            self._turn()
            self._clock.release()

    def _attempt_ended(self, act: Activation, attempted: Attempted | None) -> None:
        if self._tasks.pop(act, None) is None:
            return
        self._limits.clear(act)
        context = self._contexts.pop(act, None) if self._contexts else None
        stopped = self._stopped.pop(act, None) if self._stopped else None
        if stopped == "timeout":
            # Also when it swallowed its cancellation and came back with a result after all.
            abandoned = context is not None and context.abandoned
            late = timed_out(act, self._plan(act).timeout, abandoned=abandoned)
            self._concluded(act, (late, {}))
        elif attempted is not None:
            self._concluded(act, attempted)
        elif stopped is None:
            self._concluded(act, (broke_off(act), {}))
        else:
            self._record(self._facts.cancelled(act, self._now))

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
        self._contexts[act] = context
        return context

    def _emit(self, act: Activation, data: Any) -> None:
        clean = self._progress.accept(act, data)
        self._show(self._facts.progress(act, clean, self._clock.now()))

    # -- concluding -------------------------------------------------------------------------------

    def _concluded(self, act: Activation, attempted: Attempted) -> None:
        outcome, patch = attempted
        if type(outcome) is not StepRunResult or outcome.error is not None:
            outcome = self._redacted(self._prepared(outcome))
        event = self._facts.concluded(act, outcome, patch, self._now)
        self._record(event)
        if type(event) is StepCompleted:
            return
        if isinstance(event, StepScheduled):
            wait = event.not_before - event.timestamp
            self._timers.set(act, self._clock.monotonic() + wait / timedelta(seconds=1))
        elif isinstance(event, StepWaiting) and isinstance(event.wait, WaitUntil):
            wait = event.wait.until - event.timestamp
            self._timers.set(act, self._clock.monotonic() + wait / timedelta(seconds=1))

    def _prepared(self, outcome: Outcome) -> Outcome:
        """Children get their run ids before the wait for them is recorded; a wait for nobody is a failure."""
        return self._children.prepare(outcome) if isinstance(outcome, WaitForChildren) else outcome

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
            case Resume(act):
                self._spawn(act, self._plan(act), resume_step)
            case Cancel(act):
                self._cancel_activation(act)
            case StartChild(act, index):
                self._start_child(act, index)
            case CancelChild(act, index):
                self._children.cancel(act, index, self.machine.cancel_reason)
            case _:
                assert_never(order)

    def _cancel_activation(self, act: Activation) -> None:
        self._timers.clear(act)
        task = self._tasks.get(act)
        if task is None:
            if act.phase not in (Phase.DONE, Phase.CANCELLED):
                self._record(self._facts.cancelled(act, self._now))
            return
        self._stop(act, task, "cancel")

    def _stop(self, act: Activation, task: asyncio.Task[None], why: str) -> None:
        self._stopped.setdefault(act, why)
        task.cancel()
        # A task cancelled before its first step never enters its body, so its end is heard of here.
        task.add_done_callback(lambda _task: self._never_entered(act, task))
        self._limits.set(act, self._clock.monotonic() + _CANCEL_GRACE)

    def _never_entered(self, act: Activation, task: asyncio.Task[None]) -> None:
        if self._tasks.get(act) is task:
            self._clock.release()
            self.post(lambda: self._attempt_ended(act, None))

    # -- time -------------------------------------------------------------------------------------

    def _over_time(self, act: Activation | None) -> None:
        self.post(lambda: self._limit_reached(act))

    def _limit_reached(self, act: Activation | None) -> None:
        if act is None:
            self._run_limit_reached()
            return
        task = self._tasks.get(act)
        if task is None:
            return
        if act in self._stopped:
            # It ignores being cancelled: go on without it, and let nothing of it count.
            (self._contexts.get(act) or self._context(act)).abandoned = True
            self._attempt_ended(act, None)
        else:
            self._stop(act, task, "timeout")

    def _run_limit_reached(self) -> None:
        if self._grace_set:
            self._request_cancel(self.machine.cancel_reason, hard=True)
        else:
            self._record(self._facts.timer_fired(None, self._now))

    def _timer_due(self, act: Activation) -> None:
        self.post(lambda: self._wake(act))

    def _wake(self, act: Activation) -> None:
        if act.cancelling:
            return
        if act.phase is Phase.SCHEDULED:
            self._began(act)
            self._spawn(act, self._plan(act), run_step)
        elif act.phase is Phase.WAITING:
            self._record(self._facts.timer_fired(act, self._now))

    def _request_cancel(self, reason: str, *, hard: bool) -> None:
        if self.machine.verdict is None:
            self._record(self._facts.cancel_requested(reason, self._now, hard=hard))

    # -- children ---------------------------------------------------------------------------------

    def _start_child(self, act: Activation, index: int) -> None:
        wait = act.wait
        assert isinstance(wait, WaitForChildren)
        self._children.start(act, index, wait, self._child_ended)

    def _child_ended(self, act: Activation, child: tuple[int, str], end: ChildEnd) -> None:
        self._record(self._facts.child_completed(act, child, end, self._now))
