"""What the machine refuses, what it answers, and what it says when the engine itself is at fault."""

from typing import Any

import pytest

from openrun.core.errors import TransientError
from openrun.core.events import FlowStarted, StepStarted, TimerFired
from openrun.core.facts import CancelRequest, Facts
from openrun.core.frame import Activation
from openrun.core.graph import Graph
from openrun.core.machine import Machine, UnexpectedFact
from openrun.core.replay import replay, state_at
from openrun.core.results import StepRunResult
from openrun.core.router import Router
from openrun.core.types import RunStatus

from .harness import BEGIN, Script, Sim, begin, children, each, explicit, fail, fifo, ok, run, wait
from .notation import flow


def waiting(text: str = "t -> a -> b") -> Sim:
    """A run in which a waits for a timer."""
    sim = begin(flow(text), {"a": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    return sim


# -- facts that do not follow ------------------------------------------------------------------------


def test_a_fact_out_of_turn_is_refused() -> None:
    sim = waiting()
    with pytest.raises(UnexpectedFact, match="came after"):
        sim.machine.apply(sim.facts[-1])


def test_nothing_follows_the_end_of_a_run() -> None:
    trace = run(flow("t"))
    after = TimerFired(run_id="run", flow_id="flow", seq=len(trace.facts) + 1, timestamp=BEGIN)
    with pytest.raises(UnexpectedFact, match="has ended"):
        trace.machine.apply(after)


@pytest.mark.parametrize(("step", "scope"), [("a", "/elsewhere"), ("nobody", "/"), ("b", "/")])
def test_a_fact_of_an_activation_there_is_not_is_refused(step: str, scope: str) -> None:
    sim = waiting()
    stray = StepStarted(
        run_id="run", flow_id="flow", seq=sim.machine.seq + 1, timestamp=BEGIN, step_id=step, scope=scope
    )
    with pytest.raises(UnexpectedFact, match="no activation"):
        sim.machine.apply(stray)


def test_a_step_does_not_start_twice() -> None:
    sim = waiting()
    act = sim.machine.activation("a", "/")
    with pytest.raises(UnexpectedFact, match="starts twice"):
        sim.record(sim.make.started(act, BEGIN))


def test_a_step_does_not_end_twice() -> None:
    sim = waiting()
    act = sim.machine.activation("t", "/")
    with pytest.raises(UnexpectedFact, match="ends twice"):
        sim.record(sim.make.completed(act, ok(), {}, BEGIN))


def test_a_timer_wakes_nobody_who_does_not_wait() -> None:
    sim = begin(flow("t"))
    sim.take(fifo(sim.options()))
    with pytest.raises(UnexpectedFact, match="waits for no timer"):
        sim.record(sim.make.timer_fired(sim.machine.activation("t", "/"), BEGIN))


def test_a_child_of_nobody_is_refused() -> None:
    sim = waiting()
    end = (RunStatus.SUCCEEDED, None, None)
    with pytest.raises(UnexpectedFact, match="waits for no child"):
        sim.record(sim.make.child_completed(sim.machine.activation("a", "/"), (0, "c"), end, BEGIN))


def test_a_timer_that_comes_with_a_cancel_does_not_wake_the_step() -> None:
    sim = waiting()
    act = sim.machine.activation("a", "/")
    sim.record(sim.make.cancel_requested(CancelRequest(reason="enough"), BEGIN))
    sim.record(sim.make.timer_fired(act, BEGIN))
    sim.tickets.clear()
    sim.obey()
    trace = sim.finish()
    assert trace.cancelled == ["a"]
    assert trace.ran["b"] == 0


def test_a_child_without_an_error_of_its_own_is_told_by_its_status() -> None:
    sim = begin(flow("t -> c"), {"c": children(["x"])})
    while "c[0]" not in [ticket.name for ticket in sim.options()]:
        sim.take(fifo(sim.options()))
    end = (RunStatus.ABORTED, None, None)
    sim.record(sim.make.child_completed(sim.machine.activation("c", "/"), (0, "child-0"), end, BEGIN))
    sim.tickets.clear()
    sim.obey()
    assert "0:CHILD_FAILED" in sim.finish().codes["c"]


# -- questions ---------------------------------------------------------------------------------------


def test_no_facts_fold_to_a_run_that_has_not_begun() -> None:
    machine = replay(Graph.compile(flow("t")), [])
    assert machine.status is RunStatus.PENDING
    assert machine.state() == {"steps": {}}


def test_a_run_without_a_trigger_begins_at_each_step_that_no_edge_leads_to() -> None:
    sim = Sim(graph=Graph.compile(flow("a -> j; b -> j", {"j": "ALL_SUCCESS"})), script={})
    sim.start(None)
    assert sim.finish().ran == {"a": 1, "b": 1, "j": 1}


def test_other_triggers_and_what_only_they_lead_to_are_skipped_at_the_start() -> None:
    sim = begin(flow("t -> j; u -> a -> j; v -> b; h.again -> h; h.done -> j", {"j": "ALL_SUCCESS"}))
    skipped = {step for step, _ in sim.skips}
    assert skipped == {"u", "a", "v", "b", "h"}
    trace = sim.finish()
    assert trace.ran == {"t": 1, "j": 1}


def test_an_unreached_loop_that_leads_straight_into_a_loop_does_not_keep_it_from_ending() -> None:
    spec = flow("t -> i; u -> h; h.again -> h; h.done -> i; i.again -> i; i.done -> z; i.never -> y")
    trace = run(spec, {"i": ok("done")})
    assert trace.ran["z"] == 1
    assert trace.skipped["y"] == "skipped"


def test_a_step_reads_the_state_as_of_its_start_over_all_its_attempts() -> None:
    spec = flow("t -> a, b", {"a": "tries=2"})
    seen: list[Any] = []

    def look(act: Activation) -> StepRunResult:
        seen.append(sim.machine.view(act, {"extra": 1}).read("by_b"))
        return fail() if act.attempt == 1 else ok()

    sim = begin(spec, {"a": look})
    sim.finish(explicit("t", "b", "a", "a!", "a"))
    assert len(seen) == 2
    assert [value for value in seen if value == "/"] == []


def test_a_view_knows_the_roots_of_the_run() -> None:
    sim = begin(flow("t"))
    act = next(iter(sim.machine.ready))
    sim.take(fifo(sim.options()))
    view = sim.machine.view(act)
    assert view.read("run") == {"id": "run", "flow": "flow", "started_at": BEGIN.isoformat()}
    assert view.read("trigger") == {"id": "t", "input": {"n": 1}}
    assert view.read("given") is True
    assert sim.machine.view(act, {"secrets": 1}).read("secrets") == 1


def test_the_state_at_a_fact_holds_what_was_written_up_to_it() -> None:
    trace = run(flow("t -> a -> e", bodies={"e": flow("i")}), {"a": fail(), "e": each("x")})
    assert state_at(trace.facts, 1) == {"given": True, "steps": {}}
    assert state_at(trace.facts, 3)["by_t"] == "/"
    assert state_at(trace.facts, 5)["steps"]["a"]["code"] == "BROKEN"
    assert "by_a" not in state_at(trace.facts, 5)


def test_progress_carries_the_seq_of_the_fact_before_it() -> None:
    sim = waiting()
    act = sim.machine.activation("a", "/")
    shown = sim.make.progress(act, {"percent": 50}, BEGIN)
    assert (shown.seq, shown.step_id, shown.data) == (sim.machine.seq, "a", {"percent": 50})


def test_a_graph_knows_what_no_entry_leads_to() -> None:
    graph = Graph.compile(flow("t -> a -> b; u -> b"))
    steps, links = graph.ruled_out((graph.index["t"],))
    assert steps == (graph.index["u"],)
    assert [(link.source, link.target) for link in links] == [(graph.index["u"], graph.index["b"])]


def test_frames_of_items_are_kept_for_whoever_wants_to_explain() -> None:
    trace = run(flow("t -> e", bodies={"e": flow("i")}), {"e": each("xy")})
    assert set(trace.machine.frames()) == {"/"}
    kept = Machine(trace.machine.graph, "run", keep_items=True)
    for fact in trace.facts:
        kept.apply(fact)
    assert set(kept.frames()) == {"/", "/e[0]", "/e[1]"}


def test_a_failure_is_made_of_an_error_a_text_or_an_exception() -> None:
    assert StepRunResult.failure("a").error is not None
    text = StepRunResult.failure("a", "no", code="NO", retryable=True, details={"n": 1}).error
    assert text is not None
    assert (text.code, text.message, text.retryable, text.details) == ("NO", "no", True, {"n": 1})
    raised = StepRunResult.failure("a", TransientError("later", retry_after=3)).error
    assert raised is not None
    assert (raised.code, raised.retryable, raised.retry_after) == ("TRANSIENT", True, 3)
    assert StepRunResult.success("a", port="x").ports == ("x",)


def test_a_failure_recorded_without_an_error_still_has_one() -> None:
    sim = begin(flow("t"))
    sim.take(fifo(sim.options()))
    blank = StepRunResult(status=fail().status)
    sim.record(sim.make.completed(sim.machine.activation("t", "/"), blank, {}, BEGIN))
    sim.tickets.clear()
    assert sim.finish().codes == {"t": "STEP_FAILED"}


def test_a_race_in_a_token_frame_names_the_causes_of_its_own_branch_alone() -> None:
    spec = flow("t -> a, b -> p -> j; t -> x -> j", {"j": "FIRST_SUCCESS"})
    script: Script = {"x": fail(), "p": lambda act: ok() if act.scope == "/" else fail()}
    for order in (("t", "x", "a", "b"), ("t", "a", "b", "p", "p", "x")):
        trace = run(spec, script, explicit(*order))
        assert ("j", "/p+2") in trace.failures
        assert trace.errors["j"].details == {"failed": ["p"]}


# -- the engine at fault -----------------------------------------------------------------------------


def broken(spec: Any, monkeypatch: pytest.MonkeyPatch, script: Any = None) -> Machine:
    """A run on an engine whose dead edges do not travel on."""
    monkeypatch.setattr(Router, "kill", lambda *_: None)
    sim = begin(spec, script or {})
    while sim.machine.verdict is None:
        sim.take(fifo(sim.options()))
    return sim.machine


def test_a_join_that_starves_fails_the_run_and_says_which_edges_it_waits_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = flow("t -> c, a; c.no -> b; a, b -> j; a, t -> k", {"j": "ALL_SUCCESS", "k": "ALL_DONE"})
    machine = broken(spec, monkeypatch)
    assert machine.verdict is not None
    assert machine.verdict.status is RunStatus.FAILED
    failure = machine.verdict.failures[-1]
    assert failure.error.code == "JOIN_STARVED"
    assert failure.error.details == {"waiting": {"/ j": ["b.default"]}}


def test_a_join_that_starves_in_an_item_is_no_secret_either(monkeypatch: pytest.MonkeyPatch) -> None:
    body = flow("i -> c, a; c.no -> b; a, b -> j", {"j": "ALL_SUCCESS"})
    machine = broken(flow("t -> e", bodies={"e": body}), monkeypatch, {"e": each("x")})
    assert machine.verdict is not None
    assert machine.verdict.status is RunStatus.FAILED
    assert "JOIN_STARVED" in repr(machine.verdict.failures)


def test_a_join_that_starves_is_found_among_the_frames_of_items_too(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = flow(
        "t -> e, c, a; c.no -> b; a, b -> j",
        {"j": "ALL_SUCCESS"},
        bodies={"e": flow("i, k -> l", {"l": "ALL_DONE"})},
    )
    monkeypatch.setattr(Router, "kill", lambda *_: None)
    sim = begin(spec, {"e": each("x")})
    while sim.machine.verdict is None:
        sim.take(fifo(sim.options()))
    kept = Machine(sim.graph, "run", keep_items=True)
    for fact in sim.facts:
        kept.apply(fact)
    assert kept.verdict == sim.machine.verdict


def test_a_run_may_be_folded_from_its_start_alone() -> None:
    started = FlowStarted(run_id="r", flow_id="f", seq=1, timestamp=BEGIN, version="v", trigger="t")
    machine = Machine(Graph.compile(flow("t")), "r")
    machine.apply(started)
    assert [act.step_id for act in machine.ready] == ["t"]
    assert Facts(machine).started(next(iter(machine.ready)), BEGIN).seq == 2
