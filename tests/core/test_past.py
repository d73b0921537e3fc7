"""The past of a run is read from its facts: the same at every seq as it was, and without any call."""

import json
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import openrun
from openrun import Engine, Flow, StepForeach, StepRequest, StepSetState, TriggerManual
from openrun.core.events import CompensationStarted, FlowForked, StepCompleted
from openrun.core.graph import Graph
from openrun.core.machine import UnexpectedFact
from openrun.core.past import NoSuchSeq, Replayer, StepStanding
from openrun.core.patch import difference
from openrun.core.replay import replay, state_at
from openrun.core.results import StepRunResult
from openrun.core.types import Json, RunStatus, SkipReason
from openrun.runtime.engine import Run
from openrun.steps.execution.foreach import StepForeachConfig
from openrun.steps.execution.request import StepRequestConfig
from openrun.steps.execution.set_state import StepSetStateConfig
from openrun.testing import run_flow
from tests.testing.flows import say, wait

from .graph.acting import charges
from .graph.asking import agree, interrupts, listens
from .graph.generators import Drawn, random_flow
from .graph.harness import Trace, at_random, begin, each, fail, fifo, nothing, ok, per_attempt, run
from .graph.notation import flow

RUNS = settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), print_blob=True
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.floats(-1, 1, allow_nan=False)
    | st.text("ab~/ü0", max_size=3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab~/ü01", max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def replayed(trace: Trace) -> Replayer:
    return Replayer(trace.machine.graph, trace.facts)


def applied(document: Json, operations: list[Json]) -> Json:
    """The document after these RFC 6902 operations, by an applier that knows nothing of how they were made."""
    whole: dict[str, Json] = {"": _cloned(document)}
    for one in operations:
        # Held by an object under "", the document is a place like any other: "" is its pointer.
        *way, last = one["path"].split("/")
        parent: Any = whole
        for token in way:
            parent = parent[_place(parent, token)]
        _apply(parent, _place(parent, last), one)
    return whole[""]


def _apply(parent: Any, at: Any, operation: Json) -> None:
    match operation["op"], parent:
        case "remove", _:
            assert set(operation) == {"op", "path"}
            del parent[at]
        case "add", list():
            assert 0 <= at <= len(parent)
            parent.insert(at, _cloned(operation["value"]))
        case "add", dict():
            assert at not in parent, "an addition to an object is of a key it lacks"
            parent[at] = _cloned(operation["value"])
        case "replace", _:
            assert not _same(parent[at], operation["value"]), "what is the same is not replaced"
            parent[at] = _cloned(operation["value"])
        case _:
            pytest.fail(f"unknown operation {operation}")


def _place(parent: Any, token: str) -> Any:
    return int(token) if isinstance(parent, list) else token.replace("~1", "/").replace("~0", "~")


def _cloned(value: Json) -> Json:
    if isinstance(value, dict):
        return {key: _cloned(item) for key, item in value.items()}
    return [_cloned(item) for item in value] if isinstance(value, list) else value


def _same(one: Json, other: Json) -> bool:
    """Equal, and of the same types all the way down: in JSON, true is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(item, other[key]) for key, item in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


# -- state -------------------------------------------------------------------------------------------


@RUNS
@given(st.randoms(use_true_random=False), st.integers(0, 2**32))
def test_the_state_at_every_seq_is_the_one_the_machine_had_there(chance: random.Random, seed: int) -> None:
    drawn: Drawn = random_flow(chance)
    past = replayed(trace := run(drawn.spec, drawn.script, at_random(seed)))
    told = list(past.states())
    assert [fact for fact, _state in told] == trace.facts
    for seq in range(1, len(trace.facts) + 1):
        state = past.state(seq)
        assert state == state_at(trace.facts, seq) == told[seq - 1][1]
        assert state == replay(trace.machine.graph, trace.facts[:seq]).state()
    assert past.final() is trace.status


@RUNS
@given(st.randoms(use_true_random=False), st.integers(0, 2**32))
def test_the_difference_of_two_seqs_leads_from_either_to_the_other(chance: random.Random, seed: int) -> None:
    drawn: Drawn = random_flow(chance)
    past = replayed(trace := run(drawn.spec, drawn.script, at_random(seed)))
    last = len(trace.facts)
    for _ in range(10):
        a, b = chance.randint(1, last), chance.randint(1, last)
        assert _same(applied(past.state(a), past.diff(a, b)), past.state(b))
    assert past.diff(last, last) == []


async def test_a_run_of_the_engine_is_read_back_as_it_was() -> None:
    kinds = Flow("Kinds").add(
        TriggerManual(id="start")
        >> StepSetState(id="set", config=StepSetStateConfig(values={"n": 1, "deep": {"a": [1, 2]}}))
        >> StepForeach(
            id="each",
            config=StepForeachConfig(
                items=[1, 2],
                body={"steps": [{"id": "own", "type": "set_state", "config": {"values": {"n": "<<item>>"}}}]},
            ),
        )
        >> wait("pause", 60)
        >> say("last", {"n": "<<n>>"})
    )
    result = await run_flow(kinds, input={"body": {"id": 7}}, state={"given": [1]})
    result.assert_succeeded()
    past = Replayer(result.run.graph, result.run.events)
    assert past.state(len(result.run.events)) == result.state
    for fact, state in past.states():
        assert state == state_at(result.run.events, fact.seq)
        if isinstance(fact, StepCompleted):
            assert state == fact.state_snapshot
    assert past.state(1) == {"given": [1], "steps": {}}
    assert result.state["n"] == 1, "what an item sets is its own"
    [done] = result.completed("set")
    assert past.diff(done.seq - 1, done.seq) == [
        {"op": "add", "path": "/n", "value": 1},
        {"op": "add", "path": "/deep", "value": {"a": [1, 2]}},
        {"op": "add", "path": "/steps/set", "value": done.result.output},
    ]


def test_states_that_were_shown_stay_as_they_were() -> None:
    past = replayed(run(flow("t -> a -> b")))
    told = [(fact.seq, state) for fact, state in past.states()]
    assert all(state == past.state(seq) for seq, state in told)
    assert told[0][1] is told[1][1], "a start changes nothing"


def test_a_failed_step_leaves_its_error_and_nothing_it_set() -> None:
    trace = run(flow("t -> a; a.error -> h"), {"a": fail("LOST")})
    end = next(fact for fact in trace.facts if isinstance(fact, StepCompleted) and fact.step_id == "a")
    state = replayed(trace).state(end.seq)
    assert state["steps"]["a"]["code"] == "LOST"
    assert "by_a" not in state


@pytest.mark.parametrize("seq", [-1, 0, 7])
def test_a_seq_there_is_not_is_refused_and_the_range_is_named(seq: int) -> None:
    past = replayed(run(flow("t -> a")))
    for ask in (past.state, past.standing, lambda at: past.diff(1, at), lambda at: past.diff(at, 1)):
        with pytest.raises(NoSuchSeq, match=rf"run run has facts 1 to 6; there is no fact {seq}$"):
            ask(seq)


def test_a_run_without_facts_has_no_past() -> None:
    past = Replayer(Graph.compile(flow("t")), ())
    with pytest.raises(NoSuchSeq, match=r"^the run has no facts; there is no fact 1$"):
        past.state(1)
    assert list(past.states()) == []
    assert past.final() is None


def test_a_journal_with_a_gap_is_refused() -> None:
    trace = run(flow("t -> a"))
    facts = [fact for fact in trace.facts if fact.seq != 3]
    with pytest.raises(UnexpectedFact, match="run run: fact 4 came after 2"):
        Replayer(trace.machine.graph, facts)


def test_a_run_under_way_has_no_end() -> None:
    trace = run(flow("t -> a"))
    assert Replayer(trace.machine.graph, trace.facts[:-1]).final() is None
    assert replayed(trace).final() is RunStatus.SUCCEEDED


# -- difference --------------------------------------------------------------------------------------


@given(VALUES, VALUES)
def test_a_difference_makes_the_one_value_out_of_the_other(before: Json, after: Json) -> None:
    operations = difference(before, after)
    assert _same(applied(before, operations), after)
    assert bool(operations) is not _same(before, after)
    assert difference(after, _cloned(after)) == []


@given(VALUES, VALUES, st.dictionaries(st.text("xyz~/", min_size=1, max_size=2), VALUES, max_size=3))
def test_what_is_the_same_in_both_is_in_no_operation(before: Json, after: Json, common: Json) -> None:
    around = {"own": _cloned(before), "common": _cloned(common)}, {"own": after, "common": common}
    operations = difference(*around)
    assert all(one["path"].startswith("/own") for one in operations)
    assert len(operations) == len(difference(before, after))


def test_pointers_escape_what_rfc_6901_escapes() -> None:
    assert difference({"a/b": {"m~n": 1}}, {"a/b": {"m~n": 2}, "": 3}) == [
        {"op": "replace", "path": "/a~1b/m~0n", "value": 2},
        {"op": "add", "path": "/", "value": 3},
    ]


def test_lists_are_compared_place_by_place_and_their_tails_removed_or_added() -> None:
    assert difference([1, 2, 3, 4], [1, 5]) == [
        {"op": "replace", "path": "/1", "value": 5},
        {"op": "remove", "path": "/3"},
        {"op": "remove", "path": "/2"},
    ]
    assert difference([1], [1, {"a": 2}, 3]) == [
        {"op": "add", "path": "/1", "value": {"a": 2}},
        {"op": "add", "path": "/2", "value": 3},
    ]


def test_values_that_are_equal_without_being_the_same_object_have_no_difference() -> None:
    text = '{"a": [1.5, {"b": "some text"}]}'
    assert difference(json.loads(text), json.loads(text)) == []


def test_a_value_of_another_type_is_replaced_as_a_whole() -> None:
    assert difference({"a": 1}, {"a": True}) == [{"op": "replace", "path": "/a", "value": True}]
    assert difference({"a": [1]}, {"a": {"0": 1}}) == [{"op": "replace", "path": "/a", "value": {"0": 1}}]
    assert difference(1, 2) == [{"op": "replace", "path": "", "value": 2}]


# -- standing ----------------------------------------------------------------------------------------


def standing(trace: Trace, seq: int) -> list[tuple[str, str]]:
    return [(one.step_id, one.status) for one in replayed(trace).standing(seq)]


def test_the_standing_of_each_step_is_known_at_every_seq() -> None:
    spec = flow("t.left -> a -> b; t.right -> c", {"a": "tries=2"})
    trace = run(spec, {"t": ok("left"), "a": fail("BROKEN")})
    rest = [("b", "open")]
    assert standing(trace, 1) == [("t", "ready"), ("a", "open"), *rest, ("c", "open")]
    assert standing(trace, 2) == [("t", "running"), ("a", "open"), *rest, ("c", "open")]
    assert standing(trace, 3) == [("t", "succeeded"), ("a", "ready"), ("c", "skipped"), *rest]
    assert standing(trace, 4) == [("t", "succeeded"), ("a", "running"), ("c", "skipped"), *rest]
    past = replayed(trace)
    [b] = [one for one in past.standing(len(trace.facts)) if one.step_id == "b"]
    assert b == StepStanding(step_id="b", scope="/", status="skipped", reason=SkipReason.FAILED)
    [c] = [one for one in past.standing(3) if one.step_id == "c"]
    assert c.reason is SkipReason.SKIPPED


@RUNS
@given(st.randoms(use_true_random=False), st.integers(0, 2**32), st.none() | st.integers(2, 30))
def test_what_ran_and_what_was_skipped_is_told_as_it_was(
    chance: random.Random, seed: int, cancel_at: int | None
) -> None:
    drawn: Drawn = random_flow(chance)
    trace = run(drawn.spec, drawn.script, at_random(seed), cancel_at=cancel_at)
    found = replayed(trace).standing(len(trace.facts))
    assert len({(one.step_id, one.scope) for one in found}) == len(found)
    assert {(one.step_id, one.scope): one.reason for one in found if one.status == "skipped"} == trace.skips
    assert {(one.step_id, one.scope) for one in found if one.attempts} == set(trace.runs)
    assert {one.status for one in found} <= {"succeeded", "failed", "cancelled", "skipped", "open"}
    for seq in range(1, len(trace.facts)):
        assert replayed(trace).standing(seq)


def test_a_step_that_fired_no_port_after_a_failed_attempt_has_succeeded() -> None:
    busy = StepRunResult.failure(None, "not now", code="BUSY", retryable=True)
    trace = run(flow("t -> a -> b", {"a": "tries=2"}), {"a": per_attempt(busy, nothing())})
    [a] = [one for one in replayed(trace).standing(len(trace.facts)) if one.step_id == "a"]
    assert (a.status, a.attempts) == ("succeeded", 2)


def test_steps_of_items_stand_where_their_item_does_and_not_for_steps_of_the_same_name_outside() -> None:
    body = flow("a -> b")
    trace = run(flow("t -> e -> a", bodies={"e": body}), {"e": each([1, 2], concurrency=1)})
    found = replayed(trace).standing(6)
    assert [(s.step_id, s.scope, s.status) for s in found] == [
        ("t", "/", "succeeded"),
        ("e", "/", "waiting"),
        ("a", "/e[0]", "running"),
        ("a", "/", "open"),
    ]
    ended = {(s.step_id, s.scope): s.status for s in replayed(trace).standing(len(trace.facts))}
    assert ended["a", "/"] == ended["b", "/e[1]"] == "succeeded"


def test_what_a_cancel_kept_from_starting_is_skipped_as_cancelled() -> None:
    sim = begin(flow("t -> a, b -> c"))
    for _ in range(3):
        sim.take(fifo(sim.options()))
    sim.cancel()
    past = Replayer(sim.graph, sim.facts)
    found = {s.step_id: (s.status, s.reason) for s in past.standing(len(sim.facts))}
    assert found == {
        "t": ("succeeded", None),
        "a": ("running", None),
        "b": ("skipped", SkipReason.CANCELLED),
        "c": ("open", None),
    }


def test_what_undoes_a_step_stands_beside_it() -> None:
    trace = run(flow("t -> a -> b", {"a": "undo"}), {"b": fail()}, undo={"a": fail()})
    found = {(s.step_id, s.scope): s.status for s in replayed(trace).standing(len(trace.facts))}
    assert found == {
        ("t", "/"): "succeeded",
        ("a", "/"): "succeeded",
        ("b", "/"): "failed",
        ("a", "/a[undo]"): "failed",
    }
    begun = next(fact.seq for fact in trace.facts if isinstance(fact, CompensationStarted))
    ready = {(s.step_id, s.scope): s.status for s in replayed(trace).standing(begun)}
    assert ready["a", "/a[undo]"] == "ready"


def test_a_step_that_asks_waits_until_it_is_answered() -> None:
    trace = run(flow("t -> a"), {"a": charges(interrupts("x"))}, replies=agree)
    kinds = [type(fact).__name__ for fact in trace.facts]
    assert kinds[4:8] == ["EffectRecorded", "EffectRecorded", "StepInterrupted", "SignalReceived"]
    found = {seq: dict(standing(trace, seq))["a"] for seq in range(4, len(trace.facts) + 1)}
    assert list(found.values()) == [*["running"] * 3, "waiting", "running", "succeeded", "succeeded"]


def test_what_changed_hands_by_a_fork_is_part_of_the_state() -> None:
    sim = begin(flow("t -> a"), {"a": listens("go")})
    for _ in range(3):
        sim.take(fifo(sim.options()))
    before = sim.machine.state()
    stamp: dict[str, Any] = {"run_id": "run", "flow_id": "flow", "timestamp": sim.now}
    values: dict[str, Json] = {"last": None, "new": 1}
    change = FlowForked(
        **stamp,
        seq=sim.machine.seq + 1,
        origin="other",
        at=3,
        values=values,
        removed=("given",),
        outputs={"t": 2},
    )
    sim.record(change)
    past = Replayer(sim.graph, sim.facts)
    assert (
        past.state(change.seq)
        == sim.machine.state()
        == {**_without(before, "given"), **values, "steps": {"t": 2}}
    )
    assert past.diff(change.seq - 1, change.seq)
    assert [one.status for one in past.standing(change.seq)] == ["succeeded", "running"]


def _without(state: dict[str, Json], key: str) -> dict[str, Json]:
    return {name: value for name, value in state.items() if name != key}


# -- nothing is called -------------------------------------------------------------------------------


async def test_replay_of_a_run_that_called_out_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(request.path)
        return web.json_response({"paid": 12})

    run_before = await _run_against(answer)
    assert calls == ["/pay"]
    with monkeypatch.context() as blocked:
        for name in ("socket", "create_connection", "getaddrinfo", "socketpair"):
            blocked.setattr(socket, name, _refuse)
        past = Replayer(run_before.graph, run_before.events)
        states = [state for _fact, state in past.states()]
        course = past.timeline()
        stood = past.standing(len(run_before.events))
    assert states[-1] == run_before.state
    assert states[-1]["response"]["data"] == {"paid": 12}
    assert course["status"] == past.final() == RunStatus.SUCCEEDED
    assert [s.status for s in stood] == ["succeeded", "succeeded"]
    assert calls == ["/pay"]


async def _run_against(answer: Any) -> Run:
    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    async with TestServer(app) as server:
        target = f"127.0.0.1:{server.port}"
        step = StepRequest(id="pay", config=StepRequestConfig(url=f"http://{target}/pay"))
        async with Engine(allow=[target]) as engine:
            return await Flow("Pay").add(TriggerManual(id="start") >> step).execute(engine=engine)


def _refuse(*_args: object, **_more: object) -> Any:
    raise AssertionError("a replay opened a socket")


IMPORTING = """
import importlib.metadata, sys, types
import typing_extensions

# What msgspec and pydantic are made with has sockets in reach; of what follows, nothing may ask for one.
for name in ("socket", "_socket", "ssl", "asyncio", "aiohttp", "http.client", "urllib.request", "subprocess"):
    sys.modules[name] = None
# The package's front door imports all of it; the core is imported beside that door.
package = types.ModuleType("openrun")
package.__path__ = [sys.argv[1]]
sys.modules["openrun"] = package

import openrun.core.past

assert isinstance(openrun.core.past.Replayer, type)
for name, module in sorted(sys.modules.items()):
    if module is not None:
        print(name)
"""


def test_what_reads_the_past_imports_nothing_that_could_call_out() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", IMPORTING, str(Path(openrun.__file__).parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "openrun.core.past" in loaded
    assert not loaded & {"socket", "asyncio", "aiohttp"}
    ours = {name for name in loaded if name.startswith("openrun.")}
    assert {name for name in ours if not name.startswith("openrun.core")} == set()


def test_a_replayer_holds_a_graph_and_facts_and_nothing_else() -> None:
    past = replayed(run(flow("t -> a")))
    assert not hasattr(past, "__dict__")
    assert set(Replayer.__slots__) == {"_graph", "_facts"}
