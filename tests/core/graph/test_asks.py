"""What steps ask of the outside, and who hears what: in any order, early, twice, late, and over crashes."""

from datetime import timedelta
from itertools import permutations

import pytest
from msgspec.structs import replace

from openrun.core.asks import Answer, Ask, AskKind, Decision
from openrun.core.events import SignalReceived, StepInterrupted, StepWaiting
from openrun.core.frame import Activation, Phase
from openrun.core.machine import UnexpectedFact
from openrun.core.orders import Rerun, Resume
from openrun.core.outstanding import outstanding, standing, timers
from openrun.core.results import AnswersWake, TimerWake, WaitForAnswers
from openrun.core.types import RunStatus

from .asking import agree, call, changes, interrupts, listens, open_asks, phase, rest, said, signal
from .harness import (
    BEGIN,
    Behaviour,
    Came,
    Hangs,
    Interrupts,
    Sim,
    begin,
    each,
    explicit,
    fail,
    ok,
    run,
    settle,
    wait,
    woken,
)
from .notation import flow

SOON = BEGIN + timedelta(hours=1)
LATER = BEGIN + timedelta(hours=2)
APPROVAL = Ask(kind=AskKind.APPROVAL, name="trip", quorum=2)


def done(sim: Sim) -> bool:
    return sim.machine.verdict is not None


def answer(sim: Sim, ask: str, value: object = None) -> None:
    """Answer an open ask, and let happen what follows."""
    sim.tell(Answer(ask=open_asks(sim)[ask].id, value=value))
    rest(sim)


def ring(sim: Sim, at: timedelta | None = None) -> None:
    """The next timer fires; `at` is how late the clock is then."""
    sim.clock += at or timedelta(0)
    ticket = next(ticket for ticket in sim.options() if ticket.kind == "timer")
    sim.take(ticket)
    rest(sim)


# -- signals by name ---------------------------------------------------------------------------------


def test_a_signal_wakes_the_step_that_waits_for_it() -> None:
    sim = rest(begin(flow("t -> a -> b"), {"a": listens("go")}))
    assert standing(sim.machine) is RunStatus.WAITING
    sim.tell(call("go", 7))
    trace = sim.finish()
    assert trace.ran == {"t": 1, "a": 1, "b": 1}
    assert trace.machine.state()["steps"]["a"] == [7]


def test_a_signal_goes_to_the_step_that_has_waited_longest() -> None:
    script = {"a": listens("go"), "b": listens("go")}
    sim = rest(begin(flow("t -> w -> a; t -> b", {}), {**script, "w": wait()}))
    ring(sim)
    sim.tell(call("go", "first"))
    sim.tell(call("go", "second"))
    outputs = sim.finish().machine.state()["steps"]
    assert (outputs["b"], outputs["a"]) == (["first"], ["second"])


def test_signals_of_another_name_wake_nobody() -> None:
    sim = rest(begin(flow("t -> a"), {"a": listens("go")}))
    sim.tell(call("stop"))
    assert phase(sim, "a") is Phase.WAITING
    with pytest.raises(Hangs):
        sim.finish()


def test_early_signals_are_kept_and_heard_in_the_order_in_which_they_came() -> None:
    sim = begin(flow("t -> a -> b -> c"), {step: listens("go") for step in "abc"})
    for value in (1, 2, 3):
        sim.tell(call("go", value))
    steps = sim.finish().machine.state()["steps"]
    assert [steps[step] for step in "abc"] == [[1], [2], [3]]


def test_a_step_that_waits_for_several_hears_the_signal_that_came_first() -> None:
    sim = begin(flow("t -> a -> b"), {"a": listens("x", "y"), "b": listens("x", "y")})
    sim.tell(call("y", "y1"))
    sim.tell(call("x", "x1"))
    steps = sim.finish().machine.state()["steps"]
    assert (steps["a"], steps["b"]) == (["y1"], ["x1"])


def test_the_first_of_several_consumes_one_and_leaves_the_others_to_who_comes() -> None:
    sim = begin(flow("t -> a -> b"), {"a": listens("x", "y"), "b": listens("y")})
    sim.tell(call("y", 1))
    sim.tell(call("y", 2))
    steps = sim.finish().machine.state()["steps"]
    assert (steps["a"], steps["b"]) == ([1], [2])


@pytest.mark.parametrize("who", ["later", "kept"])
def test_a_signal_that_comes_while_its_step_is_on_its_way_is_for_the_next(who: str) -> None:
    script = {"a": listens("x", "y"), "b": listens("y"), "c": wait()}
    sim = rest(begin(flow("t -> a; t -> b" if who == "later" else "t -> a -> c -> b"), script))
    sim.tell(call("x", "x1"))
    sim.tell(call("y", "y1"))
    sim.tell(call("y", "y2"))
    steps = sim.finish().machine.state()["steps"]
    assert steps["a"] == ["x1"]
    assert steps["b"] == ["y1"]


def test_a_signal_too_many_goes_to_who_began_to_wait_for_it_meanwhile() -> None:
    sim = rest(begin(flow("t -> a; t -> b"), {"a": listens("x", "y"), "b": wait()}))
    sim.tell(call("x", "x1"))
    sim.tell(call("y", "y1"))
    b = sim.machine.activation("b", "/")
    sim.record(sim.make.timer_fired(b, sim.now))
    sim.machine.orders.clear()
    sim.conclude(b, WaitForAnswers(asks=(signal("y"),)))
    sim.obey()
    assert phase(sim, "b") is Phase.WAITING
    rest(sim)
    assert (phase(sim, "a"), phase(sim, "b")) == (Phase.DONE, Phase.DONE)
    assert said(b) == ["y1"]


def test_signals_that_come_back_are_heard_before_those_that_came_after() -> None:
    script = {"a": listens("x", "y"), "b": listens("y", "z"), "c": listens("y", "z")}
    sim = rest(begin(flow("t -> a -> b -> c"), script))
    for word in ("x", "z", "y"):
        sim.tell(call(word, word))
    steps = sim.finish().machine.state()["steps"]
    assert [steps[step] for step in "abc"] == [["x"], ["y"], ["z"]]


def test_a_signal_may_answer_the_ask_itself() -> None:
    sim = rest(begin(flow("t -> a; t -> b"), {"a": listens("go"), "b": listens("go")}))
    answer(sim, "b.go", "for b")
    assert (phase(sim, "a"), phase(sim, "b")) == (Phase.WAITING, Phase.DONE)


def test_what_is_heard_tells_the_ask_and_its_name() -> None:
    heard: list[Answer] = []

    def behave(act: Activation) -> Came:
        heard.extend(act.answers)
        return listens("go")(act)

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    ask = open_asks(sim)["a.go"]
    sim.tell(Answer(ask=ask.id, value=1, by="ada"))
    sim.finish()
    assert heard == [Answer(ask=ask.id, name="go", value=1, by="ada")]


# -- asks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations("abc")))
def test_open_asks_are_answered_in_any_order(order: tuple[str, ...]) -> None:
    spec = flow("t -> a, b, c -> j", {"j": "ALL_SUCCESS"})
    sim = rest(begin(spec, {step: listens("go") for step in "abc"}))
    for step in order:
        assert not done(sim)
        answer(sim, f"{step}.go", step)
    steps = sim.finish().machine.state()["steps"]
    assert {step: steps[step] for step in "abc"} == {step: [step] for step in "abc"}


def test_a_step_that_waits_on_keeps_its_asks_and_their_answers() -> None:
    wakes: list[AnswersWake] = []

    def behave(act: Activation) -> Came:
        wake = woken(act)
        if isinstance(wake, AnswersWake):
            wakes.append(wake)
        return listens(APPROVAL, "go", most=3)(act)

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    before = open_asks(sim)
    answer(sim, "a.trip", "ada")
    answer(sim, "a.go", "go")
    assert open_asks(sim) == {"a.trip": before["a.trip"]}
    answer(sim, "a.trip", "bob")
    assert sim.finish().machine.state()["steps"]["a"] == ["ada", "go", "bob"]
    assert [[each.value for each in wake.answers] for wake in wakes] == [
        ["ada"],
        ["ada", "go"],
        ["ada", "go", "bob"],
    ]
    assert {wake.wait for wake in wakes} == {WaitForAnswers(asks=tuple(before.values()))}


def test_an_answer_that_comes_while_the_step_is_on_its_way_wakes_it_again() -> None:
    sim = rest(begin(flow("t -> a"), {"a": listens(APPROVAL, most=2)}))
    ask = open_asks(sim)["a.trip"].id
    sim.tell(Answer(ask=ask, value=1))
    sim.tell(Answer(ask=ask, value=2))
    assert sim.finish().machine.state()["steps"]["a"] == [1, 2]


def test_an_ask_that_the_step_does_not_wait_for_any_more_is_over() -> None:
    def narrow(act: Activation) -> Came:
        wake = woken(act)
        if isinstance(wake, AnswersWake) and len(wake.answers) == 1:
            return replace(wake.wait, asks=wake.wait.asks[:1])
        return listens(APPROVAL, "go")(act)

    sim = rest(begin(flow("t -> a"), {"a": narrow}))
    answer(sim, "a.trip")
    assert list(open_asks(sim)) == ["a.trip"]


def test_a_late_answer_changes_nothing() -> None:
    sim = rest(begin(flow("t -> a -> b"), {"a": listens("go"), "b": listens("go")}))
    ask = open_asks(sim)["a.go"].id
    answer(sim, "a.go", 1)
    before = sim.machine.state()
    sim.tell(Answer(ask=ask, value=2))
    sim.tell(Answer(ask="nobody's", value=3))
    rest(sim)
    assert sim.machine.state() == before
    assert phase(sim, "b") is Phase.WAITING
    late = [fact for fact in sim.facts if isinstance(fact, SignalReceived) and fact.step_id is None]
    assert [fact.answer.value for fact in late] == [2, 3]


def test_an_answer_that_nobody_asked_for_does_not_follow() -> None:
    sim = rest(begin(flow("t -> a"), {"a": listens("go")}))
    stray = sim.make.signal_received(Answer(ask="x"), sim.machine.activation("a", "/"), sim.now)
    with pytest.raises(UnexpectedFact, match="has not asked"):
        sim.machine.apply(stray)


def test_asks_in_items_loops_and_repeated_steps_have_ids_of_their_own() -> None:
    specs = {
        "items": (flow("t -> e", bodies={"e": flow("a")}), {"e": each([1, 2, 3])}),
        "loop": (flow("t -> h -> a; a.more -> h", {"h": "max=3"}), {}),
        "tokens": (flow("t -> x, y, z -> a"), {}),
    }
    for name, (spec, script) in specs.items():
        told = listens("go")
        looped = {"a": lambda act: ok("more") if woken(act) else listens("go")(act)}
        more = looped if name == "loop" else {"a": told}
        trace = run(spec, {**script, **more}, replies=agree)
        asks = [fact.wait for fact in trace.facts if isinstance(fact, StepWaiting)]
        ids = [wait.asks[0].id for wait in asks if isinstance(wait, WaitForAnswers)]
        assert len(ids) == 3
        assert len(set(ids)) == 3, name


def test_items_are_answered_each_by_itself() -> None:
    spec = flow("t -> e -> z", bodies={"e": flow("i -> a")})
    sim = rest(begin(spec, {"e": each(["x", "y"]), "a": listens("go")}))
    answer(sim, "a/e[1].go", "second")
    assert list(open_asks(sim)) == ["a/e[0].go"]
    answer(sim, "a/e[0].go", "first")
    assert sim.finish().machine.state()["steps"]["e"] == [["first"], ["second"]]


# -- interrupts --------------------------------------------------------------------------------------


def test_an_interrupted_step_runs_again_from_its_top_once_it_is_answered() -> None:
    tops = []

    def behave(act: Activation) -> Came:
        tops.append(said(act))
        assert woken(act) is None
        return interrupts("name", "age")(act)

    sim = rest(begin(flow("t -> a -> b"), {"a": behave}))
    answer(sim, "a.name", "ada")
    answer(sim, "a.age", 36)
    assert sim.finish().machine.state()["steps"]["a"] == ["ada", 36]
    assert tops == [[], ["ada"], ["ada", 36]]
    assert sim.machine.activation("a", "/").attempt == 1


def test_a_step_with_several_interrupts_runs_again_when_one_of_them_is_answered() -> None:
    sim = rest(begin(flow("t -> a"), {"a": interrupts("x", "y", together=True)}))
    assert list(open_asks(sim)) == ["a.x", "a.y"]
    answer(sim, "a.y", 2)
    assert list(open_asks(sim)) == ["a.x"]
    answer(sim, "a.x", 1)
    assert sim.finish().machine.state()["steps"]["a"] == [1, 2]


def test_an_interrupt_that_was_answered_while_the_step_ran_does_not_wait() -> None:
    sim = rest(begin(flow("t -> a"), {"a": interrupts("x", "y", together=True)}))
    both = open_asks(sim)
    sim.tell(Answer(ask=both["a.x"].id, value=1))
    sim.tell(Answer(ask=both["a.y"].id, value=2))
    assert sim.finish().machine.state()["steps"]["a"] == [1, 2]


def test_an_interrupt_asked_again_after_its_answer_came_runs_the_step_at_once() -> None:
    """The step did not know of the answer yet when it asked."""
    sim = rest(begin(flow("t -> a"), {"a": interrupts("x", "y", together=True)}))
    both = open_asks(sim)
    sim.tell(Answer(ask=both["a.x"].id, value=1))
    act = sim.machine.activation("a", "/")
    sim.tickets.clear()
    sim.conclude(act, Interrupts(tuple(both.values())))
    sim.obey()
    assert phase(sim, "a") is Phase.RESUMING
    answer(rest(sim), "a.y", 2)
    assert sim.finish().machine.state()["steps"]["a"] == [1, 2]


def test_two_branches_that_are_interrupted_are_answered_in_the_other_order() -> None:
    spec = flow("t -> x -> a; t -> y -> b; a, b -> j", {"j": "ALL_SUCCESS"})
    sim = rest(begin(spec, {"a": interrupts("one"), "b": interrupts("two")}))
    answer(sim, "b.two", 2)
    answer(sim, "a.one", 1)
    trace = sim.finish()
    assert trace.ran == dict.fromkeys("txyabj", 1)


def test_answers_stay_when_the_step_is_tried_again() -> None:
    def behave(act: Activation) -> Came:
        then = fail() if act.attempt == 1 else None
        return interrupts("x", then=then)(act)

    sim = rest(begin(flow("t -> a", {"a": "tries=2"}), {"a": behave}))
    answer(sim, "a.x", 5)
    trace = sim.finish()
    assert trace.machine.state()["steps"]["a"] == [5]
    assert [type(fact) for fact in trace.facts].count(StepInterrupted) == 1


def test_a_step_that_was_interrupted_may_wait_for_something_else_afterwards() -> None:
    """It is woken from that, and does not begin again."""
    then: list[Behaviour] = [wait(), listens("go"), each([1, 2])]
    for later in then:
        tops: list[object] = []

        def behave(act: Activation, later: Behaviour = later, tops: list[object] = tops) -> Came:
            tops.append(woken(act))
            came = interrupts("x")(act)
            return came if isinstance(came, Interrupts) else settle(later, act)

        sim = begin(flow("t -> a", bodies={"a": flow("i")}), {"a": behave}, replies=agree)
        assert sim.finish().status is RunStatus.SUCCEEDED
        assert tops[:2] == [None, None]
        assert None not in tops[2:]


def test_an_interrupt_that_the_step_went_on_without_is_over() -> None:
    def behave(act: Activation) -> Came:
        return settle(wait() if act.answers else interrupts("x", "y", together=True), act)

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    left = open_asks(sim)["a.y"].id
    answer(sim, "a.x")
    assert not open_asks(sim)
    assert sim.machine.listening.open(left) is None
    sim.tell(Answer(ask=left))
    assert phase(sim, "a") is Phase.WAITING
    assert sim.finish().status is RunStatus.SUCCEEDED


def test_a_step_that_fails_when_it_is_woken_hears_again_what_it_was_told() -> None:
    def behave(act: Activation) -> Came:
        came = listens(APPROVAL, "go", most=2)(act)
        return fail() if act.attempt == 1 and not isinstance(came, WaitForAnswers) else came

    sim = rest(begin(flow("t -> a", {"a": "tries=2"}), {"a": behave}))
    answer(sim, "a.trip", 1)
    sim.tell(call("go", 2))
    rest(sim)
    assert phase(sim, "a") is Phase.SCHEDULED
    ring(sim)
    assert sim.finish().machine.state()["steps"]["a"] == [1, 2]


def test_a_wait_in_place_of_another_is_one_of_its_own() -> None:
    def behave(act: Activation) -> Came:
        wake = woken(act)
        if isinstance(wake, AnswersWake) and len(wake.answers) == 1:
            return WaitForAnswers(asks=(signal("second"),))
        return listens("first")(act)

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    sim.tell(call("first", 1))
    rest(sim)
    assert list(open_asks(sim)) == ["a.second"]
    sim.tell(call("second", 2))
    assert sim.finish().machine.state()["steps"]["a"] == [1, 2]


# -- time --------------------------------------------------------------------------------------------


def test_a_wait_ends_at_its_instant_with_the_answers_that_came_before() -> None:
    wakes: list[object] = []

    def behave(act: Activation) -> Came:
        wakes.append(woken(act))
        return listens(APPROVAL, most=2, until=SOON)(act)

    sim = rest(begin(flow("t -> a; a.late -> b"), {"a": behave}))
    assert [order.due for order in timers(sim.machine)] == [SOON]
    answer(sim, "a.trip", "ada")
    ring(sim)
    trace = sim.finish()
    assert trace.ran["b"] == 1
    assert isinstance(wakes[-1], TimerWake)
    assert [each.value for each in wakes[-1].answers] == ["ada"]


def test_a_timer_does_not_wake_a_step_that_was_answered() -> None:
    sim = rest(begin(flow("t -> a -> b"), {"a": listens("go", until=SOON)}))
    sim.tell(call("go"))
    act = sim.machine.activation("a", "/")
    with pytest.raises(UnexpectedFact, match="waits for no timer"):
        sim.machine.apply(sim.make.timer_fired(act, SOON))


def test_an_interrupt_that_nobody_answered_in_time_runs_the_step_again() -> None:
    sim = rest(begin(flow("t -> a"), {"a": interrupts("x", until=SOON)}))
    ring(sim)
    act = sim.machine.activation("a", "/")
    assert len(act.expired) == 1
    assert sim.finish().machine.state()["steps"]["a"] == [None]


def test_of_several_interrupts_only_those_expire_whose_time_is_up() -> None:
    def behave(act: Activation) -> Came:
        came = interrupts("x", "y", together=True)(act)
        if isinstance(came, Interrupts):
            ends = {"x": SOON, "y": LATER}
            return Interrupts(tuple(replace(ask, until=ends[ask.name]) for ask in came.asks))
        return came

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    assert [order.due for order in timers(sim.machine)] == [SOON]
    ring(sim)
    assert list(open_asks(sim)) == ["a.y"]
    assert [order.due for order in timers(sim.machine)] == [LATER]
    answer(sim, "a.y", 2)
    assert sim.finish().machine.state()["steps"]["a"] == [None, 2]


def test_an_expired_ask_is_not_opened_again() -> None:
    """A wait goes on beyond the time of one of its asks."""
    asks = (signal("x", SOON), signal("y"))
    seen: list[object] = []

    def behave(act: Activation) -> Came:
        wake = woken(act)
        seen.append(wake)
        if isinstance(wake, TimerWake):
            return WaitForAnswers(asks=asks)
        return listens(*asks, until=SOON)(act)

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    changes(sim)
    ring(sim)
    assert sim.machine.activation("a", "/").expired
    assert ("a", "x", None) not in changes(sim)
    sim.tell(call("y", 1))
    assert sim.finish().machine.state()["steps"]["a"] == [1]


# -- how asks end ------------------------------------------------------------------------------------


def test_an_ask_is_opened_and_ends_with_its_answer() -> None:
    sim = rest(begin(flow("t -> a"), {"a": listens("go")}))
    assert changes(sim) == [("a", "go", None)]
    sim.tell(call("go"))
    assert changes(sim) == [("a", "go", "answered")]
    sim.finish()
    assert changes(sim) == []


@pytest.mark.parametrize(
    ("came", "outcome"),
    [(ok(), "answered"), (ok("approved"), "approved"), (ok("rejected"), "rejected"), (fail(), "failed")],
)
def test_what_is_still_open_when_the_step_ends_is_over_as_the_step_ended(came: Came, outcome: str) -> None:
    def behave(act: Activation) -> Came:
        return came if woken(act) else WaitForAnswers(asks=(APPROVAL, signal("go")))

    spec = flow("t -> a; a.approved -> b; a.rejected -> c")
    sim = rest(begin(spec, {"a": behave}))
    changes(sim)
    answer(sim, "a.trip")
    assert changes(sim) == [("a", "trip", outcome), ("a", "go", outcome)]


def test_an_ask_whose_time_is_up_ends_by_the_port_of_its_step() -> None:
    sim = rest(begin(flow("t -> a; a.late -> b"), {"a": listens("go", until=SOON)}))
    changes(sim)
    ring(sim)
    assert changes(sim) == [("a", "go", "late")]


def test_an_interrupt_whose_time_is_up_is_expired() -> None:
    sim = rest(begin(flow("t -> a"), {"a": interrupts("x", until=SOON)}))
    changes(sim)
    ring(sim)
    assert changes(sim) == [("a", "x", "expired")]


def test_the_asks_of_a_cancelled_step_are_cancelled() -> None:
    script = {"a": listens("go"), "b": interrupts("x")}
    sim = rest(begin(flow("t -> a; t -> b"), script))
    changes(sim)
    sim.cancel()
    assert sorted(changes(sim)) == [("a", "go", "cancelled"), ("b", "x", "cancelled")]
    assert sim.finish().status is RunStatus.CANCELLED


def test_a_change_says_who_asked_and_since_when() -> None:
    sim = rest(begin(flow("t -> a"), {"a": listens("go")}))
    (opened,) = sim.machine.listening.changes
    assert (opened.step_id, opened.scope, opened.closed_at) == ("a", "/", None)
    sim.machine.listening.changes.clear()
    sim.clock = LATER
    sim.tell(call("go"))
    (closed,) = sim.machine.listening.changes
    assert closed.opened_at == opened.opened_at
    assert closed.closed_at is not None
    assert closed.closed_at >= LATER


# -- stopping, pausing, going on ---------------------------------------------------------------------


def test_a_step_that_is_cancelled_while_it_is_woken_does_not_wait_on() -> None:
    sim = rest(begin(flow("t -> a -> b"), {"a": listens(APPROVAL, most=2)}))
    sim.tell(Answer(ask=open_asks(sim)["a.trip"].id))
    sim.cancel()
    trace = sim.finish()
    assert (trace.cancelled, trace.ran["b"]) == (["a"], 0)


@pytest.mark.parametrize("behave", [listens("go", "stop"), interrupts("x")])
def test_a_step_told_to_stop_asks_nobody_any_more(behave: object) -> None:
    sim = begin(flow("t -> a"), {"a": behave}, stubborn=frozenset({"a"}))  # type: ignore[dict-item]
    while phase(sim, "t") is not Phase.DONE:
        sim.take(sim.options()[0])
    sim.take(sim.options()[0])
    sim.cancel()
    trace = sim.finish()
    assert trace.cancelled == ["a"]
    assert not open_asks(sim)


def test_an_answer_to_a_step_that_is_to_stop_does_not_wake_it() -> None:
    sim = rest(begin(flow("t -> a"), {"a": listens("go")}))
    act = sim.machine.activation("a", "/")
    ask = open_asks(sim)["a.go"].id
    act.cancelling = True
    sim.record(sim.make.signal_received(Answer(ask=ask), act, sim.now))
    assert not sim.machine.orders


def test_answers_that_come_during_a_pause_wait_for_its_end() -> None:
    sim = rest(begin(flow("t -> a -> b"), {"a": listens("go")}))
    sim.pause()
    sim.tell(call("go"))
    assert not sim.options()
    sim.resume()
    assert sim.finish().ran["b"] == 1


@pytest.mark.parametrize(("behave", "order"), [(listens("go"), Resume), (interrupts("go"), Rerun)])
def test_whoever_takes_a_run_over_wakes_who_was_answered(behave: object, order: type) -> None:
    sim = rest(begin(flow("t -> a"), {"a": behave}))  # type: ignore[dict-item]
    sim.record(sim.make.signal_received(*_to("go", sim), sim.now))
    assert [type(found) for found in outstanding(sim.machine)] == [order]


def _to(name: str, sim: Sim) -> tuple[Answer, Activation]:
    ((act, ask),) = sim.asks()
    assert ask.name == name
    return Answer(ask=ask.id, name=name), act


def test_decisions_come_through_as_they_were_made() -> None:
    def behave(act: Activation) -> Came:
        wake = woken(act)
        if not isinstance(wake, AnswersWake):
            return WaitForAnswers(asks=(APPROVAL,))
        return ok(output=[wake.answers[0].decision.value, wake.answers[0].reason])

    sim = rest(begin(flow("t -> a"), {"a": behave}))
    ask = open_asks(sim)["a.trip"].id
    sim.tell(Answer(ask=ask, decision=Decision.REJECTED, reason="too dear", by="ada"))
    assert sim.finish().machine.state()["steps"]["a"] == ["rejected", "too dear"]


def test_signals_are_taken_by_name_in_the_order_a_test_says() -> None:
    script = {"a": listens("x"), "b": listens("y")}
    trace = run(
        flow("t -> a; t -> b"), script, explicit("t", "a", "b", "y?", "b", "x?"), mail=[call("x"), call("y")]
    )
    assert trace.status is RunStatus.SUCCEEDED
