"""The tasks that a run's steps run in: begun, bounded in time, stopped, and judged when they end."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from enum import Enum
from typing import Any

from openrun.core.frame import Activation
from openrun.core.state import StateView
from openrun.definition.program import StepPlan
from openrun.runtime.attempt import (
    Attempted,
    NewContext,
    broke_off,
    failure_from,
    own_cancellation,
    timed_out,
)
from openrun.runtime.children import Post
from openrun.runtime.clock import Clock
from openrun.runtime.watch import Deadlines
from openrun.steps.context import StepContext

_CANCEL_GRACE = 5.0
Work = Callable[[StepPlan, Activation, StateView, NewContext], Coroutine[Any, Any, Attempted]]


class Gone(Enum):
    """What there is to say of a task that brought no outcome."""

    STOPPED = "stopped"
    """It was told to, and did."""
    UNKNOWN = "unknown"
    """It has ended before, or has been given up."""


class Attempts:
    """The tasks of one run. `ended` is called with whatever a task came to, once for each."""

    __slots__ = (
        "_clock", "_ended", "_home", "_limits", "_loop", "_new_context", "_post", "_settled", "_stopped", "_tasks", "_view", "contexts",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        post: Post,
        ended: Callable[[Activation, Attempted | None], None],
        view: Callable[[Activation], StateView],
        new_context: NewContext,
        *,
        settled: Callable[[Activation], Awaitable[None] | None],
    ) -> None:
        """`settled` waits for what a step has left behind when its body ends."""
        self._settled = settled
        self._clock = clock
        self._post = post
        self._ended = ended
        self._view = view
        self._new_context = new_context
        self._loop = asyncio.get_running_loop()
        self._home = contextvars.copy_context()
        self._tasks: dict[Activation, tuple[asyncio.Task[None], StepPlan]] = {}
        self._stopped: dict[Activation, str] = {}
        self.contexts: dict[Activation, StepContext] = {}
        self._limits: Deadlines[Activation] = Deadlines(clock, self._over_time)

    def __bool__(self) -> bool:
        """Something runs."""
        return bool(self._tasks)

    def __contains__(self, act: Activation) -> bool:
        return act in self._tasks

    def begin(self, act: Activation, plan: StepPlan, work: Work) -> None:
        """Start a step's own task."""
        self._limits.set(act, self._clock.monotonic() + plan.timeout)
        self._clock.hold()
        # The turn may stand in another step's task: each step gets a copy of the run's own context.
        task = self._loop.create_task(self._attempt(act, plan, work), context=self._home.copy())
        self._tasks[act] = task, plan

    def stop(self, act: Activation, why: str = "cancel") -> None:
        """Cancel a task; its end is heard of as usual, or given up after a while."""
        task, _plan = self._tasks[act]
        self._stopped.setdefault(act, why)
        task.cancel()
        # A task cancelled before its first step never enters its body, so its end is heard of here.
        task.add_done_callback(lambda _task: self._never_entered(act, task))
        self._limits.set(act, self._clock.monotonic() + _CANCEL_GRACE)

    def is_stopped(self, act: Activation) -> bool:
        """It was told to stop because its run was."""
        return self._stopped.get(act) == "cancel"

    def judged(self, act: Activation, attempted: Attempted | None) -> Attempted | Gone:
        """What the end of a task means; to be asked once it has ended."""
        known = self._tasks.pop(act, None)
        if known is None:
            return Gone.UNKNOWN
        self._limits.clear(act)
        context = self.contexts.pop(act, None) if self.contexts else None
        stopped = self._stopped.pop(act, None) if self._stopped else None
        if stopped == "timeout":
            # Also when it swallowed its cancellation and came back with a result after all.
            abandoned = context is not None and context.abandoned
            return timed_out(act, known[1].timeout, abandoned=abandoned), {}
        if attempted is not None:
            return attempted
        return Gone.STOPPED if stopped else (broke_off(act), {})

    async def close(self) -> None:
        """Stop all there is, without hearing of it."""
        self._limits.close()
        tasks = [task for task, _plan in self._tasks.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_GRACE)

    async def _attempt(self, act: Activation, plan: StepPlan, work: Work) -> None:
        """The body of a step's own task; whatever happens in it, the driver hears of its end."""
        attempted: Attempted | None = None
        try:
            attempted = await work(plan, act, self._view(act), self._new_context)
            left = self._settled(act) if plan.takes_context else None
            if left is not None:
                await left
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
            self._ended(act, attempted)
            self._clock.release()

    def _never_entered(self, act: Activation, task: asyncio.Task[None]) -> None:
        known = self._tasks.get(act)
        if known is not None and known[0] is task:
            self._clock.release()
            self._post(lambda: self._ended(act, None))

    def _over_time(self, act: Activation) -> None:
        self._post(lambda: self._limit_reached(act))

    def _limit_reached(self, act: Activation) -> None:
        if act not in self._tasks:
            return
        if act in self._stopped:
            # It ignores being cancelled: go on without it, and let nothing of it count.
            (self.contexts.get(act) or self._new_context(act)).abandoned = True
            self._ended(act, None)
        else:
            self.stop(act, "timeout")
