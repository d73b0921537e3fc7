"""A run in memory that a test answers, stops and lets go on from its journal by hand, at a time of its own."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Self

from openrun.core.asks import Answer, Ask, Decision
from openrun.core.events import (
    EffectRecorded,
    Fact,
    FlowCompleted,
    FlowStarted,
    Shown,
    StepCompleted,
    StepInterrupted,
    StepStarted,
    StepWaiting,
)
from openrun.core.facts import CancelRequest
from openrun.core.limits import DEFAULT_LIMITS, Limits
from openrun.core.results import WaitForAnswers
from openrun.core.types import Json, RunStatus
from openrun.definition.program import Program
from openrun.flow import Flow
from openrun.net.address import AllowList
from openrun.net.http import HttpClient
from openrun.runtime.children import Children
from openrun.runtime.driver import Driver
from openrun.runtime.engine import Engine, prepare, started
from openrun.runtime.ids import uuid7
from openrun.runtime.log import MemoryLog
from openrun.runtime.steering import Settlement, Steering
from openrun.runtime.surroundings import Surroundings
from openrun.steps.catalog import StepCatalog
from openrun.testing import VirtualClock

_TURNS = 40
"""Turns of the loop in which a run that has something to do does some of it."""
_MOST_TURNS = 10_000


class DeskLog(MemoryLog):
    """Has a disk that is one turn of the loop away; `facts` goes on with those there are."""

    durable = True

    def __init__(
        self, facts: list[Fact], note: Callable[[Fact], None], show: Callable[[Shown], None]
    ) -> None:
        super().__init__(show)
        self.facts = facts
        self.append = note
        self.on_disk = len(facts)
        self.places = 0
        """Steps whose gate has opened and that are not over."""
        self._closed = False

    def gate(self, then: Callable[[], None], *, commit: bool) -> None:
        def enter() -> None:
            self.places += 1
            then()

        if commit:
            self.committed(enter)
        else:
            asyncio.get_running_loop().call_soon(lambda: None if self._closed else enter())

    def committed(self, then: Callable[[], None]) -> None:
        so_far = len(self.facts)

        def written() -> None:
            if not self._closed:
                self.on_disk = max(self.on_disk, so_far)
                then()

        asyncio.get_running_loop().call_soon(written)

    def ended(self) -> None:
        self.places -= 1

    def snapshot(self) -> None:  # type: ignore[override]
        """Nobody asks."""

    def close(self) -> None:
        self._closed = True


class Desk:
    """`async with Desk(flow) as desk:` starts a run; nothing but `advance` moves its clock."""

    def __init__(
        self,
        flow: Flow,
        *,
        input: dict[str, Any] | None = None,  # noqa: A002
        limits: Limits = DEFAULT_LIMITS,
        flows: Iterable[Flow] = (),
        secrets: dict[str, str] | None = None,
        catalog: StepCatalog | None = None,
        on_fact: Callable[["Desk", Fact], None] | None = None,
    ) -> None:
        self.clock = VirtualClock()
        # Held once more than it is let go of: it never jumps.
        self.clock.hold()
        self.http = HttpClient(allow=AllowList.parse(()))
        self.around = Surroundings.of(
            clock=self.clock, limits=limits, http=self.http, new_run_id=uuid7, secrets=secrets or {}
        )
        self._engine = Engine(clock=self.clock, limits=limits, flows=flows, catalog=catalog)
        self.program: Program = flow.program(self._engine.catalog, limits)
        self.begun: FlowStarted = started(
            self.program, prepare(self.program, None, input or {}, {}), uuid7(), self.clock.now()
        )
        self._on_fact = on_fact
        self.facts: list[Fact] = []
        self.shown: list[Shown] = []
        self.driver: Driver
        self.log: DeskLog
        self._task: asyncio.Task[FlowCompleted | None]

    async def __aenter__(self) -> Self:
        self._drive()
        await self.rest()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._stop()
        await self._engine.close()
        await self.http.close()

    # -- its life ---------------------------------------------------------------------------------

    def _drive(self) -> None:
        log = self.log = DeskLog(self.facts, self._note, self.shown.append)
        self.driver = Driver(
            self.around,
            self.program,
            self.begun,
            log,
            lambda post: Children(self.around, self._engine, self.begun.run_id, 0, post),
            history=tuple(self.facts),
        )
        self._task = asyncio.get_running_loop().create_task(self.driver.drive())

    def _note(self, fact: Fact) -> None:
        self.facts.append(fact)
        if self._on_fact is not None:
            self._on_fact(self, fact)

    async def _stop(self) -> None:
        self.log.close()
        if not self._task.done():
            self.driver.leave()
        with suppress(asyncio.CancelledError):
            await self._task

    async def restart(self) -> None:
        """Let go of it in the middle of whatever it does, and go on from its facts, as another process would."""
        if not self.over:
            await self._stop()
            self._drive()
            await self.rest()

    async def crash(self) -> None:
        """The same, and what nobody has waited for to be on disk is lost."""
        if not self.over:
            await self._stop()
            del self.facts[max(1, self.log.on_disk) :]
            self._drive()
            await self.rest()

    @property
    def over(self) -> bool:
        return bool(self.facts) and isinstance(self.facts[-1], FlowCompleted)

    async def rest(self) -> None:
        """Until nothing more comes of it by itself: it waits, its steps wait, or it has ended."""
        for _ in range(_MOST_TURNS):
            before = len(self.facts)
            for _turn in range(_TURNS):
                await asyncio.sleep(0)
                if self._task.done():
                    self._task.result()
                    return
            # What is due by now, such as a timer that was set for an instant of the past.
            self.clock.advance(0)
            if len(self.facts) == before:
                return
        raise AssertionError(f"it never comes to rest: {self.facts[-3:]}")

    async def until(self, holds: Callable[[], object]) -> None:
        """Until this holds, while its steps run."""
        for _ in range(_MOST_TURNS):
            if holds():
                return
            await asyncio.sleep(0)
        raise AssertionError(f"that never comes to be: {self.facts[-3:]}")

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)
        await self.rest()

    async def end(self) -> FlowCompleted:
        """What it ended with; it has to end without further ado."""
        await self.rest()
        last = self.facts[-1]
        assert isinstance(last, FlowCompleted), f"it has not ended: {self.facts[-3:]}"
        return last

    # -- telling ----------------------------------------------------------------------------------

    def post(self, act: Callable[[Steering], None]) -> None:
        """Ask it at its next turn."""
        self.driver.post(lambda: act(self.driver.steering))

    async def say(self, *acts: Callable[[Steering], None]) -> None:
        """Ask all of it in one turn, and let come of it what comes."""
        for act in acts:
            self.post(act)
        await self.rest()

    async def signal(self, *names: str, value: Json = None) -> None:
        await self.say(*(told(name, value) for name in names))

    async def answer(self, ask: Ask, value: Json = None, *, by: str | None = None) -> None:
        await self.say(answered(ask, value, by=by))

    async def approve(self, ask: Ask, value: Json = None, *, by: str | None = None) -> None:
        await self.say(answered(ask, value, by=by, decision=Decision.APPROVED))

    async def reject(self, ask: Ask, reason: str | None = None, *, by: str | None = None) -> None:
        await self.say(answered(ask, None, by=by, decision=Decision.REJECTED, reason=reason))

    async def cancel(self, *, hard: bool = False, compensate: bool = False) -> None:
        await self.say(cancels(hard=hard, compensate=compensate))

    async def pause(self) -> None:
        await self.say(lambda steering: steering.pause("paused"))

    async def resume(self) -> None:
        await self.say(lambda steering: steering.resume())

    async def settle(self, step_id: str, scope: str = "/", *, committed: bool, output: Json = None) -> None:
        await self.say(
            lambda steering: steering.settle((step_id, scope), Settlement(committed=committed, output=output))
        )

    # -- looking ----------------------------------------------------------------------------------

    @property
    def asks(self) -> list[Ask]:
        """What it waits to be told, in the order in which it was asked first."""
        return [ask for ask in asked(self.facts) if self.driver.machine.listening.open(ask.id)]

    def ask(self, name: str) -> Ask:
        """The open ask of this name or title."""
        (found,) = [ask for ask in self.asks if name in (ask.name, ask.title)]
        return found

    def of(self, kind: type[Fact] | Any) -> list[Any]:
        """Its facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def effects(self, name: str | None = None) -> list[tuple[str, str]]:
        """What was recorded of effects, as (name, status)."""
        found = [(fact.name, fact.status.value) for fact in self.of(EffectRecorded)]
        return [each for each in found if name in (None, each[0])]

    def started(self, step_id: str) -> int:
        return sum(fact.step_id == step_id for fact in self.of(StepStarted))

    def output(self, step_id: str) -> Any:
        """What a step came to the last time it completed."""
        return [fact for fact in self.of(StepCompleted) if fact.step_id == step_id][-1].result.output

    def port(self, step_id: str) -> str:
        port: str
        (port,) = [fact for fact in self.of(StepCompleted) if fact.step_id == step_id][-1].result.ports
        return port

    @property
    def status(self) -> RunStatus:
        return self.driver.machine.status


def told(name: str, value: Json = None) -> Callable[[Steering], None]:
    return lambda steering: steering.answer(Answer(name=name, value=value))


def answered(
    ask: Ask,
    value: Json = None,
    *,
    by: str | None = None,
    decision: Decision = Decision.ANSWERED,
    reason: str | None = None,
) -> Callable[[Steering], None]:
    said = Answer(ask=ask.id, value=value, by=by, decision=decision, reason=reason)
    return lambda steering: steering.answer(said)


def cancels(*, hard: bool = False, compensate: bool = False) -> Callable[[Steering], None]:
    return lambda steering: steering.cancel(CancelRequest(hard=hard, compensate=compensate))


def asked(facts: Iterable[Fact]) -> list[Ask]:
    """All that was asked so far, each once."""
    found: dict[str, Ask] = {}
    for fact in facts:
        if isinstance(fact, StepInterrupted):
            found.update({ask.id: found.get(ask.id, ask) for ask in fact.asks})
        elif isinstance(fact, StepWaiting) and isinstance(fact.wait, WaitForAnswers):
            found.update({ask.id: found.get(ask.id, ask) for ask in fact.wait.asks})
    return list(found.values())
