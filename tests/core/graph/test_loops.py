"""Regions, iterations, exits and limits."""

import pytest

from openrun.core.events import StepCompleted
from openrun.core.graph import Graph

from .harness import (
    Script,
    Trace,
    at_random,
    begin,
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

AGAIN = in_turn(ok("again"), ok("again"), ok("done"))
ORDERS = [fifo, lifo, *(at_random(seed) for seed in range(4))]


def died(trace: Trace, source: str, target: str, scope: str = "/") -> str:
    """The reason with which the edge between these steps died, or "fired"."""
    graph = trace.machine.graph
    frame = trace.machine.frames()[scope]
    names = ("fired", "not_taken", "skipped", "cancelled", "caught", "failed")
    found = [
        frame.edges[link.index][0]
        for link in graph.links
        if (graph.steps[link.source].id, graph.steps[link.target].id) == (source, target)
    ]
    return names[found[0]]


# -- regions -----------------------------------------------------------------------------------------


def regions(text: str) -> list[tuple[set[str], set[str], int | None]]:
    graph = Graph.compile(flow(text))
    ids = [step.id for step in graph.steps]
    return [
        ({ids[s] for s in loop.region.steps}, {ids[h] for h in loop.region.headers}, loop.region.parent)
        for loop in graph.loops
    ]


def test_a_flow_without_cycles_has_no_regions() -> None:
    assert regions("t -> a, b -> j") == []


def test_a_step_that_leads_to_itself_is_a_region() -> None:
    assert regions("t -> a; a.again -> a") == [({"a"}, {"a"}, None)]


def test_nested_loops_are_nested_regions() -> None:
    found = regions("t -> h -> i -> b; b.in -> i; b.out -> h; b.done -> z")
    assert found == [({"h", "i", "b"}, {"h"}, None), ({"i", "b"}, {"i"}, 0)]


def test_overlapping_cycles_are_a_region_with_the_rest_nested() -> None:
    found = regions("t -> a -> b -> a; b -> c -> b")
    assert found == [({"a", "b", "c"}, {"a"}, None), ({"b", "c"}, {"b"}, 0)]


def test_a_region_entered_twice_has_two_headers() -> None:
    assert regions("t -> a, b; a -> b; b -> a") == [({"a", "b"}, {"a", "b"}, None)]


def test_cycles_side_by_side_are_regions_of_their_own() -> None:
    found = regions("t -> a; a.again -> a; a.done -> b; b.again -> b")
    assert sorted((sorted(steps), parent) for steps, _, parent in found) == [(["a"], None), (["b"], None)]


# -- iterations --------------------------------------------------------------------------------------


def case_while_loop() -> Trace:
    return run(flow("t -> h -> b; b.again -> h; b.done -> z"), {"b": AGAIN})


def test_each_arrival_over_a_back_edge_opens_an_iteration() -> None:
    trace = case_while_loop()
    assert trace.scopes("b") == ["/h:1", "/h:2", "/h:3"]
    assert trace.scopes("z") == ["/"]
    assert trace.status == "succeeded"


def test_joins_inside_are_fresh_in_each_iteration() -> None:
    for policy in ORDERS:
        trace = run(
            flow("t -> h -> a, b -> j; j.again -> h; j.done -> z", {"j": "ALL_SUCCESS"}), {"j": AGAIN}, policy
        )
        assert trace.scopes("j") == ["/h:1", "/h:2", "/h:3"]
        assert trace.ran["z"] == 1


def test_nested_loops_begin_anew_in_each_iteration_of_the_outer_one() -> None:
    script: Script = {
        "b": in_turn(ok("in"), ok("out"), ok("in"), ok("in"), ok("done")),
    }
    trace = run(flow("t -> h -> i -> b; b.in -> i; b.out -> h; b.done -> z"), script)
    assert trace.scopes("b") == ["/h:1/i:1", "/h:1/i:2", "/h:2/i:1", "/h:2/i:2", "/h:2/i:3"]
    assert trace.scopes("z") == ["/"]


def test_overlapping_cycles_take_turns() -> None:
    script: Script = {"b": in_turn(ok("c"), ok("a"), ok("z")), "c": ok()}
    trace = run(flow("t -> a -> b; b.a -> a; b.c -> c -> b; b.z -> z"), script)
    assert trace.scopes("a") == ["/a:1", "/a:2"]
    assert trace.scopes("b") == ["/a:1/b:1", "/a:1/b:2", "/a:2/b:1"]
    assert trace.ran["z"] == 1


def test_a_back_edge_reaches_one_header_and_the_others_count_as_skipped() -> None:
    spec = flow("t -> a, b; a -> j; b -> j; j.a -> a; j.b -> b; j.done -> z", {"j": "ALL_SUCCESS"})
    trace = run(spec, {"j": in_turn(ok("b"), ok("a"), ok("done"))})
    assert trace.scopes("j") == ["/a:1", "/a:2", "/a:3"]
    assert trace.scopes("a") == ["/a:1", "/a:3"]
    assert trace.scopes("b") == ["/a:1", "/a:2"]
    assert trace.skips == {("a", "/a:2"): "skipped", ("b", "/a:3"): "skipped"}
    assert trace.ran["z"] == 1


def test_two_back_edges_at_once_open_two_iterations() -> None:
    trace = run(
        flow("t -> h; h.x -> a -> h; h.y -> b -> h; h.done -> z"), {"h": in_turn(ok("x", "y"), ok("done"))}
    )
    assert trace.ran["h"] == 3
    assert trace.ran["z"] == 2


def test_in_the_first_iteration_a_header_decides_by_its_outside_edges_alone() -> None:
    trace = run(flow("t -> c; c.no -> h -> b -> h; b -> z"))
    assert trace.ran == {"t": 1, "c": 1}
    assert trace.skips == {("h", "/h:1"): "skipped", ("b", "/h:1"): "skipped", ("z", "/"): "skipped"}


def test_a_header_that_races_runs_once_for_its_inputs_and_once_for_each_back_edge() -> None:
    spec = flow("t -> a, b -> h; h.again -> h; h.done -> z", {"h": "FIRST_SUCCESS"})
    trace = run(spec, {"h": in_turn(ok("again"), ok("done"))})
    assert trace.scopes("h") == ["/h:1", "/h:2"]


def test_a_header_of_a_lost_race_fails_and_the_loops_exits_carry_it_on() -> None:
    spec = flow("t -> a, b -> h; h.again -> h; h.done -> z", {"h": "FIRST_SUCCESS"})
    trace = run(spec, {"a": fail(), "b": fail()})
    assert trace.codes["h"] == "UPSTREAM_FAILED"
    assert trace.skipped["z"] == "failed"


# -- exits -------------------------------------------------------------------------------------------


def test_an_exit_fires_each_time_an_iteration_fires_it() -> None:
    spec = flow("t -> h -> b; h.out -> p; b.again -> h; b.done -> z")
    trace = run(spec, {"h": ok("default", "out"), "b": AGAIN})
    assert trace.scopes("p") == ["/", "/p+2", "/p+3"]


@pytest.mark.parametrize("mode", ["ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS"])
def test_a_join_absorbs_an_exit_that_fires_again(mode: str) -> None:
    spec = flow("t -> h -> b; h.out -> p; b.again -> h; b.done -> p", {"p": mode})
    trace = run(spec, {"h": ok("default", "out"), "b": AGAIN})
    assert trace.scopes("p") == ["/"]


def test_an_exit_that_never_fired_dies_once_when_the_loop_is_quiet() -> None:
    spec = flow("t -> h -> b; b.again -> h; b.done -> z; b.never -> y -> k")
    trace = run(spec, {"b": AGAIN})
    assert trace.skipped == {"y": "skipped", "k": "skipped"}


REASONS: dict[str, tuple[str, Script]] = {
    # an exit that is not taken, from an iteration that runs through
    "not_taken": ("t -> h -> b; b.again -> h; b.exit -> z", {"b": ok()}),
    # the exit's own step fails
    "failed": ("t -> h -> b; b.again -> h; b.exit -> z", {"b": fail()}),
    # the exit's own step fails, and is caught elsewhere
    "caught": ("t -> h -> b; b.again -> h; b.exit -> z; b.error -> x", {"b": fail()}),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_dead_exit_says_why(reason: str) -> None:
    text, script = REASONS[reason]
    assert died(run(flow(text), script), "b", "z") == reason


def test_a_dead_exit_takes_the_reason_of_a_back_edge_that_died_worse() -> None:
    trace = run(flow("t -> h -> c -> b; b.again -> h; c.exit -> z"), {"b": fail()})
    assert died(trace, "c", "z") == "failed"


def test_a_dead_exit_takes_the_worst_of_all_iterations() -> None:
    script: Script = {"h": ok("default", "side"), "b": in_turn(ok("again"), ok()), "c": in_turn(fail(), ok())}
    trace = run(
        flow("t -> h -> b; h.side -> c; c -> b; b.again -> h; c.exit -> z", {"b": "ALL_DONE"}), script
    )
    assert died(trace, "c", "z") == "failed"


def test_a_loop_that_is_cancelled_lets_its_exits_die_cancelled() -> None:
    trace = run(flow("t -> h -> b; b.again -> h; b.done -> z"), {"b": wait()}, cancel_at=6)
    assert died(trace, "b", "z") == "cancelled"
    assert trace.status == "cancelled"


def test_exits_of_a_nested_loop_die_through_the_outer_one() -> None:
    spec = flow("t -> h -> i -> b; b.in -> i; b.out -> h; b.far -> z; z -> k")
    trace = run(spec, {"b": in_turn(ok("in"), ok("out"), ok())})
    assert trace.skipped == {"z": "skipped", "k": "skipped"}
    assert died(trace, "b", "z") == "not_taken"


def test_an_exit_that_fired_in_one_outer_iteration_does_not_die_in_another() -> None:
    spec = flow("t -> h -> i -> b; b.in -> i; b.out -> h; b.far -> z")
    trace = run(spec, {"b": in_turn(ok("in"), ok("far", "out"), ok("in"), ok())})
    assert trace.scopes("z") == ["/"]
    assert died(trace, "b", "z") == "fired"


def test_an_exit_may_lead_straight_into_another_loop() -> None:
    spec = flow("t -> h; h.again -> h; h.done -> i; i.again -> i; i.done -> z")
    again = in_turn(ok("again"), ok("done"))
    trace = run(spec, {"h": again, "i": in_turn(ok("again"), ok("done"))})
    assert trace.scopes("i") == ["/i:1", "/i:2"]
    assert trace.ran["z"] == 1


def test_a_dead_exit_into_another_loop_skips_that_loop() -> None:
    spec = flow("t -> h; h.again -> h; h.done -> i; i.again -> i; i.done -> z")
    trace = run(spec)
    assert trace.skips == {("i", "/i:1"): "skipped", ("z", "/"): "skipped"}


def test_an_exit_that_fires_again_runs_a_plain_header_of_another_loop_again() -> None:
    spec = flow("t -> h; h.again -> h; h.out -> i; i.again -> i; i.done -> z")
    trace = run(spec, {"h": in_turn(ok("again", "out"), ok("out")), "i": ok("done")})
    assert trace.scopes("i") == ["/i:1", "/i:1/i+2"]
    assert trace.ran["z"] == 2


# -- quiet -------------------------------------------------------------------------------------------


def test_a_loop_is_not_quiet_before_all_edges_into_it_have_settled() -> None:
    spec = flow("t -> a, s; a -> h; s -> h; h.again -> h; h.done -> z; h.never -> y")
    sim = begin(spec, {"h": in_turn(ok("done"), ok())})
    policy = explicit("t", "a", "h", "s")
    while "y" not in {step for step, _ in sim.skips}:
        ended = [fact.step_id for fact in sim.facts if isinstance(fact, StepCompleted)]
        sim.take(policy(sim.options()))
    assert "s" in ended
    assert sim.finish().ran["h"] == 2


def test_a_loop_is_not_quiet_while_another_loop_can_still_fire_into_it() -> None:
    spec = flow("t -> g; g.again -> g; g.in -> h; h.again -> h; h.done -> z; h.never -> y -> k")
    script: Script = {"g": in_turn(ok("again", "in"), ok("in")), "h": in_turn(ok(), ok("done"))}
    for policy in ORDERS:
        trace = run(spec, script, policy)
        assert trace.ran["h"] == 2
        assert trace.ran["z"] == 1
        assert trace.skipped == {"y": "skipped", "k": "skipped"}


def test_a_loop_is_not_quiet_while_a_step_in_it_waits() -> None:
    sim = begin(
        flow("t -> h -> b, w; b.again -> h; b.done -> z; w.done -> z", {"z": "ALL_DONE"}), {"w": wait()}
    )
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    assert not sim.skips
    assert sim.finish().skipped == {"z": "skipped"}


# -- failures ----------------------------------------------------------------------------------------


def case_retry_loop(failures: int) -> Trace:
    return run(flow("t -> a -> z; a.error -> a", {"a": "max=4"}), {"a": in_turn(*[fail()] * failures, ok())})


@pytest.mark.parametrize("failures", [0, 1, 3])
def test_an_error_port_may_lead_back(failures: int) -> None:
    trace = case_retry_loop(failures)
    assert trace.ran["a"] == failures + 1
    assert trace.ran["z"] == 1
    assert trace.status == "succeeded"
    assert list(trace.failures.values()) == [True] * failures


def test_a_retry_loop_past_its_limit_is_unhandled() -> None:
    trace = case_retry_loop(4)
    assert trace.ran["a"] == 4
    assert trace.ran["z"] == 0
    assert trace.status == "failed"
    assert trace.codes == {"a": "LOOP_LIMIT"}


def test_what_was_caught_in_one_iteration_is_not_taken_care_of_by_the_catch_of_another() -> None:
    """a fails in iterations 1 and 2; b of iteration 2 descends from the first firing only."""
    spec = flow("t -> h -> a, b -> j; a.error -> h; j.again -> h; j.done -> z", {"j": "ALL_SUCCESS"})
    for policy in ORDERS:
        trace = run(spec, {"a": in_turn(fail(), fail(), ok()), "j": ok("done")}, policy)
        assert trace.skips == {("j", "/h:1"): "caught", ("j", "/h:2"): "caught"}
        assert trace.scopes("j") == ["/h:3"]
        assert trace.ran["z"] == 1


def test_a_failed_back_edge_ends_the_loop_and_fails_the_join_behind_it() -> None:
    spec = flow("t -> h -> b; b.again -> h; h.out -> z; t -> y -> z", {"z": "ALL_SUCCESS"})
    trace = run(spec, {"b": fail()})
    assert trace.codes == {"b": "BROKEN", "z": "UPSTREAM_FAILED"}
    assert trace.status == "failed"


def test_a_failed_back_edge_is_unhandled_when_all_exits_have_fired() -> None:
    trace = run(flow("t -> h -> b; b.again -> h; h.out -> z"), {"h": ok("default", "out"), "b": fail()})
    assert trace.ran["z"] == 1
    assert trace.handled == {"b": False}


def test_a_caught_failure_whose_handler_leaves_the_loop_and_comes_back_is_taken_care_of() -> None:
    spec = flow("t -> h -> b; b.again -> h; b.done -> j; b.error -> x -> j", {"j": "ALL_SUCCESS"})
    trace = run(spec, {"b": in_turn(ok("again"), fail())})
    assert trace.ran["j"] == 1
    assert trace.status == "succeeded"


@pytest.mark.parametrize("mode", ["NO_WAIT", "FIRST_SUCCESS"])
def test_a_handler_outside_takes_care_of_what_each_iteration_failed_with(mode: str) -> None:
    """b fails in two iterations, and its handler comes back to j both times: b's dead exit is taken care of."""
    spec = flow(
        "t -> h -> b -> c; b -> j; c.again -> h; c.done -> z; b.error -> x -> j",
        {"c": "ALL_DONE", "j": "ALL_SUCCESS", "x": mode},
    )
    trace = run(spec, {"b": fail(), "c": in_turn(ok("again"), ok("done"))})
    assert trace.ran["j"] == trace.ran["x"]


# -- limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_the_arrival_past_the_limit_is_not_delivered(limit: int) -> None:
    trace = run(flow("t -> h -> b; b.again -> h; b.done -> z", {"h": f"max={limit}"}), {"b": ok("again")})
    assert trace.ran["b"] == limit
    assert trace.codes == {"h": "LOOP_LIMIT"}
    assert trace.skipped == {"z": "failed"}
    assert trace.status == "failed"


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_loop_may_go_round_as_often_as_its_limit_says(limit: int) -> None:
    turns = [ok("again")] * (limit - 1)
    trace = run(
        flow("t -> h -> b; b.again -> h; b.done -> z", {"h": f"max={limit}"}),
        {"b": in_turn(*turns, ok("done"))},
    )
    assert trace.status == "succeeded"
    assert trace.ran == {"t": 1, "h": limit, "b": limit, "z": 1}


def test_the_limit_holds_per_enclosing_iteration() -> None:
    spec = flow("t -> h -> i -> b; b.in -> i; b.out -> h; b.done -> z", {"i": "max=2"})
    turns = [ok("in"), ok("out")] * 3
    trace = run(spec, {"b": in_turn(*turns, ok("in"), ok("done"))})
    assert trace.ran["i"] == 8
    assert trace.status == "succeeded"


def test_the_least_limit_of_two_headers_holds() -> None:
    spec = flow("t -> a, b; a -> b; b.again -> a; b.done -> z", {"a": "max=3", "b": "max=2"})
    trace = run(spec, {"b": ok("again")})
    assert set(trace.codes.values()) == {"LOOP_LIMIT"}
    assert trace.scopes("a") == ["/a:1"]
    assert sorted(trace.scopes("b")) == ["/a:1", "/a:2"]


def test_a_loop_without_exits_past_its_limit_is_unhandled() -> None:
    trace = run(flow("t -> h; h -> h", loop_limit=3))
    assert trace.ran["h"] == 3
    assert trace.failures == {("h", "/h:3"): False}
    assert trace.errors["h"].details == {"limit": 3}
    assert trace.status == "failed"


def test_a_loop_past_its_limit_is_handled_by_a_race_behind_its_exit() -> None:
    spec = flow("t -> h, b; h.again -> h; h.done, b -> j", {"j": "FIRST_SUCCESS", "h": "max=3"})
    trace = run(spec, {"h": ok("again")})
    assert trace.handled == {"h": True}
    assert trace.status == "succeeded"


def test_a_loop_past_its_limit_is_handled_by_the_handler_of_a_join_behind_its_exit() -> None:
    spec = flow("t -> h, b; h.again -> h; h.done, b -> j; j.error -> x", {"j": "ALL_SUCCESS", "h": "max=3"})
    trace = run(spec, {"h": ok("again")})
    assert trace.handled == {"h": True, "j": True}
    assert trace.ran["x"] == 1


def test_no_error_port_fires_inside_for_an_arrival_past_the_limit() -> None:
    trace = run(
        flow("t -> h -> b; b.again -> h; b.error -> x; h.error -> x; b.done -> z", loop_limit=2),
        {"b": ok("again")},
    )
    assert trace.ran["x"] == 0
    assert trace.status == "failed"


def test_a_nested_loop_past_its_limit_ends_the_outer_one() -> None:
    spec = flow("t -> h -> i -> b; b.in -> i; b.out -> h; b.done -> z", {"i": "max=2"})
    trace = run(spec, {"b": ok("in")})
    assert trace.codes == {"i": "LOOP_LIMIT"}
    assert trace.ran == {"t": 1, "h": 1, "i": 2, "b": 2}
    assert died(trace, "b", "z") == "failed"


def test_a_nested_loop_past_its_limit_is_unhandled_when_everything_around_has_fired() -> None:
    spec = flow("t -> h -> i -> b; b.in -> i; i.out -> h; h.far -> z", {"i": "max=2", "h": "max=2"})
    trace = run(spec, {"h": ok("default", "far"), "i": ok("default", "out"), "b": ok("in")})
    assert trace.status == "failed"
    assert not any(trace.failures.values())


# -- loops and everything else -----------------------------------------------------------------------


def test_a_loop_entered_by_a_repeated_step_is_one_of_its_own() -> None:
    spec = flow("t -> a, b -> p -> h; h.again -> h; h.done -> z")
    for policy in ORDERS:
        trace = run(spec, {"h": ok("done")}, policy)
        assert sorted(trace.scopes("h")) == ["/h:1", "/p+2/h:1"]
        assert sorted(trace.scopes("z")) == ["/", "/p+2"]


def test_in_a_loop_entered_by_a_repeated_step_headers_it_does_not_reach_are_skipped() -> None:
    spec = flow(
        "t -> a, b -> p -> h; t -> g; h -> m; g -> m; m.h -> h; m.g -> g; m.done -> z", {"m": "ALL_SUCCESS"}
    )
    for policy in ORDERS:
        trace = run(spec, {"m": ok("done")}, policy)
        assert trace.ran["m"] == 2
        assert trace.skips == {("g", "/p+2/h:1"): "skipped"}


def test_a_header_entered_twice_runs_again_inside_the_first_iteration() -> None:
    trace = run(flow("t -> a, b -> h; h.again -> h; h.done -> z"), {"h": ok("done")})
    assert trace.scopes("h") == ["/h:1", "/h:1/h+2"]
    assert trace.scopes("z") == ["/", "/z+2"]


def test_an_always_header_entered_by_a_repeated_step_does_not_starve() -> None:
    spec = flow("t -> a, b -> s; t -> x; s, x -> h -> m; m.again -> h", {"h": "always"})
    for policy in ORDERS:
        assert run(spec, {}, policy).status == "succeeded"


def test_a_loop_that_nobody_enters_never_runs_and_its_exit_is_dead() -> None:
    trace = run(flow("t -> j; x -> y -> x; y -> j -> k", {"j": "ALL_SUCCESS"}))
    assert trace.ran == {"t": 1, "j": 1, "k": 1}


def test_a_loop_after_a_join_that_did_not_run_is_left_out_whole() -> None:
    trace = run(flow("t -> c; c.no -> h -> i -> b; b.in -> i; b.out -> h; b.done -> z"), {"c": nothing()})
    assert trace.ran == {"t": 1, "c": 1}
    assert trace.skipped == {"z": "skipped"}
