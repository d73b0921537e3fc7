"""The course of a run as data: every activation with its attempts and waits, from the facts alone."""

import json
import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openrun.core.asks import Answer, Ask, AskKind
from openrun.core.effects import EffectStatus
from openrun.core.errors import ErrorObject
from openrun.core.events import (
    CompensationCompleted,
    CompensationStarted,
    EffectRecorded,
    Event,
    Fact,
    FlowCancelRequested,
    FlowCompleted,
    FlowForked,
    FlowPaused,
    FlowResumed,
    FlowStarted,
    ReviewRequested,
    ReviewResolved,
    SignalReceived,
    StepCancelled,
    StepCompleted,
    StepEvent,
    StepInterrupted,
    StepScheduled,
    StepStarted,
    StepWaiting,
    TimerFired,
    activation_id,
    decode_event,
    encode_event,
)
from openrun.core.frame import Phase
from openrun.core.past import Replayer
from openrun.core.replay import replay
from openrun.core.results import StepRunResult, WaitForAnswers, WaitForItems, WaitUntil
from openrun.core.timeline import timeline, tracks
from openrun.core.types import EffectClass, RunStatus
from openrun.core.undoing import CompensationOutcome, CompensationStatus

from .graph.acting import charges
from .graph.asking import agree, call, interrupts, listens
from .graph.generators import Drawn, random_flow
from .graph.harness import BEGIN, Trace, at_random, begin, children, each, fail, fifo, ok, run
from .graph.notation import flow

EAST = timezone(timedelta(hours=2))
BUSY = ErrorObject(code="BUSY", message="not now", retryable=True)
RESULT = StepRunResult.success(output="large")
ASK = Ask(kind=AskKind.INPUT, id="i", name="how many")
ANSWER = Answer(ask="i", name="how many", value="secret", by="ada")
EFFECT: dict[str, Any] = {"name": "charge", "key": "k", "effect": EffectClass.AT_MOST_ONCE}


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def text(seconds: float) -> str:
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")


Made = tuple[type[Event], float, dict[str, Any]]


def journal(*made: Made) -> list[Fact]:
    """The facts of a run of one or more steps: their types, when they came, and what they say."""
    every: list[Made] = [(FlowStarted, 0, {"version": "v", "trigger": "t"}), *made]
    facts: list[Any] = [
        kind(**{"run_id": "r", "flow_id": "f", "seq": seq, "timestamp": at(when), **said})
        for seq, (kind, when, said) in enumerate(every, 1)
    ]
    return facts


def of(step: str, **said: Any) -> dict[str, Any]:
    return {"step_id": step, **said}


def only(facts: list[Fact]) -> dict[str, Any]:
    [activation] = timeline(facts)["activations"]
    found: dict[str, Any] = activation
    return found


# -- the whole of it ---------------------------------------------------------------------------------


def test_the_shape_of_a_run_with_a_retry_and_a_timer() -> None:
    facts = journal(
        (StepStarted, 1, of("a")),
        (StepScheduled, 2, of("a", attempt=2, not_before=at(3).astimezone(EAST), error=BUSY)),
        (StepStarted, 4, of("a", attempt=2)),
        (StepWaiting, 5, of("a", attempt=2, wait=WaitUntil(until=at(8).astimezone(EAST)))),
        (TimerFired, 8, of("a")),
        (StepCompleted, 9.25, of("a", attempt=2, result=RESULT, patch={"key": "large"})),
        (FlowCompleted, 10, {"status": RunStatus.SUCCEEDED, "output": "large"}),
    )
    error = {"code": "BUSY", "message": "not now"}
    assert timeline(facts) == {
        "run_id": "r",
        "flow_id": "f",
        "version": "v",
        "status": "succeeded",
        "started_at": text(0),
        "ended_at": text(10),
        "duration_ms": 10_000.0,
        "activations": [
            {
                "step_id": "a",
                "scope": "/",
                "activation_id": activation_id("r", "a", "/"),
                "status": "succeeded",
                "started_at": text(1),
                "ended_at": "2026-01-01T00:00:09.250000Z",
                "duration_ms": 8_250.0,
                "attempts": [
                    {
                        "attempt": 1,
                        "started_at": text(1),
                        "ended_at": text(2),
                        "outcome": "failed",
                        "error": {**error, "retryable": True},
                    },
                    {
                        "attempt": 2,
                        "started_at": text(4),
                        "ended_at": "2026-01-01T00:00:09.250000Z",
                        "outcome": "succeeded",
                    },
                ],
                "waits": [
                    {"kind": "retry", "from": text(2), "to": text(4), "due": text(3)},
                    {"kind": "until", "from": text(5), "to": text(8), "due": text(8)},
                ],
            }
        ],
        "events": [
            {"seq": 1, "type": "FlowStarted", "timestamp": text(0), "trigger": "t"},
            {
                "seq": 2,
                "type": "StepStarted",
                "timestamp": text(1),
                "step_id": "a",
                "scope": "/",
                "attempt": 1,
            },
            {
                "seq": 3,
                "type": "StepScheduled",
                "timestamp": text(2),
                "step_id": "a",
                "scope": "/",
                "attempt": 2,
                "not_before": text(3),
                "error": error,
            },
            {
                "seq": 4,
                "type": "StepStarted",
                "timestamp": text(4),
                "step_id": "a",
                "scope": "/",
                "attempt": 2,
            },
            {
                "seq": 5,
                "type": "StepWaiting",
                "timestamp": text(5),
                "step_id": "a",
                "scope": "/",
                "attempt": 2,
                "wait": "until",
            },
            {"seq": 6, "type": "TimerFired", "timestamp": text(8), "step_id": "a", "scope": "/"},
            {
                "seq": 7,
                "type": "StepCompleted",
                "timestamp": "2026-01-01T00:00:09.250000Z",
                "step_id": "a",
                "scope": "/",
                "attempt": 2,
                "status": "success",
                "ports": ["default"],
            },
            {"seq": 8, "type": "FlowCompleted", "timestamp": text(10), "status": "succeeded"},
        ],
    }


def test_a_run_without_facts_has_a_timeline_of_nothing() -> None:
    told = timeline([])
    assert told.pop("status") == "pending"
    assert told.pop("activations") == told.pop("events") == []
    assert set(told.values()) == {None}


def test_facts_that_do_not_begin_the_run_have_no_version() -> None:
    assert timeline(journal((StepStarted, 1, of("a")))[1:])["version"] is None


# -- activations -------------------------------------------------------------------------------------


def test_a_step_that_failed_without_having_started_has_an_end_and_no_start() -> None:
    told = only(journal((StepCompleted, 1, of("a", attempt=0, result=StepRunResult.failure(error=BUSY)))))
    assert (told["status"], told["started_at"], told["ended_at"]) == ("failed", None, text(1))
    assert (told["duration_ms"], told["attempts"]) == (None, [])


def test_a_step_cancelled_while_it_waits_for_another_attempt_has_ended_and_so_has_its_wait() -> None:
    told = only(
        journal(
            (StepStarted, 1, of("a")),
            (StepScheduled, 2, of("a", attempt=2, not_before=at(9), error=BUSY)),
            (StepCancelled, 3, of("a", reason="enough")),
        )
    )
    assert (told["status"], told["ended_at"]) == ("cancelled", text(3))
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["failed"]
    assert told["waits"] == [{"kind": "retry", "from": text(2), "to": text(3), "due": text(9)}]


def test_a_step_cancelled_while_it_runs_has_an_attempt_that_was_cancelled() -> None:
    told = only(journal((StepStarted, 1, of("a")), (StepCancelled, 3, of("a", reason="enough"))))
    assert told["attempts"] == [
        {"attempt": 1, "started_at": text(1), "ended_at": text(3), "outcome": "cancelled"}
    ]


@pytest.mark.parametrize(
    ("kind", "said", "status", "wait"),
    [
        (StepWaiting, {"wait": WaitForItems(items=[1])}, "waiting", "items"),
        (StepWaiting, {"wait": WaitUntil(until=at(9))}, "waiting", "until"),
        (StepScheduled, {"attempt": 2, "not_before": at(9), "error": BUSY}, "scheduled", "retry"),
        (ReviewRequested, {"reason": "unknown outcome"}, "review", "review"),
        (StepWaiting, {"wait": WaitForAnswers(asks=())}, "waiting", "answers"),
        (StepInterrupted, {"asks": (ASK,)}, "waiting", "interrupt"),
    ],
)
def test_what_has_not_ended_says_how_it_stands_and_since_when(
    kind: type[Event], said: dict[str, Any], status: str, wait: str
) -> None:
    told = only(journal((StepStarted, 1, of("a")), (kind, 2, of("a", **said))))
    assert (told["status"], told["ended_at"], told["duration_ms"]) == (status, None, None)
    assert [(one["kind"], one["from"], one["to"]) for one in told["waits"]] == [(wait, text(2), None)]


def test_a_review_is_a_wait_within_the_attempt() -> None:
    told = only(
        journal(
            (StepStarted, 1, of("a")),
            (ReviewRequested, 2, of("a", reason="unknown outcome")),
            (ReviewResolved, 5, of("a", committed=True)),
            (StepCompleted, 6, of("a", result=RESULT)),
        )
    )
    assert told["waits"] == [{"kind": "review", "from": text(2), "to": text(5)}]
    assert told["attempts"] == [
        {"attempt": 1, "started_at": text(1), "ended_at": text(6), "outcome": "succeeded"}
    ]


@pytest.mark.parametrize("end", [(SignalReceived, 5, of("a", answer=ANSWER)), (TimerFired, 5, of("a"))])
def test_an_interrupt_is_a_wait_until_it_is_answered_or_its_time_is_up(end: Made) -> None:
    told = only(
        journal(
            (StepStarted, 1, of("a")),
            (StepInterrupted, 2, of("a", asks=(ASK,), until=at(9))),
            end,
            (StepCompleted, 6, of("a", result=RESULT)),
        )
    )
    assert told["waits"] == [{"kind": "interrupt", "from": text(2), "to": text(5), "due": text(9)}]
    assert [attempt["ended_at"] for attempt in told["attempts"]] == [text(6)]


def test_a_step_that_waits_on_has_a_wait_for_each_answer() -> None:
    wait = of("a", wait=WaitForAnswers(asks=(ASK,), until=at(9)))
    told = only(
        journal(
            (StepStarted, 1, of("a")),
            (StepWaiting, 2, wait),
            (SignalReceived, 3, of("a", answer=ANSWER)),
            (StepWaiting, 4, wait),
            (SignalReceived, 5, of("a", answer=ANSWER)),
            (StepCompleted, 6, of("a", result=RESULT)),
        )
    )
    assert [(each["from"], each["to"]) for each in told["waits"]] == [(text(2), text(3)), (text(4), text(5))]


@pytest.mark.parametrize(
    "still",
    [
        (ReviewRequested, 3, of("a", reason="unknown")),
        (StepScheduled, 3, of("a", attempt=2, not_before=at(9), error=BUSY)),
    ],
)
def test_an_answer_moves_only_a_step_that_waits_for_one(still: Made) -> None:
    told = only(journal((StepStarted, 1, of("a")), still, (SignalReceived, 4, of("a", answer=ANSWER))))
    assert told["status"] in ("review", "scheduled")
    assert told["waits"][-1]["to"] is None


def test_an_effect_is_listed_and_moves_nothing() -> None:
    facts = journal(
        (StepStarted, 1, of("a")),
        (StepInterrupted, 2, of("a", asks=(ASK,))),
        (EffectRecorded, 3, of("a", **EFFECT, status=EffectStatus.COMMITTED, value="secret")),
    )
    assert only(facts)["status"] == "waiting"
    assert timeline(facts)["events"][-1] == {
        "seq": 4,
        "type": "EffectRecorded",
        "timestamp": text(3),
        "step_id": "a",
        "scope": "/",
        "attempt": 1,
        "name": "charge",
        "status": "committed",
    }


def test_what_undoes_a_step_is_an_activation_of_its_own() -> None:
    facts = journal(
        (StepStarted, 1, of("a")),
        (StepCompleted, 2, of("a", result=RESULT)),
        (CompensationStarted, 3, of("a", reason=RunStatus.FAILED)),
        (StepStarted, 4, of("a", scope="/a[undo]")),
        (StepCompleted, 5, of("a", scope="/a[undo]", result=StepRunResult.failure(error=BUSY))),
        (CompensationCompleted, 6, of("a", status=CompensationStatus.FAILED, error=BUSY)),
    )
    told = timeline(facts)
    assert [(each["scope"], each["status"], each["ended_at"]) for each in told["activations"]] == [
        ("/", "succeeded", text(2)),
        ("/a[undo]", "failed", text(5)),
    ]
    (started, ended) = (event for event in told["events"] if event["type"].startswith("Compensation"))
    assert started["reason"] == "failed"
    assert (ended["status"], ended["error"]) == ("failed", {"code": "BUSY", "message": "not now"})


def test_what_was_asked_and_what_was_said_is_told_by_name_alone() -> None:
    facts = journal(
        (StepStarted, 1, of("a")),
        (StepInterrupted, 2, of("a", asks=(ASK,))),
        (SignalReceived, 3, of("a", answer=ANSWER)),
        (SignalReceived, 4, {"answer": call("go", "secret")}),
        (FlowForked, 5, {"origin": "other", "at": 4, "values": {"k": "secret"}}),
    )
    told = timeline(facts)["events"]
    assert "secret" not in json.dumps(told)
    assert told[2]["wait"] == "interrupt"
    assert (told[3]["step_id"], told[3]["name"], told[3]["decision"]) == ("a", "how many", "answered")
    assert "step_id" not in told[4]
    assert (told[5]["origin"], told[5]["at"]) == ("other", 4)


def test_activations_come_in_the_order_of_their_starts_whatever_the_clocks_of_workers_said() -> None:
    facts = journal(
        (StepStarted, 5, of("late")),
        (StepStarted, 2, of("early")),
        (StepStarted, 5, of("late", scope="/loop:2")),
        (FlowCompleted, -1, {"status": RunStatus.ABORTED}),
    )
    told = timeline(facts)
    assert [(a["step_id"], a["scope"]) for a in told["activations"]] == [
        ("early", "/"),
        ("late", "/"),
        ("late", "/loop:2"),
    ]
    assert told["duration_ms"] == 0, "nothing takes less than no time"


class StepPondered(StepEvent, frozen=True, kw_only=True, tag=True):
    """A fact that this version knows nothing of."""

    reason: str = "who knows"


def test_a_fact_of_an_unknown_kind_is_listed_and_moves_nothing() -> None:
    told = timeline(journal((StepStarted, 1, of("a")), (StepPondered, 2, of("a"))))
    [activation] = told["activations"]
    assert (activation["status"], len(activation["attempts"])) == ("running", 1)
    assert told["events"][-1] == {
        "seq": 3,
        "type": "StepPondered",
        "timestamp": text(2),
        "step_id": "a",
        "scope": "/",
        "reason": "who knows",
    }


# -- the run's status --------------------------------------------------------------------------------

STARTED: Made = (StepStarted, 1.0, of("a"))
WAITING: Made = (StepWaiting, 2.0, of("a", wait=WaitUntil(until=at(9))))
PAUSED: Made = (FlowPaused, 3.0, {})
HELD: Made = (ReviewRequested, 3.0, {"reason": "poison"})
DONE: Made = (StepCompleted, 2.0, of("a", result=RESULT))
UNDOES: Made = (CompensationStarted, 2.5, of("a", reason=RunStatus.FAILED))
RUNS: Made = (StepStarted, 2.6, of("a", scope="/a[undo]"))
ASKS: Made = (StepInterrupted, 2.7, of("a", scope="/a[undo]", asks=(ASK,)))
UNDONE: Made = (CompensationCompleted, 3.0, of("a", status=CompensationStatus.EXPIRED))


@pytest.mark.parametrize(
    ("made", "status"),
    [
        ((), "pending"),
        ((STARTED,), "running"),
        ((STARTED, WAITING), "waiting"),
        ((STARTED, WAITING, (StepStarted, 3, of("b"))), "running"),
        ((STARTED, (StepScheduled, 2, of("a", attempt=2, not_before=at(9), error=BUSY))), "waiting"),
        ((STARTED, (StepCompleted, 2, of("a", result=RESULT))), "running"),
        ((STARTED, (ReviewRequested, 2, of("a", reason="unknown"))), "needs_review"),
        ((STARTED, PAUSED), "paused"),
        ((STARTED, PAUSED, HELD), "paused"),
        ((STARTED, HELD), "needs_review"),
        ((STARTED, WAITING, PAUSED, (FlowResumed, 4, {})), "waiting"),
        ((STARTED, WAITING, HELD, (FlowCancelRequested, 4, {})), "waiting"),
        ((STARTED, PAUSED, (TimerFired, 4, {})), "running"),
        ((STARTED, PAUSED, (TimerFired, 4, of("a"))), "paused"),
        ((STARTED, (FlowCompleted, 4, {"status": RunStatus.CANCELLED})), "cancelled"),
        ((STARTED, (StepInterrupted, 2, of("a", asks=(ASK,)))), "waiting"),
        ((STARTED, (SignalReceived, 2, {"answer": ANSWER})), "running"),
        ((STARTED, DONE, UNDOES), "compensating"),
        ((STARTED, DONE, UNDOES, RUNS), "compensating"),
        ((STARTED, DONE, UNDOES, RUNS, ASKS), "waiting"),
        ((STARTED, DONE, UNDOES, PAUSED), "paused"),
        ((STARTED, DONE, UNDOES, UNDONE), "compensating"),
        ((STARTED, DONE, UNDONE), "compensating"),
        ((STARTED, DONE, UNDOES, UNDONE, (FlowCompleted, 4, {"status": RunStatus.FAILED})), "failed"),
    ],
)
def test_the_status_of_a_run_is_what_its_facts_come_to(made: tuple[Made, ...], status: str) -> None:
    assert timeline(journal(*made))["status"] == status


# -- of real runs ------------------------------------------------------------------------------------


@settings(
    derandomize=True, deadline=None, max_examples=60, suppress_health_check=list(HealthCheck), print_blob=True
)
@given(st.randoms(use_true_random=False), st.integers(0, 2**32))
def test_the_timeline_of_any_run_accounts_for_all_its_facts(chance: random.Random, seed: int) -> None:
    drawn: Drawn = random_flow(chance)
    trace = run(drawn.spec, drawn.script, at_random(seed))
    told = timeline(trace.facts)
    stored: list[Any] = [decode_event(encode_event(fact)) for fact in trace.facts]
    assert told == timeline(stored) == Replayer(trace.machine.graph, trace.facts).timeline()
    assert json.loads(json.dumps(told)) == told, "plain data"
    assert [event["seq"] for event in told["events"]] == list(range(1, len(trace.facts) + 1))
    assert told["status"] == trace.status
    check_activations(trace, told["activations"])


PHASES = {
    Phase.LIVE: "running",
    Phase.RESUMING: "running",
    Phase.WAITING: "waiting",
    Phase.SCHEDULED: "scheduled",
    Phase.REVIEW: "review",
}


@pytest.mark.parametrize("seed", range(6))
def test_at_every_seq_steps_stand_as_the_machine_has_them(seed: int) -> None:
    spec = flow(
        "t -> a -> b -> c -> z; t -> e -> z", {"a": "undo tries=2", "b": "undo"}, bodies={"e": flow("x")}
    )
    script = {
        "a": listens("go", "stop", most=2),
        "b": charges(interrupts("m", "n", together=True)),
        "c": interrupts("k", until=at(60)),
        "e": each([1, 2]),
        "x": listens("go"),
        "z": fail(),
    }
    trace = run(spec, script, at_random(seed), undo={"b": interrupts("k")}, mail=[call("go")], replies=agree)
    for cut in range(1, len(trace.facts) + 1):
        facts = trace.facts[:cut]
        machine = replay(trace.machine.graph, facts)
        told = {(track.step_id, track.scope): track for track in tracks(facts)}
        for act in machine.unfinished:
            if act.phase is Phase.READY:
                continue
            track = told.pop((act.step_id, act.scope))
            # What had come before a wait began wakes its step at once; no fact tells of that.
            early = act.phase is Phase.RESUMING and isinstance(
                facts[track.seq - 1], StepWaiting | StepInterrupted
            )
            assert track.status == ("waiting" if early else PHASES[act.phase])
        assert all(track.ended_at is not None for track in told.values())
        assert timeline(facts)["status"] == trace.status or cut < len(trace.facts)
    assert timeline(trace.facts)["events"][-1]["compensation"] == CompensationOutcome.COMPLETED


def check_activations(trace: Trace, activations: list[dict[str, Any]]) -> None:
    names = {(fact.step_id, fact.scope) for fact in trace.facts if isinstance(fact, StepEvent)}
    assert sorted((told["step_id"], told["scope"]) for told in activations) == sorted(names)
    for told in activations:
        assert told["ended_at"] is not None
        assert told["status"] in ("succeeded", "failed", "cancelled")
        assert [attempt["attempt"] for attempt in told["attempts"]] == list(
            range(1, len(told["attempts"]) + 1)
        )
        assert all(attempt["outcome"] for attempt in told["attempts"])
        assert all(wait["to"] for wait in told["waits"])
    starts = [told["started_at"] or told["ended_at"] for told in activations]
    assert starts == sorted(starts, key=datetime.fromisoformat)


def test_waits_for_items_and_children_end_when_their_step_goes_on() -> None:
    spec = flow("t -> e -> c", bodies={"e": flow("x")})
    trace = run(spec, {"e": each([1, 2]), "c": children([1, 2])})
    told = timeline(trace.facts)
    [items] = [a for a in told["activations"] if a["step_id"] == "e"]
    [child] = [a for a in told["activations"] if a["step_id"] == "c"]
    assert [wait["kind"] for wait in items["waits"]] == ["items"]
    assert [wait["kind"] for wait in child["waits"]] == ["children"]
    assert items["waits"][0]["to"] == items["ended_at"]
    [first, _second] = [event for event in told["events"] if event["type"] == "ChildCompleted"]
    assert first == {
        "seq": first["seq"],
        "type": "ChildCompleted",
        "timestamp": first["timestamp"],
        "step_id": "c",
        "scope": "/",
        "index": 0,
        "child_run_id": "child-0",
        "status": "succeeded",
    }


def test_a_failed_step_is_told_with_its_error_and_a_cancel_with_its_reason() -> None:
    sim = begin(flow("t -> a, b"), {"a": fail("LOST")})
    for _ in range(5):
        sim.take(fifo(sim.options()))
    sim.cancel()
    told = timeline(sim.facts)
    [failed] = [event for event in told["events"] if event.get("status") == "error"]
    assert failed["error"] == {"code": "LOST", "message": "broken: LOST"}
    assert "ports" not in failed
    assert told["events"][-1] == {
        "seq": len(sim.facts),
        "type": "FlowCancelRequested",
        "timestamp": told["events"][-1]["timestamp"],
        "reason": "enough",
        "hard": False,
    }


def test_what_a_run_was_given_and_what_it_made_is_left_to_the_journal() -> None:
    trace = run(flow("t -> a"), {"a": ok(output="a great deal")})
    assert "a great deal" not in json.dumps(timeline(trace.facts))
