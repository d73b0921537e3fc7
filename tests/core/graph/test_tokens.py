"""NO_WAIT steps that run again, and what follows them in a frame of its own."""

import pytest

from .harness import at_random, each, explicit, fail, fifo, in_turn, lifo, nothing, ok, run, wait
from .notation import flow

ORDERS = [fifo, lifo, *(at_random(seed) for seed in range(6))]


def test_a_step_that_runs_again_takes_all_after_it_into_a_frame_of_its_own() -> None:
    for policy in ORDERS:
        trace = run(flow("t -> a, b, c -> p -> q -> r"), {}, policy)
        for step in ("p", "q", "r"):
            assert sorted(trace.scopes(step)) == ["/", "/p+2", "/p+3"]


def test_a_step_runs_at_once_for_each_fired_edge() -> None:
    trace = run(flow("t -> a, b -> p"), {"b": wait()})
    assert trace.runs == [("t", "/"), ("a", "/"), ("b", "/"), ("p", "/"), ("p", "/p+2")]


def test_a_step_that_ran_is_not_passed_over_when_its_other_edge_dies() -> None:
    trace = run(flow("t -> a, b -> p -> q"), {"b": fail()})
    assert (trace.ran["p"], trace.ran["q"]) == (1, 1)
    assert trace.skipped == {}


def test_frames_nest_where_steps_run_again_one_after_the_other() -> None:
    for policy in ORDERS:
        trace = run(flow("t -> a, b -> p -> c, d -> q"), {}, policy)
        assert trace.ran["q"] == 4
        assert len(set(trace.scopes("q"))) == 4


@pytest.mark.parametrize("mode", ["ALL_SUCCESS", "ALL_DONE"])
@pytest.mark.parametrize(
    "order", [("t", "x", "a", "b"), ("t", "a", "b", "p", "p", "x"), ("t", "a", "x", "b")]
)
def test_a_join_after_a_repeated_step_looks_outward_for_other_branches(
    mode: str, order: tuple[str, ...]
) -> None:
    trace = run(flow("t -> a, b -> p -> j; t -> x -> j -> k", {"j": mode}), {}, explicit(*order))
    assert sorted(trace.scopes("j")) == ["/", "/p+2"]
    assert sorted(trace.scopes("k")) == ["/", "/p+2"]


@pytest.mark.parametrize("order", [("t", "x", "a", "b"), ("t", "a", "b", "p", "p", "x")])
def test_a_failure_of_another_branch_fails_the_join_in_each_frame(order: tuple[str, ...]) -> None:
    trace = run(
        flow("t -> a, b -> p -> j; t -> x -> j", {"j": "ALL_SUCCESS"}), {"x": fail()}, explicit(*order)
    )
    assert set(trace.failures) == {("x", "/"), ("j", "/"), ("j", "/p+2")}
    assert trace.errors["j"].details == {"failed": ["x"]}


def test_a_join_looks_outward_through_frames_in_frames() -> None:
    spec = flow("t -> a, b -> p -> c, d -> q -> j; t -> x -> j; p -> j", {"j": "ALL_SUCCESS"})
    for policy in ORDERS:
        trace = run(spec, {}, policy)
        assert trace.ran["j"] == trace.ran["q"] == 4


@pytest.mark.parametrize("order", [("t", "x", "a", "b"), ("t", "a", "b", "p", "p", "x")])
def test_a_race_after_a_repeated_step_ignores_other_branches(order: tuple[str, ...]) -> None:
    trace = run(flow("t -> a, b -> p -> j; t -> x -> j", {"j": "FIRST_SUCCESS"}), {}, explicit(*order))
    assert sorted(trace.scopes("j")) == ["/", "/p+2"]


def test_a_race_whose_own_edges_are_not_taken_is_skipped_whatever_other_branches_did() -> None:
    spec = flow("t -> a, b -> p; p.yes -> j; t -> x -> j", {"j": "FIRST_SUCCESS"})
    for policy in ORDERS:
        trace = run(spec, {"p": ok()}, policy)
        assert trace.scopes("j") == ["/"]
        assert trace.skips == {("j", "/p+2"): "skipped"}


def test_a_plain_step_after_a_repeated_one_ignores_other_branches() -> None:
    spec = flow("t -> a, b -> p -> q; t -> x -> q")
    for policy in ORDERS:
        trace = run(spec, {"x": fail()}, policy)
        assert sorted(trace.scopes("q")) == ["/", "/p+2"]


def check_own_edges_not_taken(mode: str) -> None:
    spec = flow("t -> a, b -> p; p.yes -> j; t -> x -> j -> k", {"j": mode})
    for script in ({}, {"x": fail()}):
        for policy in (explicit("t", "x", "a", "b"), explicit("t", "a", "b", "p", "p", "x"), *ORDERS):
            trace = run(spec, {"p": ok(), **script}, policy)
            assert trace.skips[("j", "/p+2")] == "skipped"
            assert trace.skips[("k", "/p+2")] == "skipped"


@pytest.mark.parametrize("mode", ["ALL_SUCCESS", "ALL_DONE", "ALL_SUCCESS always", "ALL_DONE always"])
def test_a_join_whose_own_edges_are_not_taken_is_skipped_whatever_other_branches_did(mode: str) -> None:
    check_own_edges_not_taken(mode)


def test_a_failure_after_a_repeated_step_stays_in_its_frame() -> None:
    spec = flow("t -> a, b -> p -> j; t -> x -> j", {"j": "ALL_SUCCESS"})
    trace = run(spec, {"p": in_turn(ok(), fail())})
    assert trace.scopes("j") == ["/"]
    assert set(trace.failures) == {("p", "/p+2"), ("j", "/p+2")}


def test_a_repeated_step_inside_a_loop_has_frames_inside_the_iteration() -> None:
    spec = flow("t -> h -> a, b -> p; p.again -> h; p.done -> z")
    trace = run(spec, {"p": in_turn(ok("again"), ok("done"))})
    assert trace.scopes("p") == ["/h:1", "/h:1/p+2", "/h:2", "/h:2/p+2"]
    assert trace.scopes("z") == ["/", "/z+2", "/z+3"]


def test_an_exit_of_a_repeated_step_fires_outside_the_loop() -> None:
    spec = flow("t -> h -> a, b -> p -> q; q.again -> h; q.done -> j; p.never -> j", {"j": "ALL_DONE"})
    for policy in ORDERS:
        trace = run(spec, {"q": ok("done")}, policy)
        assert trace.scopes("j") == ["/"]


def test_a_foreach_after_a_repeated_step_runs_its_items_in_each_frame() -> None:
    trace = run(flow("t -> a, b -> e", bodies={"e": flow("i")}), {"e": each([1, 2])})
    assert sorted(trace.scopes("i")) == ["/e+2/e[0]", "/e+2/e[1]", "/e[0]", "/e[1]"]


def test_a_repeated_step_that_takes_no_way_on_leads_nowhere() -> None:
    trace = run(flow("t -> a, b -> p -> q"), {"p": in_turn(ok(), nothing())})
    assert trace.scopes("q") == ["/"]
    assert trace.skips == {("q", "/p+2"): "skipped"}
