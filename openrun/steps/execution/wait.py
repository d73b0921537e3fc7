"""Waiting to be told something, or for a time."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from openrun.core.asks import Answer, Ask, AskKind
from openrun.core.errors import PermanentError
from openrun.core.limits import DEFAULT_LIMITS
from openrun.core.results import AnswersWake, Outcome, StepRunResult, TimerWake, WaitForAnswers, WaitUntil
from openrun.core.state import StateContainer
from openrun.core.types import EffectClass, Json, StepType
from openrun.steps.base import Step, StepConfig, StepInfo
from openrun.steps.context import StepContext
from openrun.steps.spelling import Duration, Instant, seconds_in

LONGEST = DEFAULT_LIMITS.delay_max

RECEIVED = "received"
EXPIRED = "expired"

_MOST_SIGNALS = 32


SignalName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._:-]{1,128}$")]


class StepWaitConfig(StepConfig):
    """What is waited for: any of `signal`, `event` and a time (`timeout`, `until`), at least one of them."""

    static_fields: ClassVar[frozenset[str]] = frozenset({"on_expire"})

    signal: SignalName | Annotated[list[SignalName], Field(min_length=1, max_length=_MOST_SIGNALS)] | None = (
        Field(
            default=None,
            description="Name of the signal to wait for, or several names: the first that comes counts.",
            examples=["paid", ["paid", "withdrawn"]],
        )
    )
    event: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_:/-]+(\.[A-Za-z0-9_:/-]+)*$",
        max_length=200,
        description="Type of the event to wait for.",
        examples=["payment.settled"],
    )
    correlation: str | None = Field(
        default=None,
        min_length=1,
        description="What the event has to be about; without it, any event of the type counts.",
        examples=["<<order.id>>"],
    )
    timeout: Duration | None = Field(
        default=None,
        gt=0,
        le=LONGEST,
        description="How long to wait at most; up to 366 days.",
        examples=["3d"],
    )
    until: Instant | None = Field(
        default=None,
        description="The instant to wait for at most, with a time zone; with a timeout, the earlier counts.",
        examples=["2030-01-31T09:00:00Z", "{{body.due_at}}"],
    )
    on_expire: Literal["port", "fail"] = Field(
        default="port",
        description="What happens when the time is up: port fires `expired`, fail fails with WAIT_EXPIRED.",
        examples=["fail"],
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        told = self.signal is not None or self.event is not None
        if not told and self.timeout is None and self.until is None:
            raise ValueError("give at least one of `signal`, `event`, `timeout` and `until`")
        if self.correlation is not None and self.event is None:
            raise ValueError("`correlation` goes with `event`")
        if self.on_expire == "fail" and not told:
            raise ValueError(
                "`on_expire` goes with `signal` or `event`; otherwise the time is what is waited for"
            )
        return self


class StepWait(Step):
    """Waits for a signal, an event or a time, whichever comes first."""

    type: str = Field(default=StepType.WAIT, exclude=True, repr=False)
    ports: Any = Field(default=(RECEIVED, EXPIRED), exclude=True, repr=False)
    config: StepWaitConfig = Field(description="What to wait for.")

    inline: ClassVar[bool] = True
    one_port: ClassVar[bool] = True
    default_effect: ClassVar[EffectClass] = EffectClass.PURE

    async def run(self, state: StateContainer, config: StepWaitConfig, context: StepContext) -> Outcome:
        del state
        self._check_given(config)
        now = context.clock()
        until = end_of(now, config.timeout, config.until)
        if config.signal is not None or config.event is not None:
            return WaitForAnswers(asks=tuple(_asks(config, until)), until=until)
        if until is None or until <= now:
            return self._received(None)
        return WaitUntil(until=until)

    async def resume(
        self, state: StateContainer, config: StepWaitConfig, wake: AnswersWake | TimerWake
    ) -> StepRunResult:
        """The output is {signal or event, value, by}; it is null when a time was waited for."""
        del state
        if isinstance(wake, AnswersWake):
            return self._received(_heard(wake.answers[0], wake.wait))
        if config.signal is None and config.event is None:
            return self._received(None)
        if config.on_expire == "fail":
            return StepRunResult.failure(
                self.id, f"{_wanted(config)} did not come in time", code="WAIT_EXPIRED"
            )
        return StepRunResult.success(self.id, port=EXPIRED)

    def _check_given(self, config: StepWaitConfig) -> None:
        """A template that came to null must not turn into waiting for less, or for any event."""
        for name in ("signal", "event", "correlation"):
            if getattr(config, name) is None and getattr(self.config, name) is not None:
                raise PermanentError(f"`{name}` came to null", code="TYPE_MISMATCH")

    def _received(self, output: Json) -> StepRunResult:
        return StepRunResult.success(self.id, output, port=RECEIVED)

    @classmethod
    def info(cls) -> StepInfo:
        return StepInfo(
            name="Wait",
            description="Waits for a signal, an event or a time, whichever comes first.",
            category="time",
            examples=(
                {"signal": "paid", "timeout": "3d"},
                {
                    "event": "payment.settled",
                    "correlation": "<<order.id>>",
                    "timeout": "1h",
                    "on_expire": "fail",
                },
            ),
        )


def end_of(now: datetime, length: float | str | None, until: datetime | str | None) -> datetime | None:
    """When a wait is over: after a duration, or at an instant; the earlier of the two, None without either."""
    instant = datetime.fromisoformat(until) if isinstance(until, str) else until
    ends = [instant] if instant is not None else []
    if length is not None:
        ends.append(now + timedelta(seconds=seconds_in(length)))
    end = min(ends, default=None)
    if end is not None and end - now > timedelta(seconds=LONGEST):
        raise PermanentError(f"{end.isoformat()} is more than a year away", code="WAIT_TOO_LONG")
    return end


def signals_of(config: StepWaitConfig) -> list[str]:
    """The names of the signals, each once."""
    names = [config.signal] if isinstance(config.signal, str) else config.signal or []
    return list(dict.fromkeys(names))


def _asks(config: StepWaitConfig, until: datetime | None) -> Iterable[Ask]:
    for name in signals_of(config):
        yield Ask(kind=AskKind.SIGNAL, name=name, until=until)
    if config.event is not None:
        yield Ask(kind=AskKind.EVENT, name=config.event, correlation=config.correlation, until=until)


def _heard(answer: Answer, wait: WaitForAnswers) -> dict[str, Json]:
    ask = next(ask for ask in wait.asks if ask.id == answer.ask)
    source = "event" if ask.kind is AskKind.EVENT else "signal"
    return {source: ask.name, "value": answer.value, "by": answer.by}


def _wanted(config: StepWaitConfig) -> str:
    """What was waited for, in words."""
    parts = [f"signal {name!r}" for name in signals_of(config)]
    if config.event is not None:
        parts.append(f"event {config.event!r}")
    return " or ".join(parts)
