"""The graph cases that broke other engines, by the numbers of CONVENTIONS."""

import pytest

from openrun.core.graph import Graph

from .harness import (
    Sim,
    Trace,
    at_random,
    begin,
    each,
    explicit,
    fail,
    fifo,
    in_turn,
    lifo,
    nothing,
    ok,
    run,
    wait,
)
from .notation import flow

ORDERS = [fifo, lifo, *(at_random(seed) for seed in range(5))]


@pytest.mark.parametrize("mode", ["NO_WAIT", "ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS"])
def test_1_a_diamond_with_one_side_not_taken_joins_in_all_modes(mode: str) -> None:
    for policy in ORDERS:
        trace = run(flow("t -> c; c.yes -> a; c.no -> b; a, b -> j", {"j": mode}), {"c": ok("yes")}, policy)
        assert trace.ran["j"] == 1
        assert trace.skipped == {"b": "skipped"}
        assert trace.status == "succeeded"


@pytest.mark.parametrize("mode", ["NO_WAIT", "ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS"])
@pytest.mark.parametrize("outer", ["yes", "no"])
@pytest.mark.parametrize("inner", ["yes", "no"])
def test_2_a_join_of_joins_over_nested_ifs_runs_once(mode: str, outer: str, inner: str) -> None:
    spec = flow(
        "t -> c; c.yes -> d; d.yes -> a; d.no -> b; a, b -> i; c.no -> e; i, e -> j", {"i": mode, "j": mode}
    )
    for policy in ORDERS:
        trace = run(spec, {"c": ok(outer), "d": ok(inner)}, policy)
        assert trace.ran["j"] == 1
        assert trace.ran["i"] == (outer == "yes")


def test_3_a_branch_with_a_direct_edge_to_the_join_and_a_long_way_round() -> None:
    spec = flow("t -> c; c.direct -> j; c.round -> a -> b -> j", {"j": "ALL_SUCCESS"})
    assert run(spec, {"c": ok("direct")}).ran["j"] == 1
    assert run(spec, {"c": ok("round")}).ran["j"] == 1
    both = run(spec, {"c": ok("direct", "round")})
    assert both.ran["j"] == 1
    assert both.runs[-1] == ("j", "/")


def test_4_a_join_waits_when_a_skip_arrives_before_a_success() -> None:
    spec = flow("t -> c, a; c.no -> b; a, b -> j", {"j": "ALL_SUCCESS"})
    sim = begin(spec, {"c": nothing()})
    trace = sim.finish(explicit("t", "c", "a"))
    assert trace.skipped == {"b": "skipped"}
    assert trace.ran["j"] == 1


def case_5() -> Trace:
    body = flow("i -> c; c.yes -> a; c.no -> b; a, b -> j", {"j": "ALL_SUCCESS"})
    return run(
        flow("t -> e -> k", bodies={"e": body}), {"e": each([1, 2, 3]), "c": in_turn(ok("yes"), ok("no"))}
    )


def test_5_a_join_inside_a_foreach_joins_once_per_item() -> None:
    trace = case_5()
    assert trace.scopes("j") == ["/e[0]", "/e[1]", "/e[2]"]
    assert (trace.ran["a"], trace.ran["b"], trace.ran["k"]) == (1, 2, 1)


@pytest.mark.parametrize(
    ("mode", "runs"), [("ALL_SUCCESS", 1), ("ALL_DONE", 1), ("FIRST_SUCCESS", 1), ("NO_WAIT", 2)]
)
def test_6_both_ports_of_a_switch_lead_to_the_same_join(mode: str, runs: int) -> None:
    spec = flow("t -> s; s.one -> j; s.two -> j", {"j": mode})
    assert run(spec, {"s": ok("one")}).ran["j"] == 1
    assert run(spec, {"s": ok("two")}).ran["j"] == 1
    assert run(spec, {"s": ok("one", "two")}).ran["j"] == runs
    assert run(spec, {"s": nothing()}).skipped == {"j": "skipped"}


@pytest.mark.parametrize("mode", ["ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS"])
def test_7_a_filter_that_emits_nothing_does_not_block_a_join_behind_it(mode: str) -> None:
    trace = run(flow("t -> f, a; f -> b; a, b -> j", {"j": mode}), {"f": nothing()})
    assert trace.ran["j"] == 1
    assert trace.skipped == {"b": "skipped"}


def test_8_a_plain_step_with_two_parallel_inputs_runs_once_for_each() -> None:
    for policy in ORDERS:
        trace = run(flow("t -> a, b -> p -> q"), {}, policy)
        assert sorted(trace.scopes("p")) == ["/", "/p+2"]
        assert sorted(trace.scopes("q")) == ["/", "/p+2"]


def test_9_a_skip_travels_through_skipped_steps_to_a_far_join() -> None:
    trace = run(flow("t -> c, z; c.no -> a -> b -> d -> j; z -> j", {"j": "ALL_SUCCESS"}))
    assert trace.skipped == {"a": "skipped", "b": "skipped", "d": "skipped"}
    assert trace.ran["j"] == 1


def test_10_a_join_after_a_switchs_default_port() -> None:
    spec = flow("t -> s; s.one -> a; s.two -> b; s -> c; a, b, c -> j", {"j": "ALL_SUCCESS"})
    for port in ("one", "two", "default"):
        trace = run(spec, {"s": ok(port)})
        assert trace.ran["j"] == 1
        assert len(trace.skipped) == 2


def test_11_a_failure_that_is_allowed_does_not_end_the_run_before_a_slow_branch() -> None:
    spec = flow("t -> a, b -> j", {"a": "allow", "j": "ALL_SUCCESS"})
    trace = run(spec, {"a": fail(), "b": wait()})
    assert trace.ran["j"] == 1
    assert trace.status == "succeeded"


def test_12_an_empty_list_completes_once_with_an_empty_result() -> None:
    trace = run(flow("t -> e -> k", bodies={"e": flow("i")}), {"e": each([])})
    assert trace.ran == {"t": 1, "e": 1, "k": 1}
    assert trace.machine.state()["steps"]["e"] == []


def test_12_a_join_none_of_whose_branches_is_taken_is_skipped_and_the_run_ends() -> None:
    trace = run(flow("t -> s; s.a -> j; s.b -> j; j -> k", {"j": "ALL_SUCCESS"}), {"s": ok()})
    assert trace.skipped == {"j": "skipped", "k": "skipped"}
    assert trace.status == "succeeded"


def test_13_a_fan_out_with_a_tail_and_a_plain_producer_meet_in_one_join() -> None:
    spec = flow("t -> e, p; e -> x -> j; p -> j", {"j": "ALL_SUCCESS"}, bodies={"e": flow("i -> k")})
    for policy in ORDERS:
        assert run(spec, {"e": each([1, 2, 3])}, policy).ran["j"] == 1


def test_14_chained_joins_under_one_fork_each_run_once() -> None:
    spec = flow("t -> a, b, c; a, b -> i; i, c -> j", {"i": "ALL_SUCCESS", "j": "ALL_SUCCESS"})
    for policy in ORDERS:
        trace = run(spec, {}, policy)
        assert (trace.ran["i"], trace.ran["j"]) == (1, 1)


def test_15_two_runs_of_one_graph_at_once_do_not_mix_tokens() -> None:
    graph = Graph.compile(flow("t -> a, b -> p -> j; a -> j", {"j": "ALL_SUCCESS"}))
    sims = [Sim(graph=graph, script=script) for script in ({}, {"a": nothing()})]
    for sim in sims:
        sim.start("t")
    while any(sim.machine.verdict is None for sim in sims):
        for sim in sims:
            if sim.machine.verdict is None:
                sim.take(lifo(sim.options()))
    first, second = (sim.finish() for sim in sims)
    assert (first.ran["p"], first.ran["j"]) == (2, 2)
    assert (second.ran["p"], second.ran["j"]) == (1, 1)


@pytest.mark.parametrize("winner", ["a", "b"])
def test_18_a_race_is_won_while_the_loser_waits_for_a_timer(winner: str) -> None:
    loser = "b" if winner == "a" else "a"
    trace = run(
        flow("t -> a, b -> j -> k", {"j": "FIRST_SUCCESS cancel"}),
        {loser: wait()},
        explicit("t", loser, winner),
    )
    assert trace.cancelled == [loser]
    assert (trace.ran["j"], trace.ran["k"]) == (1, 1)
    assert trace.status == "succeeded"


def test_18_a_detached_loser_that_waits_is_awaited_but_runs_nothing_again() -> None:
    trace = run(flow("t -> a, b -> j", {"j": "FIRST_SUCCESS"}), {"b": wait()})
    assert trace.cancelled == []
    assert trace.ran["j"] == 1


def test_19_the_failure_of_a_grandparent_never_starts_the_child_of_a_pending_parent() -> None:
    spec = flow("t -> g, s; g, s -> p -> c", {"p": "ALL_SUCCESS"})
    for policy in (explicit("t", "g", "s"), explicit("t", "s", "g"), *ORDERS):
        trace = run(spec, {"g": fail()}, policy)
        assert (trace.ran["p"], trace.ran["c"]) == (0, 0)
        assert trace.codes["p"] == "UPSTREAM_FAILED"
        assert trace.skipped == {"c": "failed"}
        assert trace.status == "failed"


def test_20_a_cancel_during_retry_back_off_does_not_revive_the_step() -> None:
    sim = begin(flow("t -> a -> b", {"a": "tries=3"}), {"a": fail()})
    while not any(ticket.kind == "timer" for ticket in sim.tickets):
        sim.take(fifo(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.status == "cancelled"
    assert trace.cancelled == ["a"]
    assert trace.ran["a"] == 1
    assert trace.skipped == {"b": "cancelled"}
