"""The child runs of one run: started, cancelled and heard of when they end."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import msgspec

from openrun.core.errors import CANCELLED, ErrorObject, StepError
from openrun.core.events import FlowCompleted
from openrun.core.frame import Activation
from openrun.core.results import Outcome, StepRunResult, WaitForChildren
from openrun.core.types import Json, RunStatus
from openrun.runtime.surroundings import ChildRequest, ChildRun, Surroundings

ChildEnd = tuple[RunStatus, Json, ErrorObject | None]
"""Status, output, and the error where there is one."""
OnEnd = Callable[[Activation, tuple[int, str], ChildEnd], None]
Post = Callable[[Callable[[], None]], None]
"""Has an act done at a turn of the run's driver."""


class ChildRuns(Protocol):
    """The child runs of one run, wherever they are run."""

    @property
    def busy(self) -> bool:
        """Something is under way that a run at rest must wait for."""

    def prepare(self, wait: WaitForChildren) -> Outcome:
        """The wait with the children's run ids, or the failure that they cannot be run."""

    def expect(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        """Listen for the end of a child that may be there already, without starting it."""

    def start(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        """Start one child; `on_end` is called at a turn of the driver once it has ended."""

    def cancel(self, act: Activation, index: int, reason: str, *, compensate: bool) -> None:
        """Ask a child to stop, and to undo what it did; its end is heard of as usual."""

    def heard(self, run_id: str, end: ChildEnd) -> None:
        """A child told from outside that it has ended."""

    async def close(self) -> None: ...


class Starter(Protocol):
    """Starts runs in this process."""

    def missing_flow(self, flow: str) -> str | None:
        """Why a flow cannot be run, or None when it can."""

    def start_child(self, request: ChildRequest) -> ChildRun:
        """Raises `StepError` when the child cannot be started."""


class Children:
    """Keeps the children of one run in memory, by activation and index."""

    __slots__ = ("_around", "_depth", "_hops", "_post", "_run_id", "_running", "_starter")
    busy = False

    def __init__(
        self,
        around: Surroundings,
        starter: Starter,
        run_id: str,
        depth: int,
        post: Post,
        *,
        hops: int = 0,
    ) -> None:
        self._around = around
        self._hops = hops
        self._starter = starter
        self._run_id = run_id
        self._depth = depth
        self._post = post
        self._running: dict[tuple[Activation, int], ChildRun] = {}

    def prepare(self, wait: WaitForChildren) -> Outcome:
        missing = self._starter.missing_flow(wait.flow)
        if missing is not None:
            return StepRunResult.failure(error=missing, code="FLOW_NOT_FOUND")
        return named(wait, self._depth, self._around)

    def expect(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        """No child in memory is there before it is started."""

    def start(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        request = ChildRequest(
            flow=wait.flow,
            run_id=wait.run_ids[index],
            trigger=wait.trigger,
            payload=wait.inputs[index],
            parent_run_id=self._run_id,
            depth=self._depth + 1,
            hops=self._hops,
        )
        try:
            child = self._starter.start_child(request)
        except StepError as error:
            end: ChildEnd = (RunStatus.FAILED, None, error.error)
            self._post(lambda: on_end(act, (index, request.run_id), end))
            return
        self._running[act, index] = child
        child.task.add_done_callback(
            lambda task: self._post(lambda: self._ended((act, index), request.run_id, task, on_end))
        )

    def cancel(self, act: Activation, index: int, reason: str, *, compensate: bool) -> None:
        child = self._running.get((act, index))
        if child is not None:
            child.cancel(reason, compensate=compensate)

    def heard(self, run_id: str, end: ChildEnd) -> None:
        raise NotImplementedError("the end of a child in memory is seen, not told")

    async def close(self) -> None:
        """Stop whatever still runs, without waiting for its steps marked always."""
        tasks = [child.task for child in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _ended(
        self, key: tuple[Activation, int], run_id: str, task: asyncio.Task[FlowCompleted], on_end: OnEnd
    ) -> None:
        self._running.pop(key, None)
        act, index = key
        on_end(act, (index, run_id), _end_of(task))


def named(wait: WaitForChildren, depth: int, around: Surroundings) -> Outcome:
    """The wait with a run id for each child, or the failure that flows are nested too deep."""
    most = around.limits.subflow_depth
    if depth >= most:
        message = f"flows are nested {most} deep, and {wait.flow!r} would be one more"
        return StepRunResult.failure(error=message, code="SUBFLOW_DEPTH")
    ids = tuple(around.new_run_id() for _ in wait.inputs)
    return msgspec.structs.replace(wait, run_ids=ids)


def end_of(event: FlowCompleted) -> ChildEnd:
    """How a run ended, as its parent hears of it."""
    error = next((failure.error for failure in event.failures if not failure.handled), None)
    if error is None and event.status is not RunStatus.SUCCEEDED:
        error = ErrorObject(
            code=event.status.value.upper(), message=f"the child run was {event.status.value}"
        )
    return event.status, event.output, error


def _end_of(task: asyncio.Task[FlowCompleted]) -> ChildEnd:
    if task.cancelled():
        return RunStatus.CANCELLED, None, ErrorObject(code=CANCELLED, message="the child run was cancelled")
    fault = task.exception()
    if fault is not None:
        message = f"the child run broke: {type(fault).__name__}: {fault}"
        return RunStatus.FAILED, None, ErrorObject(code="CHILD_BROKE", message=message)
    return end_of(task.result())
