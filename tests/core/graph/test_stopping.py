"""What is under way is stopped by a user, a failure, a lost race, a deadline or a limit."""

import pytest

from .harness import (
    Script,
    Trace,
    at_random,
    begin,
    each,
    explicit,
    fail,
    fifo,
    in_turn,
    lifo,
    ok,
    per_attempt,
    run,
    wait,
)
from .notation import flow

ORDERS = [fifo, lifo, *(at_random(seed) for seed in range(5))]


# -- fail_fast ---------------------------------------------------------------------------------------


def test_by_default_other_branches_finish_after_a_failure() -> None:
    trace = run(flow("t -> a, b -> c; b -> d"), {"a": fail(), "b": wait()})
    assert trace.ran["d"] == 1
    assert trace.status == "failed"


def test_fail_fast_cancels_the_rest_once_a_failure_cannot_be_handled() -> None:
    trace = run(
        flow("t -> a; t -> b -> d", fail_fast=True), {"a": fail(), "b": wait()}, explicit("t", "b", "a")
    )
    assert trace.cancelled == ["b"]
    assert trace.skipped == {"d": "cancelled"}
    assert trace.status == "failed"


def test_fail_fast_leaves_a_run_alone_whose_failure_is_handled() -> None:
    trace = run(flow("t -> a, b -> d; a.error -> h", fail_fast=True), {"a": fail(), "b": wait()})
    assert (trace.ran["h"], trace.ran["d"]) == (1, 1)
    assert trace.status == "succeeded"


def test_fail_fast_waits_while_a_race_may_still_be_won() -> None:
    spec = flow("t -> a, b -> j; t -> s", {"j": "FIRST_SUCCESS"}, fail_fast=True)
    trace = run(spec, {"a": fail(), "b": wait()})
    assert trace.status == "succeeded"
    assert trace.cancelled == []


def test_fail_fast_stops_the_rest_once_the_race_is_lost() -> None:
    spec = flow("t -> a, b -> j; t -> s -> k", {"j": "FIRST_SUCCESS"}, fail_fast=True)
    trace = run(spec, {"a": fail(), "b": fail(), "s": wait()}, explicit("t", "s", "a", "b"))
    assert trace.cancelled == ["s"]
    assert trace.ran["k"] == 0


@pytest.mark.parametrize("mode", ["NO_WAIT", "ALL_SUCCESS", "ALL_DONE", "ALL_DONE always"])
def test_fail_fast_does_not_wait_for_a_join_that_can_only_fail_or_never_forgives(mode: str) -> None:
    """Whatever b comes to, j fails, runs or is passed over, and none of these handles what a failed with."""
    trace = run(
        flow("t -> a, b -> j", {"j": mode}, fail_fast=True),
        {"a": fail(), "b": wait()},
        explicit("t", "b", "a"),
    )
    assert trace.cancelled == ["b"]


def test_fail_fast_waits_while_a_race_may_still_take_the_join_out_of_the_way() -> None:
    """m would run in spite of the failure and never forgive it; but j may win first, and then m never runs."""
    text, options = "t -> a, b -> m -> j; t -> c -> j", {"m": "ALL_DONE", "j": "FIRST_SUCCESS cancel"}
    for fail_fast in (False, True):
        spec = flow(text, options, fail_fast=fail_fast)
        trace = run(spec, {"a": fail(), "b": wait()}, explicit("t", "a", "b", "c"))
        assert trace.handled == {"a": True}
        assert trace.status == "succeeded"


def test_fail_fast_waits_for_a_join_whose_failure_may_be_handled() -> None:
    spec = flow("t -> a, b -> j; j.error -> h", {"j": "ALL_SUCCESS"}, fail_fast=True)
    trace = run(spec, {"a": fail(), "b": wait()})
    assert trace.cancelled == []
    assert trace.status == "succeeded"


# -- finally -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("script", [{}, {"a": fail()}, {"b": fail()}, {"a": fail(), "b": fail()}])
def test_a_finally_block_runs_once_whatever_came_before(script: Script) -> None:
    for policy in ORDERS:
        trace = run(flow("t -> a -> b -> f; a -> f -> g", {"f": "always"}), script, policy)
        assert trace.ran["f"] == 1
        assert trace.ran["g"] == 1


def test_a_finally_block_is_skipped_where_nothing_it_follows_was_meant_to_run() -> None:
    assert run(flow("t -> c; c.no -> a -> f", {"f": "always"})).skipped == {"a": "skipped", "f": "skipped"}


def test_a_finally_block_and_what_only_it_leads_to_run_after_fail_fast() -> None:
    spec = flow("t -> a, b; a, b -> f -> g -> h; b -> h", {"f": "always", "h": "ALL_DONE"}, fail_fast=True)
    trace = run(spec, {"a": fail(), "b": wait()}, explicit("t", "b", "a"))
    assert trace.cancelled == ["b"]
    assert (trace.ran["f"], trace.ran["g"], trace.ran["h"]) == (1, 1, 0)
    assert trace.status == "failed"


def test_a_finally_block_runs_after_a_cancel_and_the_run_is_cancelled() -> None:
    trace = run(flow("t -> a -> b -> f -> g", {"f": "always"}), {"a": wait()}, cancel_at=5)
    assert trace.cancelled == ["a"]
    assert (trace.ran["b"], trace.ran["f"], trace.ran["g"]) == (0, 1, 1)
    assert trace.status == "cancelled"


def test_a_hard_cancel_stops_the_finally_block_too() -> None:
    trace = run(flow("t -> a -> f", {"f": "always"}), {"a": wait()}, cancel_at=5, hard=True)
    assert trace.ran["f"] == 0
    assert trace.skipped["f"] == "cancelled"


def test_a_hard_cancel_after_a_soft_one_stops_a_finally_block_that_has_begun() -> None:
    sim = begin(flow("t -> a -> f", {"f": "always"}), {"a": wait(), "f": wait()})
    while sim.machine.seq < 5:
        sim.take(fifo(sim.options()))
    sim.cancel()
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    sim.cancel(hard=True)
    assert sim.finish().cancelled == ["a", "f"]


def test_a_finally_block_that_has_started_is_not_cancelled() -> None:
    sim = begin(flow("t -> a, f", {"f": "always"}), {"a": wait(), "f": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer", "timer"]:
        sim.take(fifo(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.cancelled == ["a"]


def test_a_cycle_that_no_finally_block_leads_to_is_not_protected() -> None:
    spec = flow("t -> a -> f; t -> h; h.again -> h", {"f": "always"})
    trace = run(spec, {"a": wait(), "h": wait(ok("again"))}, cancel_at=8)
    assert trace.ran["f"] == 1
    assert "h" in trace.cancelled


def test_a_loop_that_only_a_finally_block_leads_to_is_protected() -> None:
    spec = flow("t -> a -> f -> h; h.again -> h; h.done -> z", {"f": "always"})
    trace = run(spec, {"a": wait(), "h": in_turn(ok("again"), ok("done"))}, cancel_at=5)
    assert trace.ran == {"t": 1, "a": 1, "f": 1, "h": 2, "z": 1}


def test_a_loop_around_a_finally_block_does_not_go_round_after_a_cancel() -> None:
    trace = run(
        flow("t -> h -> f; f.again -> h; f.done -> z", {"f": "always"}),
        {"h": wait(), "f": ok("again")},
        cancel_at=5,
    )
    assert (trace.ran["h"], trace.ran["f"]) == (1, 1)
    assert trace.status == "cancelled"


# -- a user's cancel ---------------------------------------------------------------------------------


def test_nothing_starts_after_a_cancel_at_any_point() -> None:
    spec = flow("t -> a, b; a, b -> j -> k; a.error -> h", {"j": "ALL_SUCCESS", "a": "tries=2"})
    script = {"a": per_attempt(fail(), ok()), "b": wait()}
    for point in range(2, 14):
        for policy in ORDERS:
            sim = begin(spec, script)
            while sim.machine.seq < point and sim.machine.verdict is None:
                sim.take(policy(sim.options()))
            if sim.machine.verdict is not None:
                continue
            started = len([act for act in sim.machine.unfinished if act.attempt])
            sim.cancel()
            trace = sim.finish(policy)
            assert trace.status == "cancelled"
            assert len(trace.cancelled) == started


def test_a_cancelled_step_that_ends_all_the_same_leads_nowhere() -> None:
    sim = begin(flow("t -> a -> b -> c"), stubborn=frozenset("a"))
    while "a" not in {ticket.name for ticket in sim.tickets}:
        sim.take(fifo(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.cancelled == []
    assert trace.skipped == {"b": "cancelled", "c": "cancelled"}
    assert trace.status == "cancelled"


def test_a_cancelled_step_that_fails_is_not_tried_again() -> None:
    sim = begin(flow("t -> a", {"a": "tries=3"}), {"a": fail()}, stubborn=frozenset("a"))
    while "a" not in {ticket.name for ticket in sim.tickets}:
        sim.take(fifo(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.codes == {"a": "BROKEN"}
    assert trace.ran["a"] == 1


def test_a_cancelled_step_that_would_wait_is_cancelled() -> None:
    sim = begin(flow("t -> a"), {"a": wait()}, stubborn=frozenset("a"))
    while "a" not in {ticket.name for ticket in sim.tickets}:
        sim.take(fifo(sim.options()))
    sim.cancel()
    assert sim.finish().cancelled == ["a"]


def test_a_join_that_fails_while_the_run_stops_still_fails() -> None:
    sim = begin(flow("t -> a, b -> j -> k", {"j": "ALL_SUCCESS"}), {"a": fail(), "b": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.codes["j"] == "UPSTREAM_FAILED"
    assert trace.status == "cancelled"


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("NO_WAIT", "cancelled"),
        ("ALL_SUCCESS", "cancelled"),
        ("FIRST_SUCCESS", "cancelled"),
        ("ALL_DONE", "cancelled"),
    ],
)
def test_what_follows_only_cancelled_steps_is_cancelled(mode: str, reason: str) -> None:
    trace = run(flow("t -> a, b -> j -> k", {"j": mode}), {"a": wait(), "b": wait()}, cancel_at=7)
    assert trace.skipped == {"j": reason, "k": reason}


# -- deadlines ---------------------------------------------------------------------------------------


def test_a_run_past_its_deadline_fails_and_lets_its_finally_block_run() -> None:
    sim = begin(flow("t -> a -> f", {"f": "always"}), {"a": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    sim.time_out()
    trace = sim.finish()
    assert trace.ran["f"] == 1
    assert trace.codes == {"": "RUN_TIMEOUT"}
    assert trace.status == "failed"


def test_a_run_past_its_deadline_that_is_cancelled_too_has_failed() -> None:
    sim = begin(flow("t -> a"), {"a": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    sim.machine.orders.clear()
    sim.record(sim.make.timer_fired(None, sim.now))
    sim.cancel()
    assert sim.finish().status == "failed"


# -- races -------------------------------------------------------------------------------------------


def race(loser: Script, order: tuple[str, ...], text: str = "t -> a, b -> j -> k", **how: object) -> Trace:
    return run(
        flow(text, {"j": "FIRST_SUCCESS cancel", **dict.fromkeys(how, "tries=3")}), loser, explicit(*order)
    )


def test_losers_are_cancelled_wherever_they_stand() -> None:
    live = race({}, ("t", "a"))
    waiting = race({"b": wait()}, ("t", "b", "a"))
    scheduled = race({"b": fail()}, ("t", "b", "a"), b=3)
    for trace in (live, waiting, scheduled):
        assert trace.cancelled == ["b"]
        assert trace.ran["j"] == trace.ran["k"] == 1
        assert trace.status == "succeeded"


def test_detached_losers_finish() -> None:
    trace = run(flow("t -> a, b -> j -> k", {"j": "FIRST_SUCCESS"}), {"b": wait()})
    assert trace.cancelled == []
    assert trace.ran["j"] == 1


def test_steps_on_a_losers_branch_do_not_start_afterwards() -> None:
    sim = begin(
        flow("t -> a -> j; t -> b -> c -> d -> j", {"j": "FIRST_SUCCESS cancel"}), stubborn=frozenset("b")
    )
    trace = sim.finish(explicit("t", "a"))
    assert trace.skipped == {"c": "cancelled", "d": "cancelled"}
    assert trace.ran["j"] == 1


def test_a_loser_that_was_about_to_start_never_does() -> None:
    sim = begin(flow("t -> a -> j; t -> b -> c -> j", {"j": "FIRST_SUCCESS cancel"}))

    def starts_last(tickets: list) -> object:  # type: ignore[type-arg]
        return next((ticket for ticket in tickets if ticket.name != "c"), tickets[0])

    order = iter(["t", "t", "a", "b", "b", "a"])
    for name in order:
        sim.take(next(ticket for ticket in sim.options() if ticket.name == name))
    trace = sim.finish()
    assert trace.ran["c"] == 0
    assert trace.skipped == {"c": "cancelled"}


def test_a_step_that_also_leads_elsewhere_is_no_loser() -> None:
    trace = race({"b": wait()}, ("t", "b", "a"), "t -> a, b -> j -> k; b -> x")
    assert trace.cancelled == []
    assert trace.ran["x"] == 1


def test_a_step_before_one_that_also_leads_elsewhere_is_no_loser() -> None:
    trace = race({"b": wait()}, ("t", "b", "a"), "t -> a -> j; t -> b -> c -> j -> k; c -> x")
    assert trace.cancelled == []
    assert trace.ran["x"] == 1


def test_a_loser_in_a_loop_on_its_branch_is_cancelled() -> None:
    text = "t -> a -> j; t -> h; h.again -> h; h.done -> j -> k"
    trace = race({"h": wait(ok("again"))}, ("t", "h", "a"), text)
    assert trace.cancelled == ["h"]
    assert trace.ran["k"] == 1


def test_a_race_inside_a_loop_is_run_anew_in_each_iteration() -> None:
    text = "t -> h -> a, b -> j; j.again -> h; j.done -> z"
    script = {"b": wait(), "j": in_turn(ok("again"), ok("again"), ok("done"))}
    trace = run(flow(text, {"j": "FIRST_SUCCESS cancel"}), script)
    assert trace.scopes("j") == ["/h:1", "/h:2", "/h:3"]
    assert trace.cancelled == ["b"] * 3
    assert trace.ran["z"] == 1


def test_a_race_among_items_cancels_the_items_of_the_loser() -> None:
    spec = flow("t -> a, e -> j", {"j": "FIRST_SUCCESS cancel"}, bodies={"e": flow("i -> k")})
    trace = run(
        spec,
        {"e": each(range(3)), "i": wait(), "a": wait()},
        explicit("t", "a", "e", "i", "i", "i", "a!", "a"),
    )
    assert sorted(trace.cancelled) == ["e", "i", "i", "i"]
    assert trace.ran["j"] == 1


def test_a_lost_branch_that_would_run_again_does_not() -> None:
    text = "t -> a -> j; t -> x, y -> b -> j"
    sim = begin(flow(text, {"j": "FIRST_SUCCESS cancel"}), stubborn=frozenset("xy"))
    trace = sim.finish(explicit("t", "x", "b", "y"))
    assert trace.ran["b"] == 1


# -- limits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "status"), [(1, "failed"), (2, "failed"), (3, "succeeded"), (4, "succeeded")]
)
def test_past_the_limit_of_activations_nothing_starts_and_the_run_fails(limit: int, status: str) -> None:
    trace = run(flow("t -> a -> b", max_activations=limit))
    assert sum(trace.ran.values()) == min(limit, 3)
    assert trace.status == status
    assert ("ACTIVATION_LIMIT" in trace.codes.values()) is (status == "failed")


def test_past_the_limit_of_activations_no_finally_block_starts_either() -> None:
    trace = run(flow("t -> a -> b -> f", {"f": "always"}, max_activations=2))
    assert trace.ran["f"] == 0
    assert trace.codes == {"": "ACTIVATION_LIMIT"}


def test_past_the_limit_of_activations_what_is_under_way_is_cancelled() -> None:
    trace = run(flow("t -> a, b -> c", max_activations=3), {"b": wait()}, explicit("t", "b", "a"))
    assert trace.cancelled == ["b"]


def test_a_loop_without_end_runs_into_the_limit_of_activations() -> None:
    trace = run(flow("t -> h; h.again -> h", max_activations=50), {"h": ok("again")})
    assert trace.ran["h"] == 49
    assert trace.codes == {"": "ACTIVATION_LIMIT"}


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_a_foreach_past_the_limit_of_activations_ends(limit: int) -> None:
    for policy in ORDERS:
        trace = run(
            flow("t -> e", bodies={"e": flow("i")}, max_activations=limit), {"e": each(range(4))}, policy
        )
        assert trace.codes[""] == "ACTIVATION_LIMIT"
        assert trace.status == "failed"


def test_a_plain_step_past_the_limit_is_passed_over_once_however_many_edges_fire() -> None:
    for policy in ORDERS:
        trace = run(flow("t; t.a -> p; t.b -> p -> q", max_activations=1), {"t": ok("a", "b")}, policy)
        assert trace.ran == {"t": 1}
        assert trace.skipped == {"p": "cancelled", "q": "cancelled"}


def test_a_deadline_and_the_limit_of_activations_together_end_the_run() -> None:
    sim = begin(flow("t -> a -> f", {"f": "always"}, max_activations=2), {"a": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer"]:
        sim.take(fifo(sim.options()))
    sim.time_out()
    trace = sim.finish()
    assert trace.ran["f"] == 0
    assert trace.status == "failed"


# -- retries -----------------------------------------------------------------------------------------


def test_a_step_is_tried_again_until_it_succeeds() -> None:
    trace = run(flow("t -> a -> b", {"a": "tries=3"}), {"a": per_attempt(fail(), fail(), ok())})
    assert trace.ran == {"t": 1, "a": 1, "b": 1}
    assert trace.status == "succeeded"
    assert trace.failures == {}


def test_only_the_last_attempt_fires_the_error_port() -> None:
    trace = run(flow("t -> a; a.error -> h", {"a": "tries=3"}), {"a": fail()})
    assert trace.ran["h"] == 1
    assert list(trace.failures) == [("a", "/")]


def test_an_attempt_may_wait_and_fail_and_be_tried_again() -> None:
    trace = run(
        flow("t -> a -> b", {"a": "tries=2"}),
        {"a": lambda act: wait(fail() if act.attempt == 1 else ok())(act)},
    )
    assert trace.status == "succeeded"
