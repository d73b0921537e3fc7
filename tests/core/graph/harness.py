"""Drives a machine without any IO, the way the runtime does, and keeps what it saw.

A script says what each step comes to, a policy who is first. Whatever a test asks, each run is checked for
what holds of every run: its facts fold to the same machine, nothing starts twice, no join starves, and nothing
is left over.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from openrun.core.asks import Answer, Ask
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    EffectRecorded,
    Fact,
    FlowStarted,
    StepCancelled,
    StepStarted,
    activation_id,
)
from openrun.core.facts import CancelRequest, Facts, Known, again
from openrun.core.frame import Activation, Phase, Walk
from openrun.core.graph import Graph, GraphSpec
from openrun.core.machine import Machine
from openrun.core.orders import Cancel, CancelChild, Compensate, Compensated, Fail, Order, Resume, StartChild
from openrun.core.outstanding import timers, waits
from openrun.core.results import (
    ItemsWake,
    Outcome,
    StepRunResult,
    WaitForAnswers,
    WaitForChildren,
    WaitForItems,
    WaitUntil,
    Wake,
    numbered,
)
from openrun.core.types import EffectClass, Json, OnItemError, RunStatus, SkipReason, StepRunStatus
from openrun.core.undo import SEGMENT
from openrun.core.undoing import CompensationOutcome, CompensationStatus

from .checks import check_every_run

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULT = "default"
UNDO = f"[{SEGMENT}]"


@dataclass(frozen=True)
class Interrupts:
    """The step asks in the middle of its run."""

    asks: tuple[Ask, ...]


@dataclass(frozen=True)
class Doubt:
    """Nobody can tell whether the step's work, or its effect of this key, took place."""

    key: str | None = None


@dataclass(frozen=True)
class Acts:
    """The step has this effect, then it comes to something else."""

    effect: Known
    then: "Behaviour"


Came = Outcome | Interrupts | Doubt | Acts
Behaviour = Came | Callable[[Activation], Came]
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
    """What woke the step, when this is no run from its top."""
    return act.wake if act.phase is Phase.RESUMING and not act.interrupted else None


def wait(then: StepRunResult | None = None) -> Callable[[Activation], Came]:
    """Wait for a minute, then come to `then`."""
    return lambda act: WaitUntil(until=BEGIN + timedelta(minutes=1)) if woken(act) is None else then or ok()


def each(
    items: Sequence[Json], *, concurrency: int = 50, on_item_error: OnItemError = OnItemError.FAIL
) -> Callable[[Activation], Came]:
    """A foreach: the body per item; the results, or the first failure's index."""

    def behave(act: Activation) -> Came:
        if woken(act) is None:
            return WaitForItems(items=list(items), concurrency=concurrency, on_item_error=on_item_error)
        return _gathered(woken(act), on_item_error)

    return behave


def children(
    inputs: Sequence[Json], *, concurrency: int = 50, on_item_error: OnItemError = OnItemError.FAIL
) -> Callable[[Activation], Came]:
    """The same over child runs."""

    def behave(act: Activation) -> Came:
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


def in_turn(*behaviours: Behaviour) -> Callable[[Activation], Came]:
    """One behaviour per activation of the step, in the order in which they first run; the last one stays."""
    seen: dict[str, int] = {}

    def behave(act: Activation) -> Came:
        at = seen.setdefault(act.scope, len(seen))
        return settle(behaviours[min(at, len(behaviours) - 1)], act)

    return behave


def per_attempt(*behaviours: Behaviour) -> Callable[[Activation], Came]:
    return lambda act: settle(behaviours[min(act.attempt, len(behaviours)) - 1], act)


def settle(behaviour: Behaviour, act: Activation) -> Came:
    return behaviour(act) if callable(behaviour) else behaviour


# -- who is first -----------------------------------------------------------------------------------


@dataclass(eq=False)
class Ticket:
    """Something that may happen next: an activation ends (or starts), a child ends, a timer fires, somebody speaks."""

    kind: str
    who: Activation | None
    index: int = 0
    word: Answer | None = None

    @property
    def act(self) -> Activation:
        assert self.who is not None
        return self.who

    @property
    def name(self) -> str:
        if self.word is not None:
            return f"{self.word.name}?"
        step = self.act.step_id
        return {"timer": f"{step}!", "child": f"{step}[{self.index}]"}.get(self.kind, step)


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
    """These end in this order (`w!` is the timer of w, `c[0]` a child, `go?` a signal); then first in, first out."""
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
    undone: list[tuple[str, str, str]]
    """Step, scope and what became of it, of each that was to be undone."""
    compensation: CompensationOutcome | None
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
    undo: Script = field(default_factory=dict)
    """What the undoing of a step comes to."""
    child: Callable[[Activation, int], StepRunResult] = lambda _act, index: ok(output=index)
    stubborn: frozenset[str] = frozenset()
    """Steps that end as they would, although they were told to stop."""
    replies: Callable[[Ask], Answer] | None = None
    """What somebody says to each open ask, at any time."""
    mail: list[Answer] = field(default_factory=list)
    """Signals that come at any time."""
    took_place: Callable[[Activation], bool] = lambda _act: True
    """What a person says of work whose outcome is unknown."""
    undo_time: timedelta = timedelta(days=1)
    facts: list[Fact] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    stopped: set[tuple[Activation, int]] = field(default_factory=set)
    held: list[Order] = field(default_factory=list)
    """Orders that wait for the end of a pause."""
    sent: list[tuple[int, Answer]] = field(default_factory=list)
    """The signals that have come, each with the seq of its fact."""
    skips: dict[tuple[str, str], SkipReason] = field(default_factory=dict)
    walks: dict[Walk, None] = field(default_factory=dict)
    ready_after: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    clock: datetime = BEGIN

    def __post_init__(self) -> None:
        self.machine = Machine(self.graph, "run")
        self.make = Facts(self.machine)

    @property
    def now(self) -> datetime:
        return self.clock + timedelta(milliseconds=self.machine.seq)

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
        said = [*(Ticket("signal", None, word=letter) for letter in self.mail), *self._answers()]
        if self.machine.halted:
            return [*said, *(ticket for ticket in self.tickets if ticket.kind != "timer")]
        return [*(Ticket("start", act) for act in self.machine.ready), *self.tickets, *said]

    def asks(self) -> list[tuple[Activation, Ask]]:
        """What is open, and who asks it."""
        waiting = [act for act in self.machine.unfinished if isinstance(act.wait, WaitForAnswers)]
        every = [(act, ask) for act in waiting for ask in getattr(act.wait, "asks", ())]
        return [(act, ask) for act, ask in every if self.machine.listening.open(ask.id) is not None]

    def _answers(self) -> list[Ticket]:
        replies = self.replies
        return [Ticket("answer", act, word=replies(ask)) for act, ask in self.asks()] if replies else []

    def take(self, ticket: Ticket) -> None:
        """Let it happen, and do what the machine asks for then."""
        if ticket.kind == "start":
            self.begin(ticket.act)
        elif ticket.word is not None:
            if ticket.kind == "signal":
                self.mail.remove(ticket.word)
                self.sent.append((self.machine.seq + 1, ticket.word))
            self.tell(ticket.word)
        else:
            self.tickets.remove(ticket)
            getattr(self, f"_{ticket.kind}")(ticket)
        self.obey()

    def begin(self, act: Activation) -> None:
        self.record(self.make.started(act, self.now))
        self.tickets.append(Ticket("ends", act))

    # -- from outside -----------------------------------------------------------------------------

    def cancel(self, *, hard: bool = False, compensate: bool = False) -> None:
        request = CancelRequest(reason="enough", hard=hard, compensate=compensate)
        self.record(self.make.cancel_requested(request, self.now))
        self._end_of_pause()

    def pause(self) -> None:
        self.record(self.make.paused("lunch", self.now))

    def resume(self) -> None:
        self.record(self.make.resumed(self.now))
        self._end_of_pause()

    def _end_of_pause(self) -> None:
        self.machine.orders[:0] = self.held
        self.held.clear()
        for each in timers(self.machine):
            self._await(each.act)
        self.obey()

    def time_out(self) -> None:
        """The run's own deadline has come."""
        self.record(self.make.timer_fired(None, self.now))
        self.obey()

    def tell(self, answer: Answer) -> None:
        """Somebody answers an ask, or sends a signal."""
        listening = self.machine.listening
        ask = answer.ask or listening.first(answer.name)
        listener = None if ask is None else listening.listener(ask)
        if ask is not None and listener is not None:
            answer = replace(answer, ask=ask, name=getattr(listening.open(ask), "name", ""))
        self.record(self.make.signal_received(answer, listener, self.now))
        self.obey()

    def expire(self) -> None:
        """The time for what is being undone is up."""
        undo = self.machine.undo
        self.record(
            self.make.compensation_completed(undo.subject, CompensationStatus.EXPIRED, None, self.now)
        )
        self.obey()

    # -- what happens -----------------------------------------------------------------------------

    def _ends(self, ticket: Ticket) -> None:
        act = ticket.act
        if (act, -1) in self.stopped and act.step_id not in self.stubborn:
            self.record(self.make.cancelled(act, self.now))
            return
        script = self.undo if act.scope.endswith(UNDO) else self.script
        came = settle(script.get(act.step_id, ok()), act)
        while isinstance(came, Acts):
            came = self._act(act, came)
        self.conclude(act, came)

    def _act(self, act: Activation, acts: Acts) -> Came:
        """Have an effect, unless it is known what became of it."""
        effect = acts.effect
        known = act.effects.get((effect.name, effect.ordinal))
        if known is not None and known.status is EffectStatus.COMMITTED:
            return settle(acts.then, act)
        if known is not None and is_open(known):
            return Doubt(known.key)
        self.record(self.make.effect_recorded(act, effect, self.now))
        self.record(self.make.effect_recorded(act, replace(effect, status=EffectStatus.COMMITTED), self.now))
        return settle(acts.then, act)

    def conclude(self, act: Activation, came: Came) -> None:
        """Record what a step came to."""
        make, now = self.make, self.now
        assert not isinstance(came, Acts)
        if isinstance(came, Doubt):
            if act.cancelling and self.machine.undo.refused:
                self.record(make.cancelled(act, now))
                return
            self.record(make.review_requested(act, "unknown_outcome", now, came.key))
            self.tickets.append(Ticket("review", act))
            return
        if isinstance(came, Interrupts):
            asked = make.cancelled(act, now) if act.cancelling else make.interrupted(act, came.asks, now)
            self.record(asked)
        else:
            if isinstance(came, WaitForAnswers):
                came = numbered(came, activation_id("run", act.step_id, act.scope))
            patch: dict[str, Json] = {"last": act.step_id, f"by_{act.step_id}": act.scope}
            self.record(make.concluded(act, named(came, act.step_id), patch, now))
        self._await(act)

    def _await(self, act: Activation) -> None:
        """An activation has one timer, if it waits for an instant."""
        self.tickets = [each for each in self.tickets if (each.kind, each.who) != ("timer", act)]
        self.tickets += [Ticket("timer", act) for _ in waits(act)]

    def _timer(self, ticket: Ticket) -> None:
        act = ticket.act
        due = [order.due for order in waits(act)]
        if act.cancelling or not due:
            return
        self.clock = max(self.clock, *due)
        if act.phase is Phase.SCHEDULED:
            self.begin(act)
        else:
            self.record(self.make.timer_fired(act, self.now))

    def _review(self, ticket: Ticket) -> None:
        act = ticket.act
        if act.phase is Phase.REVIEW:
            self.settle(act, committed=self.took_place(act))

    def settle(self, act: Activation, *, committed: bool, output: Json = None) -> None:
        """A person says whether it took place."""
        doubt, make = act.doubt, self.make
        if doubt is not None:
            known = next(each for each in act.effects.values() if each.key == doubt)
            status = EffectStatus.COMMITTED if committed else EffectStatus.ABSENT
            self.record(make.effect_recorded(act, again(known, status=status, by="ada"), self.now))
        self.record(make.review_resolved(act, self.now, committed=committed, by="ada"))
        if committed and (doubt is None or act.cancelling):
            self.record(make.completed(act, StepRunResult.success(act.step_id, output), {}, self.now))
        elif act.cancelling:
            self.record(make.cancelled(act, self.now))
        else:
            self.tickets.append(Ticket("ends", act))
        self.obey()

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
            order = orders.pop(0)
            at_once = isinstance(order, Fail | Cancel | CancelChild | Compensated)
            if at_once or not self.machine.halted:
                self._carry_out(order)
            else:
                self.held.append(order)

    def _carry_out(self, order: Order) -> None:
        match order:
            case Fail(act, error):
                result = StepRunResult.failure(act.step_id, error)
                self.record(self.make.completed(act, result, {}, self.now))
            case Resume(act) if not act.cancelling:
                self.tickets.append(Ticket("ends", act))
            case Cancel(act):
                self._stop(act)
            case StartChild(act, index):
                self.tickets.append(Ticket("child", act, index))
            case CancelChild(act, index):
                self.stopped.add((act, index))
            case Compensate(act, completed_at) if order is self.machine.undo.pending:
                self._compensate(act, completed_at)
            case Compensated(act, status, error):
                self.record(self.make.compensation_completed(act, status, error, self.now))

    def _compensate(self, act: Activation, completed_at: datetime) -> None:
        reason = self.machine.undo.reason
        assert reason is not None
        if self.now - completed_at >= self.undo_time:
            self.expire()
        else:
            self.record(self.make.compensation_started(act, reason, self.now))

    def _stop(self, act: Activation) -> None:
        mine = [ticket for ticket in self.tickets if ticket.who is act]
        if any(ticket.kind == "ends" for ticket in mine):
            self.stopped.add((act, -1))
            return
        if act.phase is Phase.REVIEW and not self.machine.undo.refused:
            return
        for ticket in mine:
            self.tickets.remove(ticket)
        if act.phase not in (Phase.DONE, Phase.CANCELLED):
            doubt = next((each.key for each in act.effects.values() if is_open(each)), None)
            self.conclude(act, Doubt(doubt)) if doubt else self.record(self.make.cancelled(act, self.now))

    # -- its end ----------------------------------------------------------------------------------

    def finish(self, policy: Policy = fifo) -> Trace:
        """Let everything else happen, and check what holds of every run."""
        while self.machine.verdict is None:
            options = self.options()
            if not options:
                raise Hangs(f"nothing is under way, yet the run has no verdict: {self.machine.unfinished}")
            self.take(policy(options))
        self.record(self.make.flow_completed(self.now))
        check_every_run(self.machine, self.facts, self.walks, self.ready_after)
        return self.trace()

    def trace(self) -> Trace:
        verdict = self.machine.verdict
        assert verdict is not None
        starts = [fact for fact in self.facts if isinstance(fact, StepStarted) and fact.attempt == 1]
        ends = [fact for fact in self.facts if isinstance(fact, CompensationCompleted)]
        return Trace(
            status=verdict.status,
            output=verdict.output,
            facts=self.facts,
            ran=Counter(fact.step_id for fact in starts if not fact.scope.endswith(UNDO)),
            runs=[(fact.step_id, fact.scope) for fact in starts],
            skips=self.skips,
            failures={(each.step_id, each.scope): each.handled for each in verdict.failures},
            codes={each.step_id: each.error.code for each in verdict.failures},
            errors={each.step_id: each.error for each in verdict.failures},
            cancelled=[fact.step_id for fact in self.facts if isinstance(fact, StepCancelled)],
            undone=[(fact.step_id, fact.scope, fact.status.value) for fact in ends],
            compensation=verdict.compensation,
            machine=self.machine,
        )


def is_open(effect: EffectRecorded) -> bool:
    """It may have taken place, and must not be done twice."""
    return effect.effect is EffectClass.AT_MOST_ONCE and effect.status is EffectStatus.STARTED


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
