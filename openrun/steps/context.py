"""What a running step may know and do beside its state and config."""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar, overload
from uuid import UUID

from openrun.bus.cloud_event import CloudEvent
from openrun.core.asks import Ask, AskKind
from openrun.core.effects import Verdict, effect_key
from openrun.core.events import activation_id
from openrun.core.retry import RetryPolicy
from openrun.core.types import EffectClass, Json
from openrun.net.http import HttpClient
from openrun.steps.spelling import AnyEffect, seconds_in

Verify = Callable[[str], Awaitable[Verdict]]
"""Says whether the effect of this key took place."""

Trace = Callable[[str, str, str], tuple[str, str | None] | None]
"""The `traceparent` and `tracestate` of a step, by run, step and scope."""

Publish = Callable[[CloudEvent], Awaitable[None]]
"""Keeps an event for whoever listens; it is durable when this returns, and publishing it again is no act."""

T = TypeVar("T")
_PARTS = 2**53


async def unheard(_event: CloudEvent) -> None:
    """Where there is no bus, nobody hears of an event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCall:
    """A call to the outside, as a step asks for it."""

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    effect: EffectClass | None = None
    """None is that of the step."""
    verify: Verify | None = None
    retry: RetryPolicy | None = None
    target: str | None = None
    """Whom it calls: calls to one target share a circuit breaker and a bound on their number."""
    whole: bool = False
    """What it brings is in the step's own result, which follows at once."""


class Recording(Protocol):
    """What the engine does for one activation."""

    async def effect(self, call: EffectCall) -> Any: ...

    async def interrupt(self, ask: Ask, seconds: float | None) -> Json: ...

    def now(self) -> datetime: ...


class StepContext:
    """Handed to a step's `run` as its third parameter, where it takes one."""

    __slots__ = (
        "_clock",
        "_drawn",
        "_emit",
        "_open",
        "_opened",
        "_trace",
        "abandoned",
        "attempt",
        "flow_id",
        "hops",
        "http",
        "input",
        "output",
        "publish",
        "run_id",
        "scope",
        "step_id",
    )

    def __init__(
        self,
        *,
        run_id: str,
        flow_id: str,
        step_id: str,
        scope: str,
        attempt: int,
        input: dict[str, Json],  # noqa: A002
        clock: Callable[[], datetime],
        emit: Callable[[Any], None],
        http: HttpClient,
        recording: Callable[["StepContext"], Recording],
        output: Json = None,
        trace: Trace | None = None,
        hops: int = 0,
        publish: Publish = unheard,
    ) -> None:
        self.run_id = run_id
        self.flow_id = flow_id
        self.step_id = step_id
        self.scope = scope
        self.attempt = attempt
        """Number of this attempt; 1 is the first."""
        self.input = input
        """The payload of the run's trigger."""
        self.http = http
        """The engine's HTTP client, guarded against private addresses."""
        self.output = output
        """In `compensate`, what the step had put out."""
        self.hops = hops
        """How many events stand between the run and what came from outside."""
        self.publish = publish
        """Keeps an event for whoever listens; publishing it again is no act."""
        self.abandoned = False
        """Set by a step whose work goes on though it was told to stop: it must not be tried again beside it."""
        self._clock = clock
        self._emit = emit
        self._open = recording
        self._opened: Recording | None = None
        self._trace = trace
        self._drawn: dict[str, int] = {}

    @property
    def activation_id(self) -> str:
        """Names this activation; the same over retries, crashes and replays."""
        return activation_id(self.run_id, self.step_id, self.scope)

    @property
    def idempotency_key(self) -> str:
        """A key to send along with a call, the same at every repetition of this activation."""
        return self.activation_id

    @property
    def _recording(self) -> Recording:
        # Most steps need none, and one is made per step.
        if self._opened is None:
            self._opened = self._open(self)
        return self._opened

    # -- acting -----------------------------------------------------------------------------------

    @overload
    async def effect(
        self,
        name: str,
        call: Callable[..., Awaitable[T]],
        /,
        *args: Any,
        effect: AnyEffect | None = None,
        verify: Verify | None = None,
        retry: RetryPolicy | int | None = None,
        target: str | None = None,
        **kwargs: Any,
    ) -> T: ...

    @overload
    async def effect(
        self,
        name: str,
        call: Callable[..., T],
        /,
        *args: Any,
        effect: AnyEffect | None = None,
        verify: Verify | None = None,
        retry: RetryPolicy | int | None = None,
        target: str | None = None,
        **kwargs: Any,
    ) -> T: ...

    async def effect(
        self,
        name: str,
        call: Callable[..., Any],
        /,
        *args: Any,
        effect: AnyEffect | None = None,
        verify: Verify | None = None,
        retry: RetryPolicy | int | None = None,
        target: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Call `call(*args, **kwargs)` outside, once: what it returned is given back when the step runs again.

        The arguments and the result are plain JSON data. A `call` with a parameter `idempotency_key` is given the
        key of this effect, which never changes. `effect` is the effect's class (that of the step when left out);
        `verify(key)` looks up what became of a call whose outcome is not known. `retry` tries again at once, and
        within this call. `target` names whom it calls: calls to one share a circuit breaker and a bound.

        Raises what `call` raises, and `PermanentError` (EFFECT_ARGS_CHANGED) for other arguments than those that
        were recorded.
        """
        policy = RetryPolicy(max_attempts=retry) if isinstance(retry, int) else retry
        return await self._recording.effect(
            EffectCall(
                name=name,
                call=call,
                args=args,
                kwargs=kwargs,
                effect=None if effect is None else EffectClass(effect),
                verify=verify,
                retry=policy,
                target=target,
            )
        )

    async def only_effect(self, call: EffectCall) -> Any:
        """An effect that is all that the step does; its value is the step's result."""
        return await self._recording.effect(call)

    def trace_headers(self) -> dict[str, str]:
        """What lets whoever is called tell that this step called: W3C Trace Context; none when nobody traces."""
        trace = None if self._trace is None else self._trace(self.run_id, self.step_id, self.scope)
        if trace is None:
            return {}
        parent, state = trace
        return {"traceparent": parent} if state is None else {"traceparent": parent, "tracestate": state}

    def effect_key(self, name: str, ordinal: int = 0) -> str:
        """The idempotency key of the effect of this name; `ordinal` counts those of one name from 0."""
        return effect_key(self.activation_id, name, ordinal)

    async def interrupt(
        self,
        payload: Any = None,
        *,
        key: str = "",
        title: str | None = None,
        form: Mapping[str, Any] | None = None,
        approvers: Sequence[str] = (),
        expires: float | str | None = None,
    ) -> Json:
        """Ask somebody, and go on with the answer, however long that takes.

        The step leaves memory meanwhile and runs again from its top once answered: effects, interrupts, `now`,
        `random` and `uuid` give back what they gave, code around them runs again. `form` is a JSON Schema for the
        answer, `approvers` are who may give it, `expires` is how long it may take (seconds, or "3d").

        Raises `InterruptExpired` when nobody answered in time.
        """
        ask = Ask(
            kind=AskKind.INPUT,
            name=key,
            title=title,
            payload=payload,
            form=None if form is None else dict(form),
            approvers=tuple(approvers),
        )
        return await self._recording.interrupt(ask, None if expires is None else seconds_in(expires))

    # -- what is the same each time -------------------------------------------------------------

    def now(self) -> datetime:
        """The time, aware, UTC: recorded, so that the step sees the same when it runs again."""
        return self._recording.now()

    def random(self) -> float:
        """A number from 0 to 1, 1 excluded; drawn from the activation, so that it is the same each time."""
        return int.from_bytes(self._draw("random")[:7], "big") % _PARTS / _PARTS

    def uuid(self) -> UUID:
        """A random-looking UUID; drawn from the activation, so that it is the same each time."""
        return UUID(bytes=self._draw("uuid")[:16], version=4)

    def clock(self) -> datetime:
        """The engine's clock right now: aware, UTC, and not recorded."""
        return self._clock()

    def emit(self, data: Any) -> None:
        """Show progress to whoever watches the run. Plain JSON data, up to 64 KiB, 1,000 times per attempt."""
        self._emit(data)

    def _draw(self, what: str) -> bytes:
        count = self._drawn[what] = self._drawn.get(what, 0) + 1
        return hashlib.sha256(f"{self.activation_id}\n{what}\n{count}".encode()).digest()
