"""What a run's driver reaches the world through: the ports, and how child runs are started."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

from openrun.core.errors import ErrorObject
from openrun.core.events import FlowCompleted
from openrun.core.limits import Limits
from openrun.core.types import Json
from openrun.net.http import HttpClient
from openrun.runtime.clock import Clock
from openrun.runtime.guards import Guards
from openrun.runtime.ids import NewRunId
from openrun.runtime.secrets import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRequest:
    """A run that another run asks for; `depth` counts the runs above it."""

    flow: str
    run_id: str
    trigger: str | None
    payload: Json
    parent_run_id: str
    depth: int


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

    @classmethod
    def of(
        cls,
        *,
        clock: Clock,
        limits: Limits,
        http: HttpClient,
        new_run_id: NewRunId,
        secrets: Mapping[str, str],
    ) -> Self:
        redactor = Redactor(secrets)
        return cls(
            clock=clock,
            limits=limits,
            http=http,
            guards=Guards(clock, limits),
            new_run_id=new_run_id,
            secret_roots={"secrets": dict(secrets)} if secrets else {},
            redact=redactor.error,
            masked=redactor.masked if secrets else None,
        )
