"""Laws of every run, checked after each fact, whatever it is told, stopped and restarted by, in whatever order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrun import Flow, JoinMode, RetryPolicy, StepApproval, StepContext, StepWait, TriggerManual, step
from openrun.core.asks import AskKind
from openrun.core.effects import EffectStatus
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Fact,
    FlowCancelRequested,
    FlowCompleted,
    StepCancelled,
    StepCompleted,
    StepStarted,
)
from openrun.core.frame import Activation, Phase
from openrun.core.machine import Machine
from openrun.core.outstanding import outstanding, standing
from openrun.core.replay import replay
from openrun.core.types import FINAL, EffectClass, RunStatus, StepRunStatus
from openrun.steps.execution.approval import StepApprovalConfig
from openrun.steps.execution.wait import StepWaitConfig
from tests.runtime.desk import Desk, asked

ALWAYS = frozenset({"clean", "tidy"})
"""Steps that start also in a run that was cancelled."""
UNDONE = frozenset({"reserve", "charge", "act", "pair", "join", "raced", "inside", "tidy"})
"""Steps that can be undone."""
HOUR = 3600.0


# -- the flow -------------------------------------------------------------------------------------


@dataclass
class World:
    """The outside: what each call comes to, in order, and how often it was made."""

    outcomes: Sequence[str]
    calls: Counter[str] = field(default_factory=Counter)

    async def call(self, name: str, idempotency_key: str) -> str:
        self.calls[idempotency_key] += 1
        at = sum(self.calls.values()) - 1
        outcome = self.outcomes[at] if at < len(self.outcomes) else "ok"
        if outcome == "slow":
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        if outcome == "lost":
            raise ConnectionResetError
        if outcome == "refused":
            raise ValueError(name)
        return name


def flow_of_all(world: World) -> Flow:
    """Two waits beside each other, an effect before and one after them, both undone, and a step for the end."""

    @step(effect="at_most_once")
    async def reserve(context: StepContext) -> str:
        return str(await context.effect("reserve", world.call, "reserve"))

    @step(effect="at_most_once")
    async def charge(context: StepContext) -> str:
        sure = await context.interrupt(key="sure", expires=HOUR)
        return f"{await context.effect('charge', world.call, 'charge')} {sure}"

    @reserve.compensation
    async def release(context: StepContext) -> None:
        await context.effect("release", world.call, "release")

    @charge.compensation
    async def refund(context: StepContext) -> None:
        await context.effect("refund", world.call, "refund", effect="external")

    @step(effect="idempotent")
    async def clean() -> None:
        """Nothing."""

    first = reserve(id="reserve", retry=RetryPolicy(max_attempts=2, base_ms=1_000))
    paid = StepWait(id="paid", config=StepWaitConfig(signal=["paid", "withdrawn"], timeout="1h"))
    agreed = StepApproval(
        id="agreed", config=StepApprovalConfig(title="agreed", quorum=2, expires="2h", payload={"sum": 1})
    )
    last = charge(id="charge", join_mode=JoinMode.ALL_SUCCESS)
    flow = Flow(name="all", timeout=100 * HOUR)
    flow.add_edge(TriggerManual(id="start"), first)
    flow.add_edge(first, paid)
    flow.add_edge(first, agreed)
    flow.add_edge(paid, last, "received")
    flow.add_edge(agreed, last, "approved")
    flow.add_edge(last, clean(id="clean", always=True))
    return flow


# -- what is done to a run ------------------------------------------------------------------------

Act = Callable[[Desk], Any]


async def approve(desk: Desk, by: str) -> None:
    for ask in [each for each in asked(desk.facts) if each.kind is AskKind.APPROVAL][:1]:
        await desk.approve(ask, by=by)


async def reply(desk: Desk, *, refuse: bool) -> None:
    for ask in [each for each in asked(desk.facts) if each.kind is AskKind.INPUT][-1:]:
        await (desk.reject(ask, "no") if refuse else desk.answer(ask, "yes"))


async def review(desk: Desk, *, committed: bool) -> None:
    for act in [each for each in desk.driver.machine.unfinished if each.phase is Phase.REVIEW]:
        await desk.settle(act.step_id, act.scope, committed=committed, output="seen")


ACTS: Mapping[str, Act] = {
    "paid": lambda desk: desk.signal("paid"),
    "both": lambda desk: desk.signal("withdrawn", "paid"),
    "ada": lambda desk: approve(desk, "ada"),
    "bob": lambda desk: approve(desk, "bob"),
    "yes": lambda desk: reply(desk, refuse=False),
    "no": lambda desk: reply(desk, refuse=True),
    "done": lambda desk: review(desk, committed=True),
    "absent": lambda desk: review(desk, committed=False),
    "cancel": lambda desk: desk.cancel(),
    "undo": lambda desk: desk.cancel(compensate=True),
    "kill": lambda desk: desk.cancel(hard=True),
    "pause": lambda desk: desk.pause(),
    "resume": lambda desk: desk.resume(),
    "second": lambda desk: desk.advance(1),
    "hour": lambda desk: desk.advance(HOUR),
    "restart": lambda desk: desk.restart(),
    "crash": lambda desk: desk.crash(),
}

# Stops come up rarely, or hardly any run would get far.
DRAWN = [
    *ACTS,
    "paid",
    "ada",
    "bob",
    "yes",
    "done",
    "absent",
    "restart",
    "crash",
    "second",
    "pause",
    "resume",
]
acts = st.lists(st.sampled_from(DRAWN), max_size=14)
outcomes = st.lists(st.sampled_from(["ok", "ok", "slow", "lost", "refused"]), max_size=8)


# -- the laws -------------------------------------------------------------------------------------


def picture(machine: Machine, facts: Sequence[Fact]) -> object:
    """All that a machine has to say of its run."""
    return (
        standing(machine),
        machine.halted,
        machine.verdict,
        machine.state(),
        [(each.step_id, each.scope) for each in machine.ready],
        [_act(each) for each in machine.unfinished],
        [ask.id for ask in asked(facts) if machine.listening.open(ask.id)],
        [_order(each) for each in outstanding(machine)],
        (machine.undo.reason, machine.undo.over, machine.undo.outcome()),
    )


def _act(act: Activation) -> object:
    return (
        act.step_id,
        act.scope,
        act.phase,
        act.attempt,
        act.cancelling,
        act.answers,
        act.heard,
        act.expired,
        act.doubt,
        act.due,
        dict(act.effects),
    )


def _order(order: Any) -> object:
    return type(order).__name__, order.act.step_id, order.act.scope


def owned(machine: Machine, facts: Sequence[Fact]) -> bool:
    """Somebody or something brings the run on: a step, an order, a timer, a person who is asked or has paused it."""
    if machine.status in FINAL or machine.verdict is not None or machine.halted:
        return True
    if machine.ready or outstanding(machine):
        return True
    asks = any(machine.listening.open(ask.id) for ask in asked(facts))
    return asks or any(act.phase is Phase.REVIEW for act in machine.unfinished)


def each_owned(machine: Machine, facts: Sequence[Fact]) -> bool:
    """So does something bring on each of its activations."""
    listening = {id(machine.listening.listener(ask.id)) for ask in asked(facts)}
    ordered = {id(order.act) for order in outstanding(machine)}
    return all(
        act in machine.ready or act.fanout or id(act) in listening | ordered or act.phase is Phase.REVIEW
        for act in machine.unfinished
    )


def check_order(facts: Sequence[Fact]) -> None:
    """What may follow what."""
    assert [fact.seq for fact in facts] == list(range(1, len(facts) + 1))
    assert not any(isinstance(fact, FlowCompleted) for fact in facts[:-1])
    ended: set[tuple[str, str]] = set()
    cancelled = False
    for fact in facts:
        if isinstance(fact, FlowCancelRequested):
            cancelled = True
        if isinstance(fact, StepStarted):
            assert (fact.step_id, fact.scope) not in ended
            assert not cancelled or fact.attempt > 1 or fact.step_id in ALWAYS or "[undo]" in fact.scope
        if isinstance(fact, StepCompleted | StepCancelled):
            assert (fact.step_id, fact.scope) not in ended
            ended.add((fact.step_id, fact.scope))


def done_and_undoable(facts: Sequence[Fact]) -> list[tuple[str, str]]:
    """The activations that can be undone, in the order in which they completed."""
    return [
        (fact.step_id, fact.scope)
        for fact in facts
        if isinstance(fact, StepCompleted)
        and fact.step_id in UNDONE
        and "[undo]" not in fact.scope
        and fact.result.status is StepRunStatus.SUCCESS
    ]


def undone(facts: Sequence[Fact]) -> list[tuple[str, str]]:
    return [(fact.step_id, fact.scope) for fact in facts if isinstance(fact, CompensationCompleted)]


def check_undoing(facts: Sequence[Fact]) -> None:
    """In reverse completion order, each once, begun only when all else has ended."""
    told = undone(facts)
    assert told == done_and_undoable(facts)[::-1][: len(told)]
    begun = [(fact.step_id, fact.scope) for fact in facts if isinstance(fact, CompensationStarted)]
    assert len(set(begun)) == len(begun)
    places = [at for at, fact in enumerate(facts) if isinstance(fact, CompensationStarted)]
    if places:
        later = [fact for fact in facts[places[0] :] if isinstance(fact, StepStarted | StepCompleted)]
        assert all("[undo]" in fact.scope for fact in later)


def check_effects(world: World, facts: Sequence[Fact]) -> None:
    """What may happen at most once is called again only if it is on record that it did not take place."""
    recorded = [fact for fact in facts if isinstance(fact, EffectRecorded)]
    for key, calls in world.calls.items():
        own = [fact for fact in recorded if fact.key == key]
        assert own or calls == 0, "a call went out that the ledger knows nothing of"
        if own and own[0].effect is EffectClass.AT_MOST_ONCE:
            denied = sum(fact.status in (EffectStatus.ABSENT, EffectStatus.FAILED) for fact in own)
            assert calls <= 1 + denied


def check_end(facts: Sequence[Fact]) -> None:
    """A run that failed, or was cancelled with compensation, has undone all it did; none leaves a doubt behind."""
    end = facts[-1]
    assert isinstance(end, FlowCompleted)
    requests = [fact for fact in facts if isinstance(fact, FlowCancelRequested)]
    hard = any(fact.hard for fact in requests)
    stopped = end.status in (RunStatus.FAILED, RunStatus.ABORTED)
    wanted = stopped or (end.status is RunStatus.CANCELLED and any(fact.compensate for fact in requests))
    told = undone(facts)
    if wanted and not hard:
        assert sorted(told) == sorted(done_and_undoable(facts))
    if not hard:
        last = {fact.key: fact for fact in facts if isinstance(fact, EffectRecorded)}
        once = [fact for fact in last.values() if fact.effect is EffectClass.AT_MOST_ONCE]
        assert all(fact.status not in (EffectStatus.STARTED, EffectStatus.UNKNOWN) for fact in once)
    assert (end.compensation is None) == (not told)


async def live(drawn: Sequence[str], world: World) -> None:
    def check(desk: Desk, _fact: Fact) -> None:
        folded = replay(desk.program.graph, desk.facts)
        assert picture(folded, desk.facts) == picture(desk.driver.machine, desk.facts)
        assert owned(folded, desk.facts)
        assert each_owned(folded, desk.facts)
        check_order(desk.facts)
        check_undoing(desk.facts)
        check_effects(world, desk.facts)

    async with Desk(flow_of_all(world), on_fact=check) as desk:
        for name in drawn:
            if desk.over:
                break
            await ACTS[name](desk)
            assert_places(desk)
        await bring_to_an_end(desk)
        check_order(desk.facts)
        check_end(desk.facts)
        assert (desk.around.guards.running, desk.around.guards.waiting) == (0, 0)


def assert_places(desk: Desk) -> None:
    """A run at rest takes no place; those of a run that has ended are given back by its log."""
    if not desk.over:
        assert desk.log.places == 0


async def bring_to_an_end(desk: Desk) -> None:
    """With everything answered and time going on, nothing is stuck."""
    for _ in range(40):
        if desk.over:
            return
        await desk.resume()
        for name in ("paid", "ada", "bob", "yes", "absent"):
            if not desk.over:
                await ACTS[name](desk)
        if not desk.over:
            await desk.advance(60)
    raise AssertionError(f"it never ends: {desk.facts[-5:]}")


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(drawn=acts, given_outcomes=outcomes)
def test_whatever_a_run_is_told_it_keeps_the_laws_and_comes_to_its_end(
    drawn: list[str], given_outcomes: list[str]
) -> None:
    asyncio.run(live(drawn, World(given_outcomes)))
