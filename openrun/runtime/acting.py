"""What one run of a step does to the outside: its effects, what it draws, and what it asks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Protocol

from msgspec.structs import replace

from openrun.core.asks import Ask, ask_id
from openrun.core.effects import IN_DOUBT, EffectStatus, Verdict, effect_key
from openrun.core.errors import InterruptExpired, JsonError, PermanentError
from openrun.core.events import EffectRecorded, activation_id
from openrun.core.facts import Known
from openrun.core.frame import Activation
from openrun.core.machine import Machine
from openrun.core.strict_json import copy, plain
from openrun.core.types import EffectClass, Json
from openrun.definition.program import StepPlan
from openrun.runtime.attempt import Asking, InDoubt, Unwound, error_of
from openrun.runtime.calling import args_hash, called, check_args, value_of
from openrun.runtime.doubt import is_unknown, stopped_error
from openrun.runtime.guards import Guards
from openrun.steps.context import EffectCall, StepContext, Verify

_log = logging.getLogger("openrun.effects")

_GRACE = 4.0
"""Seconds that a call under way is given to come to its outcome when its run is cancelled."""
_REPEATABLE = frozenset({EffectClass.PURE, EffectClass.IDEMPOTENT})
NOW = "now"
_around: ContextVar[tuple[asyncio.Future[None], ...]] = ContextVar(
    "effects that this code stands in", default=()
)


class Host(Protocol):
    """The driver of the run, as far as effects are concerned."""

    @property
    def machine(self) -> Machine: ...

    def plan(self, act: Activation) -> StepPlan: ...

    def post(self, act: Callable[[], None]) -> None:
        """Do this at the next turn."""

    def record_effect(self, act: Activation, known: Known) -> None:
        """Record it now, within a turn."""

    def committed(self, then: Callable[[], None]) -> None:
        """Call back once all that is recorded so far is on disk."""

    def is_stopped(self, act: Activation) -> bool:
        """Its task was told to stop because the run was, not because its time was up."""

    def clock(self) -> datetime: ...


class _Stopped(asyncio.CancelledError):
    """The step was stopped, but its call came to its outcome."""


class Acting:
    """What one run of a step, from its top, does to the outside; the `Recording` of its context."""

    __slots__ = (
        "_act",
        "_closed",
        "_counts",
        "_guards",
        "_host",
        "_id",
        "_outcomes",
        "_plan",
        "_under_way",
        "_unsure",
        "asks",
        "context",
        "doubt",
        "over",
    )

    def __init__(self, host: Host, guards: Guards, act: Activation, plan: StepPlan) -> None:
        self._host = host
        self._guards = guards
        self._act = act
        self._plan = plan
        self._id = activation_id(host.machine.run_id, act.step_id, act.scope)
        self._counts: dict[str, int] = {}
        self._outcomes: list[tuple[Known, bool]] = []
        """What is to be recorded at the next turn, and whether the step's result will have its value."""
        self.asks: list[Ask] = []
        """What the step is interrupted for."""
        self.doubt: str | None = None
        """The key of an effect that may not be repeated, and of which nobody knows whether it took place."""
        self.context: StepContext | None = None
        self._closed = False
        self._unsure: set[str] = set()
        """Keys of effects that may have taken place in a try before."""
        self._under_way: set[asyncio.Future[None]] = set()
        """Effects that have begun, or wait for their place."""
        self.over = False
        """The step has ended, or was given up: nothing more goes out for it, and nothing is recorded."""

    # -- effects ----------------------------------------------------------------------------------

    async def effect(self, call: EffectCall) -> Any:
        """Make the call, or give back what is recorded of it."""
        if self._closed:
            raise PermanentError(
                f"effect {call.name!r} was called when its step had ended already; wait for what a step begins",
                code="STEP_ENDED",
            )
        ordinal = self._count(call.name)
        known = self._act.effects.get((call.name, ordinal))
        begun = Known(
            name=call.name,
            ordinal=ordinal,
            key=effect_key(self._id, call.name, ordinal),
            status=EffectStatus.STARTED,
            effect=self._class(call),
            attempt=1 if known is None else known.attempt + 1,
            args_hash=args_hash(call),
        )
        check_args(known, begun)
        target = call.target or f"{self._host.machine.flow_id}.{self._act.step_id}.{call.name}"
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.add(mine)
        around = _around.set((*_around.get(), mine))
        try:
            # Guards first: whoever waits for a place has not begun anything.
            return await self._guards.of(target).call(
                lambda go: self._acquire(call, begun, known, go),
                lambda: called(call, begun.key),
                # Tried again in place, an unknown outcome would be repeated in silence.
                retry=None if begun.effect is EffectClass.AT_MOST_ONCE else call.retry,
                seed=begun.key,
            )
        except Unwound:
            self._end_one(mine)
            await self._quiet()
            raise
        finally:
            _around.reset(around)
            self._end_one(mine)

    async def close(self) -> None:
        """The step has ended: nothing new begins, and what it left behind comes to its outcome."""
        self._closed = True
        await self._quiet()

    async def _quiet(self) -> None:
        """A step is not left before all that it has under way has come to its outcome."""
        while others := self._under_way.difference(_around.get()):
            await asyncio.wait(others)

    def _end_one(self, mine: asyncio.Future[None]) -> None:
        self._under_way.discard(mine)
        _settle(mine)

    async def _acquire(
        self, call: EffectCall, begun: Known, known: EffectRecorded | None, go: Callable[[], Awaitable[Any]]
    ) -> Any:
        if known is not None and known.status is EffectStatus.COMMITTED:
            return copy(known.value)
        was_open = known is not None and known.status in IN_DOUBT
        if was_open and begun.effect not in _REPEATABLE:
            verdict = await self._verified(call, begun)
            if verdict.status is EffectStatus.COMMITTED:
                return self._committed(begun, verdict.value, whole=call.whole)
            if verdict.status is EffectStatus.UNKNOWN and begun.effect is EffectClass.AT_MOST_ONCE:
                raise self._doubtful(begun)
            was_open = verdict.status is EffectStatus.UNKNOWN
        if was_open:
            # It may have taken place before, whatever becomes of it now.
            self._unsure.add(begun.key)
        if known is not None and known.status is EffectStatus.STARTED:
            # It is on disk already. Recorded again, it would pass for progress of a run that kills its workers.
            begun = replace(begun, attempt=known.attempt)
            await self._on_disk(None, begun)
        else:
            await self._on_disk(begun, begun)
        return await self._made(call, begun, go)

    async def _made(self, call: EffectCall, begun: Known, go: Callable[[], Awaitable[Any]]) -> Any:
        """Make the call, and say what it came to."""
        try:
            value = await self._shielded(begun, go)
        except _Stopped:
            raise
        except asyncio.CancelledError:
            self._unknown(begun, "it was stopped before its outcome was known")
            raise
        except Exception as error:  # noqa: BLE001
            return await self._broke(call, begun, error)
        try:
            kept = plain(value)
        except JsonError as error:
            # It took place, and what it brought cannot be kept: nothing may be made of that but an open question.
            self._tell(replace(begun, status=EffectStatus.UNKNOWN, error=error_of(error)))
            if begun.effect is EffectClass.AT_MOST_ONCE:
                raise self._doubtful(begun) from None
            raise
        return self._committed(begun, kept, whole=call.whole)

    async def _on_disk(self, news: Known | None, begun: Known) -> None:
        """Record the news, and wait until it is on disk that the call may go out."""
        on_disk: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def record() -> None:
            if self.over:
                # The step was given up: what it still wants to do must not go out.
                on_disk.cancel()
            if on_disk.cancelled():
                return
            self.flush()
            if news is not None:
                self._host.record_effect(self._act, news)
            self._host.committed(lambda: _settle(on_disk))

        self._host.post(record)
        try:
            await on_disk
        except asyncio.CancelledError:
            # It may be on disk by now, yet this time the call never went out.
            if news is not None:
                self._tell(replace(begun, status=EffectStatus.ABSENT))
            raise

    async def _shielded(self, begun: Known, go: Callable[[], Awaitable[Any]]) -> Any:
        """A call that a cancelled run has under way may come to its outcome, within a grace."""
        if begun.effect in _REPEATABLE:
            return await go()
        task = asyncio.ensure_future(go())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._host.is_stopped(self._act):
                # A worker that leaves meanwhile ends the grace.
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([task], timeout=_GRACE)
            if not task.done():
                task.cancel()
                with suppress(BaseException):
                    await task
            elif not task.cancelled() and task.exception() is None:
                with suppress(JsonError):
                    self._committed(begun, plain(task.result()))
                    raise _Stopped from None
            raise

    async def _broke(self, call: EffectCall, begun: Known, error: Exception) -> Any:
        fault = error_of(error)
        if not is_unknown(fault):
            self._tell(replace(begun, status=EffectStatus.FAILED, error=fault))
            raise error
        verdict = Verdict.unknown()
        if begun.effect is EffectClass.AT_MOST_ONCE:
            verdict = await self._verified(call, begun)
        if verdict.status is EffectStatus.COMMITTED:
            return self._committed(begun, verdict.value, whole=call.whole)
        self._tell(replace(begun, status=verdict.status, error=fault))
        if verdict.status is EffectStatus.UNKNOWN and begun.effect is EffectClass.AT_MOST_ONCE:
            raise self._doubtful(begun)
        raise error

    async def _verified(self, call: EffectCall, begun: Known) -> Verdict:
        """What looking the effect up comes to, where that is possible."""
        verify = call.verify or self._own_verify()
        if verify is None:
            return Verdict.unknown()
        try:
            verdict = await verify(begun.key)
        except Exception:  # noqa: BLE001
            # A person can still look into it.
            _log.exception("effect %s of step %s cannot be verified", begun.key, self._act.step_id)
            return Verdict.unknown()
        if verdict.status not in (EffectStatus.COMMITTED, EffectStatus.ABSENT):
            return Verdict.unknown()
        return replace(verdict, value=plain(verdict.value))

    def _own_verify(self) -> Verify | None:
        if not self._plan.verify:
            return None
        return lambda key: self._plan.step.verify_effect(key, self.context)

    def _doubtful(self, begun: Known) -> Unwound:
        self.doubt = begun.key
        return Unwound()

    def _unknown(self, begun: Known, message: str) -> None:
        self._tell(replace(begun, status=EffectStatus.UNKNOWN, error=stopped_error(message)))
        if begun.effect is EffectClass.AT_MOST_ONCE:
            self.doubt = begun.key

    def _committed(self, begun: Known, value: Json, *, whole: bool = False) -> Json:
        self._tell(replace(begun, status=EffectStatus.COMMITTED, value=value), whole=whole)
        return copy(value)

    def _class(self, call: EffectCall) -> EffectClass:
        own = call.effect or self._plan.effect
        # A step that only computes, as it says, does act here.
        return EffectClass.EXTERNAL if own is EffectClass.PURE else own

    # -- what is drawn, and what is asked -----------------------------------------------------------

    def now(self) -> datetime:
        ordinal = self._count(NOW)
        known = self._act.effects.get((NOW, ordinal))
        if known is not None and known.effect is EffectClass.PURE:
            return datetime.fromisoformat(known.value)
        instant = self._host.clock()
        key = effect_key(self._id, NOW, ordinal)
        self._tell(
            Known(
                name=NOW,
                ordinal=ordinal,
                key=key,
                status=EffectStatus.COMMITTED,
                effect=EffectClass.PURE,
                value=instant.isoformat(),
            )
        )
        return instant

    async def interrupt(self, ask: Ask, seconds: float | None) -> Json:
        if _around.get():
            raise PermanentError(
                "an effect cannot ask: call context.interrupt before or after it", code="INTERRUPT_IN_EFFECT"
            )
        number = self._count(f"interrupt {ask.name}")
        identity = ask_id(self._id, f"{ask.name} {number}")
        answer = next((each for each in self._act.answers if each.ask == identity), None)
        if answer is not None:
            return value_of(answer)
        if identity in self._act.expired:
            raise InterruptExpired(f"nobody answered {ask.title or ask.name or 'the interrupt'!r} in time")
        self.asks.append(self._dated(replace(ask, id=identity, payload=plain(ask.payload)), seconds))
        await self._quiet()
        raise Unwound

    def _dated(self, ask: Ask, seconds: float | None) -> Ask:
        """With the instant that ends it, counted from when it was asked first."""
        known = self._host.machine.listening.open(ask.id)
        if known is not None:
            return replace(ask, until=known.until)
        return ask if seconds is None else replace(ask, until=self._host.clock() + timedelta(seconds=seconds))

    # -- recording --------------------------------------------------------------------------------

    def flush(self, *, completes: bool = False) -> None:
        """Record what is known; within a turn. When the step `completes`, its result has what is whole."""
        outcomes, self._outcomes = ([] if self.over else self._outcomes), []
        for known, whole in outcomes:
            self._host.record_effect(self._act, replace(known, value=None) if completes and whole else known)

    def _tell(self, known: Known, *, whole: bool = False) -> None:
        if known.key in self._unsure and known.status in (EffectStatus.FAILED, EffectStatus.ABSENT):
            known = replace(known, status=EffectStatus.UNKNOWN)
        self._outcomes.append((known, whole))
        if not whole:
            self._host.post(self.flush)

    def _count(self, name: str) -> int:
        count = self._counts.get(name, 0)
        self._counts[name] = count + 1
        return count

    def outcome(self) -> Asking | InDoubt | None:
        """Why the step broke off, if it did so to ask or because of an effect in doubt."""
        if self.doubt is not None:
            return InDoubt(key=self.doubt)
        return Asking(asks=tuple(self.asks)) if self.asks else None


def _settle(waited: asyncio.Future[None]) -> None:
    if not waited.done():
        waited.set_result(None)
