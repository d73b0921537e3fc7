"""A step's body run per item, in item frames of this run; children in runs of their own."""

from collections.abc import Callable

import pytest

from openrun.core.events import StepStarted
from openrun.core.frame import Activation
from openrun.core.results import Outcome, StepRunResult, WaitForItems, WaitUntil
from openrun.core.types import OnItemError

from .harness import (
    BEGIN,
    Script,
    Trace,
    at_random,
    begin,
    children,
    each,
    explicit,
    fail,
    fifo,
    lifo,
    nothing,
    ok,
    run,
    wait,
    woken,
)
from .notation import flow

ORDERS = [fifo, lifo, *(at_random(seed) for seed in range(5))]
COLLECT, TOLERATE, FAIL = OnItemError.COLLECT, OnItemError.TOLERATE, OnItemError.FAIL


def index(act: Activation) -> int:
    """The item an activation belongs to."""
    return int(act.scope.rpartition("[")[2].partition("]")[0])


def by_index(act: Activation) -> Outcome:
    return ok(output=index(act) * 10)


def failing(*items: int) -> Callable[[Activation], Outcome]:
    return lambda act: fail(f"ITEM_{index(act)}") if index(act) in items else by_index(act)


def items(trace: Trace) -> object:
    return trace.machine.state()["steps"]["e"]


def test_results_keep_the_items_order_whoever_ends_first() -> None:
    for policy in ORDERS:
        trace = run(flow("t -> e -> k", bodies={"e": flow("i")}), {"e": each("abcd"), "i": by_index}, policy)
        assert items(trace) == [0, 10, 20, 30]
        assert trace.ran["k"] == 1


@pytest.mark.parametrize("concurrency", [1, 2, 3, 10])
def test_no_more_items_run_at_once_than_allowed(concurrency: int) -> None:
    sim = begin(flow("t -> e", bodies={"e": flow("i -> k")}), {"e": each(range(5), concurrency=concurrency)})
    most = 0
    policy = at_random(3)
    while sim.machine.verdict is None:
        sim.take(policy(sim.options()))
        most = max(most, len({act.scope for act in sim.machine.unfinished if act.scope != "/"}))
    assert most == min(concurrency, 5)
    assert sim.finish().ran["k"] == 5


def test_items_start_in_order() -> None:
    trace = run(flow("t -> e", bodies={"e": flow("i")}), {"e": each(range(4), concurrency=1)})
    assert trace.scopes("i") == [f"/e[{at}]" for at in range(4)]


@pytest.mark.parametrize("policy", [FAIL, COLLECT, TOLERATE])
def test_an_empty_list_completes_with_no_results(policy: OnItemError) -> None:
    trace = run(flow("t -> e -> k", bodies={"e": flow("i")}), {"e": each([], on_item_error=policy)})
    assert items(trace) == []
    assert trace.ran["k"] == 1


def test_a_failed_item_cancels_the_rest_and_fails_the_step() -> None:
    spec = flow("t -> e -> k", bodies={"e": flow("i -> j")})
    trace = run(spec, {"e": each(range(4), concurrency=2), "i": failing(0)}, explicit("t", "e", "i"))
    assert trace.scopes("i") == ["/e[0]", "/e[1]"]
    assert trace.cancelled == ["i"]
    assert trace.ran["j"] == trace.ran["k"] == 0
    assert set(trace.failures) == {("e", "/")}
    assert trace.status == "failed"


def test_a_step_whose_item_failed_names_that_item_and_not_one_that_was_cancelled_for_it() -> None:
    spec = flow("t -> e", bodies={"e": flow("i")})
    script: Script = {"e": each(range(4)), "i": lambda act: fail("REAL") if index(act) == 3 else wait()(act)}
    trace = run(spec, script)
    assert trace.codes["e"].startswith("3:REAL")


def test_collect_runs_all_items_and_then_fails() -> None:
    for policy in ORDERS:
        script: Script = {"e": each(range(4), on_item_error=COLLECT), "i": failing(1, 3)}
        trace = run(flow("t -> e -> k", bodies={"e": flow("i")}), script, policy)
        assert trace.ran["i"] == 4
        assert trace.codes == {"e": "1:ITEM_1,3:ITEM_3"}
        assert trace.ran["k"] == 0


def test_tolerate_succeeds_with_null_in_place_of_failed_items() -> None:
    for policy in ORDERS:
        script: Script = {"e": each(range(3), on_item_error=TOLERATE), "i": failing(1)}
        trace = run(flow("t -> e -> k", bodies={"e": flow("i")}), script, policy)
        assert items(trace) == [0, None, 20]
        assert trace.status == "succeeded"


def test_failures_inside_belong_to_the_foreach_step() -> None:
    script: Script = {"e": each(range(3), on_item_error=TOLERATE), "i": fail()}
    assert run(flow("t -> e", bodies={"e": flow("i")}), script).failures == {}


def test_a_failure_handled_inside_does_not_fail_the_item() -> None:
    body = flow("i -> k; i.error -> h")
    trace = run(flow("t -> e", bodies={"e": body}), {"e": each(range(2)), "i": fail()})
    assert items(trace) == ["h", "h"]
    assert trace.status == "succeeded"


def test_a_branch_inside_the_body_joins_per_item() -> None:
    body = flow("i -> c; c.yes -> a; c.no -> b; a, b -> j", {"j": "ALL_SUCCESS"})
    script: Script = {"e": each(range(4)), "c": lambda act: ok("yes" if index(act) % 2 else "no")}
    for policy in ORDERS:
        trace = run(flow("t -> e", bodies={"e": body}), script, policy)
        assert sorted(trace.scopes("j")) == [f"/e[{at}]" for at in range(4)]
        assert sorted(trace.scopes("a")) == ["/e[1]", "/e[3]"]


def test_a_body_may_loop_and_repeat_steps() -> None:
    body = flow("i -> h; h.again -> h; h.done -> x, y -> p")
    script: Script = {
        "e": each(range(2)),
        "h": lambda act: ok("done" if act.scope.endswith(":3") else "again"),
    }
    trace = run(flow("t -> e", bodies={"e": body}), script)
    assert trace.ran["h"] == 6
    assert sorted(trace.scopes("p")) == ["/e[0]", "/e[0]/p+2", "/e[1]", "/e[1]/p+2"]


def test_a_foreach_inside_a_foreach_runs_for_each_item_of_each_item() -> None:
    inner = flow("f -> g", bodies={"f": flow("i")})
    script: Script = {"e": each("ab"), "f": each("xyz"), "i": by_index}
    for policy in ORDERS:
        trace = run(flow("t -> e", bodies={"e": inner}), script, policy)
        assert trace.ran["i"] == 6
        assert items(trace) == ["g", "g"]
        assert trace.scopes("i")[0].startswith("/e[")


def test_a_failure_deep_inside_fails_each_foreach_on_the_way_out() -> None:
    inner = flow("f -> g", bodies={"f": flow("i")})
    script: Script = {
        "e": each("ab", on_item_error=COLLECT),
        "f": each("xy", on_item_error=COLLECT),
        "i": failing(1),
    }
    trace = run(flow("t -> e", bodies={"e": inner}), script)
    assert trace.codes == {"e": "0:1:ITEM_1,1:1:ITEM_1"}


def test_the_output_of_an_item_is_the_last_reply_of_its_body() -> None:
    body = flow("i -> k", {"i": "replies"})
    trace = run(flow("t -> e", bodies={"e": body}), {"e": each("ab"), "i": by_index})
    assert items(trace) == [0, 10]
    assert trace.output == [0, 10]


def test_a_body_begins_at_each_step_that_no_edge_leads_to() -> None:
    trace = run(flow("t -> e", bodies={"e": flow("a -> j; b -> j", {"j": "ALL_SUCCESS"})}), {"e": each("x")})
    assert trace.ran["j"] == 1


def test_a_loop_of_a_body_that_nothing_leads_to_does_not_starve_the_join_behind_it() -> None:
    body = flow("a -> j; x -> y -> x; y -> j", {"j": "ALL_SUCCESS"})
    trace = run(flow("t -> e", bodies={"e": body}), {"e": each("x")})
    assert trace.scopes("j") == ["/e[0]"]


def test_a_loop_of_a_body_that_a_lost_loop_leads_to_ends() -> None:
    body = flow("a -> h; h.again -> h; h.done -> z; x -> y -> x; y -> h")
    trace = run(flow("t -> e", bodies={"e": body}), {"e": each("x"), "h": ok("done")})
    assert trace.ran["z"] == 1


def test_a_cancel_reaches_the_items_and_then_the_step() -> None:
    sim = begin(
        flow("t -> e -> k", bodies={"e": flow("i -> j")}), {"e": each(range(3), concurrency=2), "i": wait()}
    )
    while [ticket.kind for ticket in sim.options()] != ["timer", "timer"]:
        sim.take(fifo(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.cancelled == ["i", "i", "e"]
    assert trace.ran["i"] == 2
    assert trace.status == "cancelled"


def test_a_cancel_lets_the_finally_block_of_each_item_run() -> None:
    body = flow("i -> f", {"f": "always"})
    sim = begin(flow("t -> e", bodies={"e": body}), {"e": each(range(2)), "i": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer", "timer"]:
        sim.take(fifo(sim.options()))
    sim.cancel()
    assert sim.finish().scopes("f") == ["/e[0]", "/e[1]"]


def test_a_hard_cancel_lets_no_finally_block_run() -> None:
    body = flow("i -> f", {"f": "always"})
    sim = begin(flow("t -> e", bodies={"e": body}), {"e": each(range(2)), "i": wait()})
    while [ticket.kind for ticket in sim.options()] != ["timer", "timer"]:
        sim.take(fifo(sim.options()))
    sim.cancel(hard=True)
    assert sim.finish().ran["f"] == 0


def test_a_cancel_after_the_last_item_stops_the_step_before_it_wakes() -> None:
    sim = begin(flow("t -> e -> k", bodies={"e": flow("i")}), {"e": each("a")})
    policy = explicit("t", "e", "i")
    while sim.machine.seq < 7:
        sim.take(policy(sim.options()))
    sim.cancel()
    trace = sim.finish()
    assert trace.cancelled == ["e"]
    assert trace.ran["k"] == 0


def test_fail_fast_inside_a_body_stops_that_item_alone() -> None:
    body = flow("i -> a, b", fail_fast=True)
    script: Script = {
        "e": each(range(2), on_item_error=TOLERATE),
        "a": lambda act: fail() if index(act) == 0 else ok(output="a"),
        "b": wait(ok(output="b")),
    }
    trace = run(flow("t -> e", bodies={"e": body}), script)
    assert items(trace) == [None, {"a": "a", "b": "b"}]
    assert trace.cancelled == ["b"]


def test_an_item_that_only_waits_and_is_cancelled_counts_as_failed() -> None:
    body = flow("i")
    script: Script = {"e": each(range(2)), "i": lambda act: fail() if index(act) == 0 else wait()(act)}
    trace = run(flow("t -> e; e.error -> h", bodies={"e": body}), script)
    assert trace.ran["h"] == 1
    assert trace.status == "succeeded"


def test_a_second_attempt_of_a_foreach_has_scopes_of_its_own() -> None:
    spec = flow("t -> e", {"e": "tries=2"}, bodies={"e": flow("i")})
    script: Script = {"e": each(range(2)), "i": lambda act: fail() if "@" not in act.scope else ok()}
    trace = run(spec, script)
    assert trace.scopes("i") == ["/e[0]", "/e[1]", "/e@2[0]", "/e@2[1]"]
    assert trace.status == "succeeded"


def test_items_read_their_own_item_and_write_where_only_they_read() -> None:
    seen: list[object] = []
    sim = begin(flow("t -> e", bodies={"e": flow("i -> k")}), {"e": each("ab")})

    def look(act: Activation) -> StepRunResult:
        view = sim.machine.view(act)
        seen.append((view.read("item"), view.read("index"), view.read("by_i")))
        return ok()

    sim.script = {**sim.script, "k": look}
    trace = sim.finish()
    assert seen == [("a", 0, "/e[0]"), ("b", 1, "/e[1]")]
    assert "by_i" not in trace.machine.state()


def test_a_step_may_wait_for_items_and_then_for_a_time() -> None:
    def behave(act: Activation) -> Outcome:
        if woken(act) is None:
            return WaitForItems(items=["a"])
        return WaitUntil(until=BEGIN) if isinstance(act.wait, WaitForItems) else ok()

    trace = run(flow("t -> e -> k", bodies={"e": flow("i")}), {"e": behave})
    assert trace.ran["k"] == 1


# -- children ----------------------------------------------------------------------------------------


def test_children_start_as_places_fall_free_and_keep_their_order() -> None:
    for policy in ORDERS:
        trace = run(flow("t -> c -> k"), {"c": children(range(5), concurrency=2)}, policy)
        assert trace.machine.state()["steps"]["c"] == [0, 1, 2, 3, 4]


def test_a_failed_child_cancels_the_others_and_fails_the_step() -> None:
    spec = flow("t -> c -> k")
    trace = run(
        spec,
        {"c": children(range(4), concurrency=3)},
        child=lambda _act, index: fail("CHILD") if index == 1 else ok(output=index),
        policy=explicit("t", "c", "c[1]"),
    )
    assert "1:CHILD" in trace.codes["c"]
    assert trace.ran["k"] == 0


def test_children_may_fail_and_be_tolerated() -> None:
    trace = run(
        flow("t -> c"),
        {"c": children(range(3), on_item_error=TOLERATE)},
        child=lambda _act, index: fail("CHILD") if index == 1 else ok(output=index),
    )
    assert trace.output == [0, None, 2]


def test_a_cancel_reaches_the_children_and_then_the_step() -> None:
    sim = begin(flow("t -> c -> k"), {"c": children(range(3), concurrency=2)})
    while [ticket.kind for ticket in sim.options()] != ["child", "child"]:
        sim.take(fifo(sim.options()))
    sim.cancel()
    sim.cancel()
    sim.cancel(hard=True)
    trace = sim.finish()
    assert trace.cancelled == ["c"]
    assert [fact for fact in trace.facts if isinstance(fact, StepStarted) and fact.step_id == "k"] == []


def test_a_body_whose_first_step_fires_nothing_gives_that_steps_output() -> None:
    trace = run(flow("t -> e", bodies={"e": flow("i -> k")}), {"e": each("ab"), "i": nothing()})
    assert items(trace) == ["i", "i"]
