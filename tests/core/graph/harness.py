"""Drives a machine without any IO, the way the runtime does, and keeps what it saw.

A script says what each step comes to, a policy who is first. Whatever a test asks, each run is checked for
what holds of every run: its facts fold to the same machine, nothing starts twice, no join starves, and nothing
is left over.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from openrun.core.errors import ErrorObject
from openrun.core.events import (
    Fact,
    FlowStarted,
    StepCancelled,
    StepCompleted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    decode_event,
    encode_event,
)
from openrun.core.facts import CancelRequest, Facts
from openrun.core.frame import Activation, Phase, Walk
from openrun.core.graph import Graph, GraphSpec
from openrun.core.machine import Machine
from openrun.core.orders import Cancel, CancelChild, Fail, Order, Resume, StartChild
from openrun.core.replay import replay, state_at
from openrun.core.results import (
    ItemsWake,
    Outcome,
    StepRunResult,
    WaitForChildren,
    WaitForItems,
    WaitUntil,
    Wake,
)
from openrun.core.types import Json, OnItemError, RunStatus, SkipReason, StepRunStatus

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT = "default"

Behaviour = Outcome | Callable[[Activation], Outcome]
Script = Mapping[str, Behaviour]


# -- what a step comes to ---------------------------------------------------------------------------


def ok(*ports: str, output: Json = None) -> StepRunResult:
    """A success that fires `ports`; none named is the default port. The output is the step's id unless given."""
    return StepRunResult.success(None, output, ports=ports or (DEFAULT,))


def nothing() -> StepRunResult:
    """A success that fires no port."""
    return StepRunResult.success(None, None, ports=())


def fail(code: str = "BROKEN") -> StepRunResult:
    return StepRunResult.failure(None, f"broken: {code}", code=code)


def woken(act: Activation) -> Wake | None:
    """What woke the step, when this is no attempt from its top."""
    return act.wake if act.phase is Phase.RESUMING else None


def wait(then: StepRunResult | None = None) -> Callable[[Activation], Outcome]:
    """Wait for a minute, then come to `then`."""
    return lambda act: WaitUntil(until=BEGIN + timedelta(minutes=1)) if woken(act) is None else then or ok()


def each(
    items: Sequence[Json], *, concurrency: int = 50, on_item_error: OnItemError = OnItemError.FAIL
) -> Callable[[Activation], Outcome]:
    """A foreach: the body per item; the results, or the first failure's index."""

    def behave(act: Activation) -> Outcome:
        if woken(act) is None:
            return WaitForItems(items=list(items), concurrency=concurrency, on_item_error=on_item_error)
        return _gathered(woken(act), on_item_error)

    return behave


def children(
    inputs: Sequence[Json], *, concurrency: int = 50, on_item_error: OnItemError = OnItemError.FAIL
) -> Callable[[Activation], Outcome]:
    """The same over child runs."""

    def behave(act: Activation) -> Outcome:
        if woken(act) is None:
            ids = tuple(f"child-{at}" for at in range(len(inputs)))
            return WaitForChildren(
                flow="child",
                inputs=list(inputs),
                concurrency=concurrency,
                on_item_error=on_item_error,
                run_ids=ids,
            )
        return _gathered(woken(act), on_item_error)

    return behave


def _gathered(wake: object, policy: OnItemError) -> StepRunResult:
    assert isinstance(wake, ItemsWake)
    if wake.failures and policy is not OnItemError.TOLERATE:
        return fail(",".join(f"{failure.index}:{failure.error.code}" for failure in wake.failures))
    return ok(output=wake.results)


def in_turn(*behaviours: Behaviour) -> Callable[[Activation], Outcome]:
    """One behaviour per activation of the step, in the order in which they first run; the last one stays."""
    seen: dict[str, int] = {}

    def behave(act: Activation) -> Outcome:
        at = seen.setdefault(act.scope, len(seen))
        return settle(behaviours[min(at, len(behaviours) - 1)], act)

    return behave


def per_attempt(*behaviours: Behaviour) -> Callable[[Activation], Outcome]:
    return lambda act: settle(behaviours[min(act.attempt, len(behaviours)) - 1], act)


def settle(behaviour: Behaviour, act: Activation) -> Outcome:
    return behaviour(act) if callable(behaviour) else behaviour


# -- who is first -----------------------------------------------------------------------------------


@dataclass(eq=False)
class Ticket:
    """Something that may happen next: an activation ends (or starts), a child ends, a timer fires."""

    kind: str
    act: Activation
    index: int = 0

    @property
    def name(self) -> str:
        return {"timer": f"{self.act.step_id}!", "child": f"{self.act.step_id}[{self.index}]"}.get(
            self.kind, self.act.step_id
        )


Policy = Callable[[list[Ticket]], Ticket]


def _calm(tickets: list[Ticket]) -> list[Ticket]:
    """Starts come first and timers last, as in a quiet process."""
    starts = [ticket for ticket in tickets if ticket.kind == "start"]
    return starts[:1] or [ticket for ticket in tickets if ticket.kind != "timer"] or tickets


def fifo(tickets: list[Ticket]) -> Ticket:
    return _calm(tickets)[0]


def lifo(tickets: list[Ticket]) -> Ticket:
    return _calm(tickets)[-1]


def at_random(seed: int) -> Policy:
    return random.Random(seed).choice  # noqa: S311


def explicit(*names: str) -> Policy:
    """These end in this order (`w!` is the timer of w, `c[0]` a child); then first in, first out."""
    left = list(names)

    def choose(tickets: list[Ticket]) -> Ticket:
        calm = _calm(tickets)
        if not left or calm[0].kind == "start":
            return calm[0]
        found = [ticket for ticket in tickets if ticket.name == left[0]]
        assert found, f"{left[0]!r} cannot end now; {[ticket.name for ticket in tickets]} can"
        del left[0]
        return found[0]

    return choose


# -- the run ----------------------------------------------------------------------------------------


class Hangs(AssertionError):
    """A run with nothing to wait for that has not ended."""


@dataclass(kw_only=True)
class Trace:
    """What a run came to."""

    status: RunStatus
    output: Json
    facts: list[Fact]
    ran: Counter[str]
    """How often each step ran."""
    runs: list[tuple[str, str]]
    """Step and scope of each activation that ran, in order of their starts."""
    skips: dict[tuple[str, str], SkipReason]
    """By step and scope."""
    failures: dict[tuple[str, str], bool]
    """By step and scope: whether it was handled."""
    codes: dict[str, str]
    """The error code of each failed step."""
    errors: dict[str, ErrorObject]
    cancelled: list[str]
    machine: Machine

    @property
    def skipped(self) -> dict[str, str]:
        """Why steps did not run, those of the outermost scope."""
        return {step: reason.value for (step, scope), reason in self.skips.items() if scope == "/"}

    @property
    def handled(self) -> dict[str, bool]:
        """By step: whether all its failures were handled."""
        found: dict[str, bool] = {}
        for (step, _), handled in self.failures.items():
            found[step] = found.get(step, True) and handled
        return found

    def scopes(self, step: str) -> list[str]:
        return [scope for name, scope in self.runs if name == step]


@dataclass(kw_only=True)
class Sim:
    """One run under way."""

    graph: Graph
    script: Script
    child: Callable[[Activation, int], StepRunResult] = lambda _act, index: ok(output=index)
    stubborn: frozenset[str] = frozenset()
    """Steps that end as they would, although they were told to stop."""
    facts: list[Fact] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    stopped: set[tuple[Activation, int]] = field(default_factory=set)
    skips: dict[tuple[str, str], SkipReason] = field(default_factory=dict)
    walks: dict[Walk, None] = field(default_factory=dict)
    ready_after: dict[int, list[tuple[str, str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.machine = Machine(self.graph, "run")
        self.make = Facts(self.machine)

    @property
    def now(self) -> datetime:
        return BEGIN + timedelta(milliseconds=self.machine.seq)

    def start(self, trigger: str | None) -> None:
        started = FlowStarted(
            run_id="run",
            flow_id="flow",
            seq=1,
            timestamp=BEGIN,
            version="v",
            trigger=trigger,
            input={"n": 1},
            state={"given": True},
        )
        self.record(started)
        self.obey()

    def record(self, fact: Fact) -> None:
        machine = self.machine
        machine.apply(fact)
        self.facts.append(fact)
        for frame, step, state in machine.take_skipped():
            shown = self.make.skipped(frame, step, state, self.now)
            key = (shown.step_id, shown.scope)
            assert key not in self.skips, f"{key} is passed over twice"
            self.skips[key] = shown.reason
        for act in machine.ready:
            self.walks[act.frame.walk] = None
        self.ready_after[machine.seq] = sorted((act.step_id, act.scope) for act in machine.ready)

    def options(self) -> list[Ticket]:
        return [*(Ticket("start", act) for act in self.machine.ready), *self.tickets]

    def take(self, ticket: Ticket) -> None:
        """Let it happen, and do what the machine asks for then."""
        if ticket.kind == "start":
            self.begin(ticket.act)
        else:
            self.tickets.remove(ticket)
            getattr(self, f"_{ticket.kind}")(ticket)
        self.obey()

    def begin(self, act: Activation) -> None:
        self.record(self.make.started(act, self.now))
        self.tickets.append(Ticket("ends", act))

    def cancel(self, *, hard: bool = False) -> None:
        self.record(self.make.cancel_requested(CancelRequest(reason="enough", hard=hard), self.now))
        self.obey()

    def time_out(self) -> None:
        """The run's own deadline has come."""
        self.record(self.make.timer_fired(None, self.now))
        self.obey()

    # -- what happens -----------------------------------------------------------------------------

    def _ends(self, ticket: Ticket) -> None:
        act = ticket.act
        if (act, -1) in self.stopped and act.step_id not in self.stubborn:
            self.record(self.make.cancelled(act, self.now))
            return
        outcome = settle(self.script.get(act.step_id, ok()), act)
        patch: dict[str, Json] = {"last": act.step_id, f"by_{act.step_id}": act.scope}
        event = self.make.concluded(act, named(outcome, act.step_id), patch, self.now)
        self.record(event)
        if isinstance(event, StepScheduled) or (
            isinstance(event, StepWaiting) and isinstance(event.wait, WaitUntil)
        ):
            self.tickets.append(Ticket("timer", act))

    def _timer(self, ticket: Ticket) -> None:
        act = ticket.act
        if act.cancelling:
            return
        if act.phase is Phase.SCHEDULED:
            self.begin(act)
        else:
            self.record(self.make.timer_fired(act, self.now))

    def _child(self, ticket: Ticket) -> None:
        act, index = ticket.act, ticket.index
        result = self.child(act, index)
        status = RunStatus.SUCCEEDED if result.error is None else RunStatus.FAILED
        end = (status, result.output, result.error)
        if (act, index) in self.stopped:
            end = (RunStatus.CANCELLED, None, None)
        self.record(self.make.child_completed(act, (index, f"child-{index}"), end, self.now))

    # -- what the machine asks for ----------------------------------------------------------------

    def obey(self) -> None:
        orders = self.machine.orders
        while orders:
            self._carry_out(orders.pop(0))

    def _carry_out(self, order: Order) -> None:
        match order:
            case Fail(act, error):
                result = StepRunResult.failure(act.step_id, error)
                self.record(self.make.completed(act, result, {}, self.now))
            case Resume(act):
                self.tickets.append(Ticket("ends", act))
            case Cancel(act):
                self._stop(act)
            case StartChild(act, index):
                self.tickets.append(Ticket("child", act, index))
            case CancelChild(act, index):
                self.stopped.add((act, index))

    def _stop(self, act: Activation) -> None:
        mine = [ticket for ticket in self.tickets if ticket.act is act]
        if any(ticket.kind == "ends" for ticket in mine):
            self.stopped.add((act, -1))
            return
        for ticket in mine:
            self.tickets.remove(ticket)
        if act.phase not in (Phase.DONE, Phase.CANCELLED):
            self.record(self.make.cancelled(act, self.now))

    # -- its end ----------------------------------------------------------------------------------

    def finish(self, policy: Policy = fifo) -> Trace:
        """Let everything else happen, and check what holds of every run."""
        while self.machine.verdict is None:
            options = self.options()
            if not options:
                raise Hangs(f"nothing is under way, yet the run has no verdict: {self.machine.unfinished}")
            self.take(policy(options))
        self.record(self.make.flow_completed(self.now))
        trace = self.trace()
        check_every_run(self, trace)
        return trace

    def trace(self) -> Trace:
        verdict = self.machine.verdict
        assert verdict is not None
        starts = [fact for fact in self.facts if isinstance(fact, StepStarted) and fact.attempt == 1]
        return Trace(
            status=verdict.status,
            output=verdict.output,
            facts=self.facts,
            ran=Counter(fact.step_id for fact in starts),
            runs=[(fact.step_id, fact.scope) for fact in starts],
            skips=self.skips,
            failures={(each.step_id, each.scope): each.handled for each in verdict.failures},
            codes={each.step_id: each.error.code for each in verdict.failures},
            errors={each.step_id: each.error for each in verdict.failures},
            cancelled=[fact.step_id for fact in self.facts if isinstance(fact, StepCancelled)],
            machine=self.machine,
        )


def named(outcome: Outcome, step_id: str) -> Outcome:
    """A success without an output has its step's id as one."""
    if (
        isinstance(outcome, StepRunResult)
        and outcome.status is StepRunStatus.SUCCESS
        and outcome.output is None
    ):
        return StepRunResult.success(step_id, step_id, ports=outcome.ports)
    return outcome


def begin(spec: GraphSpec, script: Script | None = None, **how: Any) -> Sim:
    """A run that has just started; the first step is the trigger."""
    sim = Sim(graph=Graph.compile(spec), script=script or {}, **how)
    sim.start(spec.steps[0].id)
    return sim


def run(
    spec: GraphSpec,
    script: Script | None = None,
    policy: Policy = fifo,
    *,
    cancel_at: int | None = None,
    hard: bool = False,
    **how: Any,
) -> Trace:
    """A whole run; a user cancels it once `cancel_at` facts are recorded."""
    sim = begin(spec, script, **how)
    if cancel_at is not None:
        while sim.machine.verdict is None and sim.machine.seq < cancel_at and sim.options():
            sim.take(policy(sim.options()))
        if sim.machine.verdict is None:
            sim.cancel(hard=hard)
    return sim.finish(policy)


# -- what holds of every run ------------------------------------------------------------------------


def check_every_run(sim: Sim, trace: Trace) -> None:
    machine = sim.machine
    assert not machine.unfinished, f"left over: {machine.unfinished}"
    assert not machine.ready
    assert "JOIN_STARVED" not in trace.codes.values(), trace.errors
    for walk in sim.walks:
        assert walk.busy == 0, f"scope {walk.root.scope} ended while something was under way in it"
        assert walk.open_tallies == 0, f"a step in {walk.root.scope} starved"
    check_starts(trace.facts)
    check_fold(sim)


def check_starts(facts: Iterable[Fact]) -> None:
    starts = Counter((f.step_id, f.scope, f.attempt) for f in facts if isinstance(f, StepStarted))
    assert not [key for key, count in starts.items() if count > 1]
    ends = Counter((f.step_id, f.scope) for f in facts if isinstance(f, StepCompleted | StepCancelled))
    assert not [key for key, count in ends.items() if count > 1]


def check_fold(sim: Sim) -> None:
    stored: list[Any] = [decode_event(encode_event(fact)) for fact in sim.facts]
    again = replay(sim.graph, stored)
    assert again.verdict == sim.machine.verdict
    assert picture(again) == picture(sim.machine)
    assert state_at(sim.facts, len(sim.facts)) == again.state()
    middle = len(stored) * 2 // 3
    partial = replay(sim.graph, stored[:middle])
    assert sorted((act.step_id, act.scope) for act in partial.ready) == sim.ready_after.get(middle, [])


def picture(machine: Machine) -> dict[str, Any]:
    """All that the machine knows, as plain data."""
    return {
        "status": machine.status,
        "seq": machine.seq,
        "state": machine.state(),
        "frames": {
            scope: (
                dict(frame.edges),
                dict(frame.passed),
                {step: (act.phase, act.attempt, act.fired, act.error) for step, act in frame.acts.items()},
                {
                    region: (r.iterations, sorted(r.fired), r.died, r.backs)
                    for region, r in frame.loops.items()
                },
            )
            for scope, frame in machine.frames().items()
        },
    }
