"""The child runs of a durable run: made in the store along with the events that ask for them."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from openrun.core.errors import InvalidFlow, PermanentError
from openrun.core.frame import Activation
from openrun.core.results import Outcome, WaitForChildren
from openrun.core.types import RunStatus
from openrun.runtime.attempt import error_of
from openrun.runtime.births import birth_of, unheld
from openrun.runtime.children import ChildEnd, OnEnd, Post, named
from openrun.runtime.engine import prepare, started
from openrun.runtime.library import Library, MissingCode
from openrun.runtime.messages import MessageKind
from openrun.runtime.runlog import RunLog
from openrun.runtime.surroundings import Surroundings
from openrun.store.rows import Message, Slice


class Offspring:
    """Has children born, stopped and heard of through the store; making one again is no act."""

    def __init__(
        self,
        around: Surroundings,
        library: Library,
        log: RunLog,
        post: Post,
        *,
        depth: int,
        hops: int = 0,
        lacks: Callable[[str], None],
    ) -> None:
        """`lacks` is told when this process has not the code that a child takes."""
        self._lacks = lacks
        self._around = around
        self._library = library
        self._log = log
        self._depth = depth
        self._hops = hops
        self._post = post
        self._expected: dict[str, tuple[Activation, int, OnEnd]] = {}
        self._unborn: dict[str, asyncio.Task[None]] = {}
        self._stopping: dict[str, dict[str, Any]] = {}
        """Children to be told to stop once they are born, and how."""

    @property
    def busy(self) -> bool:
        return bool(self._unborn)

    def prepare(self, wait: WaitForChildren) -> Outcome:
        return named(wait, self._depth, self._around)

    def expect(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        self._expected.setdefault(wait.run_ids[index], (act, index, on_end))

    def start(self, act: Activation, index: int, wait: WaitForChildren, on_end: OnEnd) -> None:
        run_id = wait.run_ids[index]
        self.expect(act, index, wait, on_end)
        start = self._start(act, index, wait)
        task = self._unborn[run_id] = asyncio.get_running_loop().create_task(start)
        self._around.clock.hold()
        task.add_done_callback(lambda task: self._began(run_id, task))

    def cancel(self, act: Activation, index: int, reason: str, *, compensate: bool) -> None:
        request = {"reason": reason, "compensate": compensate}
        wait = act.wait
        assert isinstance(wait, WaitForChildren)
        run_id = wait.run_ids[index]
        if run_id in self._unborn:
            # It may have been born before a crash, so it is born (again) and told: its end is heard as ever.
            self._stopping[run_id] = request
        else:
            self._stop(run_id, request)

    def _stop(self, run_id: str, request: dict[str, Any]) -> None:
        self._log.tell(Message(run_id=run_id, kind=MessageKind.CANCEL, key="cancel:parent", body=request))

    def heard(self, run_id: str, end: ChildEnd) -> None:
        expected = self._expected.pop(run_id, None)
        if expected is not None:
            act, index, on_end = expected
            on_end(act, (index, run_id), end)

    async def close(self) -> None:
        tasks = list(self._unborn.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _start(self, act: Activation, index: int, wait: WaitForChildren) -> None:
        trace = self._around.trace
        named = None if trace is None else trace(self._log.run_id, act.spec.id, act.frame.scope)
        self._log.bear(await self._birth(wait, index, named or (None, None)))

    async def _birth(self, wait: WaitForChildren, index: int, trace: tuple[str | None, str | None]) -> Slice:
        program = await self._library.current(wait.flow, self._log.namespace)
        if program is None:
            hint = "add it to the store, or correct the step"
            raise PermanentError(f"the store knows no flow {wait.flow!r}; {hint}", code="FLOW_NOT_FOUND")
        try:
            start = prepare(program, wait.trigger, wait.inputs[index], {})
        except InvalidFlow as error:
            raise PermanentError(str(error), code="INVALID_TRIGGER") from None
        parent, state = trace
        child = replace(
            start,
            parent_run_id=self._log.run_id,
            traceparent=parent,
            tracestate=state,
            hops=self._hops,
        )
        event = started(program, child, wait.run_ids[index], self._around.clock.now())
        return unheld(event, birth_of(event, self._log.namespace, depth=self._depth + 1))

    def _began(self, run_id: str, task: "asyncio.Task[None]") -> None:
        def tell() -> None:
            self._unborn.pop(run_id, None)
            self._around.clock.release()
            request = self._stopping.pop(run_id, None)
            fault = None if task.cancelled() else task.exception()
            if isinstance(fault, MissingCode):
                self._lacks(str(fault))
            elif fault is not None:
                self.heard(run_id, (RunStatus.FAILED, None, error_of(fault)))
            elif request is not None:
                self._stop(run_id, request)

        self._post(tell)
