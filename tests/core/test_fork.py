"""Forks of runs: what holds in the new one and why, and that it comes to the same end."""

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed_fact

from openrun.core.effects import EffectStatus, effect_key
from openrun.core.errors import PermanentError
from openrun.core.events import (
    EffectRecorded,
    Fact,
    FlowForked,
    FlowStarted,
    StepCompleted,
    StepStarted,
    StepWaiting,
    activation_id,
)
from openrun.core.fork import NoSuchActivation, Origin, done_outside
from openrun.core.former import Path
from openrun.core.frame import Activation
from openrun.core.graph import EdgeSpec, Graph, GraphSpec, StepSpec
from openrun.core.patch import PatchError
from openrun.core.results import Outcome, WaitForItems
from openrun.core.types import EffectClass, JoinMode, OnItemError, RunStatus, StepRunStatus

from .forking import again, check_plan, go_on, kept, plan_of, some_start
from .graph.generators import random_dag, random_flow, random_loop
from .graph.harness import Sim, at_random, begin, children, each, explicit, fail, lifo, ok, run
from .graph.notation import flow

SEEDS = st.integers(0, 2**32)
LAWS = settings(
    derandomize=True,
    print_blob=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=list(HealthCheck),
)
ALL = (JoinMode.ALL_SUCCESS, JoinMode.ALL_DONE)
LINE = "t -> a -> b -> c"


# -- laws -------------------------------------------------------------------------------------------


@LAWS
@given(SEEDS)
def test_a_fork_that_goes_the_same_way_comes_to_the_same_end(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    drawn = random_dag(rng, many=ALL, depth=1)
    old = run(drawn.spec, drawn.script, at_random(seed))
    point = some_start(rng, old.machine.graph, old.facts)
    plan = plan_of(drawn.spec, old.facts, step=point.step_id, scope=point.scope)
    check_plan(plan, drawn.spec)
    new = go_on(plan, drawn.spec, drawn.script)
    before, after = old.machine.state(), new.machine.state()
    for state in (before, after):
        # Who was last may be another one among steps that run side by side.
        state.pop("last", None)
    assert (new.status, new.output, after) == (old.status, old.output, before)
    assert new.skips == old.skips


@LAWS
@given(SEEDS, st.booleans(), st.booleans())
def test_the_facts_of_a_fork_fold_and_lead_to_an_end(seed: int, loops: bool, retries: bool) -> None:
    rng = random.Random(seed)  # noqa: S311
    drawn = random_loop(rng) if loops else random_flow(rng)
    old = run(drawn.spec, drawn.script, at_random(seed), cancel_at=rng.choice((None, 5, 12)))
    facts = old.facts[: rng.randint(2, len(old.facts))]
    wish: dict[str, Any] = {}
    if not retries and any(isinstance(fact, StepStarted) for fact in facts):
        point = some_start(rng, old.machine.graph, facts)
        wish = {"step": point.step_id, "scope": point.scope}
    plan = plan_of(drawn.spec, facts, **wish)
    check_plan(plan, drawn.spec)
    new = go_on(plan, drawn.spec, drawn.script, at_random(seed))
    second = plan_of(drawn.spec, [changed_fact(fact, run_id="fork") for fact in new.facts])
    check_plan(second, drawn.spec)


@LAWS
@given(SEEDS)
def test_a_version_that_only_adds_a_step_at_an_end_keeps_what_a_retry_keeps(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311
    drawn = random_dag(rng, many=ALL, depth=1)
    old = run(drawn.spec, drawn.script, at_random(seed))
    newer = added(drawn.spec, rng.choice(drawn.spec.steps).id)
    assert plan_of(drawn.spec, old.facts, to=newer).steps == plan_of(drawn.spec, old.facts).steps


def added(spec: GraphSpec, after: str) -> GraphSpec:
    """The flow with a step more, behind this one."""
    return replace(
        spec,
        steps=(*spec.steps, StepSpec(id="added")),
        edges=(*spec.edges, EdgeSpec(source=after, target="added")),
    )


# -- retrying ---------------------------------------------------------------------------------------


def test_a_retry_runs_only_what_failed_and_what_comes_after_it() -> None:
    old = run(flow(LINE), {"b": fail()})
    plan = plan_of(flow(LINE), old.facts)
    assert kept(plan) == ["t", "a"]
    assert again(plan) == {"b": "it failed"}
    new = go_on(plan, flow(LINE), {})
    assert new.status is RunStatus.SUCCEEDED
    assert [fact.timestamp for fact in plan.facts[1:-1]] == [fact.timestamp for fact in old.facts[1:5]]


def test_a_failure_that_was_handled_runs_again_too() -> None:
    spec = flow("t -> a -> b; a.error -> h -> c")
    plan = plan_of(spec, run(spec, {"a": fail(), "c": fail()}).facts)
    assert again(plan) == {
        "a": "it failed",
        "h": "it comes after 'a', which runs again",
        "c": "it comes after 'a', which runs again",
    }


def test_what_was_cancelled_or_never_finished_runs_again() -> None:
    sim = begin(flow("t -> a"))
    for _ in range(3):
        sim.take(sim.options()[0])
    assert again(plan_of(flow("t -> a"), sim.facts)) == {"a": "it had not finished"}
    sim.cancel(hard=True)
    assert again(plan_of(flow("t -> a"), sim.finish().facts)) == {"a": "it was cancelled"}


def test_what_fails_only_because_of_another_comes_after_it() -> None:
    spec = flow("t -> a, b -> j", {"j": "ALL_SUCCESS"})
    plan = plan_of(spec, run(spec, {"a": fail()}).facts)
    assert again(plan) == {"a": "it failed", "j": "it comes after 'a', which runs again"}
    assert "b" in kept(plan)


def test_what_was_undone_is_done_anew() -> None:
    spec = flow("t -> a -> b")
    undoing = GraphSpec(steps=(StepSpec(id="a"),), edges=())
    spec = replace(
        spec, steps=tuple(replace(s, compensation=undoing if s.id == "a" else None) for s in spec.steps)
    )
    plan = plan_of(spec, run(spec, {"b": fail()}).facts)
    assert again(plan) == {"a": "it was undone", "b": "it comes after 'a', which runs again"}
    assert not plan.repeats


# -- at a point -------------------------------------------------------------------------------------


def test_a_fork_begins_at_its_point_and_keeps_what_came_before() -> None:
    old = run(flow(LINE), {})
    plan = plan_of(flow(LINE), old.facts, step="b", by="ada", comment="again")
    assert again(plan) == {"b": "the fork begins here", "c": "it comes after 'b', which runs again"}
    end = plan.facts[-1]
    assert isinstance(end, FlowForked)
    assert (end.origin, end.at, end.by, end.comment) == ("run", 5, "ada", "again")


def test_a_point_that_is_not_reached_yet_still_runs_again() -> None:
    spec = flow(LINE)
    plan = plan_of(spec, run(spec, {}).facts, step="b", changed={("a",)}, to=spec)
    assert again(plan) == {
        "a": "its definition has changed in the new version",
        "b": "the fork begins here",
        "c": "it comes after 'a', which runs again",
    }


def test_what_an_older_branch_read_of_a_step_that_runs_again_does_not_hold() -> None:
    spec = flow("t -> a; t -> b -> c")
    old = run(spec, {}, explicit("t", "a", "b", "c"))
    reads: dict[Path, frozenset[str]] = {("c",): frozenset({"a"})}
    plan = plan_of(spec, old.facts, step="a", reads=reads)
    assert again(plan) == {
        "a": "the fork begins here",
        "c": "it reads the output of 'a', which runs again",
    }
    early = run(spec, {}, explicit("t", "b", "c", "a"))
    assert again(plan_of(spec, early.facts, step="a", reads=reads)) == {"a": "the fork begins here"}
    everything = plan_of(spec, old.facts, step="a", reads={("c",): frozenset({"*"})})
    assert "c" in again(everything)


def test_what_started_after_the_point_may_have_read_what_a_patch_changes() -> None:
    spec = flow("t -> a; t -> b -> c")
    old = run(spec, {}, explicit("t", "a", "b", "c"))
    patch = [{"op": "add", "path": "/x", "value": 1}]
    plan = plan_of(spec, old.facts, step="a", patch=patch)
    later = "it started after the fork point, and the state was changed there"
    assert again(plan) == {
        "a": "the fork begins here",
        "b": later,
        "c": "it comes after 'b', which runs again",
    }


def test_a_step_that_any_of_several_edges_starts_is_known_by_the_edge() -> None:
    spec = flow("t -> a, b -> j", {"j": "FIRST_SUCCESS"})
    old = run(spec, {}, explicit("t", "a", "j", "b"))
    plan = plan_of(spec, old.facts, step="a")
    assert again(plan) == {"a": "the fork begins here", "j": "it comes after 'a', which runs again"}
    assert "j" in kept(plan_of(spec, old.facts, step="b"))


def test_a_branch_that_lost_its_race_does_not_start_again() -> None:
    spec = flow("t -> a, b -> j -> z", {"j": "FIRST_SUCCESS cancel"})
    old = run(spec, {"z": fail()}, explicit("t", "a"))
    plan = plan_of(spec, old.facts)
    new = go_on(plan, spec, {})
    assert new.ran["b"] == 0
    assert new.status is RunStatus.SUCCEEDED


# -- other versions ---------------------------------------------------------------------------------


def test_steps_that_are_gone_and_steps_behind_new_ones_are_told_of() -> None:
    old = run(flow(LINE), {})
    plan = plan_of(flow(LINE), old.facts, to=flow("t -> a -> new -> c"))
    assert again(plan) == {
        "b": "it is not in the new version",
        "c": "it comes after 'new', which runs again",
    }


def test_what_nothing_leads_to_any_more_is_told_of() -> None:
    old = run(flow(LINE), {})
    plan = plan_of(flow(LINE), old.facts, to=flow("t -> a; t.other -> b -> c"))
    assert again(plan)["b"] == "nothing in the new run has led to it"


@pytest.mark.parametrize("order", [("t", "a", "b"), ("t", "b", "a")])
def test_a_version_that_comes_to_its_steps_in_another_order_keeps_them(order: tuple[str, ...]) -> None:
    old = run(flow("t -> a, b"), {}, explicit(*order))
    plan = plan_of(flow("t -> a, b"), old.facts, to=flow("t -> b -> a"))
    assert sorted(kept(plan)) == ["a", "b", "t"]


def test_a_trigger_or_a_point_that_is_gone_is_refused() -> None:
    old = run(flow(LINE), {})
    with pytest.raises(NoSuchActivation, match="'t'"):
        plan_of(flow(LINE), old.facts, to=flow("u -> a"))
    with pytest.raises(NoSuchActivation, match="fork at a step that is"):
        plan_of(flow(LINE), old.facts, to=flow("t -> a"), step="b")


# -- items ------------------------------------------------------------------------------------------

BODY = flow("x -> y")
EACH = flow("t -> each -> z", bodies={"each": BODY})


def by_item(*failing: int) -> Any:
    def behave(act: Activation) -> Outcome:
        return fail() if any(f"[{at}]" in act.scope for at in failing) else ok(output=act.scope)

    return behave


@pytest.mark.parametrize("concurrency", [1, 2, 50])
def test_of_the_items_only_those_that_failed_run_again(concurrency: int) -> None:
    fan = each(range(5), concurrency=concurrency, on_item_error=OnItemError.COLLECT)
    old = run(EACH, {"each": fan, "y": by_item(1, 3)})
    plan = plan_of(EACH, old.facts)
    redone = [(one.step_id, one.scope) for one in plan.steps if not one.kept]
    assert redone == [("each", "/"), ("y", "/each[1]"), ("y", "/each[3]")] or set(redone) == {
        ("each", "/"), ("y", "/each[1]"), ("y", "/each[3]"),
    }  # fmt: skip
    new = go_on(plan, EACH, {"each": fan})
    assert new.status is RunStatus.SUCCEEDED
    assert new.ran["x"] == 5
    completed = [fact for fact in new.facts if isinstance(fact, StepCompleted) and fact.step_id == "y"]
    assert len(completed) == 5


def test_items_wait_as_they_did_where_that_is_enough() -> None:
    fan = each(range(4), concurrency=2)
    old = run(EACH, {"each": fan, "y": by_item(3)})
    assert concurrency_of(plan_of(EACH, old.facts).facts) == 2
    first = run(EACH, {"each": fan, "x": by_item(0, 1)})
    assert concurrency_of(plan_of(EACH, first.facts).facts) == 2


def concurrency_of(facts: tuple[Fact, ...]) -> int:
    (wait,) = (fact.wait for fact in facts if isinstance(fact, StepWaiting))
    assert isinstance(wait, WaitForItems)
    return wait.concurrency


def test_a_fork_in_an_item_leaves_the_other_items_alone() -> None:
    old = run(EACH, {"each": each(range(3))})
    plan = plan_of(EACH, old.facts, step="x", scope="/each[1]")
    assert [(one.step_id, one.scope, one.reason) for one in plan.steps if not one.kept] == [
        ("each", "/", "something in it runs again"),
        ("x", "/each[1]", "the fork begins here"),
        ("y", "/each[1]", "it comes after 'x', which runs again"),
        ("z", "/", "it comes after 'each', which runs again"),
    ]
    new = go_on(plan, EACH, {"each": each(range(3))})
    assert new.status is RunStatus.SUCCEEDED


def test_items_that_were_tolerated_hold_with_their_failures() -> None:
    spec = flow("t -> each -> z", bodies={"each": flow("x -> y -> j; x -> j", {"j": "ALL_SUCCESS"})})
    fan = each(range(2), on_item_error=OnItemError.TOLERATE)
    old = run(spec, {"each": fan, "y": by_item(1), "z": fail()})
    plan = plan_of(spec, old.facts)
    assert again(plan) == {"z": "it failed"}
    assert (
        sum(
            isinstance(fact, StepCompleted) and fact.result.status is StepRunStatus.ERROR
            for fact in plan.facts
        )
        == 2
    )


def test_a_body_that_changed_runs_what_changed_for_every_item() -> None:
    old = run(EACH, {"each": each(range(2))})
    plan = plan_of(EACH, old.facts, to=EACH, changed={("each", "y")}, within={("each",)})
    assert [one.step_id for one in plan.steps if one.kept] == ["t", "x", "x"]


def test_items_of_a_step_that_runs_again_as_a_whole_run_again() -> None:
    old = run(EACH, {"each": each(range(2))})
    plan = plan_of(EACH, old.facts, step="each")
    assert {one.reason for one in plan.steps if one.scope == "/each[0]"} == {
        "it comes after 'each', which runs again"
    }


def test_a_loser_that_waits_for_items_stays_cancelled() -> None:
    spec = flow("t -> a, each -> j -> z", {"j": "FIRST_SUCCESS cancel"}, bodies={"each": BODY})
    old = run(spec, {"each": each(range(2)), "z": fail()}, explicit("t", "each", "a"))
    new = go_on(plan_of(spec, old.facts), spec, {"each": each(range(2))}, lifo)
    assert new.status is RunStatus.SUCCEEDED
    assert "each" in new.cancelled


def test_of_a_step_that_was_tried_again_the_last_items_count() -> None:
    spec = flow("t -> each -> z", {"each": "tries=2"}, bodies={"each": BODY})
    old = run(spec, {"each": each(range(2)), "y": by_attempt, "z": fail()})
    plan = plan_of(spec, old.facts)
    assert kept(plan)[2:] == [f"{step}/each@2[{at}]" for step in "xy" for at in (0, 1)]
    assert again(plan) == {"z": "it failed"}
    with pytest.raises(NoSuchActivation, match="each@2"):
        plan_of(spec, old.facts, step="y", scope="/each[1]")
    assert "each" in again(plan_of(spec, old.facts, step="y", scope="/each@2[1]"))


def by_attempt(act: Activation) -> Outcome:
    return ok() if "@2" in act.scope else fail()


def test_a_step_whose_items_go_on_in_the_new_version_waits_for_them() -> None:
    old = run(EACH, {"each": each(range(2))})
    newer = flow("t -> each -> z", bodies={"each": flow("x -> y -> more")})
    plan = plan_of(EACH, old.facts, to=newer)
    assert set(again(plan)) == {"each", "z"}
    assert go_on(plan, newer, {"each": each(range(2))}).ran["more"] == 2


# -- effects ----------------------------------------------------------------------------------------


def acting(spec: GraphSpec, step: str, *known: dict[str, Any], then: Outcome | None = None) -> Sim:
    """A run in which a step has these effects before it comes to `then`; None leaves it under way."""
    sim = begin(spec, {} if then is None else {step: then})
    while not any(ticket.kind == "ends" and ticket.act.step_id == step for ticket in sim.tickets):
        sim.take(sim.options()[0])
    act = next(ticket.act for ticket in sim.tickets if ticket.act.step_id == step)
    for words in known:
        name = words.get("name", "charge")
        sim.record(
            EffectRecorded(
                **{
                    "run_id": "run", "flow_id": "flow", "seq": sim.machine.seq + 1, "timestamp": sim.now,
                    "step_id": act.step_id, "scope": act.scope, "name": name, "key": f"key-{name}",
                    "status": EffectStatus.COMMITTED, "effect": EffectClass.EXTERNAL, "value": 7, **words,
                }
            )
        )  # fmt: skip
    if then is not None:
        sim.finish()
    return sim


PURE_LINE = GraphSpec(
    steps=tuple(replace(each, effect=EffectClass.PURE) for each in flow(LINE).steps), edges=flow(LINE).edges
)


def test_what_took_place_in_a_step_that_failed_is_taken_over() -> None:
    drawn = {"name": "now", "effect": EffectClass.PURE, "value": "then"}
    failed = {"name": "mail", "status": EffectStatus.FAILED}
    sim = acting(PURE_LINE, "b", drawn, {}, failed, then=fail())
    plan = plan_of(PURE_LINE, sim.facts)
    carried = [fact for fact in plan.facts if isinstance(fact, EffectRecorded)]
    identity = activation_id("fork", "b", "/")
    assert [(fact.name, fact.key) for fact in carried] == [
        (name, effect_key(identity, name, 0)) for name in ("now", "charge")
    ]
    assert not plan.repeats
    act = plan.machine.activation("b", "/")
    assert act.effects["charge", 0].value == 7


def test_what_was_only_drawn_is_drawn_again() -> None:
    sim = acting(PURE_LINE, "b", {"name": "now", "effect": EffectClass.PURE}, then=fail())
    assert not [fact for fact in plan_of(PURE_LINE, sim.facts).facts if isinstance(fact, EffectRecorded)]


def test_what_a_kept_step_did_outside_is_known_to_forks_of_the_fork() -> None:
    sim = acting(PURE_LINE, "a", {}, {"name": "now", "effect": EffectClass.PURE}, then=ok())
    second = go_on(plan_of(PURE_LINE, sim.facts, step="b"), PURE_LINE, {})
    (repeat,) = plan_of(PURE_LINE, second.facts, step="a").repeats
    assert (repeat.step_id, repeat.effect) == ("a", "charge")
    assert repeat.key == effect_key(activation_id("fork", "a", "/"), "charge", 0)


def test_effects_behind_the_point_are_told_of() -> None:
    sim = acting(PURE_LINE, "c", {}, {"name": "put", "effect": EffectClass.IDEMPOTENT}, then=ok())
    (repeat,) = plan_of(PURE_LINE, sim.facts, step="b").repeats
    assert (repeat.step_id, repeat.effect, repeat.key, repeat.status) == (
        "c",
        "charge",
        "key-charge",
        "committed",
    )
    assert not plan_of(PURE_LINE, run(PURE_LINE, {}).facts, step="b").repeats


def test_steps_that_act_by_themselves_are_told_of() -> None:
    spec = flow(LINE)
    repeats = plan_of(spec, run(spec, {}).facts, step="b").repeats
    assert [(each.step_id, each.effect, each.status) for each in repeats] == [
        ("b", None, "committed"),
        ("c", None, "committed"),
    ]


def test_an_effect_that_nobody_knows_of_is_told_of() -> None:
    sim = acting(PURE_LINE, "b", {"status": EffectStatus.UNKNOWN}, then=fail())
    assert [each.status for each in plan_of(PURE_LINE, sim.facts).repeats] == ["unknown"]
    once = replace(
        PURE_LINE, steps=tuple(replace(s, effect=EffectClass.AT_MOST_ONCE) for s in PURE_LINE.steps)
    )
    live = acting(once, "b")
    assert [(each.step_id, each.status) for each in plan_of(once, live.facts).repeats] == [("b", "unknown")]


def test_what_only_a_new_failure_would_lead_to_is_no_repetition() -> None:
    spec = flow("t -> a -> b; a.error -> alert")
    assert not plan_of(spec, run(spec, {"a": fail()}).facts).repeats


def test_children_of_steps_that_run_again_are_named() -> None:
    spec = flow("t -> sub -> z")
    old = run(spec, {"sub": children([1, 2]), "z": fail()})
    assert not plan_of(spec, old.facts).children
    plan = plan_of(spec, old.facts, step="sub")
    assert [each.run_id for each in plan.children] == ["child-0", "child-1"]
    done, below = done_outside(Origin(graph=Graph.compile(spec), facts=old.facts))
    assert [each.step_id for each in done] == ["t", "sub"]
    assert [each.run_id for each in below] == ["child-0", "child-1"]


def test_what_items_did_is_told_of_when_their_step_runs_again() -> None:
    old = run(EACH, {"each": each(range(1))})
    assert [one.step_id for one in plan_of(EACH, old.facts, step="each").repeats] == ["each", "x", "y", "z"]


# -- changing the state -----------------------------------------------------------------------------


def patched_plan(*operations: dict[str, Any], **wish: Any) -> FlowForked:
    plan = plan_of(flow(LINE), run(flow(LINE), {}).facts, **{"step": "c", "patch": operations, **wish})
    end = plan.facts[-1]
    assert isinstance(end, FlowForked)
    return end


def test_a_patch_changes_the_state_as_it_was_right_before_the_point() -> None:
    end = patched_plan(
        {"op": "test", "path": "/last", "value": "b"},
        {"op": "replace", "path": "/last", "value": "me"},
        {"op": "remove", "path": "/by_a"},
        {"op": "replace", "path": "/steps/b", "value": {"total": 3}},
    )
    assert (end.values, end.removed, end.outputs) == ({"last": "me"}, ("by_a",), {"b": {"total": 3}})


def test_the_steps_that_run_again_read_what_was_patched() -> None:
    old = run(flow(LINE), {"c": fail()})
    plan = plan_of(flow(LINE), old.facts, patch=[{"op": "add", "path": "/x", "value": 1}])
    assert plan.machine.state()["x"] == 1
    second = go_on(plan, flow(LINE), {"c": fail()})
    retried = plan_of(flow(LINE), [changed_fact(fact, run_id="run") for fact in second.facts])
    assert retried.machine.state()["x"] == 1
    before = plan_of(flow(LINE), [changed_fact(fact, run_id="run") for fact in second.facts], step="b")
    assert "x" not in before.machine.state()


@pytest.mark.parametrize(
    ("operation", "error", "words"),
    [
        ({"op": "add", "path": "/trigger", "value": 1}, PermanentError, "reserved"),
        ({"op": "replace", "path": "", "value": []}, PatchError, "object"),
        ({"op": "replace", "path": "/steps", "value": 1}, PatchError, "object"),
        ({"op": "remove", "path": "/steps/a"}, PatchError, "not removed"),
        ({"op": "add", "path": "/steps/nobody", "value": 1}, PatchError, "nobody"),
    ],
)
def test_what_a_patch_may_not_change_is_refused(
    operation: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        patched_plan(operation)


def test_a_step_that_did_not_start_is_no_point() -> None:
    facts = run(flow(LINE), {"a": fail()}).facts
    with pytest.raises(NoSuchActivation, match="known: 'a', 't'"):
        plan_of(flow(LINE), facts, step="zebra")
    with pytest.raises(NoSuchActivation, match="but in /"):
        plan_of(flow(LINE), facts, step="a", scope="/each[0]")


def test_a_fork_is_a_run_of_its_own() -> None:
    old = run(flow(LINE), {})
    begun = plan_of(flow(LINE), old.facts, step="b").facts[0]
    assert isinstance(begun, FlowStarted)
    assert (begun.run_id, begun.trigger, begun.input, begun.state) == ("fork", "t", {"n": 1}, {"given": True})
