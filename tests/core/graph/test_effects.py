"""Effects in the journal: they outlive attempts, and what nobody can tell waits for a person. And forks, folded."""

import random
from collections import Counter

import pytest

from openrun.core.effects import EffectStatus, Verdict, effect_key
from openrun.core.events import (
    EffectRecorded,
    Fact,
    FlowForked,
    ReviewResolved,
    StepStarted,
    decode_fact,
    encode_event,
)
from openrun.core.facts import again
from openrun.core.frame import Activation, Phase
from openrun.core.machine import Machine
from openrun.core.outstanding import outstanding, standing
from openrun.core.past import Replayer
from openrun.core.replay import replay, state_at
from openrun.core.types import RunStatus

from .acting import charges, known
from .asking import agree, interrupts, phase, rest
from .harness import (
    Came,
    Doubt,
    Script,
    Sim,
    Trace,
    begin,
    each,
    fail,
    fifo,
    ok,
    per_attempt,
    run,
    wait,
)
from .heir import heir_of, to_the_end
from .notation import flow


def live(step: str, spec: str = "t -> a -> b", script: Script | None = None) -> Sim:
    """A run in which this step runs."""
    sim = begin(flow(spec, {"a": "undo"}), script or {})
    while not any(act.step_id == step and act.phase is Phase.LIVE for act in sim.machine.unfinished):
        sim.take(fifo(sim.options()))
    return sim


def effects(trace: Trace | Sim) -> list[tuple[str, str]]:
    return [(f.name, f.status.value) for f in trace.facts if isinstance(f, EffectRecorded)]


# -- folding -----------------------------------------------------------------------------------------


def test_what_is_known_of_an_effect_is_what_was_recorded_last() -> None:
    sim = live("a")
    act = sim.machine.activation("a", "/")
    sim.record(sim.make.effect_recorded(act, known(), sim.now))
    first = act.effects["charge", 0]
    assert first.status is EffectStatus.STARTED
    sim.record(sim.make.effect_recorded(act, again(first, status=EffectStatus.FAILED), sim.now))
    sim.record(
        sim.make.effect_recorded(act, known(name="mail", status=EffectStatus.COMMITTED, value=1), sim.now)
    )
    assert {at: each.status.value for at, each in act.effects.items()} == {
        ("charge", 0): "failed",
        ("mail", 0): "committed",
    }


def test_effects_of_one_activation_are_not_those_of_another() -> None:
    spec = flow("t -> e", bodies={"e": flow("a")})
    trace = run(spec, {"e": each([1, 2]), "a": charges()})
    keys = {(f.scope, f.key) for f in trace.facts if isinstance(f, EffectRecorded)}
    assert len(keys) == 2
    assert len({key for _, key in keys}) == 2


def test_what_was_committed_survives_retries_and_interrupts() -> None:
    tries = per_attempt(fail(), fail(), interrupts("x"))
    trace = run(flow("t -> a", {"a": "tries=3"}), {"a": charges(tries)}, replies=agree)
    assert effects(trace) == [("charge", "started"), ("charge", "committed")]


def test_facts_of_effects_are_read_back_as_they_were_written() -> None:
    for fact in run(flow("t -> a"), {"a": charges()}).facts:
        assert decode_fact(encode_event(fact)) == fact


def test_what_is_recorded_again_leaves_the_old_value_and_error_out() -> None:
    sim = live("a")
    act = sim.machine.activation("a", "/")
    given = known(status=EffectStatus.COMMITTED, value={"id": 7}, args_hash="h", attempt=2)
    sim.record(sim.make.effect_recorded(act, given, sim.now))
    repeated = again(act.effects["charge", 0], by="ada")
    assert (repeated.value, repeated.error, repeated.by) == (None, None, "ada")
    assert (repeated.key, repeated.args_hash, repeated.attempt) == (given.key, "h", 2)


def test_a_look_into_an_effect_has_three_answers() -> None:
    assert Verdict.committed({"id": 7}) == Verdict(status=EffectStatus.COMMITTED, value={"id": 7})
    assert Verdict.absent().status is EffectStatus.ABSENT
    assert Verdict.unknown().status is EffectStatus.UNKNOWN


def test_the_key_of_an_effect_is_its_own() -> None:
    keys = {effect_key(act, name, at) for act in ("x", "y") for name in ("a", "b") for at in (0, 1)}
    assert len(keys) == 8
    assert {len(key) for key in keys} == {64}


# -- what nobody can tell ----------------------------------------------------------------------------


def in_doubt(spec: str = "t -> a -> b", *, committed: bool = True) -> Sim:
    """A run whose step a waits for a person to look into its effect."""
    sim = live("a", spec, {"a": charges()})
    sim.took_place = lambda _act: committed
    act = sim.machine.activation("a", "/")
    sim.record(sim.make.effect_recorded(act, known(), sim.now))
    sim.take(next(ticket for ticket in sim.tickets if ticket.act is act))
    assert act.doubt == act.open_effect == known().key
    return sim


def test_an_effect_that_may_have_taken_place_is_not_repeated_but_looked_into() -> None:
    sim = in_doubt()
    assert phase(sim, "a") is Phase.REVIEW
    assert standing(sim.machine) is RunStatus.NEEDS_REVIEW
    assert outstanding(sim.machine) == []
    assert effects(sim) == [("charge", "started")]


@pytest.mark.parametrize("committed", [True, False])
def test_a_step_whose_effect_was_looked_into_runs_again_with_what_was_found(committed: bool) -> None:
    sim = in_doubt(committed=committed)
    trace = sim.finish()
    assert trace.status is RunStatus.SUCCEEDED
    assert trace.ran == {"t": 1, "a": 1, "b": 1}
    resolved = ["committed"] if committed else ["absent", "started", "committed"]
    assert [status for _, status in effects(trace)] == ["started", *resolved]
    assert sim.machine.activation("a", "/").doubt is None
    assert [fact.by for fact in trace.facts if isinstance(fact, ReviewResolved)] == ["ada"]


def test_work_as_a_whole_that_took_place_has_the_output_that_a_person_gives() -> None:
    sim = live("a")
    act = sim.machine.activation("a", "/")
    sim.tickets.clear()
    sim.conclude(act, Doubt())
    sim.settle(act, committed=True, output=7)
    trace = sim.finish()
    assert trace.ran["b"] == 1
    assert trace.machine.state()["steps"]["a"] == 7


def test_work_as_a_whole_that_did_not_take_place_is_done_again() -> None:
    sim = live("a", script={"a": ok(output="anew")})
    act = sim.machine.activation("a", "/")
    sim.tickets.clear()
    sim.conclude(act, Doubt())
    sim.settle(act, committed=False)
    assert phase(sim, "a") is Phase.LIVE
    trace = sim.finish()
    assert trace.machine.state()["steps"]["a"] == "anew"
    assert [
        fact.attempt for fact in trace.facts if isinstance(fact, StepStarted) and fact.step_id == "a"
    ] == [1]


@pytest.mark.parametrize("committed", [True, False])
def test_a_soft_cancel_waits_for_whoever_looks_into_it(committed: bool) -> None:
    sim = in_doubt(committed=committed)
    sim.cancel(compensate=True)
    assert phase(sim, "a") is Phase.REVIEW
    assert standing(sim.machine) is RunStatus.NEEDS_REVIEW
    trace = sim.finish()
    assert trace.status is RunStatus.CANCELLED
    assert [step for step, *_ in trace.undone] == (["a"] if committed else [])
    assert trace.cancelled == ([] if committed else ["a"])
    assert trace.ran["b"] == 0


def test_a_hard_cancel_does_not_wait_for_anybody() -> None:
    sim = in_doubt()
    sim.cancel(hard=True)
    assert phase(sim, "a") is Phase.CANCELLED
    assert sim.finish().status is RunStatus.CANCELLED


def test_a_hard_cancel_after_a_soft_one_does_not_wait_either() -> None:
    sim = in_doubt()
    sim.cancel(compensate=True)
    sim.cancel(hard=True)
    trace = sim.finish()
    assert (trace.cancelled, trace.undone) == (["a"], [])


def test_the_grace_of_a_run_that_stops_leaves_what_is_looked_into() -> None:
    sim = in_doubt("t -> a -> b; t -> f")
    sim.cancel(compensate=True)
    sim.time_out()
    assert sim.machine.cut
    assert phase(sim, "a") is Phase.REVIEW
    assert [step for step, *_ in sim.finish().undone] == ["a"]


def test_a_run_that_aborts_elsewhere_waits_for_what_is_in_doubt() -> None:
    sim = in_doubt("t -> a; t -> w -> x")
    act = sim.machine.activation("a", "/")
    sim.time_out()
    assert act.phase is Phase.REVIEW
    assert act.cancelling
    trace = sim.finish()
    assert trace.status is RunStatus.FAILED
    assert [step for step, *_ in trace.undone] == ["a"]


def test_a_run_in_which_only_some_wait_for_a_person_goes_on() -> None:
    sim = in_doubt("t -> a; t -> w -> x")
    assert standing(sim.machine) is RunStatus.RUNNING
    rest(sim)
    assert phase(sim, "x") is Phase.DONE


@pytest.mark.parametrize("seed", range(8))
def test_a_run_with_effects_that_is_taken_over_at_any_fact_repeats_none(seed: int) -> None:
    """What was committed is not done again; what was begun and lost is looked into."""
    spec = flow("t -> a -> b; t -> e -> z", {"a": "tries=2"}, bodies={"e": flow("c")})
    script: Script = {
        "a": charges(per_attempt(fail(), ok())),
        "b": charges(wait()),
        "c": charges(),
        "e": each([1, 2]),
    }
    whole = to_the_end(begin(spec, script), seed)
    chance = random.Random(seed)  # noqa: S311
    for cut in range(1, len(whole.facts) + 1):
        heir = heir_of(whole, cut)
        found = chance.random() < 0.5
        heir.took_place = lambda _act: found  # noqa: B023
        trace = to_the_end(heir, cut).finish()
        assert trace.status is RunStatus.SUCCEEDED
        done = Counter(
            f.key for f in trace.facts if isinstance(f, EffectRecorded) and f.status.value == "committed"
        )
        assert sorted(done.values()) == [1, 1, 1, 1]


# -- forks -------------------------------------------------------------------------------------------


def forked(sim: Sim) -> list[Fact]:
    """A run whose past was changed by hand after step a."""
    sim.record(
        FlowForked(
            run_id="run",
            flow_id="flow",
            seq=sim.machine.seq + 1,
            timestamp=sim.now,
            origin="other",
            at=5,
            values={"last": "changed", "new": [1]},
            removed=("given", "never"),
            outputs={"a": "another"},
        )
    )
    return sim.facts


def test_what_was_changed_by_hand_is_seen_from_there_on() -> None:
    seen: list[object] = []

    def look(act: Activation) -> Came:
        view = sim.machine.view(act)
        seen.append((view.read("last"), view.read("new"), view.step_output("a"), "given" in view.roots()))
        return ok()

    sim = live("a", script={"b": look})
    sim.take(sim.tickets[0])
    facts = forked(sim)
    state = sim.machine.state()
    assert state == {
        "last": "changed",
        "new": [1],
        "by_t": "/",
        "by_a": "/",
        "steps": {"t": "t", "a": "another"},
    }
    trace = sim.finish()
    assert seen == [("changed", [1], "another", False)]
    assert trace.ran == {"t": 1, "a": 1, "b": 1}
    assert replay(sim.graph, facts).state() == sim.machine.state()


def test_every_fold_of_a_fork_comes_to_the_same() -> None:
    sim = live("a")
    sim.take(sim.tickets[0])
    facts = forked(sim)
    sim.finish()
    replayer = Replayer(sim.graph, facts)
    machine = Machine(sim.graph, "run")
    for fact, state in replayer.states():
        machine.apply(fact)
        assert machine.state() == state == replayer.state(fact.seq) == state_at(facts, fact.seq)


def test_a_step_that_runs_reads_what_was_before_the_change() -> None:
    sim = live("a")
    before = sim.machine.view(sim.machine.activation("a", "/"))
    forked(sim)
    assert before.read("given") is True
    assert before.read("last") == "t"
