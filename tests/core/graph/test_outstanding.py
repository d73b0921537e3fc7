"""Whoever folds a journal that somebody else wrote goes on as if nothing had happened."""

import random
from datetime import timedelta

import pytest

from openrun.core.errors import ErrorObject
from openrun.core.events import StepStarted, decode_event, decode_fact, encode_event
from openrun.core.facts import CancelRequest
from openrun.core.graph import GraphSpec
from openrun.core.machine import Machine, UnexpectedFact
from openrun.core.orders import CancelChild, Fail, Resume, StartChild
from openrun.core.outstanding import outstanding, standing, timers
from openrun.core.types import OnItemError, RunStatus

from .checks import check_starts
from .generators import random_flow
from .harness import (
    BEGIN,
    Script,
    Sim,
    at_random,
    begin,
    children,
    each,
    fail,
    ok,
    per_attempt,
    run,
    wait,
)
from .heir import heir_of, to_the_end
from .notation import flow

STEADY: dict[str, tuple[GraphSpec, Script]] = {
    "a chain": (flow("t -> a -> b -> c"), {}),
    "a join": (flow("t -> a, b -> j -> z", {"j": "ALL_SUCCESS"}), {}),
    "a failure and what it leads to": (flow("t -> a, b -> j", {"j": "ALL_SUCCESS"}), {"a": fail()}),
    "a timer": (flow("t -> a -> b"), {"a": wait()}),
    "a retry": (flow("t -> a -> b", {"a": "tries=3"}), {"a": per_attempt(fail(), fail(), ok())}),
    "items": (
        flow("t -> e -> z", bodies={"e": flow("i -> x -> y")}),
        {"e": each([1, 2, 3], concurrency=2), "x": wait()},
    ),
    "children": (flow("t -> e -> z"), {"e": children([1, 2, 3], concurrency=2)}),
    "a child that fails": (
        flow("t -> e -> z"),
        {"e": children([1, 2, 3], on_item_error=OnItemError.FAIL)},
    ),
    "a loop": (flow("t -> h -> a; a.more -> h; a -> z", {"h": "max=3"}), {"a": ok("more")}),
}


@pytest.mark.parametrize("name", STEADY)
def test_a_run_that_is_taken_over_at_any_point_ends_as_it_would_have(name: str) -> None:
    spec, script = STEADY[name]
    child = {"child": lambda _act, at: fail() if "fails" in name and at == 1 else ok(output=at)}
    whole = begin(spec, script, **child)
    to_the_end(whole, 0)
    verdict = whole.machine.verdict
    assert verdict is not None
    for cut in range(1, len(whole.facts) + 1):
        heir = to_the_end(heir_of(whole, cut), cut)
        assert heir.machine.verdict is not None
        assert (heir.machine.verdict.status, heir.machine.verdict.output) == (verdict.status, verdict.output)
        check_starts(heir.facts)


@pytest.mark.parametrize("seed", range(60))
def test_random_runs_can_be_taken_over_again_and_again(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    drawn = random_flow(chance)
    sim: Sim = begin(drawn.spec, drawn.script)
    choose = at_random(seed)
    cancel_at = chance.randrange(2, 40)
    while sim.machine.verdict is None:
        options = sim.options()
        assert options
        sim.take(choose(options))
        ended = sim.machine.verdict is not None
        if sim.machine.seq >= cancel_at and not (sim.machine.cancelled or ended):
            sim.cancel(hard=bool(seed % 2))
        if not ended and chance.random() < 0.3:
            sim = heir_of(sim, len(sim.facts))
    check_starts(sim.facts)


def test_a_child_that_was_to_stop_is_started_and_stopped_again() -> None:
    sim = begin(flow("t -> e"), {"e": children([1, 2])})
    sim.take(sim.options()[0])
    for kind in ("ends", "start", "ends"):
        sim.take(next(each for each in sim.options() if each.kind == kind))
    sim.cancel()
    orders = outstanding(sim.machine)
    assert [type(order) for order in orders] == [StartChild, CancelChild, StartChild, CancelChild]


# -- where a run stands ------------------------------------------------------------------------------


def test_a_run_stands_where_its_activations_do() -> None:
    sim = begin(flow("t -> a -> b"), {"a": wait()})
    assert standing(sim.machine) is RunStatus.PENDING
    sim.take(sim.options()[0])
    assert standing(sim.machine) is RunStatus.RUNNING
    while not timers(sim.machine):
        sim.take(sim.options()[0])
    assert standing(sim.machine) is RunStatus.WAITING
    assert [each.due for each in timers(sim.machine)] == [BEGIN + timedelta(minutes=1)]
    sim.record(sim.make.paused("lunch", sim.now))
    assert standing(sim.machine) is RunStatus.PAUSED
    sim.record(sim.make.resumed(sim.now))
    sim.record(sim.make.review_requested(None, "poison", sim.now))
    assert standing(sim.machine) is RunStatus.NEEDS_REVIEW
    sim.record(sim.make.resumed(sim.now))
    trace = sim.finish()
    assert standing(trace.machine) is RunStatus.SUCCEEDED


def test_between_its_last_step_and_its_end_a_run_is_running() -> None:
    sim = to_the_end(begin(flow("t -> a")), 0)
    assert not sim.machine.unfinished
    assert standing(sim.machine) is RunStatus.RUNNING


def live(step: str) -> Sim:
    sim = begin(flow("t -> a -> b"))
    while not any(act.step_id == step and act.phase.value == "live" for act in sim.machine.unfinished):
        sim.take(sim.options()[0])
    return sim


def test_a_step_whose_outcome_is_unknown_waits_for_a_person() -> None:
    sim = live("a")
    act = sim.machine.activation("a", "/")
    sim.record(sim.make.review_requested(act, "unknown_outcome", sim.now))
    assert standing(sim.machine) is RunStatus.NEEDS_REVIEW
    assert outstanding(sim.machine) == []
    sim.record(sim.make.review_resolved(act, sim.now, committed=True))
    sim.record(sim.make.concluded(act, ok(output=7), {}, sim.now))
    sim.tickets.clear()
    assert sim.finish().status is RunStatus.SUCCEEDED


def test_only_what_was_asked_can_be_answered() -> None:
    sim = live("a")
    act = sim.machine.activation("a", "/")
    resolved = sim.make.review_resolved(act, sim.now, committed=False)
    with pytest.raises(UnexpectedFact, match="nobody asked"):
        sim.machine.apply(resolved)
    sim = live("a")
    waiting = sim.machine.activation("t", "/")
    with pytest.raises(UnexpectedFact, match="not unknown"):
        sim.machine.apply(sim.make.review_requested(waiting, "unknown_outcome", sim.now))


def test_a_cancel_ends_a_pause() -> None:
    sim = live("a")
    sim.record(sim.make.paused("lunch", sim.now))
    assert sim.machine.halted
    sim.cancel()
    assert not sim.machine.halted


def test_a_run_that_is_stopped_with_an_error_fails_by_it() -> None:
    sim = live("a")
    error = ErrorObject(code="JOURNAL_LIMIT", message="too long")
    sim.record(sim.make.cancel_requested(CancelRequest(reason="limit", hard=True, error=error), sim.now))
    sim.obey()
    trace = sim.finish()
    assert trace.status is RunStatus.FAILED
    assert trace.errors[""] == error


def test_a_fact_reads_back_as_it_was_written() -> None:
    for fact in run(flow("t -> a"), {}).facts:
        assert decode_fact(encode_event(fact)) == decode_event(encode_event(fact)) == fact


def test_an_activation_that_cannot_run_is_failed_by_whoever_goes_on() -> None:
    sim = begin(flow("t -> a, b -> j", {"j": "ALL_SUCCESS"}), {"a": fail()})
    doomed: list[object] = []
    heir = Machine(sim.graph, "run")
    for fact in to_the_end(sim, 0).facts:
        heir.apply(fact)
        doomed += [order for order in outstanding(heir) if isinstance(order, Fail)]
    assert doomed
    assert not [fact for fact in sim.facts if isinstance(fact, StepStarted) and fact.step_id == "j"]


def test_a_step_that_was_about_to_wake_is_woken() -> None:
    sim = begin(flow("t -> a"), {"a": wait()})
    while not timers(sim.machine):
        sim.take(sim.options()[0])
    (ticket,) = sim.tickets
    sim.tickets.clear()
    sim.record(sim.make.timer_fired(ticket.act, sim.now))
    assert [type(order) for order in outstanding(sim.machine)] == [Resume]
