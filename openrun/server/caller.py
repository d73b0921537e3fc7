"""Somebody who called a webhook and stays on the line until the run has something to say."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any

from openrun.core.events import FlowCompleted, FlowStarted, Shown, StepCompleted, decode_fact
from openrun.core.types import Json, RunStatus
from openrun.definition.program import Program
from openrun.runtime.library import Library
from openrun.space import Space
from openrun.steps.catalog import StepCatalog
from openrun.store.base import StoreUnavailable

_HERE = 0.25
"""For how long, in seconds, the events of a run in this process are enough; then the store is followed too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a run has to say to its caller: what a reply step put out, or its end without one."""

    reply: tuple[Json] | None
    """None where no reply step has run."""
    status: RunStatus
    output: Json


class Caller:
    """Hears the events of one run; `at_once` takes the first reply, else the last one when the run has ended."""

    def __init__(self, library: Library, catalog: StepCatalog, *, at_once: bool) -> None:
        self._library = library
        self._catalog = catalog
        self._at_once = at_once
        self._program: Program | None = None
        self._reply: tuple[Json] | None = None
        self._said: asyncio.Future[Said | None] = asyncio.get_running_loop().create_future()

    def hear(self, shown: Shown) -> None:
        match shown:
            case FlowStarted(version=version):
                self._program = self._library.compiled(version)
            case StepCompleted() if self._is_reply(shown):
                self._reply = (shown.result.output,)
                if self._at_once:
                    self._say(RunStatus.RUNNING, None)
            case FlowCompleted(status=status, output=output):
                self._say(status, output)
            case _:
                pass

    def give_up(self) -> None:
        """Keep the caller no longer: there is nothing to say for now."""
        if not self._said.done():
            self._said.set_result(None)

    async def said(self, space: Space, run_id: str, seconds: float, *, known: bool) -> Said | None:
        """What the run says within this time, or None; `known` for one whose events are not heard from the start."""
        if not known:
            await asyncio.wait([self._said], timeout=min(_HERE, seconds))
        if self._said.done():
            return self._said.result()
        following = asyncio.get_running_loop().create_task(self._follow(space, run_id))
        try:
            either: list[asyncio.Future[Any]] = [self._said, following]
            await asyncio.wait(either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
            return self._said.result() if self._said.done() else None
        finally:
            following.cancel()
            await asyncio.wait([following])

    async def _follow(self, space: Space, run_id: str) -> None:
        # A store that is away has nothing to tell: the caller gets the id of the run.
        with contextlib.suppress(StoreUnavailable):
            await self._hear_all(space, run_id)

    async def _hear_all(self, space: Space, run_id: str) -> None:
        row = await space.row(run_id)
        self._program = await self._library.program(row.flow_id, row.version, row.namespace)
        async for page in space.follow(run_id):
            for event in page.events:
                self.hear(decode_fact(event.body))

    def _is_reply(self, event: StepCompleted) -> bool:
        if self._program is None or event.result.error is not None:
            return False
        kind = self._program.step_types.get(event.step_id)
        return kind is not None and self._catalog.get(kind).replies

    def _say(self, status: RunStatus, output: Json) -> None:
        if not self._said.done():
            self._said.set_result(Said(reply=self._reply, status=status, output=output))
