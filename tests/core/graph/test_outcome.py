"""How a run ends: which failures count as handled, and what the output is."""

import pytest

from .harness import Script, fail, in_turn, nothing, ok, run, wait
from .notation import flow


def handled(
    text: str, failing: str, options: dict[str, str] | None = None, script: Script | None = None
) -> dict[str, bool]:
    """By step, whether its failure was handled, when these steps fail; the status must follow from it."""
    trace = run(flow(text, options), {**(script or {}), **dict.fromkeys(failing.split(), fail())})
    assert trace.status == ("succeeded" if all(trace.handled.values()) else "failed")
    return trace.handled


# -- (a) its error port is wired and a step at the far end of it ran ---------------------------------


def test_a_failure_is_handled_when_its_handler_ran() -> None:
    assert handled("t -> a -> b; a.error -> h", "a") == {"a": True}


def test_a_handler_that_fails_itself_has_still_run() -> None:
    assert handled("t -> a; a.error -> h", "a h") == {"a": True, "h": False}


def test_a_chain_of_handlers_handles_all_but_the_last_failure() -> None:
    assert handled("t -> a; a.error -> h; h.error -> i", "a h i") == {"a": True, "h": True, "i": False}


def test_a_failure_whose_handler_is_a_join_that_did_not_run_is_unhandled() -> None:
    options = {"h": "ALL_SUCCESS"}
    text = "t -> a, b; a.error -> h; b -> h; b.error -> g"
    assert handled(text, "a b", options) == {"a": False, "b": True}


def test_a_failure_whose_handler_failed_for_another_branch_is_unhandled() -> None:
    assert handled("t -> a, b; a.error -> h; b -> h", "a b", {"h": "ALL_SUCCESS"}) == {
        "a": False,
        "b": False,
        "h": False,
    }


def test_one_of_several_handlers_is_enough() -> None:
    text = "t -> a, b; a.error -> h; a.error -> i; b -> h; b.error -> g"
    assert handled(text, "a b", {"h": "ALL_SUCCESS"}) == {"a": True, "b": True}


def test_a_race_that_the_error_port_lost_but_that_ran_handles_it() -> None:
    assert handled("t -> a, b; a.error, b -> j", "a", {"j": "FIRST_SUCCESS"}) == {"a": True}


def test_a_failure_whose_handler_was_cancelled_before_it_started_is_unhandled() -> None:
    trace = run(flow("t -> a; a.error -> h"), {"a": fail()}, cancel_at=5)
    assert trace.ran["h"] == 0
    assert trace.handled == {"a": False}


def test_a_handler_outside_the_loop_handles_the_failure_of_each_iteration() -> None:
    text = "t -> h -> a, c; c.again -> h; c.done -> z; a -> c; a.error -> x"
    trace = run(
        flow(text, {"c": "ALL_DONE"}), {"a": fail(), "c": in_turn(ok("again"), ok("again"), ok("done"))}
    )
    assert trace.ran["x"] == 3
    assert trace.failures == {("a", "/h:1"): True, ("a", "/h:2"): True, ("a", "/h:3"): True}
    assert trace.status == "succeeded"


# -- (b) it has allow_failure ------------------------------------------------------------------------


def test_a_failure_that_is_allowed_is_handled() -> None:
    assert handled("t -> a -> b", "a", {"a": "allow"}) == {"a": True}
    assert handled("t -> a", "a", {"a": "allow"}) == {"a": True}


def test_a_failure_that_is_allowed_is_handled_even_when_its_error_port_leads_nowhere() -> None:
    text = "t -> a, b; a.error -> h; b -> h; b.error -> g"
    assert handled(text, "a b", {"h": "ALL_SUCCESS", "a": "allow"}) == {"a": True, "b": True}


def test_a_failure_that_is_allowed_fires_its_error_port_where_it_is_wired() -> None:
    trace = run(flow("t -> a -> b; a.error -> h", {"a": "allow"}), {"a": fail()})
    assert trace.ran["h"] == 1
    assert trace.skipped == {"b": "caught"}


def test_what_follows_a_failure_that_is_allowed_is_not_forgiven_with_it() -> None:
    assert handled("t -> a -> b", "a b", {"a": "allow"}) == {"a": True, "b": False}


def test_the_cause_of_a_join_that_may_fail_is_handled() -> None:
    assert handled("t -> a, b -> j", "a", {"j": "ALL_SUCCESS allow"}) == {"a": True, "j": True}


# -- (c) every path of its failed edges ends at a race that ran, or at a handled failure -------------


def test_a_failure_without_edges_is_unhandled() -> None:
    assert handled("t -> a", "a") == {"a": False}


def test_a_failure_whose_path_ends_at_a_skipped_leaf_is_unhandled() -> None:
    assert handled("t -> a -> b -> c", "a") == {"a": False}


def test_a_race_that_was_won_handles_the_failure_of_a_loser_however_long_its_branch() -> None:
    for script in ({}, {"b": wait()}):
        assert handled("t -> a -> m -> n -> j; t -> b -> j", "a", {"j": "FIRST_SUCCESS"}, script) == {
            "a": True
        }


def test_a_race_nobody_won_does_not_handle_its_losers() -> None:
    assert handled("t -> a, b -> j", "a b", {"j": "FIRST_SUCCESS"}) == {"a": False, "b": False, "j": False}


def test_a_race_nobody_won_handles_its_losers_when_it_is_handled_itself() -> None:
    assert handled("t -> a, b -> j; j.error -> h", "a b", {"j": "FIRST_SUCCESS"}) == {
        "a": True,
        "b": True,
        "j": True,
    }


def test_one_path_that_ends_badly_is_enough() -> None:
    assert handled("t -> a, b -> j; a -> k", "a", {"j": "FIRST_SUCCESS"}) == {"a": False}


def test_a_race_that_ran_and_then_failed_has_still_handled_its_losers() -> None:
    assert handled("t -> a, b -> j", "a j", {"j": "FIRST_SUCCESS"}) == {"a": True, "j": False}


def test_a_step_made_fail_handles_its_causes_through_a_chain_of_joins() -> None:
    options = {"i": "ALL_SUCCESS", "j": "ALL_SUCCESS", "k": "FIRST_SUCCESS"}
    text = "t -> a, b, c, d; a, b -> i; i, c -> j; j, d -> k"
    assert handled(text, "a", options) == {"a": True, "i": True, "j": True}


def test_a_step_made_fail_whose_handler_does_not_run_handles_nothing() -> None:
    options = {"j": "ALL_SUCCESS", "h": "ALL_SUCCESS"}
    text = "t -> a, b -> j; j.error -> h; t -> x -> h; x.error -> y"
    assert handled(text, "a x", options) == {"a": False, "j": False, "x": True}


def test_a_join_that_runs_in_spite_of_a_failure_does_not_forgive_it() -> None:
    assert handled("t -> a, b -> j -> k", "a", {"j": "ALL_DONE"}) == {"a": False}


def test_a_finally_block_does_not_forgive_what_it_ran_in_spite_of() -> None:
    assert handled("t -> a -> f", "a", {"f": "always"}) == {"a": False}


def test_a_plain_step_that_ran_for_another_branch_does_not_forgive() -> None:
    assert handled("t -> a, b -> p", "a") == {"a": False}


def test_a_failure_in_a_loop_is_handled_by_a_race_outside_that_was_won() -> None:
    text = "t -> h, b; h -> a; a.again -> h; a.done -> j; b -> j"
    assert handled(text, "a", {"j": "FIRST_SUCCESS"}) == {"a": True}


def test_a_failed_back_edge_whose_region_has_fired_all_its_exits_is_unhandled() -> None:
    text = "t -> h -> a; a.again -> h; h.out -> j; t -> b -> j"
    script: Script = {"h": ok("default", "out"), "a": in_turn(ok("again"), fail())}
    trace = run(flow(text, {"j": "FIRST_SUCCESS"}), script)
    assert trace.handled == {"a": False}
    assert trace.status == "failed"


def test_all_failures_are_listed_whether_handled_or_not() -> None:
    trace = run(flow("t -> a, b, c; a.error -> h", {"b": "allow"}), dict.fromkeys("abc", fail()))
    assert trace.failures == {("a", "/"): True, ("b", "/"): True, ("c", "/"): False}
    assert trace.status == "failed"


# -- the output --------------------------------------------------------------------------------------


def test_the_output_is_that_of_the_only_activation_none_of_whose_edges_fired() -> None:
    assert run(flow("t -> a -> b"), {"b": ok(output={"n": 1})}).output == {"n": 1}


def test_several_ends_give_their_outputs_by_step_id() -> None:
    assert run(flow("t -> a, b; b -> c")).output == {"a": "a", "c": "c"}


def test_a_step_whose_edges_all_died_is_an_end_too() -> None:
    assert run(flow("t -> c; c.no -> b")).output == "c"


def test_the_last_reply_is_the_output() -> None:
    spec = flow("t -> a -> b -> c", {"a": "replies", "b": "replies"})
    assert run(spec, {"a": ok(output=1), "b": ok(output=2)}).output == 2


def test_a_failure_that_is_allowed_can_be_the_output() -> None:
    output = run(flow("t -> a", {"a": "allow"}), {"a": fail()}).output
    assert output == {"code": "BROKEN", "message": "broken: BROKEN"}


def test_a_run_in_which_nothing_completed_has_no_output() -> None:
    assert run(flow("t"), {"t": fail()}).output is None


@pytest.mark.parametrize("port", ["error", "nowhere", "success"])
def test_a_success_that_names_a_port_the_step_lacks_fails(port: str) -> None:
    trace = run(flow("t -> a.yes -> b"), {"a": ok(port)})
    expected = {"success": {}}.get(port, {"a": "INVALID_PORT"})
    assert trace.codes == expected


def test_success_means_default_on_a_step_that_declares_no_success() -> None:
    assert run(flow("t -> a -> b"), {"a": ok("success")}).ran["b"] == 1
    declared = run(flow("t -> a.success -> b; a -> c"), {"a": ok("success")})
    assert (declared.ran["b"], declared.ran["c"]) == (1, 0)


def test_a_success_may_fire_no_port() -> None:
    trace = run(flow("t -> a -> b"), {"a": nothing()})
    assert trace.skipped == {"b": "skipped"}
    assert trace.status == "succeeded"
