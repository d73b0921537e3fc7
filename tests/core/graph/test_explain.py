"""Why did this step (not) run? The answer names every edge, how it settled, and the rule."""

import pytest

from openrun.core.explain import Explanation, explain
from openrun.core.graph import Graph

from .harness import Trace, begin, each, explicit, fail, in_turn, nothing, ok, run, wait
from .notation import flow


def answers(trace: Trace, step: str) -> dict[str, Explanation]:
    return {answer.scope: answer for answer in explain(trace.machine.graph, trace.facts, step)}


def settled(answer: Explanation) -> dict[str, str | None]:
    return {edge.source: edge.settled for edge in answer.edges}


def test_a_step_that_ran_names_the_edge_that_fired() -> None:
    answer = answers(run(flow("t -> a -> b")), "b")["/"]
    assert answer.verdict == "ran"
    assert settled(answer) == {"a": "fired"}
    assert "a fired default, seq" in answer.edges[0].because


def test_a_step_on_a_branch_not_taken_says_which_port_fired_instead() -> None:
    trace = run(flow("t -> c; c.yes -> a -> b; c.no -> d"), {"c": ok("no")})
    assert answers(trace, "a")["/"].verdict == "skipped"
    assert settled(answers(trace, "a")["/"]) == {"c": "not_taken"}
    assert "c fired no" in str(answers(trace, "a")["/"])
    assert answers(trace, "b")["/"].edges[0].because == "a did not run: skipped"


def test_a_step_that_fires_no_port_is_said_to() -> None:
    assert "fired no port" in str(answers(run(flow("t -> a -> b"), {"a": nothing()}), "b")["/"])


def test_a_join_that_fails_names_who_failed() -> None:
    trace = run(flow("t -> a, b -> j", {"j": "ALL_SUCCESS"}), {"a": fail()})
    answer = answers(trace, "j")["/"]
    assert answer.verdict == "failed"
    assert "'a' failed" in answer.rule
    assert settled(answer) == {"a": "failed", "b": "fired"}
    assert "a failed: BROKEN, seq" in str(answer)


def test_a_step_that_failed_says_with_what() -> None:
    answer = answers(run(flow("t -> a"), {"a": fail()}), "a")["/"]
    assert answer.verdict == "failed"
    assert answer.rule.startswith("it ran and failed")


def test_where_the_run_begins_is_said_to_be_that() -> None:
    assert "begins" in answers(run(flow("t -> a")), "t")["/"].rule


def test_each_iteration_and_each_repeat_has_an_answer_of_its_own() -> None:
    trace = run(flow("t -> h -> b; b.again -> h; b.done -> z"), {"b": in_turn(ok("again"), ok("done"))})
    found = answers(trace, "h")
    assert list(found) == ["/h:1", "/h:2"]
    assert "a back edge opened this iteration" in found["/h:2"].rule
    assert settled(found["/h:2"]) == {"b": "fired"}
    assert settled(answers(trace, "b")["/h:2"]) == {"h": "fired"}
    assert answers(trace, "z")["/"].edges[0].because == "settled by the loop it leaves"
    again = answers(run(flow("t -> a, b -> p")), "p")
    assert "one more run" in again["/p+2"].rule


def test_items_of_a_foreach_are_explained_after_they_have_ended() -> None:
    trace = run(flow("t -> e", bodies={"e": flow("i -> k")}), {"e": each(range(2))})
    assert list(answers(trace, "k")) == ["/e[0]", "/e[1]"]


def test_a_step_stopped_while_it_ran_and_one_stopped_before_are_told_apart() -> None:
    trace = run(flow("t -> a -> b"), {"a": wait()}, cancel_at=5)
    assert answers(trace, "a")["/"].rule == "it was stopped while it ran"
    assert answers(trace, "b")["/"].verdict == "skipped"
    assert "a was cancelled" in answers(trace, "b")["/"].edges[0].because


def test_a_step_of_a_run_that_is_under_way_is_open_or_waiting() -> None:
    sim = begin(flow("t -> a, b; a, b -> j; j -> k", {"j": "ALL_DONE"}), {"a": wait()})
    policy = explicit("t", "b", "a")
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(policy(sim.options()))
    graph, facts = sim.machine.graph, sim.facts
    assert explain(graph, facts, "a")[0].verdict == "waiting"
    (join,) = explain(graph, facts, "j")
    assert join.verdict == "open"
    assert settled(join) == {"a": None, "b": "fired"}
    (later,) = explain(graph, facts, "k")
    assert (later.verdict, settled(later)) == ("open", {"j": None})
    started = facts[: next(at for at, fact in enumerate(facts) if getattr(fact, "step_id", "") == "b") + 1]
    assert explain(graph, started, "b")[0].verdict == "running"


def test_an_unknown_step_is_a_key_error_and_no_facts_are_no_answer() -> None:
    spec = flow("t -> e", bodies={"e": flow("i")})
    trace = run(spec, {"e": each([])})
    with pytest.raises(KeyError):
        answers(trace, "ghost")
    assert answers(trace, "i") == {}
    assert explain(Graph.compile(spec), [], "t") == []


def test_a_token_join_shows_the_edges_of_other_branches_too() -> None:
    trace = run(flow("t -> a, b -> p -> j; t -> x -> j", {"j": "ALL_SUCCESS"}))
    assert settled(answers(trace, "j")["/p+2"]) == {"p": "fired", "x": "fired"}
