from typing import Any

import pytest

from openrun import Flow

from .given import START, branch, document, each, edge, transform, warned

Part = dict[str, Any]
MANUAL = {"id": "again", "type": "trigger_manual"}
REQUEST: Part = {"id": "r", "type": "request", "config": {"url": "https://example.com", "method": "POST"}}


def two_ways(one: list[Part], other: list[Part], *steps: Part, **merge: Any) -> Part:
    """Two steps, reached over these edges, that both lead to a third."""
    edges = [*one, *other, edge("a", "m"), edge("b", "m")]
    return document([*steps, transform("a"), transform("b"), transform("m", **merge)], edges)


def test_a_step_that_two_edges_may_start_runs_twice() -> None:
    given = two_ways([edge("start", "a")], [edge("start", "b")])
    assert warned(given) == {("RUNS_TWICE", "m")}
    (warning,) = Flow.from_dict(given).warnings()
    assert warning.severity == "warning"
    assert warning.pointer == "/steps/3"
    assert warning.hint == "set a join_mode"


@pytest.mark.parametrize("mode", ["ALL_SUCCESS", "ALL_DONE", "FIRST_SUCCESS"])
def test_a_join_does_not(mode: str) -> None:
    assert warned(two_ways([edge("start", "a")], [edge("start", "b")], join_mode=mode)) == set()


def test_a_step_marked_always_does_not() -> None:
    assert warned(two_ways([edge("start", "a")], [edge("start", "b")], always=True)) == set()


def test_two_branches_of_a_condition_do_not() -> None:
    given = two_ways([edge("start", "c"), edge("c", "a", "true")], [edge("c", "b", "false")], branch("c"))
    assert warned(given) == set()


def test_nor_do_two_ports_of_one_condition_into_one_step() -> None:
    given = document(
        [branch("c"), transform("m")], [edge("start", "c"), edge("c", "m", "true"), edge("c", "m", "false")]
    )
    assert warned(given) == set()


def test_branches_of_a_condition_far_away_do_not() -> None:
    given = two_ways(
        [edge("start", "c"), edge("c", "d", "true"), edge("d", "a", "true"), edge("d", "a", "false")],
        [edge("c", "e", "false"), edge("e", "b")],
        branch("c"),
        branch("d"),
        transform("e"),
    )
    assert warned(given) == set()


def test_branches_of_two_conditions_do() -> None:
    given = two_ways(
        [edge("start", "c"), edge("c", "a", "true")],
        [edge("start", "d"), edge("d", "b", "true")],
        branch("c"),
        branch("d"),
    )
    assert warned(given) == {("RUNS_TWICE", "m")}


def test_a_third_edge_that_nothing_excludes_does() -> None:
    given = two_ways([edge("start", "c"), edge("c", "a", "true")], [edge("c", "b", "false")], branch("c"))
    given["steps"].append(transform("x"))
    given["edges"] += [edge("start", "x"), edge("x", "m")]
    assert warned(given) == {("RUNS_TWICE", "m")}


def test_a_handler_that_comes_back_to_the_way_of_success_does_not() -> None:
    given = two_ways([edge("start", "c"), edge("c", "a")], [edge("c", "b", "error")], transform("c"))
    assert warned(given) == set()
    direct = document(
        [transform("a"), transform("b"), transform("m")],
        [edge("start", "a"), edge("a", "m"), edge("a", "b", "error"), edge("b", "m")],
    )
    assert warned(direct) == set()


def test_two_edges_of_one_port_do_not_exclude_each_other() -> None:
    given = two_ways([edge("start", "c"), edge("c", "a", "true")], [edge("c", "b", "true")], branch("c"))
    assert warned(given) == {("RUNS_TWICE", "m")}


def test_two_triggers_into_one_step_do_not() -> None:
    assert warned(document([MANUAL, transform("m")], [edge("start", "m"), edge("again", "m")])) == set()


def test_two_triggers_of_which_each_starts_both_ways_do() -> None:
    given = two_ways(
        [edge("start", "a"), edge("again", "a")], [edge("start", "b"), edge("again", "b")], MANUAL
    )
    assert ("RUNS_TWICE", "m") in warned(given)


def test_cases_of_a_switch_do_not() -> None:
    switch = {"id": "w", "type": "switch", "config": {"value": 1, "cases": ["x", "y"]}}
    given = two_ways([edge("start", "w"), edge("w", "a", "x")], [edge("w", "b", "default")], switch)
    assert warned(given) == set()


def test_the_way_back_of_a_loop_does_not() -> None:
    given = document(
        [transform("a"), branch("c"), transform("end")],
        [edge("start", "a"), edge("a", "c"), edge("c", "a", "true"), edge("c", "end", "false")],
    )
    assert warned(given) == set()


def test_a_loop_that_two_edges_enter_does() -> None:
    given = two_ways([edge("start", "a")], [edge("start", "b")], branch("c"), transform("end"))
    given["edges"] += [edge("m", "c"), edge("c", "m", "true"), edge("c", "end", "false")]
    assert warned(given) == {("RUNS_TWICE", "m")}


def test_a_join_of_a_repeated_step_and_another_mixes_them() -> None:
    given = two_ways([edge("start", "a")], [edge("start", "b")])
    given["steps"] += [
        transform("x"),
        transform("j", join_mode="ALL_SUCCESS"),
        transform("k", join_mode="ALL_DONE"),
    ]
    given["edges"] += [edge("start", "x"), edge("x", "j"), edge("m", "j"), edge("m", "k")]
    assert warned(given) == {("RUNS_TWICE", "m"), ("MIXED_TOKENS", "j")}


def test_a_step_no_trigger_leads_to_is_told_of() -> None:
    given = document(
        [transform("a"), transform("b"), transform("m")], [edge("start", "m"), edge("a", "m"), edge("a", "b")]
    )
    assert warned(given) == {("UNREACHABLE", "a"), ("UNREACHABLE", "b")}


def test_a_loop_without_a_way_out_is_told_of_unless_it_is_counted() -> None:
    edges = [edge("start", "a"), edge("a", "a")]
    assert warned(document([transform("a")], edges)) == {("UNGUARDED_LOOP", "a")}
    assert warned(document([transform("a", max_iterations=3)], edges)) == set()
    assert warned(document([transform("a"), transform("b")], [*edges, edge("a", "b")])) == set()


@pytest.mark.parametrize(("losers", "words"), [("cancel", "stopped midway"), ("detach", "completed in vain")])
def test_a_race_with_effects_is_told_of(losers: str, words: str) -> None:
    steps = [REQUEST, transform("a"), transform("m", join_mode="FIRST_SUCCESS", losers=losers)]
    flow = Flow.from_dict(
        document(steps, [edge("start", "r"), edge("start", "a"), edge("r", "m"), edge("a", "m")])
    )
    (warning,) = flow.warnings()
    assert warning.code == "RACE_SIDE_EFFECTS"
    assert warning.message == f"step 'm' is a race whose losers may be {words}: 'r'"


def test_a_race_of_many_names_the_first_of_them() -> None:
    racers = [{**REQUEST, "id": f"r{at}"} for at in range(14)]
    edges = [part for racer in racers for part in (edge("start", racer["id"]), edge(racer["id"], "m"))]
    (warning,) = Flow.from_dict(
        document([*racers, transform("m", join_mode="FIRST_SUCCESS")], edges)
    ).warnings()
    assert warning.message.endswith("'r9' and 4 more") or "and 4 more" in warning.message


def test_a_race_without_effects_is_not() -> None:
    quiet = {**REQUEST, "config": {"url": "https://example.com"}}
    steps = [quiet, transform("a"), transform("m", join_mode="FIRST_SUCCESS")]
    assert (
        warned(document(steps, [edge("start", "r"), edge("start", "a"), edge("r", "m"), edge("a", "m")]))
        == set()
    )


def test_warnings_stand_in_the_order_of_the_steps() -> None:
    steps = [transform(f"s{at}") for at in range(12)]
    flow = Flow.from_dict(document(steps, []))
    assert [warning.step_id for warning in flow.warnings()] == [f"s{at}" for at in range(12)]


def test_a_graph_with_too_many_branches_is_left_alone() -> None:
    steps: list[Part] = []
    edges: list[Part] = []
    last = "start"
    for at in range(400):
        steps += [branch(f"c{at}"), transform(f"m{at}")]
        edges += [edge(last, f"c{at}"), edge(f"c{at}", f"m{at}", "true"), edge(f"c{at}", f"m{at}", "false")]
        last = f"m{at}"
    edges += [edge("start", last), edge("start", last, "error")]
    assert warned(document(steps, edges)) == set()


def test_a_flow_with_a_body_is_advised_on_its_own_steps() -> None:
    assert warned(document([each("f", [transform("a"), transform("b")])])) == set()
    assert warned({"name": "n", "steps": [START]}) == set()


@pytest.mark.parametrize(
    ("mode", "last", "warnings"),
    [
        ("respond", transform("a"), {("NO_REPLY", "hook")}),
        ("last_step", transform("a"), set()),
        ("respond", {"id": "a", "type": "reply"}, set()),
        ("respond", {"id": "a", "type": "subflow", "config": {"flow": "other"}}, set()),
        ("respond", each("a", [transform("b")]), set()),
    ],
)
def test_a_webhook_whose_callers_wait_for_a_reply_that_no_step_gives_is_warned_of(
    mode: str, last: Part, warnings: set[tuple[str, str]]
) -> None:
    hook = {"id": "hook", "type": "trigger_webhook", "config": {"path": "/a", "mode": mode}}
    assert warned({"name": "n", "steps": [hook, last], "edges": [edge("hook", "a")]}) == warnings
