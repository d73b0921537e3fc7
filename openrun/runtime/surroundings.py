"""What a run's driver reaches the world through: the ports, and how child runs are started."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

from openrun.bus.cloud_event import CloudEvent
from openrun.core.errors import ErrorObject
from openrun.core.events import FlowCompleted
from openrun.core.limits import Limits
from openrun.core.types import Json
from openrun.net.http import HttpClient
from openrun.runtime.clock import Clock
from openrun.runtime.guards import Guards
from openrun.runtime.ids import NewRunId
from openrun.runtime.secrets import Redactor
from openrun.steps.context import Trace
from openrun.store.base import StoreUnavailable
from openrun.store.rows import DEFAULT_NAMESPACE

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRequest:
    """A run that another run asks for; `depth` counts the runs above it."""

    flow: str
    run_id: str
    trigger: str | None
    payload: Json
    parent_run_id: str
    depth: int
    hops: int = 0


Bus = Callable[[str, CloudEvent], Awaitable[object]]


class ChildRun(Protocol):
    """A child run under way."""

    @property
    def task(self) -> asyncio.Task[FlowCompleted]: ...

    def cancel(self, reason: str = "cancelled", *, compensate: bool = False) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The same for all runs of an engine."""

    clock: Clock
    limits: Limits
    http: HttpClient
    guards: Guards
    new_run_id: NewRunId
    secret_roots: Mapping[str, Json]
    redact: Callable[[ErrorObject], ErrorObject]
    masked: Callable[[Any], Any] | None
    """Takes the values of secrets out of what a step made; None when there are none."""
    trace: Trace | None = None
    """What names a step to those whom it calls; None when nobody traces."""
    bus: Bus | None = None
    """Keeps an event in a namespace; None where nobody listens."""
    namespace: str = DEFAULT_NAMESPACE

    @classmethod
    def of(
        cls,
        *,
        clock: Clock,
        limits: Limits,
        http: HttpClient,
        new_run_id: NewRunId,
        secrets: Mapping[str, str],
        bus: Bus | None = None,
    ) -> Self:
        """`secrets` by name; those of a namespace other than the default one as "namespace/name"."""
        redactor = Redactor(secrets)
        return cls(
            clock=clock,
            limits=limits,
            http=http,
            guards=Guards(clock, limits),
            new_run_id=new_run_id,
            secret_roots=_roots(secrets_of(secrets, DEFAULT_NAMESPACE)),
            redact=redactor.error,
            masked=redactor.masked if secrets else None,
            bus=bus,
        )

    def within(self, namespace: str, secrets: Mapping[str, str]) -> "Surroundings":
        """The same for the runs of a namespace, which see its secrets alone."""
        return replace(self, secret_roots=_roots(secrets_of(secrets, namespace)), namespace=namespace)

    async def publish(self, event: CloudEvent) -> None:
        """Keep an event, without secrets, for whoever listens in the namespace; wait while the store is away."""
        if self.bus is None:
            return
        clean = event if self.masked is None else CloudEvent.from_plain(self.masked(event.plain()))
        pause = _FIRST_PAUSE
        while True:
            try:
                await self.bus(self.namespace, clean)
            except StoreUnavailable:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                return


def secrets_of(secrets: Mapping[str, str], namespace: str) -> dict[str, str]:
    """The secrets of one namespace by name, out of all: "name", and "namespace/name" of others than the default one."""
    if namespace == DEFAULT_NAMESPACE:
        return {name: value for name, value in secrets.items() if "/" not in name}
    begin = f"{namespace}/"
    return {name.removeprefix(begin): value for name, value in secrets.items() if name.startswith(begin)}


def _roots(secrets: dict[str, str]) -> Mapping[str, Json]:
    return {"secrets": secrets} if secrets else {}
