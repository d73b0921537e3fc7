"""A step that aborts ends its run at once, as `aborted`, with what it says."""

import pytest

from openrun.core.errors import ABORTED
from openrun.core.events import StepCompleted, StepScheduled
from openrun.core.results import StepRunResult
from openrun.core.types import OnItemError, RunStatus

from .asking import interrupts, listens, rest
from .harness import (
    Script,
    Trace,
    begin,
    each,
    explicit,
    fail,
    ok,
    per_attempt,
    run,
    wait,
)
from .notation import flow

NO = StepRunResult.abort(None, {"room": None}, reason="no room")


def aborted(trace: Trace) -> bool:
    return trace.status is RunStatus.ABORTED


def test_an_abort_ends_the_run_with_its_payload() -> None:
    trace = run(flow("t -> a -> b"), {"a": NO})
    assert aborted(trace)
    assert trace.output == {"room": None}
    assert trace.ran["b"] == 0
    assert trace.errors["a"].code == ABORTED
    assert trace.errors["a"].message == "no room"


def test_the_payload_stands_in_for_a_reply_that_was_given_before() -> None:
    trace = run(flow("t -> r -> a", {"r": "replies"}), {"a": NO, "r": ok(output="soon")})
    assert trace.output == {"room": None}


def test_no_error_port_fires_and_nothing_forgives_an_abort() -> None:
    spec = flow("t -> a -> b; a.error -> h", {"b": "allow"})
    trace = run(spec, {"a": NO})
    assert aborted(trace)
    assert (trace.ran["h"], trace.ran["b"]) == (0, 0)
    assert aborted(run(flow("t -> a -> b", {"a": "allow"}), {"a": NO}))


def test_steps_after_an_abort_are_passed_over_as_cancelled() -> None:
    trace = run(
        flow("t -> a -> b; t -> c; b, c -> j", {"j": "ALL_SUCCESS"}), {"a": NO}, explicit("t", "c", "a")
    )
    assert trace.skipped["b"] == "cancelled"
    assert trace.skipped["j"] == "cancelled"


def test_an_abort_is_not_tried_again() -> None:
    trace = run(flow("t -> a", {"a": "tries=3"}), {"a": NO})
    assert aborted(trace)
    assert not [fact for fact in trace.facts if isinstance(fact, StepScheduled)]


def test_a_later_attempt_may_abort() -> None:
    assert aborted(run(flow("t -> a", {"a": "tries=3"}), {"a": per_attempt(fail(), NO)}))


@pytest.mark.parametrize("other", [wait(), listens("go"), interrupts("x"), each([1, 2])])
def test_what_else_is_under_way_is_stopped(other: object) -> None:
    spec = flow("t -> b; t -> s -> a", bodies={"b": flow("i -> k")})
    sim = begin(spec, {"a": NO, "b": other, "k": listens("go")})  # type: ignore[dict-item]
    trace = rest(sim).finish()
    assert aborted(trace)
    assert "b" in trace.cancelled
    cancelled = [fact for fact in trace.facts if type(fact).__name__ == "StepCancelled"]
    assert {getattr(fact, "reason", None) for fact in cancelled} == {"no room"}


def test_steps_marked_always_still_run() -> None:
    spec = flow("t -> a -> b -> f; f -> g", {"f": "always"})
    trace = run(spec, {"a": NO})
    assert aborted(trace)
    assert trace.ran == {"t": 1, "a": 1, "f": 1, "g": 1}


def test_an_abort_in_an_item_ends_the_whole_run() -> None:
    spec = flow("t -> e -> z", bodies={"e": flow("i -> a -> b")})
    for policy in OnItemError:
        script: Script = {"e": each([1, 2, 3], on_item_error=policy), "a": NO}
        trace = run(spec, script, explicit("t", "e", "i"))
        assert aborted(trace)
        assert trace.output == {"room": None}
        assert (trace.ran["z"], trace.ran["b"]) == (0, 0)
        assert "e" in trace.cancelled


def test_an_abort_in_an_item_stops_the_other_items() -> None:
    spec = flow("t -> e", bodies={"e": flow("a")})
    script: Script = {"e": each([1, 2, 3]), "a": lambda act: NO if act.scope == "/e[1]" else wait()(act)}
    trace = run(spec, script, explicit("t", "e", "a", "a", "a"))
    assert aborted(trace)
    assert trace.cancelled == ["a", "a", "e"]


def test_an_abort_goes_before_a_failure_that_came_first() -> None:
    trace = run(flow("t -> a; t -> b"), {"a": NO, "b": fail()}, explicit("t", "b", "a"))
    assert aborted(trace)
    assert set(trace.codes.values()) == {"BROKEN", ABORTED}


def test_a_failure_of_an_always_step_after_an_abort_changes_nothing() -> None:
    trace = run(flow("t -> a -> f", {"f": "always"}), {"a": NO, "f": fail()})
    assert aborted(trace)
    assert trace.output == {"room": None}


def test_the_first_of_two_aborts_counts() -> None:
    later = StepRunResult.abort(None, "late", reason="too late")
    script = {"a": NO, "b": later}
    trace = run(flow("t -> a; t -> b"), script, explicit("t", "a", "b"), stubborn=frozenset("b"))
    assert aborted(trace)
    assert trace.output == {"room": None}
    assert set(trace.codes) == {"a", "b"}


def test_a_run_that_stops_already_ends_as_it_would_have() -> None:
    script = {"a": NO, "b": fail()}
    stubborn = frozenset("a")
    fast = run(flow("t -> a; t -> b", fail_fast=True), script, explicit("t", "b", "a"), stubborn=stubborn)
    assert fast.status is RunStatus.FAILED
    sim = rest(begin(flow("t -> a", {}), {"a": wait(NO)}, stubborn=stubborn))
    sim.take(sim.options()[0])
    sim.cancel()
    assert sim.finish().status is RunStatus.CANCELLED


def test_an_abort_while_a_run_is_cancelled_does_not_turn_it() -> None:
    sim = begin(flow("t -> a -> f", {"f": "always"}), {"f": NO, "a": wait()})
    rest(sim).cancel()
    assert sim.finish().status is RunStatus.CANCELLED


def test_always_steps_that_take_too_long_after_an_abort_are_stopped_and_it_stays_an_abort() -> None:
    sim = rest(begin(flow("t -> a -> f", {"f": "always"}), {"a": NO, "f": listens("go")}))
    sim.time_out()
    trace = sim.finish()
    assert aborted(trace)
    assert trace.cancelled == ["f"]


def test_an_abort_is_recorded_as_it_was_made() -> None:
    trace = run(flow("t -> a"), {"a": NO})
    completed = next(fact for fact in trace.facts if isinstance(fact, StepCompleted) and fact.step_id == "a")
    assert completed.result == NO
    assert trace.machine.state()["steps"]["a"]["code"] == ABORTED
