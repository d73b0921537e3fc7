"""Runs as their holder shows them: events of real runs, told to an observer by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, TypeVar

from openrun import Flow
from openrun.core.events import Event, Fact, FlowStarted, Shown, StepProgress, StepSkipped
from openrun.core.types import RunStatus
from openrun.runtime.observer import Observer
from openrun.testing import Act, Script, run_flow

Part = dict[str, Any]
T = TypeVar("T", bound=Event)

_PORTS = {"approval": "approved"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A run that is held, as an observer sees it."""

    run_id: str
    types: Mapping[str, str]
    flow_id: str = "orders"
    namespace: str = "default"
    fence: int = 1
    history: Sequence[Fact] = ()
    status: RunStatus = RunStatus.RUNNING

    def step_type(self, step_id: str) -> str:
        return self.types[step_id]


def keep(step_id: str, value: Any = 1) -> Part:
    return {"id": step_id, "type": "set_state", "config": {"key": step_id, "value": value}}


def flow_of(*parts: Part, flow_id: str = "orders") -> Flow:
    """These steps one after another; after an approval, where it was given."""
    steps = [{"id": "start", "type": "trigger_manual"}, *parts]
    edges = [
        {"source": a["id"], "target": b["id"], "source_port": _PORTS.get(a["type"], "default")}
        for a, b in pairwise(steps)
    ]
    return Flow.from_dict({"id": flow_id, "name": flow_id, "steps": steps, "edges": edges})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a real run, on a clock that jumps, showed of itself."""

    types: Mapping[str, str]
    shown: Sequence[Shown]

    @property
    def facts(self) -> list[Fact]:
        """Its journal."""
        return [each for each in self.shown if not isinstance(each, StepSkipped | StepProgress)]

    @property
    def begun(self) -> FlowStarted:
        first = self.shown[0]
        assert isinstance(first, FlowStarted)
        return first

    def held(self, **given: Any) -> Held:
        return Held(
            **{"run_id": self.begun.run_id, "flow_id": self.begun.flow_id, "types": self.types, **given}
        )

    def cut(self, kind: type[Shown]) -> int:
        """How many facts there are up to the first of this kind, it included."""
        return next(at for at, each in enumerate(self.facts, 1) if isinstance(each, kind))


async def told(*parts: Part, scripts: Mapping[str, Script | Act] | None = None) -> Told:
    flow = flow_of(*parts)
    result = await run_flow(flow, steps=scripts)
    types = {"start": "trigger_manual", **{part["id"]: part["type"] for part in parts}}
    return Told(types=types, shown=result.shown)


def observe(observer: Observer, run: Held, shown: Sequence[Shown], why: str = "ended") -> None:
    """One wake-up: the run is taken, these events come to be on disk one by one, and it leaves."""
    observer.took(run)
    for event in shown:
        observer.heard(run, [event])
    observer.left(run, why)


def next_of(run: Told, kind: type[T], at: int = 0, **given: Any) -> T:
    """A fact of this kind about the step `a`, recorded `at` seconds after the run's start."""
    begun = run.begun
    stamp: dict[str, Any] = {
        "run_id": begun.run_id,
        "flow_id": begun.flow_id,
        "seq": 100 + at,
        "step_id": "a",
    }
    return kind(timestamp=begun.timestamp + timedelta(seconds=at), **stamp, **given)
