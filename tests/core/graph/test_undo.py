"""What a run did is undone when it fails, aborts, or is cancelled with that wish: last first, each once."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrun.core.asks import Answer
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    FlowCompleted,
    StepCompleted,
    StepScheduled,
    StepStarted,
    decode_fact,
    encode_event,
)
from openrun.core.facts import CancelRequest
from openrun.core.frame import Activation
from openrun.core.graph import GraphSpec
from openrun.core.machine import Machine, UnexpectedFact
from openrun.core.orders import Compensate, Compensated
from openrun.core.outstanding import outstanding, standing
from openrun.core.results import StepRunResult
from openrun.core.types import OnItemError, RunStatus
from openrun.core.undoing import CompensationOutcome, CompensationStatus

from .acting import charges
from .asking import agree, call, interrupts, listens, open_asks, rest
from .generators import Drawn, random_flow
from .harness import (
    UNDO,
    Behaviour,
    Came,
    Script,
    Sim,
    Trace,
    begin,
    each,
    explicit,
    fail,
    fifo,
    in_turn,
    ok,
    per_attempt,
    run,
    wait,
)
from .heir import heir_of, to_the_end
from .notation import flow, undoing, undone_by

ABC = {"a": "undo", "b": "undo", "c": "undo"}
CHAIN = flow("t -> a -> b -> c -> z", ABC)
SEEDS = st.integers(0, 2**32)
LAWS = settings(
    derandomize=True,
    print_blob=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=list(HealthCheck),
)


def undone(trace: Trace) -> list[str]:
    """Steps that were undone, with their scopes where those are not the run's own."""
    return [f"{step}{scope if scope != '/' else ''}" for step, scope, _ in trace.undone]


def ends(trace: Trace) -> list[str]:
    return [status for *_, status in trace.undone]


def to_undoing(sim: Sim) -> Sim:
    """Until the first step is being undone."""
    while sim.machine.undo.walk is None:
        sim.take(fifo(sim.options()))
    return sim


# -- which, and in what order ------------------------------------------------------------------------


def test_a_chain_that_fails_is_undone_last_first() -> None:
    trace = run(CHAIN, {"z": fail()})
    assert undone(trace) == ["c", "b", "a"]
    assert trace.status is RunStatus.FAILED
    assert trace.compensation is CompensationOutcome.COMPLETED


@pytest.mark.parametrize("order", [("a", "b", "c"), ("c", "a", "b"), ("b", "c", "a")])
def test_branches_are_undone_in_the_reverse_order_of_their_ends(order: tuple[str, ...]) -> None:
    trace = run(flow("t -> a, b, c, z", ABC), {"z": fail()}, explicit("t", *order, "z"))
    assert undone(trace) == list(reversed(order))


def test_each_iteration_of_a_loop_is_undone() -> None:
    spec = flow("t -> h -> a; a.more -> h; a -> z", {"h": "max=9", "a": "undo"})
    script: Script = {"a": in_turn(ok("more"), ok("more"), ok()), "z": fail()}
    trace = run(spec, script)
    scopes = [fact.scope for fact in trace.facts if isinstance(fact, StepCompleted) and fact.step_id == "a"]
    done = [scope for scope in scopes if not scope.endswith(UNDO)]
    assert len(done) == 3
    assert [scope for _, scope, _ in trace.undone] == done[::-1]


def test_items_are_undone_although_their_frames_are_closed() -> None:
    spec = flow("t -> e -> z", {"e": "undo"}, bodies={"e": flow("i -> a", ABC)})
    trace = run(spec, {"e": each([1, 2]), "z": fail()})
    assert undone(trace) == ["e", "a/e[1]", "a/e[0]"]
    starts = [fact.scope for fact in trace.facts if isinstance(fact, StepStarted) and UNDO in fact.scope]
    assert starts == ["/e[undo]", "/e[1]/a[undo]", "/e[0]/a[undo]"]


def test_steps_of_an_item_that_failed_are_undone_when_the_run_fails_by_it() -> None:
    spec = flow("t -> e", bodies={"e": flow("i -> a -> b", {"a": "undo"})})
    script: Script = {"e": each([1, 2, 3], on_item_error=OnItemError.COLLECT), "b": fail()}
    assert undone(run(spec, script)) == ["a/e[2]", "a/e[1]", "a/e[0]"]


def test_what_failed_or_did_not_run_is_not_undone() -> None:
    spec = flow("t -> a -> b -> c", ABC)
    assert undone(run(spec, {"b": fail()})) == ["a"]
    assert undone(run(spec, {"a": fail()})) == []


def test_what_may_fail_is_not_undone_when_it_failed() -> None:
    trace = run(flow("t -> a -> z", {"a": "undo allow"}), {"a": fail(), "z": fail()})
    assert undone(trace) == []
    assert trace.compensation is None


def test_a_failed_attempt_before_does_not_count_a_success_is_undone_once() -> None:
    trace = run(flow("t -> a -> z", {"a": "undo tries=3"}), {"a": per_attempt(fail(), ok()), "z": fail()})
    assert undone(trace) == ["a"]


def test_nothing_is_undone_when_the_run_succeeds() -> None:
    trace = run(CHAIN, {})
    assert (undone(trace), trace.compensation, trace.machine.undoing) == ([], None, False)


def test_nothing_is_undone_when_the_failure_is_handled() -> None:
    trace = run(flow("t -> a -> b; b.error -> h", {"a": "undo"}), {"b": fail()})
    assert trace.status is RunStatus.SUCCEEDED
    assert undone(trace) == []


@pytest.mark.parametrize(("wish", "expected"), [(False, []), (True, ["a"])])
def test_a_cancelled_run_is_undone_only_if_that_was_wished(wish: bool, expected: list[str]) -> None:
    sim = rest(begin(CHAIN, {"b": wait()}))
    sim.cancel(compensate=wish)
    trace = sim.finish()
    assert trace.status is RunStatus.CANCELLED
    assert undone(trace) == expected


def test_a_wish_that_comes_with_a_second_cancel_counts() -> None:
    sim = rest(begin(flow("t -> a -> b; b -> f", {"a": "undo", "f": "always"}), {"b": wait(), "f": wait()}))
    sim.cancel()
    sim.cancel(compensate=True)
    assert undone(sim.finish()) == ["a"]


def test_a_run_that_is_cancelled_hard_is_not_undone() -> None:
    sim = rest(begin(CHAIN, {"b": wait()}))
    sim.cancel(hard=True, compensate=True)
    trace = sim.finish()
    assert undone(trace) == []
    assert not trace.machine.undoing


def test_a_run_that_aborts_is_undone() -> None:
    trace = run(CHAIN, {"c": StepRunResult.abort(None, "no room")})
    assert (trace.status, trace.output) == (RunStatus.ABORTED, "no room")
    assert undone(trace) == ["b", "a"]


def test_a_run_past_its_deadline_is_undone() -> None:
    sim = rest(begin(CHAIN, {"c": wait()}))
    sim.time_out()
    assert undone(sim.finish()) == ["b", "a"]


def test_always_steps_run_before_anything_is_undone_and_are_undone_themselves() -> None:
    spec = flow("t -> a -> b; a -> f", {"a": "undo", "f": "always undo"}, fail_fast=True)
    trace = run(spec, {"b": fail()})
    assert undone(trace) == ["f", "a"]


def test_a_run_that_came_to_its_limit_of_activations_is_undone() -> None:
    spec = flow("t -> a -> b -> c -> z", ABC, max_activations=4)
    trace = run(spec, {})
    assert "ACTIVATION_LIMIT" in trace.codes.values()
    assert undone(trace) == ["c", "b", "a"]
    assert set(ends(trace)) == {"completed"}


# -- what it reads -----------------------------------------------------------------------------------


def test_what_undoes_a_step_reads_the_state_right_after_that_step() -> None:
    seen: dict[str, object] = {}

    def look(act: Activation) -> Came:
        view = sim.machine.view(act)
        seen[act.step_id] = (
            view.read("last"),
            dict(view.everything()["steps"]),
            sim.machine.undo.output_of(act),
        )
        return ok()

    sim = begin(CHAIN, {"z": fail(), "b": ok(output="seat 12")}, undo=dict.fromkeys("abc", look))
    sim.finish()
    assert seen == {
        "c": ("c", {"t": "t", "a": "a", "b": "seat 12", "c": "c"}, "c"),
        "b": ("b", {"t": "t", "a": "a", "b": "seat 12"}, "seat 12"),
        "a": ("a", {"t": "t", "a": "a"}, "a"),
    }


def test_what_undoes_a_step_may_read_the_state_as_the_step_did() -> None:
    seen: dict[str, object] = {}

    def look(act: Activation) -> Came:
        view = sim.machine.view(act)
        seen[act.step_id] = (
            view.read("last"),
            sorted(view.everything()["steps"]),
            sim.machine.undo.output_of(act),
        )
        return ok()

    spec = undone_by(CHAIN, **{step: undoing(step, as_run=True) for step in "abc"})
    sim = begin(spec, {"z": fail()}, undo=dict.fromkeys("abc", look))
    sim.finish()
    assert seen == {
        "c": ("b", ["a", "b", "t"], "c"),
        "b": ("a", ["a", "t"], "b"),
        "a": ("t", ["t"], "a"),
    }


def test_what_undoes_an_item_reads_the_items_own_state() -> None:
    seen: list[object] = []

    def look(act: Activation) -> Came:
        view = sim.machine.view(act)
        seen.append((view.read("item"), view.read("last"), view.step_output("i")))
        return ok()

    spec = flow("t -> e -> z", bodies={"e": flow("i -> a -> b", {"a": "undo"})})
    sim = begin(spec, {"e": each(["x", "y"], concurrency=1), "z": fail()}, undo={"a": look})
    sim.finish()
    assert seen == [("y", "a", "i"), ("x", "a", "i")]


def test_what_undoing_writes_is_not_seen_by_anybody() -> None:
    trace = run(CHAIN, {"z": fail()}, undo={"c": ok(output="undone"), "b": ok(output="undone")})
    state = trace.machine.state()
    assert state["last"] == "c"
    assert state["steps"]["b"] == "b"


def test_only_what_undoes_has_something_that_it_undoes() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    undoer = next(iter(sim.machine.ready))
    assert sim.machine.undo.output_of(undoer) == "c"
    assert sim.machine.undo.output_of(sim.machine.activation("a", "/")) is None


def test_the_output_of_a_run_is_not_that_of_what_undid_it() -> None:
    spec = undone_by(flow("t -> a -> z", {"a": "replies"}), a=undoing("a", replies=True))
    trace = run(spec, {"a": ok(output="booked"), "z": fail()}, undo={"a": ok(output="taken back")})
    assert undone(trace) == ["a"]
    assert trace.output == "booked"


# -- how it ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "outcome"),
    [
        ("", CompensationOutcome.COMPLETED),
        ("b", CompensationOutcome.PARTIAL),
        ("abc", CompensationOutcome.FAILED),
    ],
)
def test_what_cannot_be_undone_does_not_keep_the_others(broken: str, outcome: CompensationOutcome) -> None:
    trace = run(CHAIN, {"z": fail()}, undo={step: fail("STUCK") for step in broken})
    assert undone(trace) == ["c", "b", "a"]
    assert ends(trace) == ["failed" if step in broken else "completed" for step in "cba"]
    assert trace.compensation is outcome
    told = [fact.error for fact in trace.facts if isinstance(fact, CompensationCompleted)]
    assert [error.code if error else None for error in told] == [
        "STUCK" if step in broken else None for step in "cba"
    ]


def test_a_failure_to_undo_is_no_failure_of_the_run() -> None:
    trace = run(CHAIN, {"z": fail()}, undo={"b": fail()})
    assert trace.codes == {"z": "BROKEN"}


def test_what_undoes_is_tried_again_as_its_retry_says() -> None:
    spec = flow("t -> a -> z", {"a": "undo=3"})
    trace = run(spec, {"z": fail()}, undo={"a": per_attempt(fail(), fail(), ok())})
    assert ends(trace) == ["completed"]
    retries = [fact for fact in trace.facts if isinstance(fact, StepScheduled)]
    assert [fact.attempt for fact in retries] == [2, 3]


def test_an_abort_of_what_undoes_is_a_failure_to_undo() -> None:
    trace = run(CHAIN, {"z": fail()}, undo={"b": StepRunResult.abort(None, "no")})
    assert trace.status is RunStatus.FAILED
    assert ends(trace) == ["completed", "failed", "completed"]


def test_what_undoes_may_wait_ask_and_have_items() -> None:
    spec = undone_by(flow("t -> a -> b -> c -> d -> z", ABC), d=undoing("d", body=flow("i -> k")))
    undo: Script = {"a": wait(), "b": interrupts("how"), "c": listens("go"), "d": each([1, 2])}
    sim = rest(begin(spec, {"z": fail()}, undo=undo))
    assert standing(sim.machine) is RunStatus.WAITING
    assert list(open_asks(sim)) == ["c/c[undo].go"]
    sim.tell(call("go"))
    rest(sim)
    sim.tell(Answer(ask=open_asks(sim)["b/b[undo].how"].id))
    trace = sim.finish()
    assert undone(trace) == ["d", "c", "b", "a"]
    assert set(ends(trace)) == {"completed"}
    assert trace.ran["k"] == 2


def test_the_terminal_fact_comes_after_everything_is_undone() -> None:
    sim = begin(CHAIN, {"z": fail()})
    while sim.machine.verdict is None:
        assert not any(isinstance(fact, FlowCompleted) for fact in sim.facts)
        sim.take(fifo(sim.options()))
    assert isinstance(sim.facts[-1], CompensationCompleted)
    end = sim.finish().facts[-1]
    assert isinstance(end, FlowCompleted)
    assert (end.status, end.compensation) == (RunStatus.FAILED, CompensationOutcome.COMPLETED)


def test_a_run_that_is_being_undone_says_so() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    assert standing(sim.machine) is RunStatus.COMPENSATING
    started = next(fact for fact in sim.facts if isinstance(fact, CompensationStarted))
    assert started.reason is RunStatus.FAILED


# -- time --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("undo", [ok(), wait(), listens("go"), each([1])])
def test_what_could_not_be_undone_in_time_is_told_and_left(undo: Behaviour) -> None:
    spec = undone_by(CHAIN, c=undoing("c", body=flow("i -> k")))
    sim = begin(spec, {"z": fail()}, undo={"c": undo})
    to_undoing(sim)
    if callable(undo):
        rest_of_step(sim)
    sim.expire()
    trace = sim.finish()
    assert list(zip(undone(trace), ends(trace), strict=True)) == [
        ("c", "expired"),
        ("b", "completed"),
        ("a", "completed"),
    ]
    assert trace.compensation is CompensationOutcome.PARTIAL


def rest_of_step(sim: Sim) -> None:
    """Until what undoes c waits."""
    for _ in range(2):
        sim.take(sim.options()[0])


def test_a_stubborn_step_that_could_not_be_undone_in_time_ends_before_the_next_begins() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}, stubborn=frozenset("c")))
    sim.take(fifo(sim.options()))
    sim.expire()
    assert sim.machine.undo.subject.step_id == "c"
    trace = sim.finish()
    assert ends(trace) == ["expired", "completed", "completed"]


def test_what_is_too_old_to_be_undone_is_not_begun() -> None:
    trace = run(CHAIN, {"z": fail()}, undo_time=timedelta(0))
    assert ends(trace) == ["expired"] * 3
    assert not [fact for fact in trace.facts if isinstance(fact, CompensationStarted)]
    assert trace.compensation is CompensationOutcome.FAILED


def test_the_time_counts_from_the_completion_of_what_is_undone() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    done = next(fact for fact in sim.facts if isinstance(fact, StepCompleted) and fact.step_id == "c")
    assert sim.machine.undo.since == done.timestamp


# -- stopping and pausing while undoing --------------------------------------------------------------


def test_a_soft_cancel_does_not_stop_what_undoes() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    sim.cancel()
    trace = sim.finish()
    assert (trace.status, ends(trace)) == (RunStatus.FAILED, ["completed"] * 3)


@pytest.mark.parametrize("undo", [ok(), wait(), listens("go"), interrupts("x")])
def test_a_hard_cancel_ends_what_undoes_and_tells_what_is_left(undo: Behaviour) -> None:
    sim = rest(begin(CHAIN, {"z": fail()}, undo={"b": undo})) if undo != ok() else begin(CHAIN, {"z": fail()})
    while sim.machine.undo.walk is None or sim.machine.undo.subject.step_id != "b":
        sim.take(fifo(sim.options()))
    sim.cancel(hard=True)
    trace = sim.finish()
    assert ends(trace) == ["completed", "cancelled", "cancelled"]
    assert trace.status is RunStatus.FAILED
    assert trace.compensation is CompensationOutcome.PARTIAL


def test_what_was_undone_in_spite_of_a_hard_cancel_counts() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}, stubborn=frozenset("c")))
    sim.take(fifo(sim.options()))
    sim.cancel(hard=True)
    assert ends(sim.finish()) == ["completed", "cancelled", "cancelled"]


def test_a_pause_keeps_the_next_from_being_undone() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    sim.take(fifo(sim.options()))
    sim.pause()
    assert standing(sim.machine) is RunStatus.PAUSED
    while sim.options():
        sim.take(fifo(sim.options()))
    assert [type(order) for order in sim.held] == [Compensate]
    sim.resume()
    assert undone(sim.finish()) == ["c", "b", "a"]


def test_a_hard_cancel_during_a_pause_begins_nothing_more() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    sim.take(fifo(sim.options()))
    sim.pause()
    while sim.options():
        sim.take(fifo(sim.options()))
    sim.cancel(hard=True)
    trace = sim.finish()
    assert ends(trace) == ["completed", "cancelled", "cancelled"]
    begun = [fact.step_id for fact in trace.facts if isinstance(fact, CompensationStarted)]
    assert begun == ["c"]


def test_a_review_holds_what_undoes_until_it_is_over() -> None:
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    sim.record(sim.make.review_requested(None, "poison", sim.now))
    assert not sim.options()
    sim.resume()
    assert undone(sim.finish()) == ["c", "b", "a"]


# -- going on from the facts -------------------------------------------------------------------------


def test_what_was_ordered_and_not_recorded_is_ordered_again() -> None:
    sim = begin(CHAIN, {"z": fail()})
    orders = []
    sim.finish()
    machine = Machine(sim.graph, "run")
    for fact in sim.facts:
        machine.apply(decode_fact(encode_event(fact)))
        machine.orders.clear()
        orders += [
            type(order) for order in outstanding(machine) if isinstance(order, Compensate | Compensated)
        ]
    assert orders == [Compensate, Compensated] * 3


@pytest.mark.parametrize("kind", ["started", "completed"])
def test_only_what_is_next_can_be_undone(kind: str) -> None:
    sim = begin(CHAIN, {"z": fail()})
    act = sim.machine.activation("t", "/")
    made = {
        "started": sim.make.compensation_started(act, RunStatus.FAILED, sim.now),
        "completed": sim.make.compensation_completed(act, CompensationStatus.FAILED, None, sim.now),
    }
    with pytest.raises(UnexpectedFact, match="is not what is to be undone"):
        sim.machine.apply(made[kind])  # type: ignore[arg-type]
    sim = to_undoing(begin(CHAIN, {"z": fail()}))
    act = sim.machine.activation("b", "/")
    with pytest.raises(UnexpectedFact, match="is not what is to be undone"):
        sim.machine.apply(sim.make.compensation_started(act, RunStatus.FAILED, sim.now))


def test_an_error_that_stops_a_run_hard_leaves_what_it_did() -> None:
    sim = rest(begin(CHAIN, {"b": wait()}))
    error = ErrorObject(code="JOURNAL_LIMIT", message="too long")
    sim.record(sim.make.cancel_requested(CancelRequest(hard=True, error=error), sim.now))
    sim.obey()
    assert undone(sim.finish()) == []


# -- laws --------------------------------------------------------------------------------------------


def with_random_undoing(rng: random.Random, drawn: Drawn) -> tuple[Drawn, Script]:
    """Some steps can be undone, and what undoes them comes to anything."""
    undo: dict[str, Behaviour] = {}

    def dress(spec: GraphSpec) -> GraphSpec:
        steps = []
        for step in spec.steps:
            given = replace(step, body=dress(step.body)) if step.body else step
            if rng.random() < 0.6:
                undo[step.id] = rng.choice(
                    (ok(), ok(), fail(), wait(), listens("go"), interrupts("x", "y"), charges())
                )
                given = replace(given, compensation=undoing(step.id, rng.choice((1, 1, 2))))
            steps.append(given)
        return replace(spec, steps=tuple(steps))

    script = {
        step: rng.choice(
            (
                listens("go", "stop"),
                interrupts("x", "y", together=True),
                StepRunResult.abort(None, 1),
                charges(),
            )
        )
        if rng.random() < 0.15 and not callable(behaviour)
        else behaviour
        for step, behaviour in drawn.script.items()
    }
    return Drawn(dress(drawn.spec), script), undo


def _found(act: Activation) -> bool:
    return len(act.scope) % 2 == 0


def is_being_undone(sim: Sim) -> bool:
    """Something is, and it is not recorded yet what became of it."""
    told = [fact for fact in sim.facts if isinstance(fact, CompensationStarted | CompensationCompleted)]
    return bool(told) and isinstance(told[-1], CompensationStarted)


def randomly(seed: int, *, taken_over: bool) -> Trace:
    """A random run with random requests from outside; it may change hands at any fact."""
    rng = random.Random(seed)  # noqa: S311
    drawn, undo = with_random_undoing(rng, random_flow(rng))
    mail = [call("go", n) for n in range(rng.randint(0, 3))]
    sim: Sim = begin(drawn.spec, drawn.script, undo=undo, mail=mail, replies=agree, took_place=_found)
    while sim.machine.verdict is None:
        options = sim.options()
        chance = rng.random()
        if sim.machine.halted and (not options or chance < 0.5):
            sim.resume()
        elif chance < 0.02 and not (sim.machine.stopping and not sim.machine.undoing):
            sim.pause()
        elif chance < (0.06 if sim.machine.undoing else 0.03):
            sim.cancel(hard=sim.machine.undoing or rng.random() < 0.2, compensate=rng.random() < 0.5)
        elif chance < 0.1 and is_being_undone(sim):
            sim.expire()
        elif taken_over and chance < 0.25:
            sim = heir_of(sim, len(sim.facts))
        else:
            assert options, sim.machine.unfinished
            sim.take(rng.choice(options))
    return sim.finish()


@LAWS
@given(SEEDS)
def test_random_runs_are_undone_last_first_each_once(seed: int) -> None:
    """The harness checks it of every run."""
    randomly(seed, taken_over=False)


@LAWS
@given(SEEDS)
def test_random_runs_that_change_hands_are_undone_last_first_each_once(seed: int) -> None:
    randomly(seed, taken_over=True)


def test_random_runs_are_undone_at_all() -> None:
    traces = [randomly(seed, taken_over=seed % 2 == 0) for seed in range(60)]
    assert {status for trace in traces for status in ends(trace)} == {
        each.value for each in CompensationStatus
    } - {"started"}
    assert {trace.compensation for trace in traces} == {None, *CompensationOutcome}


@pytest.mark.parametrize("seed", range(6))
def test_a_run_that_is_taken_over_at_any_fact_is_undone_to_its_end(seed: int) -> None:
    undo: Script = {"c": per_attempt(fail(), ok()), "b": interrupts("x"), "a": fail()}
    spec = flow(
        "t -> a -> b -> c -> z; t -> e -> z",
        {**ABC, "c": "undo=2"},
        bodies={"e": flow("i -> k", {"k": "undo"})},
    )
    script: Script = {"z": fail(), "e": each([1, 2])}
    whole = to_the_end(begin(spec, script, undo=undo, replies=agree), seed)
    for cut in range(1, len(whole.facts) + 1):
        trace = to_the_end(heir_of(whole, cut), cut).finish()
        assert trace.status is RunStatus.FAILED
        assert Counter(ends(trace)) == {"completed": 4, "failed": 1}
