"""The child runs of one run: started, cancelled and heard of when they end."""

import asyncio
from collections.abc import Callable

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


class Children:
    """Keeps the children of one run by activation and index."""

    __slots__ = ("_around", "_depth", "_post", "_run_id", "_running")

    def __init__(
        self, around: Surroundings, run_id: str, depth: int, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self._around = around
        self._run_id = run_id
        self._depth = depth
        self._post = post
        self._running: dict[tuple[Activation, int], ChildRun] = {}

    def prepare(self, wait: WaitForChildren) -> Outcome:
        """The wait with the children's run ids, or the failure that they cannot be run."""
        missing = self._around.missing_flow(wait.flow)
        if missing is not None:
            return StepRunResult.failure(error=missing, code="FLOW_NOT_FOUND")
        most = self._around.limits.subflow_depth
        if self._depth >= most:
            message = f"flows are nested {most} deep, and {wait.flow!r} would be one more"
            return StepRunResult.failure(error=message, code="SUBFLOW_DEPTH")
        ids = tuple(self._around.new_run_id() for _ in wait.inputs)
        return msgspec.structs.replace(wait, run_ids=ids)

    def start(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        """Start one child; `on_end` is called at a turn of the driver once it has ended."""
        request = ChildRequest(
            flow=wait.flow,
            run_id=wait.run_ids[index],
            trigger=wait.trigger,
            payload=wait.inputs[index],
            parent_run_id=self._run_id,
            depth=self._depth + 1,
        )
        try:
            child = self._around.start_child(request)
        except StepError as error:
            end: ChildEnd = (RunStatus.FAILED, None, error.error)
            self._post(lambda: on_end(act, (index, request.run_id), end))
            return
        self._running[act, index] = child
        child.task.add_done_callback(
            lambda task: self._post(lambda: self._ended((act, index), request.run_id, task, on_end))
        )

    def cancel(self, act: Activation, index: int, reason: str) -> None:
        """Ask a child to stop; its end is heard of as usual."""
        child = self._running.get((act, index))
        if child is not None:
            child.cancel(reason)

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


def _end_of(task: asyncio.Task[FlowCompleted]) -> ChildEnd:
    if task.cancelled():
        return RunStatus.CANCELLED, None, ErrorObject(code=CANCELLED, message="the child run was cancelled")
    fault = task.exception()
    if fault is not None:
        message = f"the child run broke: {type(fault).__name__}: {fault}"
        return RunStatus.FAILED, None, ErrorObject(code="CHILD_BROKE", message=message)
    end = task.result()
    error = next((failure.error for failure in end.failures if not failure.handled), None)
    if error is None and end.status is not RunStatus.SUCCEEDED:
        error = ErrorObject(code=end.status.value.upper(), message=f"the child run was {end.status.value}")
    return end.status, end.output, error
