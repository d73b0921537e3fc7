"""The truth table on its smallest flow: two branches and a join, all modes, all ways for a branch to end."""

from dataclasses import dataclass

import pytest

from .harness import Script, Trace, at_random, fail, fifo, lifo, nothing, run
from .notation import flow

DIAMOND = "t -> a, b -> j"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """How the branches end; `more` are edges beside the diamond's, `options` those of steps but the join."""

    script: Script
    more: str = ""
    options: tuple[tuple[str, str], ...] = ()


SCENARIOS = {
    "both_succeed": Scenario(script={}),
    "not_taken": Scenario(script={"a": nothing()}),
    "both_not_taken": Scenario(script={"a": nothing(), "b": nothing()}),
    "failed": Scenario(script={"a": fail()}),
    "failed_and_not_taken": Scenario(script={"a": fail(), "b": nothing()}),
    "both_failed": Scenario(script={"a": fail(), "b": fail()}),
    "handler_rejoins": Scenario(script={"a": fail()}, more="a.error -> h -> j"),
    "handler_rejoins_and_other_not_taken": Scenario(
        script={"a": fail(), "b": nothing()}, more="a.error -> h -> j"
    ),
    "handler_elsewhere": Scenario(script={"a": fail()}, more="a.error -> h"),
    "both_handled_elsewhere": Scenario(script={"a": fail(), "b": fail()}, more="a.error -> h; b.error -> g"),
    "both_handled_one_rejoins": Scenario(
        script={"a": fail(), "b": fail()}, more="a.error -> h -> j; b.error -> g"
    ),
    "both_handled_both_rejoin": Scenario(
        script={"a": fail(), "b": fail()}, more="a.error -> h -> j; b.error -> g -> j"
    ),
    "one_handler_rejoins_for_both": Scenario(
        script={"a": fail(), "b": fail()}, more="a.error, b.error -> h -> j", options=(("h", "ALL_SUCCESS"),)
    ),
    "handler_that_rejoins_gives_up": Scenario(script={"a": fail(), "h": fail()}, more="a.error -> h -> j"),
    "handler_elsewhere_gives_up": Scenario(script={"a": fail(), "h": fail()}, more="a.error -> h"),
    "handler_does_not_take_the_way_back": Scenario(
        script={"a": fail(), "h": nothing()}, more="a.error -> h -> j"
    ),
    "one_handled_elsewhere_one_failed": Scenario(script={"a": fail(), "b": fail()}, more="a.error -> h"),
    "error_port_straight_into_the_join": Scenario(script={"a": fail()}, more="a.error -> j"),
    "allowed_to_fail": Scenario(script={"a": fail()}, options=(("a", "allow"),)),
    "both_allowed_to_fail": Scenario(
        script={"a": fail(), "b": fail()}, options=(("a", "allow"), ("b", "allow"))
    ),
}

# What the join comes to: how often it runs, or why not ("fails" is UPSTREAM_FAILED); then whose failures stay
# unhandled. Every other failure is handled. Columns: NO_WAIT, ALL_SUCCESS, ALL_DONE, FIRST_SUCCESS.
_ONCE = (1, "")
TABLE: dict[str, tuple[tuple[int | str, str], ...]] = {
    "both_succeed": ((2, ""), _ONCE, _ONCE, _ONCE),
    "not_taken": (_ONCE, _ONCE, _ONCE, _ONCE),
    "both_not_taken": (("skipped", ""), ("skipped", ""), ("skipped", ""), ("skipped", "")),
    "failed": ((1, "a"), ("fails", "aj"), (1, "a"), _ONCE),
    "failed_and_not_taken": (("failed", "a"), ("fails", "aj"), (1, "a"), ("fails", "aj")),
    "both_failed": (("failed", "ab"), ("fails", "abj"), (1, "ab"), ("fails", "abj")),
    "handler_rejoins": ((2, ""), _ONCE, _ONCE, _ONCE),
    "handler_rejoins_and_other_not_taken": (_ONCE, _ONCE, _ONCE, _ONCE),
    "handler_elsewhere": (_ONCE, ("caught", ""), _ONCE, _ONCE),
    "both_handled_elsewhere": (("caught", ""), ("caught", ""), _ONCE, ("caught", "")),
    "both_handled_one_rejoins": (_ONCE, ("caught", ""), _ONCE, _ONCE),
    "both_handled_both_rejoin": ((2, ""), _ONCE, _ONCE, _ONCE),
    "one_handler_rejoins_for_both": (_ONCE, _ONCE, _ONCE, _ONCE),
    "handler_that_rejoins_gives_up": ((1, "h"), ("fails", "hj"), (1, "h"), _ONCE),
    "handler_elsewhere_gives_up": ((1, "h"), ("caught", "h"), (1, "h"), (1, "h")),
    "handler_does_not_take_the_way_back": (_ONCE, ("caught", ""), _ONCE, _ONCE),
    "one_handled_elsewhere_one_failed": (("failed", "b"), ("fails", "bj"), (1, "b"), ("fails", "bj")),
    "error_port_straight_into_the_join": ((2, ""), _ONCE, _ONCE, _ONCE),
    "allowed_to_fail": ((2, ""), _ONCE, _ONCE, _ONCE),
    "both_allowed_to_fail": ((2, ""), _ONCE, _ONCE, _ONCE),
}
MODES = ("NO_WAIT", "ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS")
POLICIES = {"fifo": fifo, "lifo": lifo, **{f"seed{seed}": at_random(seed) for seed in range(3)}}


def check_diamond(mode: str, name: str, policy: str = "fifo") -> Trace:
    scenario = SCENARIOS[name]
    spec = flow(f"{DIAMOND}; {scenario.more}", {**dict(scenario.options), "j": mode})
    trace = run(spec, scenario.script, POLICIES[policy])
    verdict, unhandled = TABLE[name][MODES.index(mode)]
    runs = verdict if isinstance(verdict, int) else 0
    assert trace.ran["j"] == runs
    assert (trace.codes.get("j") == "UPSTREAM_FAILED") is (verdict == "fails")
    assert trace.skipped.get("j") == (verdict if isinstance(verdict, str) and verdict != "fails" else None)
    assert {step for step, is_handled in trace.handled.items() if not is_handled} == set(unhandled)
    failing = {step for step, end in scenario.script.items() if end == fail()}
    assert set(trace.handled) == failing | ({"j"} if verdict == "fails" else set())
    assert trace.status == ("failed" if unhandled else "succeeded")
    return trace


def check_all_diamonds() -> None:
    for name in SCENARIOS:
        for mode in MODES:
            check_diamond(mode, name)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_join_does_what_the_truth_table_says(mode: str, name: str, policy: str) -> None:
    check_diamond(mode, name, policy)


@pytest.mark.parametrize("mode", MODES)
def test_an_always_join_runs_once_for_anything_but_skips(mode: str) -> None:
    for name, scenario in SCENARIOS.items():
        spec = flow(f"{DIAMOND}; {scenario.more}", {**dict(scenario.options), "j": f"{mode} always"})
        trace = run(spec, scenario.script)
        assert trace.ran["j"] == (0 if name == "both_not_taken" else 1)


def test_a_join_that_fails_fires_its_own_error_port_and_its_cause_is_handled() -> None:
    trace = run(flow("t -> a, b -> j -> k; j.error -> h", {"j": "ALL_SUCCESS"}), {"a": fail()})
    assert trace.ran["h"] == 1
    assert trace.handled == {"a": True, "j": True}
    assert trace.skipped == {"k": "caught"}
    assert trace.status == "succeeded"


def test_a_lost_race_fires_its_own_error_port_and_names_all_causes() -> None:
    trace = run(flow("t -> a, b -> j -> k; j.error -> h", {"j": "FIRST_SUCCESS"}), {"a": fail(), "b": fail()})
    assert trace.errors["j"].details == {"failed": ["a", "b"]}
    assert trace.ran["h"] == 1
    assert trace.handled == {"a": True, "b": True, "j": True}


def test_a_join_that_fails_although_allowed_to_goes_on_through_its_default_port() -> None:
    trace = run(flow("t -> a, b -> j -> k", {"j": "ALL_SUCCESS allow"}), {"a": fail()})
    assert (trace.ran["j"], trace.ran["k"]) == (0, 1)
    assert trace.handled == {"a": True, "j": True}


def test_a_caught_edge_is_taken_care_of_only_where_the_handlers_path_comes_back() -> None:
    """j sees a caught edge and its handler; k sees the same edge without."""
    spec = flow(
        "t -> a, b; a, b -> j; a, b -> k; a.error -> h -> j", {"j": "ALL_SUCCESS", "k": "ALL_SUCCESS"}
    )
    trace = run(spec, {"a": fail()})
    assert trace.ran["j"] == 1
    assert trace.skipped["k"] == "caught"


def test_a_caught_edge_hands_on_who_caught_through_steps_that_do_not_run() -> None:
    spec = flow("t -> a, b; a -> m -> n -> j; b -> j; a.error -> h -> i -> j", {"j": "ALL_SUCCESS"})
    trace = run(spec, {"a": fail()})
    assert trace.skipped == {"m": "caught", "n": "caught"}
    assert trace.ran["j"] == 1


def test_a_handlers_descent_goes_through_joins_on_its_way() -> None:
    spec = flow(
        "t -> a, b; a, b -> j; a.error -> h; h, b -> i -> j", {"j": "ALL_SUCCESS", "i": "ALL_SUCCESS"}
    )
    assert run(spec, {"a": fail()}).ran["j"] == 1


def test_the_error_port_of_a_step_that_did_not_run_says_only_that_it_was_skipped() -> None:
    trace = run(flow("t -> a -> m -> n; m.error -> h -> j; t -> b -> j", {"j": "ALL_SUCCESS"}), {"a": fail()})
    assert trace.skipped == {"m": "failed", "n": "failed", "h": "skipped"}
    assert trace.ran["j"] == 1
