"""For testing flows: a clock that jumps, steps that follow a script, and assertions on what happened."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from openrun.core.errors import ErrorObject
from openrun.core.events import Shown, StepCompleted, StepSkipped, StepStarted
from openrun.core.near import did_you_mean
from openrun.core.results import Outcome, StepRunResult
from openrun.core.state import StateContainer
from openrun.core.types import RunStatus
from openrun.definition.program import Program, StepPlan
from openrun.flow import Flow
from openrun.runtime.clock import Clock, Timer
from openrun.runtime.engine import Compilable, Engine, Run, prepare
from openrun.steps.base import Step, StepConfig
from openrun.steps.context import StepContext


class VirtualClock:
    """A clock that stands still while anything runs and jumps to the next timer when everything waits.

    A delay of 30 days ends at once. A step that is stuck holds it: use `hangs()` in a script to see a timeout,
    or `advance` by hand.
    """

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._elapsed = 0.0
        self._holds = 0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, _VirtualTimer]] = []

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        timer = _VirtualTimer(callback)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def hold(self) -> None:
        self._holds += 1

    def release(self) -> None:
        self._holds -= 1
        if self._holds == 0 and self._timers:
            asyncio.get_running_loop().call_soon(self._jump)

    def advance(self, seconds: float) -> None:
        """Let time pass: every timer due by then fires, in order."""
        until = self._elapsed + seconds
        while self._timers and self._timers[0][0] <= until:
            self._fire()
        self._elapsed = until

    def _jump(self) -> None:
        while self._holds == 0 and self._timers:
            self._fire()

    def _fire(self) -> None:
        when, _order, timer = heapq.heappop(self._timers)
        if not timer.cancelled:
            self._elapsed = max(self._elapsed, when)
            timer.callback()


@dataclass(slots=True, eq=False)
class _VirtualTimer:
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass(slots=True)
class Call:
    """One attempt at a scripted step: the config as rendered, and what it read."""

    config: Any
    state: dict[str, Any]
    attempt: int


Act = Callable[[StateContainer, StepContext], Outcome] | None
"""What one call does; None is to hang."""


def returns(output: Any = None, *, port: str | None = None, sets: Mapping[str, Any] | None = None) -> Act:
    """A call that succeeds with this output, on this port, having set these keys of the state."""

    def act(state: StateContainer, _context: StepContext) -> Outcome:
        state.apply(sets or {})
        return StepRunResult.success(output=output, port=port)

    return act


def fails(message: str = "scripted failure", *, code: str = "SCRIPTED", retryable: bool = False) -> Act:
    """A call that fails."""
    error = ErrorObject(code=code, message=message, retryable=retryable)
    return lambda _state, _context: StepRunResult.failure(error=error)


def hangs() -> Act:
    """A call that never ends; time goes on meanwhile, so that its timeout comes."""
    return None


@dataclass(slots=True)
class Script:
    """What a step does at each call, one after another; the last act is repeated."""

    acts: Sequence[Act]
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.acts:
            raise ValueError("a script has at least one act, such as returns() or fails()")

    async def run(
        self, clock: Clock, state: StateContainer, config: StepConfig, context: StepContext
    ) -> Outcome:
        act = self.acts[min(len(self.calls), len(self.acts) - 1)]
        self.calls.append(Call(config=config, state=state.to_dict(), attempt=context.attempt))
        if act is not None:
            return act(state, context)
        never: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        clock.release()
        try:
            return await never
        finally:
            clock.hold()


def script(*acts: Act) -> Script:
    """`script(fails(retryable=True), returns(1))` fails once, then succeeds; keep it to read its `calls`."""
    return Script(acts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowResult:
    """A finished run and everything its stream showed."""

    run: Run
    shown: tuple[Shown, ...]

    @property
    def status(self) -> RunStatus:
        return self.run.status

    @property
    def output(self) -> Any:
        return self.run.output

    @property
    def state(self) -> Mapping[str, Any]:
        return self.run.state

    def times(self, step_id: str) -> int:
        """How many attempts of this step were started, over all scopes."""
        return sum(isinstance(each, StepStarted) and each.step_id == step_id for each in self.shown)

    def completed(self, step_id: str) -> list[StepCompleted]:
        """The ends of this step's activations."""
        return [each for each in self.shown if isinstance(each, StepCompleted) and each.step_id == step_id]

    def explain(self, step_id: str) -> str:
        """Why this step ran or did not, in each scope it could run in. Raises KeyError for an unknown step."""
        return "\n".join(map(str, self.run.explain(step_id)))

    def assert_succeeded(self) -> None:
        assert self.status is RunStatus.SUCCEEDED, f"the run {self.status.value}: {self._failures()}"

    def assert_failed(self, step_id: str | None = None, *, code: str | None = None) -> None:
        """The run failed; with a step or a code, such a failure is among its unhandled ones."""
        assert self.status is RunStatus.FAILED, f"the run {self.status.value}: {self._failures()}"
        found = any(
            not each.handled and step_id in (None, each.step_id) and code in (None, each.error.code)
            for each in self.run.failures
        )
        wanted = " ".join(each for each in (step_id, code) if each)
        assert found, f"no unhandled failure {wanted!r} among: {self._failures()}"

    def assert_ran(self, *step_ids: str) -> None:
        missing = [step_id for step_id in step_ids if not self.times(step_id)]
        assert not missing, f"did not run: {self._why(missing)}"

    def assert_skipped(self, *step_ids: str) -> None:
        """These steps were passed over, and never ran."""
        skipped = {each.step_id for each in self.shown if isinstance(each, StepSkipped)}
        wrong = [step_id for step_id in step_ids if step_id not in skipped or self.times(step_id)]
        assert not wrong, f"was not skipped: {self._why(wrong)}"

    def _why(self, step_ids: Sequence[str]) -> str:
        return "\n".join([", ".join(step_ids), *map(self.explain, step_ids)])

    def _failures(self) -> str:
        found = [
            f"{each.step_id or 'the run'}: {each.error.code} {each.error.message}"
            + (" (handled)" if each.handled else "")
            for each in self.run.failures
        ]
        return "; ".join(found) or "no failures"


async def run_flow(
    flow: Flow,
    *,
    trigger: Step | str | None = None,
    input: Mapping[str, Any] | None = None,  # noqa: A002
    state: Mapping[str, Any] | None = None,
    steps: Mapping[str, Script | Act] | None = None,
    engine: Engine | None = None,
    flows: Iterable[Compilable] = (),
) -> FlowResult:
    """Run a flow to its end on a virtual clock; `steps` replaces steps, by id, with scripts.

    An `engine` of your own brings its own clock and flows: give it a `VirtualClock` to have time jump.
    Raises KeyError for a scripted step the flow does not have.
    """
    if engine is not None and flows:
        raise ValueError("give either `engine` or `flows`: an engine of your own has its flows already")
    host = engine or Engine(clock=VirtualClock(), catalog=flow.catalog, flows=flows)
    shown: list[Shown] = []
    program = scripted(flow.program(host.catalog, host.limits), steps or {}, host.clock)
    chosen = trigger.id if isinstance(trigger, Step) else trigger
    try:
        handle = host.start(program, prepare(program, chosen, input or {}, state or {}), shown.append)
        run = await handle.finished()
    finally:
        if engine is None:
            await host.close()
    return FlowResult(run=run, shown=tuple(shown))


def scripted(program: Program, steps: Mapping[str, Script | Act], clock: Clock) -> Program:
    """The program with these steps replaced, those inside foreach bodies included."""
    known = {plan.step.id for plans in program.plans.values() for plan in plans}
    unknown = sorted(steps.keys() - known)
    if unknown:
        hint = did_you_mean(unknown[0], known)
        raise KeyError(f"the flow has no step {unknown[0]!r}" + (f"; {hint}" if hint else ""))
    # What undoes a step goes by the step's id, and is not what was scripted.
    undoing = {each for graph in program.plans for each in graph.compensations.values()}
    plans = {
        graph: tuple(
            _scripted(plan, steps[plan.step.id], clock)
            if plan.step.id in steps and graph not in undoing
            else plan
            for plan in each
        )
        for graph, each in program.plans.items()
    }
    return replace(program, plans=plans)


def _scripted(plan: StepPlan, act: Script | Act, clock: Clock) -> StepPlan:
    part = act if isinstance(act, Script) else script(act)

    async def run(state: StateContainer, config: StepConfig, context: StepContext) -> Outcome:
        return await part.run(clock, state, config, context)

    return plan.replaced(run)
